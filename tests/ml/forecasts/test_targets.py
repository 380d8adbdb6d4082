"""Forecast targets of a site, and the series of each: base load, days, prices beyond publication."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.forecast_target import ForecastTarget
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import Asset, Driver, EmissionFactorEntry, Site
from data_quality.contracts.time import local_midnight_utc
from ml.features.forecast_case import Case
from ml.forecasts.site_case import target_case
from ml.forecasts.targets import Target, target_of, targets_of
from tests.ml.cases import ZONE, quarters, stream

START = datetime(2025, 1, 6, tzinfo=UTC)
GRID = Meter(meter_id="grid", registers=(Register(register_id="import"), Register(register_id="export")))


def home(**more: object) -> Site:
    """PV, a battery, relays and a car behind one connection; a price by quarter hour."""
    charge = (Register(register_id="charge"), Register(register_id="discharge"))
    meters = (
        GRID,
        Meter(meter_id="pv", parent="grid", registers=(Register(register_id="value"),)),
        Meter(meter_id="battery", parent="grid", registers=charge),
        Meter(meter_id="heating", parent="grid"),
        Meter(meter_id="ev", parent="grid"),
        Meter(meter_id="net", formula="grid.import - grid.export", parent="grid"),
    )
    assets = (
        Asset(asset_id="pv", kind="pv", meter="pv"),
        Asset(asset_id="battery", kind="battery", meter="battery"),
        Asset(asset_id="relay_1", kind="heating_relay", meter="heating"),
        Asset(asset_id="relay_2", kind="heating_relay", meter="heating"),
        Asset(asset_id="ev", kind="ev_charger", meter="ev"),
    )
    facts: dict[str, object] = {
        "meters": meters,
        "assets": assets,
        "drivers": (Driver(driver_id="price", unit="per_kwh", aggregation="mean"),),
        "factors": (
            EmissionFactorEntry(
                factor_id="f",
                kgco2e_per_kwh=0.4,
                valid_from=date(2025, 1, 1),
                valid_to=date(2026, 1, 1),
                source="invented",
            ),
        ),
    }
    facts |= {"site_id": "plant", "name": "Home", "time_zone": ZONE, "currency": "EUR", "country": "DE"}
    return Site.model_validate(facts | more)


def case(readings: pl.DataFrame, name: str, end_utc: datetime, site: Site | None = None) -> Case | Finding:
    known = site or home()
    return target_case(readings, site=known, target=target_of(known, name), end_utc=end_utc)


def series_of_case(found: Case | Finding) -> np.ndarray:
    assert isinstance(found, Case), found
    return found.series.values


BASE = 0.2 + 0.1 * np.sin(np.arange(4 * 48) / 7)
PV, HEAT, EV = np.full(192, 0.9), np.full(192, 0.25), np.where(np.arange(192) % 96 < 20, 1.5, 0.0)
CHARGE, DISCHARGE = np.where(np.arange(192) % 2, 0.1, 0.0), np.where(np.arange(192) % 2, 0.0, 0.3)
NET = BASE + HEAT + EV + CHARGE - DISCHARGE - PV


def parts(**changed: np.ndarray) -> pl.DataFrame:
    """Readings that the identity makes BASE of."""
    given = {
        "grid.import": np.maximum(NET, 0.0),
        "grid.export": np.maximum(-NET, 0.0),
        "pv.value": PV,
        "battery.charge": CHARGE,
        "battery.discharge": DISCHARGE,
        "heating.import": HEAT,
        "ev.import": EV,
    } | changed
    frames = []
    for name, values in given.items():
        meter, _, register = name.partition(".")
        kwh: list[float] = np.round(values, 9).tolist()
        rows = stream(meter, START, kwh, register=register)
        frames.append(rows.filter(pl.col("value").is_not_nan()))
    return pl.concat(frames)


@pytest.mark.parametrize(("name", "per_hour"), [("base_load", 4), ("base_load@15min", 1)])
def test_base_load_is_what_no_storage_heating_or_car_took(name: str, per_hour: int) -> None:
    found = series_of_case(case(parts(), name, START + timedelta(days=2)))
    np.testing.assert_allclose(found, BASE.reshape(-1, per_hour).sum(axis=1), atol=1e-6)


def test_a_step_that_one_meter_missed_is_a_gap_in_the_base_load_and_not_a_zero() -> None:
    holed = EV.copy()
    holed[8:12] = np.nan
    found = series_of_case(case(parts(**{"ev.import": holed}), "base_load", START + timedelta(days=2)))
    assert np.flatnonzero(np.isnan(found)).tolist() == [2]


def test_a_device_whose_readings_or_whose_meter_are_missing_stops_the_base_load_by_name() -> None:
    unread = case(parts(**{"ev.import": np.full(192, np.nan)}), "base_load", START + timedelta(days=2))
    assert isinstance(unread, Finding)
    assert (unread.code, "car charging (meter:ev)" in unread.message) == ("base_load_part_missing", True)
    assets = (*home().assets, Asset(asset_id="pump", kind="heat_pump"))
    unmetered = case(parts(), "base_load", START + timedelta(days=2), home(assets=assets))
    assert isinstance(unmetered, Finding)
    assert "heat_pump 'pump' has no meter" in unmetered.message


def test_what_hangs_below_another_heating_meter_is_taken_out_once() -> None:
    meters = (*home().meters, Meter(meter_id="pump", parent="heating"))
    assets = (*home().assets, Asset(asset_id="pump", kind="heat_pump", meter="pump"))
    readings = pl.concat([parts(), stream("pump", START, [0.1] * 192)])
    found = case(readings, "base_load", START + timedelta(days=2), home(meters=meters, assets=assets))
    np.testing.assert_allclose(series_of_case(found), BASE.reshape(-1, 4).sum(axis=1), atol=1e-6)


def test_days_of_92_and_100_quarter_hours_are_days() -> None:
    for change, length in ((date(2025, 3, 30), 92), (date(2025, 10, 26), 100)):
        first, after = change - timedelta(days=1), change + timedelta(days=2)
        start = local_midnight_utc(first, ZONE)
        readings = stream("grid", start, [0.5] * quarters(first, after))
        end = local_midnight_utc(after, ZONE)
        energy = case(readings, "meter:grid@daily_energy", end)
        assert isinstance(energy, Case)
        assert energy.series.start_utc == datetime(first.year, first.month, first.day, tzinfo=UTC)
        assert energy.series.values.tolist() == [48.0, length / 2, 48.0]
        assert energy.civil.weekday[:3].tolist() == [6, 7, 1]
        assert series_of_case(case(readings, "meter:grid@daily_peak", end)).tolist() == [2.0, 2.0, 2.0]
        carbon = case(readings, "meter:grid@daily_carbon", end)
        np.testing.assert_allclose(series_of_case(carbon), [19.2, 0.2 * length, 19.2])


def test_a_day_counts_with_nine_tenths_of_its_quarters_and_is_scaled_to_all_of_them() -> None:
    start = local_midnight_utc(date(2025, 1, 7), ZONE)
    readings = stream("grid", start, [1.0] * 96 * 3)
    known = readings.filter(~pl.int_range(pl.len()).is_between(10, 18) & ~pl.int_range(pl.len()).is_between(100, 115))
    found = series_of_case(case(known, "meter:grid@daily_energy", start + timedelta(days=3)))
    assert found[[0, 2]].tolist() == pytest.approx([96.0, 96.0])
    assert np.isnan(found[1])


def test_a_day_in_progress_is_not_known_and_its_forecast_begins_with_it() -> None:
    start = local_midnight_utc(date(2025, 1, 7), ZONE)
    issue = start + timedelta(days=2, hours=11)
    known = home()
    target = target_of(known, "grid@daily_peak")
    found = case(stream("grid", start, [1.0] * 96 * 3), target.name, issue)
    assert isinstance(found, Case)
    assert len(found.series.values) == 2
    assert target.origin(found.series, issue, issue.astimezone()) == 2


def test_carbon_by_the_hours_own_factor_where_the_site_has_one_else_by_the_days() -> None:
    start = local_midnight_utc(date(2025, 1, 7), ZONE)
    drivers = (Driver(driver_id="intensity", unit="kgco2e_per_kwh", aggregation="mean"),)
    hourly = stream("intensity", start, [0.1] * 48, register="value", unit="kgco2e_per_kwh")
    readings = pl.concat([stream("grid", start, [1.0] * 96), hourly])
    found = case(readings, "meter:grid@daily_carbon", start + timedelta(days=1), home(drivers=drivers))
    assert series_of_case(found).tolist() == pytest.approx([48 * 0.1 + 48 * 0.4])
    none = case(readings, "meter:grid@daily_carbon", start + timedelta(days=1), home(factors=()))
    assert isinstance(none, Finding)
    assert none.code == "no_factor"


def test_a_price_is_forecast_from_where_publication_ends() -> None:
    noon = datetime(2025, 1, 8, 12, tzinfo=UTC)
    published = 96 * 2 + 92  # to the end of the 8th by the local clock
    readings = stream("price", START, [0.2] * published, register="value", unit="per_kwh")
    target, issue = target_of(home(), "price"), noon - timedelta(hours=1)
    assert target.is_published
    found = target_case(readings, site=home(), target=target, end_utc=issue)
    assert isinstance(found, Case)
    assert found.series.end_utc == datetime(2025, 1, 8, 23, tzinfo=UTC)
    origin = target.origin(found.series, issue, issue)
    assert found.series.time(origin) == datetime(2025, 1, 8, 23, tzinfo=UTC)
    # What an import brought of later days was not published at the issue.
    early = target_case(readings, site=home(), target=target, end_utc=START + timedelta(hours=3))
    assert isinstance(early, Case)
    assert early.series.end_utc == datetime(2025, 1, 7, 23, tzinfo=UTC)


def test_net_load_may_fall_below_zero() -> None:
    from assets.sites.virtual import with_virtual

    site = home()
    found = case(with_virtual(site, parts(), None), "meter:net", START + timedelta(days=2), site)
    values = series_of_case(found)
    np.testing.assert_allclose(values, NET.reshape(-1, 4).sum(axis=1), atol=1e-6)
    assert isinstance(found, Case)
    assert (values.min() < 0, found.series.floor) == (True, None)


def test_names_of_before_stay_and_every_product_has_one_of_its_own() -> None:
    words = (
        ForecastTarget(target="grid", step_minutes=15),
        ForecastTarget(target="grid", what="daily_peak", horizon_h=48),
        ForecastTarget(what="base_load"),
        ForecastTarget(target="grid", register_id="export"),
        ForecastTarget(target="price"),
    )
    site = home(forecast_targets=("ev", "price"), forecasts=words)
    found = {one.name: one for one in targets_of(site)}
    assert list(found) == [
        "meter:ev",
        "meter:price",
        "meter:grid@15min",
        "meter:grid@daily_peak",
        "base_load",
        "meter:grid.export",
    ]
    assert found["meter:ev"].family == "plant.ev.import.day_ahead"
    assert [found[name].steps for name in found] == [48, 168, 192, 2, 168, 168]
    assert len({one.family for one in found.values()}) == len(found)
    assert all(target_of(site, name) == one for name, one in found.items())


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"what": "base_load", "target": "grid"}, "names no target"),
        ({"what": "daily_peak"}, "every other forecast names one"),
        ({"target": "grid", "horizon_h": 200}, "expected up to 168"),
        ({"target": "grid", "what": "daily_energy", "horizon_h": 36}, "whole days"),
        ({"target": "grid", "what": "daily_energy", "step_minutes": 60}, "leave step_minutes out"),
    ],
)
def test_what_cannot_be_forecast_so_is_refused_in_a_sentence(requested: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ForecastTarget.model_validate(requested)


def test_a_forecast_of_what_the_site_lacks_or_of_no_kwh_is_refused() -> None:
    with pytest.raises(ValidationError, match="forecast: meter 'price' is not of this site"):
        home(forecasts=({"target": "price", "what": "daily_energy"},))
    with pytest.raises(ValidationError, match="forecast id appears twice: base_load 60 min"):
        home(forecasts=({"what": "base_load"}, {"what": "base_load", "horizon_h": 24}))
    water = home(meters=(*home().meters, Meter(meter_id="water", carrier="water")))
    with pytest.raises(BadInput, match="counts m3"):
        target_of(water, "water@daily_peak")
    with pytest.raises(BadInput, match="expected @15min"):
        target_of(home(), "grid@weekly")


def test_a_site_that_asks_for_nothing_more_is_stored_as_before() -> None:
    assert "forecasts" not in home().model_dump()
    assert isinstance(targets_of(home(forecasts=({"what": "base_load"},)))[0], Target)
