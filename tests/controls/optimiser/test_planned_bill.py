"""The tariff is the objective: what a plan costs is the bill of its load, and the plan answers to every part of it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from assets.bills.engine.bill_load import Load
from assets.bills.engine.bill_terms import bill_terms
from assets.bills.engine.settle import Account
from assets.tariffs.linear_model import LinearTerms
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import Device
from controls.optimiser.devices.pv import Pv
from controls.optimiser.explain.explain import explain
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from data_quality.contracts.billing.tariff import Tariff
from tests.controls.optimiser.planned_bill import compare_plan
from tests.tariffs.linear_case import Tally
from tests.tariffs.random_tariffs import Case, cases

D = Decimal
START = datetime(2026, 1, 10, tzinfo=UTC)
QUIET = settings(
    deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def tariff(*energy: dict[str, Any], **parts: Any) -> Tariff:
    periods = list(energy) or [{"period_id": "all", "price_per_kwh": "0.10"}]
    return Tariff.model_validate({"tariff_id": "t", "currency": "EUR", "periods": periods, **parts})


def demand(**parts: Any) -> dict[str, Any]:
    periods = [{"period_id": "all", "price_per_kw": 5}]
    return {"demand": [{"charge_id": "power", "window_minutes": 60, "periods": periods, **parts}]}


def tiers(*prices: str, each_kwh: int) -> dict[str, Any]:
    ends = [{"up_to": each_kwh * (n + 1)} for n in range(len(prices) - 1)]
    steps = [{"price": price, **end} for price, end in zip(prices, [*ends, {}], strict=True)]
    return {"period_id": "all", "tiers": steps}


def case(made: Tariff, load_kw: list[float], *devices: Device, known: Load | None = None, **terms: Any) -> DispatchCase:
    """Hours from START on, in January's bill under that tariff."""
    steps = len(load_kw)
    found = bill_terms(
        [made], time_zone="UTC", start=date(2026, 1, 1), end=date(2026, 2, 1), step_minutes=60, known=known,
        horizon=(START, START + steps * timedelta(hours=1)), max_import_kw=D(50), max_export_kw=D(50), **terms,
    )  # fmt: skip
    assert isinstance(found, LinearTerms), found
    nothing = (0.0,) * steps
    return DispatchCase(
        case_id="hand",
        currency="EUR",
        start_utc=START,
        step_h=(1.0,) * steps,
        load_kw=tuple(load_kw),
        connection=Connection(
            import_price_per_kwh=nothing, export_price_per_kwh=nothing, import_max_kw=50, export_max_kw=50,
            bills=(found,),
        ),
        devices=devices,
    )  # fmt: skip


def battery(**changes: float) -> Battery:
    figures = {
        "max_charge_kw": 5, "max_discharge_kw": 5, "charge_efficiency": 1, "discharge_efficiency": 1, "soc_min_kwh": 0,
        "soc_max_kwh": 10, "soc_init_kwh": 5, "soc_end_min_kwh": 5,
    }  # fmt: skip
    return Battery.model_validate({"device_id": "bat"} | figures | changes)


def planned(problem: DispatchCase) -> Solution:
    found = solve(problem)
    assert isinstance(found, Solution), found
    assert replay_case(problem, found.series).problems == ()
    by_cbc = solve(problem, solver="cbc")
    assert isinstance(by_cbc, Solution)
    assert by_cbc.objective == pytest.approx(found.objective, abs=1e-5)
    return found


def known_load(kw: float, peak_kw: float) -> Load:
    """Nine days of a flat load before START, with one hour of a higher one."""
    energy = np.full(9 * 24, round(kw * 1e9), dtype=np.int64)
    energy[30] = round(peak_kw * 1e9)
    return Load(START - timedelta(days=9), 60, energy, np.ones(energy.size, dtype=np.bool_))


@settings(QUIET, max_examples=30)
@given(cases(most_days=2))
def test_the_cost_of_a_plan_is_the_bill_of_its_load(random: Case) -> None:
    compare_plan(random, Tally())


def test_a_plan_shaves_the_peak_and_pays_for_what_is_left() -> None:
    answer = planned(case(tariff(**demand()), [2.0, 10.0, 2.0], battery()))
    # 14 kWh in three hours: five of them charged beside the peak and taken in it, so 5 kW at 5 and 14 kWh at 0.10.
    assert max(answer.series.connection["import_kw"]) == pytest.approx(5.0)
    assert answer.costs["demand"] == pytest.approx(5.0 * 5)
    assert answer.costs["energy"] == pytest.approx(1.4)


def test_a_peak_already_incurred_is_not_shaved_below() -> None:
    load, wear = [2.0, 10.0, 2.0], battery(wear_per_kwh=0.01)
    incurred = planned(case(tariff(**demand()), load, wear, known=known_load(1.0, 8.0)))
    # 8 kW are paid for whatever is done: two kWh from the battery, no more, and no demand is added.
    assert incurred.series.devices["bat"]["battery_discharge_kw"] == pytest.approx((0.0, 2.0, 0.0))
    assert incurred.costs["demand"] == pytest.approx(0.0)
    ratchet = {"share": "0.9", "months": 3}
    account = Account(peaks={"power": {(2025, 12): {"all": D(10)}}})
    floor = planned(case(tariff(**demand(ratchet=ratchet)), load, wear, account=account))
    # Nine tenths of December's 10 kW: one kWh.
    assert floor.series.devices["bat"]["battery_discharge_kw"] == pytest.approx((0.0, 1.0, 0.0))
    assert floor.costs["demand"] == pytest.approx(0.0)


def test_what_a_plan_costs_leaves_out_what_is_spent_and_names_it() -> None:
    made = tariff(fixed=[{"charge_id": "f", "amount": 20}], **demand())
    problem = case(made, [2.0, 3.0], known=known_load(1.0, 8.0))
    answer = planned(problem)
    assert answer.objective == pytest.approx(0.5)
    # 9 x 24 hours at 1 kW, one of them at 8; the peak; the fixed amount.
    assert sum(bill.base for bill in problem.connection.priced) == pytest.approx(0.10 * (216 + 7) + 5 * 8 + 20)


def test_a_plan_follows_the_hours_of_the_tariff_taxes_on_top() -> None:
    hours = [
        {"period_id": "night", "price_per_kwh": "0.10", "start": "00:00", "end": "02:00"},
        {"period_id": "day", "price_per_kwh": "0.30", "start": "02:00", "end": "00:00"},
    ]
    made = tariff(*hours, taxes=[{"charge_id": "vat", "share": "0.2"}])
    answer = planned(case(made, [1.0, 1.0, 4.0, 4.0], battery(soc_init_kwh=0, soc_end_min_kwh=0)))
    assert answer.series.devices["bat"]["battery_discharge_kw"] == pytest.approx((0.0, 0.0, 4.0, 4.0))
    assert answer.objective == pytest.approx(1.2 * 0.10 * 10)


@pytest.mark.parametrize(
    ("prices", "used_kwh", "is_used"),
    [
        # Rising: 4 kWh are left in the cheap tier, so the 5 kWh a discharge saves are worth more than they wear.
        (("0.10", "0.40"), 216, True),
        # Before the tier is full nothing is: wear is dearer than 0.10.
        (("0.10", "0.40"), 100, False),
        # Falling: beyond the first tier a kWh is worth 0.05 only.
        (("0.40", "0.05"), 230, False),
        (("0.40", "0.05"), 100, True),
    ],
)
def test_a_plan_knows_in_which_tier_the_month_stands(prices: tuple[str, ...], used_kwh: int, *, is_used: bool) -> None:
    known = known_load(used_kwh / 216, used_kwh / 216)
    worn = battery(wear_per_kwh=0.2, soc_end_min_kwh=0)
    answer = planned(case(tariff(tiers(*prices, each_kwh=220)), [2.0] * 4, worn, known=known))
    given_kwh = sum(answer.series.devices["bat"]["battery_discharge_kw"])
    assert given_kwh == pytest.approx(4.0 if used_kwh == 216 else 5.0 if is_used else 0.0, abs=1e-6)


def test_binaries_and_rows_are_named_after_the_charge_and_what_they_mean() -> None:
    problem = build_problem(case(tariff(tiers("0.40", "0.05", each_kwh=3), **demand()), [2.0] * 4, battery()))
    assert "site_bill_energy.all.tiers_passed1" in problem.program.column_names()
    rows = problem.program.row_names()
    assert {"site_bill_power.all.peak_003", "site_bill_energy.all.tiers_full1"} <= set(rows)
    assert len(set(rows)) == len(rows)


def test_both_ways_at_once_never_pays_where_export_earns_what_import_costs() -> None:
    netted = tariff(
        {"period_id": "all", "price_per_kwh": "0.10"},
        metering={"arrangement": "net_metering_energy", "true_up_month": 1},
    )
    problem = case(netted, [1.0, 1.0], Pv(device_id="pv", pv_kw=(3.0, 0.0)))
    answer = planned(problem)
    assert answer.series.connection["export_kw"] == pytest.approx((2.0, 0.0))
    # 2 kWh fed in pay for the one bought; what is left over is worth nothing with January's true-up.
    assert answer.objective == pytest.approx(0.0)


def test_the_explanation_says_which_hours_set_the_peak_and_what_a_kwh_there_is_worth() -> None:
    problem = case(tariff(**demand()), [2.0, 10.0, 2.0], battery(wear_per_kwh=0.01))
    answer = planned(problem)
    why = explain(problem, answer, time_zone="UTC")
    shown = [[one for one in slot.binding if "peak" in one.words] for slot in why.slots]
    assert [(one.words, one.value) for one in shown[1]] == [("sets the peak of power.all", pytest.approx(5.0))]
    # Two hours are level at 5 kW: together they are worth the 5 EUR of a kW.
    assert sum(one.saves_per_kwh for each in shown for one in each) == pytest.approx(5.0)


def test_charges_whose_names_differ_by_a_sign_alone_are_two_columns() -> None:
    periods = [{"period_id": "all", "price_per_kw": 1}]
    charges = [{"charge_id": name, "window_minutes": 60, "periods": periods} for name in ("a-b", "a b")]
    problem = case(tariff(demand=charges), [1.0, 2.0])
    names = build_problem(problem).program.column_names()
    assert {"site_bill_a_b.all.peak", "site_bill_a_b.all.peak__2"} <= set(names)
    assert planned(problem).costs["demand"] == pytest.approx(2 * 2.0)
