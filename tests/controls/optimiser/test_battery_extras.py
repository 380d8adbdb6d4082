"""Options of a battery beyond its ratings: each changes the plan as a person would work it out; none by default."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.components.battery_curves import Cells, ConversionCurve
from controls.optimiser.devices.device import AssetState
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Asset
from tests.controls.optimiser.toys import TOY, TOY_BATTERY, changed

PARAMS = {"capacity_kwh": 10, "max_charge_kw": 5, "max_discharge_kw": 5, "soc_min": 0.1, "soc_max": 0.9}
LOSSLESS = {"charge_efficiency": 1.0, "discharge_efficiency": 1.0, "wear_per_kwh": 0.0}
# 0.95 at 1 kW, 0.9 at 2 kW: the second kilowatt stores 0.85.
CONCAVE = ((1.0, 0.95), (2.0, 1.8))
# Poor at little power: 0.5 at 1 kW, 0.9 at 2 kW: the second kilowatt stores 1.3.
CONVEX = ((1.0, 0.5), (2.0, 1.8))


def solved(case: DispatchCase, **options: Any) -> Solution:
    """Its solution, which keeps every rule of the case and costs what it says."""
    answer = solve(case, **options)
    assert isinstance(answer, Solution), answer
    replay = replay_case(case, answer.series)
    assert replay.problems == ()
    assert replay.cost == pytest.approx(answer.objective, abs=1e-9)
    return answer


def hours(count: int, **changes: Any) -> DispatchCase:
    """So many hours without load and sun, at 0.10."""
    flat = {"load_kw": (0.0,) * count, "pv_kw": (0.0,) * count, "step_h": (1.0,) * count}
    prices = {"import_price_per_kwh": (0.10,) * count, "export_price_per_kwh": (0.0,) * count}
    return changed(TOY, **flat | prices | changes)


def bat(answer: Solution, column: str) -> tuple[float, ...]:
    """A series of the battery."""
    return answer.series.devices["bat"][column]


def asset(**params: Any) -> Asset:
    """A battery of a site file."""
    return Asset(asset_id="bat", kind="battery", params=PARAMS | params)


def at_planning(state_kwh: float = 5.0, *, steps: int = 4, **facts: Any) -> AssetState:
    """Inputs of a plan of hours, made at 20:00 in Prague."""
    known = {"load_kw": (1.0,) * steps, "pv_kw": (0.0,) * steps, "import_price_per_kwh": (0.2,) * steps}
    return AssetState(
        site_id="home", state=state_kwh, start_utc=datetime(2026, 6, 1, 18, tzinfo=UTC), step_h=1.0,
        time_zone="Europe/Prague", **known | facts,
    )  # fmt: skip


def made(params: dict[str, Any], given: AssetState) -> Battery:
    """The battery of a plan."""
    return Battery.from_asset(asset(**params), given)


def test_a_battery_that_says_nothing_more_is_stored_as_before() -> None:
    stored = made({}, at_planning()).model_dump(mode="json", exclude={"device_id"})
    assert set(stored) == {
        "max_charge_kw", "max_discharge_kw", "charge_efficiency", "discharge_efficiency", "soc_min_kwh", "soc_max_kwh",
        "soc_init_kwh", "soc_end_min_kwh", "wear_per_kwh", "capacity_kwh",
    }  # fmt: skip


def test_charge_left_over_is_kept_where_it_is_worth_more_than_it_earns() -> None:
    full = changed(TOY, **LOSSLESS, soc_init_kwh=1.0, import_price_per_kwh=(0.10, 0.10))
    assert bat(solved(full), "soc_end_kwh")[-1] == pytest.approx(0.0)
    worth = solved(changed(full, end_value_per_kwh=0.15))
    # Bought at 0.10 and worth 0.15: it fills up, 1 kWh more, and what is left counts as money.
    assert bat(worth, "soc_end_kwh")[-1] == pytest.approx(2.0)
    assert worth.money == pytest.approx(0.2 + 0.1 - 0.15)
    assert worth.costs["stored"] == pytest.approx(-0.15)


@pytest.mark.parametrize(("curve", "powers"), [(CONCAVE, (1.0, 1.0)), (CONVEX, (2.0, 0.0))], ids=["concave", "convex"])
@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_power_is_spread_or_gathered_as_the_efficiency_asks(
    curve: tuple[tuple[float, float], ...], powers: tuple[float, float], solver: str
) -> None:
    # 1.8 kWh at the cells are wanted: where more power loses more, 1 kW twice stores 1.9, but 2 kW once 1.8.
    end_kwh = 1.9 if curve is CONCAVE else 1.8
    case = hours(2, charge_curve=curve, max_charge_kw=2.0, soc_end_min_kwh=end_kwh, wear_per_kwh=0.0)
    answer = solved(case, solver=solver)
    assert sorted(bat(answer, "battery_charge_kw"), reverse=True) == pytest.approx(powers, abs=1e-6)
    assert answer.objective == pytest.approx(0.1 * sum(powers), abs=1e-6)


def test_at_negative_prices_energy_is_not_burned_in_the_worst_piece_of_the_curve() -> None:
    # Paid to charge into 1 kWh of room: the pieces fill in order, so 1 / 0.95 kW and no more are taken.
    case = hours(1, charge_curve=CONCAVE, max_charge_kw=2.0, soc_init_kwh=1.05, import_price_per_kwh=(-1.0,),
                 export_price_per_kwh=(-2.0,), wear_per_kwh=0.0)  # fmt: skip
    assert bat(solved(case), "battery_charge_kw") == pytest.approx((1.0,), abs=1e-6)


def test_discharging_fast_draws_more_from_the_cells() -> None:
    case = changed(TOY, step_h=(1.0,), load_kw=(2.0,), pv_kw=(0.0,), import_price_per_kwh=(0.3,),
                   export_price_per_kwh=(0.0,), soc_init_kwh=2.0, max_discharge_kw=2.0,
                   discharge_curve=((1.0, 1.05), (2.0, 2.4)), wear_per_kwh=0.0)  # fmt: skip
    # 2 kWh at the cells: 1.05 give the first kW, 0.95 of the 1.35 of the second are left.
    assert bat(solved(case), "battery_discharge_kw") == pytest.approx((1 + 0.95 / 1.35,), abs=1e-6)


def test_a_site_file_gives_one_curve_for_both_directions_as_shares_and_efficiencies() -> None:
    battery = made({"efficiency_curve": [[0.2, 0.8], [0.5, 0.95]]}, at_planning())
    assert battery.charge_curve == ((1.0, 0.8), (2.5, pytest.approx(2.375)), (5.0, 4.75))
    assert float(battery.cells.discharge.at_cells(1.0)) == pytest.approx(1.25)
    assert float(battery.cells.charge.at_cells(0.5)) == pytest.approx(0.4)
    # And back.
    assert battery.cells.discharge.at_terminals(1.25) == pytest.approx(1.0)
    assert battery.cells.charge.at_terminals(0.4) == pytest.approx(0.5)


@given(
    st.sampled_from([(None, None), (((1.0, 0.8), (5.0, 4.6)), ((1.0, 1.3), (5.0, 5.8)))]),
    st.floats(0, 10), st.floats(-9, 9), st.floats(1e-6, 4),
)  # fmt: skip
def test_cells_take_what_fits_and_give_what_is_there(
    curves: Any, held_kwh: float, wanted_kw: float, step_h: float
) -> None:
    one = Battery(device_id="b", max_charge_kw=9, max_discharge_kw=9, charge_efficiency=0.9, discharge_efficiency=0.8,
                  soc_min_kwh=1, soc_max_kwh=9, soc_init_kwh=5, soc_end_min_kwh=0, charge_curve=curves[0],
                  discharge_curve=curves[1])  # fmt: skip
    power_kw, flow_kwh = one.cells.step(held_kwh, wanted_kw, step_h)
    assert one.cells == Cells(
        1.0, 9.0, ConversionCurve("charge", 0.9, curves[0]), ConversionCurve("discharge", 0.8, curves[1])
    )
    # What the check of a plan, which is written out again, says of that power and charge.
    acted = one.acted({"set_charge_power_kw": power_kw}, 0)
    assert one.commands(acted, 0) == {"set_charge_power_kw": power_kw}
    columns = {name: np.array([each]) for name, each in (acted | {"soc_end_kwh": held_kwh + flow_kwh}).items()}
    errors = dict(one.model_copy(update={"soc_init_kwh": held_kwh}).errors(columns, np.array([step_h])))
    assert float(np.max(errors["charge balance"])) == pytest.approx(0.0, abs=1e-9)
    assert abs(power_kw) <= abs(wanted_kw) * (1 + 1e-12)
    assert min(1.0, held_kwh) - 1e-9 <= held_kwh + flow_kwh <= max(9.0, held_kwh) + 1e-9
    if power_kw != wanted_kw:
        # In part only where the window ends.
        assert held_kwh + flow_kwh == pytest.approx(max(9.0, held_kwh) if wanted_kw > 0 else min(1.0, held_kwh))


def test_a_cold_or_hot_battery_moves_less_by_the_hour_on_the_wall() -> None:
    noon_cold = [20.0] * 24
    noon_cold[21] = -10.0
    cold = made({"derating": [[-20, 0.0], [0, 1.0]], "temperature_degc": noon_cold}, at_planning())
    # 20:00 in Prague is the first step, 21:00 the second: half way from -20 to 0.
    assert cold.charge_most_kw == pytest.approx((5.0, 2.5, 5.0, 5.0))
    case = hours(4, load_kw=(0.0, 9.0, 0.0, 0.0)).model_copy(update={"devices": (cold,)})
    answer = solved(case.model_copy(update={"devices": (cold.model_copy(update={"soc_end_min_kwh": 1.0}),)}))
    assert answer.series.devices["bat"]["battery_discharge_kw"][1] == pytest.approx(2.5)


def test_deep_cycles_are_left_where_their_wear_costs_more_than_they_earn() -> None:
    # 0.20 a kWh can be earned: the shallow kWh wears 0.05, the deep one 0.25.
    case = changed(TOY, **LOSSLESS, load_kw=(0.0, 2.0), max_charge_kw=2.0, max_discharge_kw=2.0,
                   wear_bands=((1.0, 0.05), (1.0, 0.25)))  # fmt: skip
    answer = solved(case)
    assert bat(answer, "battery_discharge_kw") == pytest.approx((0.0, 1.0))
    assert answer.costs["wear"] == pytest.approx(0.05)
    deeper = solved(changed(case, wear_bands=((1.0, 0.05), (1.0, 0.15))))
    assert deeper.costs["wear"] == pytest.approx(0.20)


steps = st.lists(st.integers(-20, 60).map(lambda cents: cents / 100), min_size=5, max_size=5).map(tuple)


@settings(max_examples=30, deadline=None)
@given(steps, st.sampled_from([CONCAVE, CONVEX, None]), st.sampled_from([((0.5, 0.01), (1.5, 0.06)), None]))
def test_a_plan_costs_what_it_says_whatever_the_battery_is_like(prices: Any, curve: Any, bands: Any) -> None:
    out = curve and tuple((power, 2 * power - cells + 0.1 * power) for power, cells in curve)
    case = hours(5, import_price_per_kwh=prices, export_price_per_kwh=tuple(0.8 * price - 0.02 for price in prices),
                 charge_curve=curve, discharge_curve=out, wear_bands=bands, max_charge_kw=2.0, max_discharge_kw=2.0,
                 soc_init_kwh=0.7, end_value_per_kwh=0.1)  # fmt: skip
    assert solved(case).objective <= 1e-6


def test_mode_self_stores_only_surplus_and_covers_only_need() -> None:
    sun = at_planning(2.0, load_kw=(1.0, 1.0, 1.0, 1.0), pv_kw=(0.0, 4.0, 0.5, 0.0))
    battery = made({"mode": "self"}, sun)
    assert battery.charge_most_kw == (0.0, 3.0, 0.0, 0.0)
    assert battery.discharge_most_kw == (1.0, 0.0, 0.5, 1.0)
    # Prices that would pay for charging from the grid and for exporting what is stored.
    case = hours(4, load_kw=(1.0, 1.0, 1.0, 1.0), pv_kw=(0.0, 4.0, 0.5, 0.0), import_price_per_kwh=(0.1, 0.1, 0.5, 0.5),
                 export_price_per_kwh=(0.4,) * 4)  # fmt: skip
    answer = solved(case.model_copy(update={"devices": (case.devices[0], battery)}))
    assert answer.series.connection["export_kw"][0] == answer.series.connection["export_kw"][3] == 0.0
    assert answer.series.connection["import_kw"][1] == 0.0


@pytest.mark.parametrize(
    ("params", "idle", "floor_kwh", "words"),
    [
        ({"mode": "charge"}, "max_discharge_kw", 1.0, "mode charge"),
        ({"mode": "discharge"}, "max_charge_kw", 1.0, "mode discharge"),
        ({"mode": "backup", "reserve": 0.4}, "", 4.0, "mode backup"),
    ],
)
def test_a_mode_is_a_limit_of_the_plan_and_is_said(params: dict, idle: str, floor_kwh: float, words: str) -> None:
    battery = made(params, at_planning())
    assert not idle or getattr(battery, idle) == 0.0
    assert battery.soc_min_kwh == floor_kwh
    assert words in battery.remarks[0]


def test_a_start_below_the_floor_returns_first_whatever_the_price_and_is_said() -> None:
    battery = made({}, at_planning(0.4, import_price_per_kwh=(9.0, 0.1, 0.1, 0.1)))
    assert battery.remarks == ("bat: holds 0.40 kWh, below 1.00 kWh, and returns there first",)
    case = hours(4, import_price_per_kwh=(9.0, 0.1, 0.1, 0.1)).model_copy(update={"devices": (battery,)})
    answer = solved(case)
    assert answer.series.devices["bat"]["soc_end_kwh"][0] == pytest.approx(1.0)
    assert answer.money == pytest.approx(9.0 * 0.6 / 0.975)


def test_a_start_above_the_ceiling_that_nothing_can_take_stays_and_never_grows() -> None:
    battery = made({}, at_planning(9.5))
    closed = hours(4, import_price_per_kwh=(-1.0,) * 4, export_max_kw=0.0).model_copy(update={"devices": (battery,)})
    stuck = solved(closed).series.devices["bat"]["soc_end_kwh"]
    assert stuck == pytest.approx((9.5,) * 4)
    with_load = solved(closed.model_copy(update={"load_kw": (0.0, 2.0, 0.0, 0.0)})).series.devices["bat"]
    assert with_load["soc_end_kwh"][0] == pytest.approx(9.5)
    assert max(with_load["soc_end_kwh"][1:]) <= 9.0 + 1e-6


def test_a_charge_that_rises_again_outside_its_window_is_seen_by_the_check() -> None:
    battery = TOY_BATTERY.model_copy(update={"soc_min_kwh": 1.0, "soc_init_kwh": 0.5, "return_price_per_kwh": 9.0})
    case = TOY.model_copy(update={"devices": (battery,)})
    good = solved(case)
    worse = {"battery_charge_kw": (0.0, 0.0), "battery_discharge_kw": (0.09, 0.0), "soc_end_kwh": (0.4, 0.4)}
    lower = good.series.model_copy(update={"devices": {"bat": worse}})
    assert any("below its floor by 0.1" in problem for problem in replay_case(case, lower).problems)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"mode": "backup"}, "mode backup and reserve go together"),
        ({"reserve": 0.3}, "mode backup and reserve go together"),
        ({"mode": "backup", "reserve": 0.95}, "reserve 0.95 must be below soc_max 0.9"),
        ({"mode": "sleep"}, "mode"),
        ({"derating": [[0, 1.0]]}, "derating and temperature_degc go together"),
        ({"temperature_degc": [20.0]}, "temperature_degc"),
        ({"efficiency_curve": [[0.5, 0.9], [0.2, 0.8]]}, "efficiency_curve: the first figures"),
        ({"efficiency_curve": [[0.5, 0.9], [0.6, 0.7]]}, "more power moves less energy"),
        ({"wear_by_depth": [[0.5, 0.1]]}, "the last depth must be 1"),
        ({"wear_by_depth": [[0.5, 0.1], [1, 0.05]]}, "a deeper cycle must not wear less"),
    ],
)
def test_figures_that_contradict_one_another_are_refused_in_one_sentence(params: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words) as refusal:
        made(params, at_planning())
    assert "site home, asset 'bat', params" in str(refusal.value)
