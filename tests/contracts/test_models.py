"""Contracts are frozen, closed, and refuse what has no meaning."""

import importlib
import math
import pkgutil
from datetime import UTC, date, datetime, time

import pytest
from pydantic import BaseModel, ValidationError

import data_quality.contracts as package
from data_quality.contracts.billing.tariff import TouPeriod
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.errors import BadInput, BadRow, MeterloomError, OurFault, WorldFault
from data_quality.contracts.finding import Finding, Verdict
from data_quality.contracts.people import People, Person, Role
from data_quality.contracts.reporting.figure import figure_id
from data_quality.contracts.site_file.site import Asset, BaselinePeriod, Site


def all_models() -> list[type[BaseModel]]:
    found = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found += [
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
        ]
    return found


@pytest.mark.parametrize("model", all_models(), ids=lambda model: model.__name__)
def test_every_contract_is_described_and_the_parameters_frozen_and_closed(model: type[BaseModel]) -> None:
    assert model.__doc__
    if model.__name__ != "Problem":
        assert model.model_config.get("frozen") is True
        assert model.model_config.get("extra") == "forbid"


BATTERY = {"capacity_kwh": 10, "max_charge_kw": 5, "max_discharge_kw": 5, "soc_min": 0.1, "soc_max": 0.9}


@pytest.mark.parametrize("change", [{"soc_min": 0.9}, {"capacity_kwh": 0}, {"capacity_kwh": math.nan}, {"typo": 1}])
def test_a_battery_without_meaning_is_refused(change: dict[str, float]) -> None:
    BatteryParams.model_validate(BATTERY)
    with pytest.raises(ValidationError):
        BatteryParams.model_validate(BATTERY | change)


def test_a_contract_does_not_change_after_it_was_made() -> None:
    battery = BatteryParams.model_validate(BATTERY)
    with pytest.raises(ValidationError, match="frozen"):
        battery.capacity_kwh = 99  # type: ignore[misc]


def test_quantiles_do_not_cross() -> None:
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    ForecastRow(time_utc=moment, p10=1, p50=1, p90=1)
    with pytest.raises(ValidationError, match="quantiles cross at 2025-01-01T00:00Z"):
        ForecastRow(time_utc=moment, p10=2, p50=1, p90=3)


def test_a_forecast_stored_by_an_earlier_release_is_read() -> None:
    row = {"time_utc": "2025-01-01T00:00:00Z", "p10_kwh": 1.0, "p50_kwh": 2.0, "p90_kwh": 3.0}
    known = {"site_id": "home", "target": "meter:house", "model_name": "home.house.import.day_ahead.x"}
    times = {"issued_at_utc": "2025-01-01T00:00:00Z", "available_at_utc": "2025-01-01T00:00:00Z"}
    stored = {**known, **times, "forecast_id": "a", "model_version": "1", "input_digest": "d", "is_synthetic": True}
    found = Forecast.model_validate({**stored, "rows": [row]})
    assert (found.rows[0].p10, found.rows[0].p50, found.rows[0].p90) == (1.0, 2.0, 3.0)
    assert (found.unit, found.step_minutes, found.labels, found.trajectories) == ("kwh", 60, {}, ())


def test_a_tariff_period_starts_on_a_quarter_hour() -> None:
    with pytest.raises(ValidationError, match="must start and end on a quarter hour, got 06:10:00"):
        TouPeriod(period_id="day", price_per_kwh=0.2, start=time(6, 10))


def test_a_baseline_period_has_at_least_a_day() -> None:
    with pytest.raises(ValidationError, match="ends"):
        BaselinePeriod(start=date(2025, 1, 1), end=date(2025, 1, 1))


def test_a_site_knows_its_streams_and_an_asset_its_meter() -> None:
    fields = {
        "site_id": "s",
        "name": "S",
        "time_zone": "UTC",
        "currency": "EUR",
        "country": "DE",
        "meters": [{"meter_id": "main"}],
        "drivers": [{"driver_id": "d", "unit": "degC", "aggregation": "mean"}],
    }
    site = Site.model_validate(fields)
    assert site.stream_ids() == ["main", "d"]
    assert site.drivers[0].unit == "degc"
    assert site.meter("main") is not None
    assert site.meter("other") is None
    for change, sentence in (
        ({"assets": [Asset(asset_id="b", kind="battery", meter="x")]}, "asset 'b': meter 'x' is not of this site"),
        ({"forecast_targets": ["x"]}, "forecast target 'x'"),
        ({"price_stream": "x"}, "price stream 'x'"),
    ):
        with pytest.raises(ValidationError, match=sentence):
            Site.model_validate(fields | change)


def test_only_a_person_with_the_role_may_act() -> None:
    people = People(people=(Person(person_id="anna", name="Anna", roles=(Role.APPROVER,)),))
    assert people.acting("anna", Role.APPROVER).name == "Anna"
    with pytest.raises(BadInput, match=r"Anna has not the role 'publisher' \(roles: approver\)"):
        people.acting("anna", Role.PUBLISHER)
    with pytest.raises(BadInput, match="unknown person 'bob'; the people file names anna"):
        people.acting("bob", Role.APPROVER)
    with pytest.raises(ValidationError, match="appears twice"):
        People(people=people.people * 2)


def test_a_figure_id_depends_on_everything_that_names_the_cell() -> None:
    cell = {
        "report": "enpi",
        "revision": "1",
        "path": "a/b",
        "scope": "seu:x",
        "start": date(2025, 1, 1),
        "end": date(2025, 4, 1),
    }
    assert len(figure_id(**cell)) == 16
    others = {"report": "x", "revision": "2", "path": "a", "scope": "y", "start": date(2024, 1, 1), "end": date.max}
    ids = {figure_id(**(cell | {name: value})) for name, value in others.items()}
    assert len(ids | {figure_id(**cell)}) == 7


def test_the_worlds_faults_and_ours_are_told_apart() -> None:
    row = BadRow(file="a.csv", line=3, reason="not_a_number", expected="a number", got="x")
    assert str(row) == "a.csv, line 3: expected a number, got 'x'"
    assert isinstance(row, WorldFault)
    assert str(BadInput("no", file="a", line=1, column=2)) == "a, line 1, column 2: no"
    assert str(BadInput("no")) == "no"
    assert issubclass(OurFault, MeterloomError)
    assert not issubclass(OurFault, WorldFault)


def test_only_a_blocking_finding_blocks() -> None:
    assert Finding(code="few_days", message="212 of 365", severity="blocking").is_blocking
    assert not Finding(code="few_days", message="212 of 365").is_blocking
    assert Verdict(passed=True).facts == {}
