"""Nothing leaves the solver unchecked."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from controls.optimiser import solve as solve_module
from controls.optimiser.backends.program import Outcome, Program, Row
from controls.optimiser.backends.solvers import run_solver
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.pv import Pv
from controls.optimiser.solution import Series, Solution, replay_case
from controls.optimiser.solve import solve
from data_quality.contracts.control.plan import BatteryParams, Objective, PlanRequest
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from tests.controls.optimiser.toys import TOY, TOY_BATTERY, changed, device, toy_series


def test_an_unknown_solver_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="unknown solver 'magic'; expected highs or cbc"):
        solve(TOY, solver="magic")


def test_a_plan_request_becomes_kwh(clock: object) -> None:
    request = PlanRequest(
        site_id="home",
        start_utc=datetime(2026, 1, 1, tzinfo=UTC),
        step_h=0.25,
        known_at_utc=datetime(2026, 1, 1, tzinfo=UTC),
        load_kw=(1.0, 1.0),
        pv_kw=(0.0, 2.0),
        import_price_per_kwh=(0.1, 0.2),
        export_price_per_kwh=(0.0, 0.0),
        import_max_kw=17,
        export_max_kw=11,
        battery=BatteryParams(
            capacity_kwh=10, max_charge_kw=5, max_discharge_kw=4, soc_min=0.1, soc_max=0.95, wear_per_kwh=0.4
        ),
        soc_init_kwh=5,
        soc_end_min_kwh=4,
        pv_limit_min_kw=1.5,
        currency="CZK",
    )
    case = case_of(request)
    battery, sun = device(case, "battery"), device(case, "pv")
    assert isinstance(battery, Battery)
    assert isinstance(sun, Pv)
    assert (battery.soc_min_kwh, battery.soc_max_kwh) == (1.0, 9.5)
    assert (battery.soc_init_kwh, battery.soc_end_min_kwh) == (5.0, 4.0)
    assert (battery.max_charge_kw, battery.max_discharge_kw, battery.wear_per_kwh) == (5.0, 4.0, 0.4)
    assert (battery.charge_efficiency, battery.discharge_efficiency) == (0.975, 0.975)
    assert (case.connection.import_max_kw, case.connection.export_max_kw, case.step_h) == (17, 11, (0.25, 0.25))
    assert sun.curtailment_max_kw.tolist() == [0.0, 0.5]


def test_time_that_runs_out_is_a_finding_and_not_a_plan() -> None:
    long = changed(
        TOY,
        step_h=(1.0,) * 500,
        load_kw=(1.0, 2.0) * 250,
        pv_kw=(0.0, 4.0) * 250,
        import_price_per_kwh=(0.1, -0.3) * 250,
        export_price_per_kwh=(0.2, -0.1) * 250,
    )
    answer = solve(long, time_limit_s=0.0)
    assert isinstance(answer, Finding)
    assert answer.code == "no_plan_in_time"


def hard_case() -> DispatchCase:
    """Six batteries, poor at little power, behind a narrow connection at wild prices: minutes until it is proven."""
    draw = np.random.default_rng(1).uniform
    prices = draw(-0.3, 0.5, 24).round(3)
    sold = tuple((0.6 * prices - 0.01).tolist())
    narrow = {"import_price_per_kwh": tuple(prices.tolist()), "export_price_per_kwh": sold}
    into, out = ((1.0, 0.5), (2.0, 1.8), (3.0, 2.4)), ((1.0, 1.9), (2.0, 2.3), (3.0, 4.0))
    poor = {"charge_curve": into, "discharge_curve": out, "soc_init_kwh": 1.0}
    poor |= {"max_charge_kw": 3.0, "max_discharge_kw": 3.0}
    narrow |= {"import_max_kw": 4.0, "export_max_kw": 3.0}
    batteries = [poor | {"device_id": f"b{k}", "soc_max_kwh": 3.0 + 0.37 * k} for k in range(6)]
    return TOY.model_copy(
        update={
            "step_h": (1.0,) * 24,
            "load_kw": tuple(draw(0.0, 3.0, 24).tolist()),
            "connection": TOY.connection.model_copy(update=narrow),
            "devices": tuple(TOY_BATTERY.model_copy(update=figures) for figures in batteries),
        }
    )


def in_little_time(case: DispatchCase, **options: Any) -> Solution:
    """The plan of the least time in which there is one: how long that is depends on what else the machine does."""
    for limit_s in (0.02, 0.1, 0.5, 1.5, 5.0, 15.0):
        answer = solve(case, time_limit_s=limit_s, **options)
        if isinstance(answer, Solution):
            return answer
        assert answer.code == "no_plan_in_time"
    raise AssertionError("no plan at all")


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_at_the_time_limit_the_best_plan_is_handed_out_with_its_gap(solver: str) -> None:
    answer = in_little_time(hard_case(), solver=solver)
    assert answer.status == "feasible"
    assert 0.001 < answer.gap < 1.0
    assert answer.bound == pytest.approx(answer.objective - answer.gap * abs(answer.objective))
    assert replay_case(hard_case(), answer.series).problems == ()


def test_a_plan_given_as_a_start_is_at_hand_when_time_is_over_at_once() -> None:
    # The first plan that is found is good enough.
    known = solve(hard_case(), gap=100.0)
    assert isinstance(known, Solution)
    second = in_little_time(hard_case(), previous=known.series)
    assert second.objective <= known.objective + 1e-6


@pytest.mark.parametrize("status", ["stopped", "infeasible"])
def test_a_goal_without_an_answer_keeps_the_plan_of_the_goal_before(
    status: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = []

    def late(program: Program, **options: Any) -> Outcome:
        requests.append(options["time_limit_s"])
        return run_solver(program, **options) if len(requests) == 1 else Outcome(status, "late")

    monkeypatch.setattr(solve_module, "run_solver", late)
    answer = solve(TOY.model_copy(update={"objective": Objective(preset="peak_shaving")}))
    assert isinstance(answer, Solution)
    assert (answer.status, answer.measures["peak_kw"]) == ("feasible", pytest.approx(1.0))
    assert answer.gap > 0.0
    assert requests[1] < requests[0]


def test_putting_the_problem_together_counts_as_building_it(monkeypatch: pytest.MonkeyPatch) -> None:
    put_together = Program.arrays

    def slowly(program: Program, weights: Any = None) -> Any:
        time.sleep(0.05)
        return put_together(program, weights)

    monkeypatch.setattr(Program, "arrays", slowly)
    answer = solve(TOY)
    assert isinstance(answer, Solution)
    assert answer.build_seconds > 0.05


def test_a_schedule_that_breaks_its_case_never_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(case: DispatchCase, values: object) -> Series:
        return toy_series(case, charge_kw=[9.0, 0.0], discharge_kw=[0.0, 0.0], curtailed_kw=[0.0, 0.0])

    monkeypatch.setattr(solve_module, "series_of", wrong)
    with pytest.raises(OurFault, match="step 0: charge above the rating by 8"):
        solve(TOY)


def test_a_solver_that_lies_about_its_cost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def lying(program: Program, **options: object) -> Outcome:
        honest = run_solver(program, solver="highs", gap=1e-6, time_limit_s=10.0)
        return replace(honest, solver="liar", objective=-5.0, bound=-5.0)

    monkeypatch.setattr(solve_module, "run_solver", lying)
    with pytest.raises(OurFault, match=r"liar claims a cost of -5\.0"):
        solve(TOY)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_an_unbounded_problem_is_our_fault(solver: str) -> None:
    endless = Program()
    free = endless.new("free", 1)
    endless.add("row", "toy", Row("row", "row", free >= 1.0), steps=1)
    endless.costs["energy"] = [-1 * free]
    with pytest.raises(OurFault, match="unbounded"):
        run_solver(endless, solver=solver, gap=1e-6, time_limit_s=10.0)


def test_cbc_agrees_that_there_is_no_plan() -> None:
    answer = solve(changed(TOY, battery=None, load_kw=(1.0, 12.0)), solver="cbc")
    assert isinstance(answer, Finding)
    assert answer.facts["families"] == "import_limit"


def with_column(series: Series, name: str, values: tuple[float, ...]) -> Series:
    """The series with another column, where it is; a column that nothing has is of a device that is not there."""
    if name in series.connection:
        return series.model_copy(update={"connection": series.connection | {name: values}})
    owner = next((owner for owner, columns in series.devices.items() if name in columns), "car")
    return series.model_copy(
        update={"devices": series.devices | {owner: series.devices.get(owner, {}) | {name: values}}}
    )


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("import_kw", (11.0, 0.19), "import above the connection"),
        ("import_kw", (1.9, 0.19), "balance"),
        ("export_kw", (0.5, 0.0), "import and export at once"),
        ("export_kw", (11.0, 0.0), "export above the connection"),
        ("curtailed_kw", (0.1, 0.0), "more curtailed than allowed"),
        ("curtailed_kw", (-0.1, 0.0), "a power below zero"),
        ("ev_kw", (0.1, 0.0), "a device that is not there"),
        ("battery_charge_kw", (1.1, 0.0), "charge above the rating"),
        ("battery_charge_kw", (1.0, 0.1), "charge and discharge at once"),
        ("battery_discharge_kw", (0.0, 1.1), "discharge above the rating"),
        ("soc_end_kwh", (0.8, 0.0), "charge balance"),
        ("soc_end_kwh", (0.9, -0.1), "charge below its floor"),
        ("soc_end_kwh", (2.1, 0.0), "charge above its ceiling"),
        ("soc_end_kwh", (0.9, -0.1), "the end: charge below the wanted one"),
    ],
)
def test_the_check_sees_every_kind_of_broken_rule(name: str, values: tuple[float, ...], words: str) -> None:
    good = toy_series(TOY, charge_kw=[1.0, 0.0], discharge_kw=[0.0, 0.81], curtailed_kw=[0.0, 0.0])
    assert replay_case(TOY, good).problems == ()
    broken = replay_case(TOY, with_column(good, name, values))
    assert any(words in problem for problem in broken.problems)


def test_a_battery_that_is_not_there_must_not_move() -> None:
    bare = changed(TOY, battery=None)
    series = toy_series(bare, charge_kw=[], discharge_kw=[], curtailed_kw=[0.0, 0.0])
    moved = with_column(series, "battery_charge_kw", (1.0, 0.0))
    assert replay_case(bare, moved).problems == ("car: a device that is not there by 1",)


def test_series_of_another_length_are_not_checked_at_all() -> None:
    series = toy_series(TOY, charge_kw=[1.0, 0.0], discharge_kw=[0.0, 0.0], curtailed_kw=[0.0, 0.0])
    with pytest.raises(ValueError, match="import_kw has 1 values, the case 2 steps"):
        replay_case(TOY, with_column(series, "import_kw", (1.0,)))


def test_nothing_printed_is_minus_zero() -> None:
    series = toy_series(TOY, charge_kw=[-1e-12, 0.0], discharge_kw=[-0.0, 0.0], curtailed_kw=[0.0, 0.0])
    assert "-0.0" not in str(series.columns())


def test_the_last_step_ends_where_the_next_would_start() -> None:
    quarters = changed(
        TOY,
        load_kw=(1.0,) * 96,
        pv_kw=(0.0,) * 96,
        step_h=(0.25,) * 96,
        import_price_per_kwh=(0.1,) * 96,
        export_price_per_kwh=(0.0,) * 96,
    )
    windows = quarters.windows_utc
    assert windows[-1][1] == datetime(2026, 1, 2, tzinfo=UTC)
    assert windows[0][1] == windows[1][0] == datetime(2026, 1, 1, 0, 15, tzinfo=UTC)
