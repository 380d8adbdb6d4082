"""Properties of every case: bounds, balance, and no schedule that beats the optimum."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.backends.program import Row
from controls.optimiser.backends.solvers import run_solver
from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.devices.battery import Battery
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Solution, cost_of, replay_case
from controls.optimiser.solve import solve
from tests.controls.optimiser.toys import TOY, changed, device, toy_series

STEPS = 4
prices = st.lists(st.integers(-20, 60).map(lambda cents: cents / 100), min_size=STEPS, max_size=STEPS).map(tuple)
powers = st.lists(st.integers(0, 80).map(lambda tenths: tenths / 10), min_size=STEPS, max_size=STEPS).map(tuple)
moves = st.lists(st.floats(-1, 1), min_size=STEPS, max_size=STEPS)


@st.composite
def cases(draw: st.DrawFn) -> DispatchCase:
    """Cases in which doing nothing is possible."""
    soc_kwh = draw(st.integers(1, 10))
    return changed(
        TOY,
        step_h=(draw(st.sampled_from([0.25, 0.5, 1.0])),) * STEPS,
        load_kw=draw(powers),
        pv_kw=draw(powers),
        import_price_per_kwh=draw(prices),
        export_price_per_kwh=draw(prices),
        import_max_kw=10.0,
        export_max_kw=10.0,
        demand_price_per_kw=draw(st.sampled_from([0.0, 0.5])),
        max_charge_kw=draw(st.sampled_from([1.5, 5.0])),
        max_discharge_kw=draw(st.sampled_from([1.5, 5.0])),
        charge_efficiency=draw(st.sampled_from([0.8, 0.975, 1.0])),
        discharge_efficiency=draw(st.sampled_from([0.9, 1.0])),
        soc_min_kwh=1.0,
        soc_max_kwh=10.0,
        soc_init_kwh=float(soc_kwh),
        soc_end_min_kwh=float(soc_kwh),
        wear_per_kwh=draw(st.sampled_from([0.0, 0.02])),
    )


def solved(case: DispatchCase) -> Solution:
    answer = solve(case)
    assert isinstance(answer, Solution), answer
    return answer


@settings(max_examples=40, deadline=None)
@given(cases())
def test_a_plan_keeps_every_constraint_and_costs_what_it_says(case: DispatchCase) -> None:
    answer = solved(case)
    replay = replay_case(case, answer.series)
    assert replay.problems == ()
    assert math.isclose(replay.cost, answer.objective, abs_tol=1e-9)
    assert answer.bound <= answer.objective
    assert answer.gap <= 2e-6


@settings(max_examples=40, deadline=None)
@given(cases())
def test_a_plan_is_never_worse_than_doing_nothing(case: DispatchCase) -> None:
    assert solved(case).objective <= solved(without_control(case)).objective + 1e-6


@settings(max_examples=60, deadline=None)
@given(cases(), moves)
def test_no_other_schedule_beats_the_optimum(case: DispatchCase, wishes: list[float]) -> None:
    battery = device(case, "bat")
    assert isinstance(battery, Battery)
    charge, discharge, soc_kwh = [], [], battery.soc_init_kwh
    for hours, wish in zip(case.step_h, wishes, strict=True):
        room_kw = (battery.soc_max_kwh - soc_kwh) / (hours * battery.charge_efficiency)
        stock_kw = (soc_kwh - battery.soc_min_kwh) * battery.discharge_efficiency / hours
        charge.append(min(max(wish, 0) * battery.max_charge_kw, max(room_kw, 0)))
        discharge.append(min(max(-wish, 0) * battery.max_discharge_kw, max(stock_kw, 0)))
        soc_kwh += hours * (battery.charge_efficiency * charge[-1] - discharge[-1] / battery.discharge_efficiency)
    other = toy_series(case, charge_kw=charge, discharge_kw=discharge, curtailed_kw=[0.0] * STEPS)
    if not replay_case(case, other).problems:
        assert solved(case).objective <= cost_of(case, other) + 1e-6


@settings(max_examples=15, deadline=None)
@given(cases(), st.integers(0, STEPS - 1))
def test_no_forced_mode_beats_the_optimum(case: DispatchCase, step: int) -> None:
    best = solved(case)
    for mode in (0, 1):
        problem = build_problem(case)
        forced = Row("forced", "forced", problem.variables["bat"]["is_charging"][step] == mode)
        problem.program.add("forced", "bat", forced, steps=STEPS)
        outcome = run_solver(problem.program, solver="highs", gap=1e-6, time_limit_s=30.0)
        if outcome.objective is not None:
            assert outcome.objective >= best.objective - 1e-5


@settings(max_examples=10, deadline=None)
@given(cases())
def test_two_solvers_find_the_same_cost(case: DispatchCase) -> None:
    other = solve(case, solver="cbc")
    assert isinstance(other, Solution)
    assert other.objective == pytest.approx(solved(case).objective, abs=1e-5)
