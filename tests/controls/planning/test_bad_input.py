"""Bad input ends in a named refusal, or in a plan that says what is odd about it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from controls.optimiser.case import case_of
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.context import state_reader
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import plan_request
from controls.planning.summary import summarise
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.controls.planning.examples import DAY, HOME, NOW, device, forecast, inputs, prices, published, request

NAN = float("nan")


def test_a_site_whose_devices_say_no_state_is_asked_for_none(clock: FixedClock) -> None:
    boiler = {"asset_id": "boiler", "kind": "sheddable_load", "params": {"load_kw": 1.0, "price_per_kwh": 0.1}}
    content = HOME.model_dump()
    assert state_reader(Site.model_validate(content | {"assets": [boiler]}), Settings(), clock)() == {}
    content["assets"][0]["template"] = ""
    assert state_reader(Site.model_validate(content), Settings(), clock)() == {}


def nan_from(hour: int, target: str = "pv") -> Forecast:
    """A flat forecast whose values are no numbers from an hour on; made past the checks of its model."""
    good = forecast(target, 0.3)
    rows = tuple(
        row if k < hour else type(row).model_construct(**row.model_dump() | {"p50": NAN})
        for k, row in enumerate(good.rows)
    )
    return Forecast.model_construct(**dict(good) | {"rows": rows})


def with_battery(**params: Any) -> Site:
    """The home whose battery says more."""
    home = HOME.model_dump()
    home["assets"][0]["params"] |= params
    return Site.model_validate(home)


def planned(requested: PlanRequest) -> Plan:
    """Its plan."""
    solution = solve(requested)
    assert isinstance(solution, Solution), solution
    return make_plan(requested, solution, created_at_utc=NOW, version=1)


@pytest.mark.parametrize("role", ["load", "pv"])
def test_a_forecast_of_no_number_is_a_hole_before_which_a_plan_ends(role: str) -> None:
    # 10:00 to 24:00 are 56 quarter hours; until 20:00 they are too few for a plan.
    given = {"load": {"load_forecast": nan_from(24, "house")}, "pv": {"pv_forecast": nan_from(24)}}[role]
    assert len(request(**given).load_kw) == 56
    soon = {"load": {"load_forecast": nan_from(20, "house")}, "pv": {"pv_forecast": nan_from(20)}}[role]
    answer = plan_request(HOME, **inputs(**soon))
    assert isinstance(answer, Finding)
    assert answer.code == "horizon_too_short"
    assert f"{role} 10 h" in answer.message


def test_a_price_of_no_number_is_a_hole_too() -> None:
    odd = prices().with_columns(
        price_per_kwh=pl.when(pl.col("interval_start_utc") >= DAY + timedelta(hours=24))
        .then(NAN)
        .otherwise(pl.col("price_per_kwh"))
    )
    assert len(request(prices=odd).load_kw) == 56


@pytest.mark.parametrize("soc_kwh", [-0.1, 10.2, NAN])
def test_a_charge_that_cannot_be_is_refused(soc_kwh: float) -> None:
    answer = plan_request(HOME, **inputs(soc_kwh=soc_kwh))
    assert isinstance(answer, Finding)
    assert answer.code == "soc_out_of_bounds"
    assert "of a battery of 10 kWh" in answer.message


@pytest.mark.parametrize(("soc_kwh", "side"), [(0.4, "below 1.00"), (9.9, "above 9.50")])
def test_a_charge_outside_its_window_is_planned_back_into_it_and_said(soc_kwh: float, side: str) -> None:
    made = planned(request(soc_kwh=soc_kwh, mode=Mode.FULL))
    charge = [step.total("soc_end_kwh") for step in made.steps]
    # Above the ceiling only the load of the house can take it: 0.5 kW, or more is sold.
    assert all(1.0 - 1e-6 <= each <= 9.5 + 1e-6 for each in charge[4:])
    assert f"Battery: holds {soc_kwh:.2f} kWh, {side} kWh, and returns there first." in summarise(made, time_zone="UTC")
    assert published(made) == made


def test_a_reserve_that_an_outage_used_is_filled_again_first() -> None:
    home = with_battery(mode="backup", reserve=0.6)
    dispatch_request = request(site=home, soc_kwh=4.0, mode=Mode.FULL)
    # 2 kWh at 5 kW and 0.975 need 25 minutes.
    charge = [step.total("soc_end_kwh") for step in planned(dispatch_request).steps]
    assert charge[1] == pytest.approx(6.0)
    assert [remark.partition(" (")[2] for remark in device(dispatch_request, "battery").remarks] == ["mode backup)", ""]


def test_figures_of_a_battery_that_contradict_one_another_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"site home, asset 'battery', params.*mode backup and reserve go together"):
        request(site=with_battery(mode="backup"))


def moved(days: int, now_utc: datetime) -> dict[str, object]:
    """The inputs of another day."""
    by = timedelta(days=days)

    def later(made: Forecast) -> Forecast:
        rows = tuple(row.model_copy(update={"time_utc": row.time_utc + by}) for row in made.rows)
        times = {"issued_at_utc": made.issued_at_utc + by, "available_at_utc": made.available_at_utc + by}
        return made.model_copy(update=times | {"rows": rows})

    return {
        "load_forecast": later(forecast("house", 0.8)),
        "pv_forecast": later(forecast("pv", 0.3)),
        "prices": prices().with_columns(pl.col("interval_start_utc") + by),
        "now_utc": now_utc,
    }


@pytest.mark.parametrize(
    ("day", "midnight_h", "twos"),
    [(datetime(2026, 3, 29, tzinfo=UTC), -1, 0), (datetime(2026, 10, 25, tzinfo=UTC), -2, 8)],
)
def test_a_plan_across_a_clock_change_has_equal_steps_and_the_hours_of_the_wall(
    day: datetime, midnight_h: int, twos: int
) -> None:
    start = day + timedelta(hours=midnight_h)
    # At two o'clock on the wall the cellar is cold: an hour that one night lacks, and the other has twice.
    cellar = [20.0] * 24
    cellar[2] = -10.0
    home = with_battery(derating=[[-20, 0.0], [0, 1.0]], temperature_degc=cellar)
    dispatch_request = request(site=home, mode=Mode.FULL, **moved((start.date() - DAY.date()).days, start))
    windows = case_of(dispatch_request).windows_utc
    assert len(windows) == 96
    assert {end - begin for begin, end in windows} == {timedelta(minutes=15)}
    most_kw = device(dispatch_request, "battery").charge_most_kw
    assert sum(power < 5 for power in most_kw) == twos
    assert planned(dispatch_request).steps[-1].end_utc == start + timedelta(hours=24)
