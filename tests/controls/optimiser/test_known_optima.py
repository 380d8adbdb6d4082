"""Cases with a proven optimum, and what comes out when a rule is left out."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from controls.optimiser.backends.solvers import run_highs
from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.case_file import load_case
from controls.optimiser.lp_build import build_problem
from controls.optimiser.solution import Series, Solution, replay_case
from controls.optimiser.solve import solve

CASE = "H1_battery_pv_negative_prices_week"
OPTIMUM = -1097.043901


@pytest.fixture(scope="module")
def week(shared_data: Path) -> DispatchCase:
    return load_case(shared_data / "hems" / "cases" / f"{CASE}.json")


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_the_battery_week_reaches_its_known_optimum(week: DispatchCase, solver: str) -> None:
    answer = solve(week, solver=solver)
    assert isinstance(answer, Solution)
    assert answer.objective == pytest.approx(OPTIMUM, rel=1e-6)
    assert answer.status == "optimal"
    assert replay_case(week, answer.series).problems == ()


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_two_days_with_battery_and_car_reach_their_known_optimum(shared_data: Path, solver: str) -> None:
    case = load_case(shared_data / "hems" / "cases" / "H2_battery_ev_semicontinuous_48h.json")
    answer = solve(case, solver=solver)
    assert isinstance(answer, Solution), answer
    assert answer.objective == pytest.approx(17.775861, rel=1e-6)
    assert answer.status == "optimal"
    assert replay_case(case, answer.series).problems == ()


def test_the_published_schedule_passes_the_same_check(week: DispatchCase, shared_data: Path) -> None:
    with (shared_data / "hems" / "schedules" / f"{CASE}.csv").open() as file:
        rows = list(csv.DictReader(file))
    listed = {name: tuple(float(row[name]) for row in rows) for name in rows[0] if name != "step"}
    charge = {name: listed.pop(name) for name in ("battery_charge_kw", "battery_discharge_kw", "soc_end_kwh")}
    series = Series(
        connection={name: listed.pop(name) for name in ("import_kw", "export_kw")},
        devices={"pv": {"curtailed_kw": listed.pop("curtailed_kw")}, "battery": charge, "none of the case": listed},
    )
    # The file is printed with six decimals.
    replay = replay_case(week, series, tolerance=3e-6)
    assert replay.problems == ()
    assert replay.cost == pytest.approx(OPTIMUM, abs=1e-3)


def test_the_week_without_battery_costs_the_known_figure(week: DispatchCase) -> None:
    answer = solve(without_control(week))
    assert isinstance(answer, Solution)
    assert answer.objective == pytest.approx(-89.677229, abs=1e-6)


def test_dropping_never_both_gives_the_known_too_good_figure(week: DispatchCase) -> None:
    arrays = build_problem(week).program.arrays()
    relaxed = replace(arrays, is_integer=np.zeros_like(arrays.is_integer))
    outcome = run_highs(relaxed, gap=1e-9, time_limit_s=30.0)
    assert outcome.objective == pytest.approx(-1108.748260, abs=1e-5)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_the_relays_on_one_tank_reach_their_known_optimum(shared_data: Path, solver: str) -> None:
    case = load_case(shared_data / "hems" / "cases" / "H3_heating_relays_tank_36h.json")
    answer = solve(case, solver=solver)
    assert isinstance(answer, Solution)
    assert answer.objective == pytest.approx(-11.594782, rel=1e-6)
    assert replay_case(case, answer.series).problems == ()


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_all_devices_under_a_demand_charge_reach_their_known_optimum(shared_data: Path, solver: str) -> None:
    case = load_case(shared_data / "hems" / "cases" / "H4_all_assets_halfhour_demand_charge_30h.json")
    # Within 0.01 %, as the case says; CBC takes minutes to prove more.
    answer = solve(case, solver=solver, gap=1e-5, time_limit_s=120.0)
    assert isinstance(answer, Solution), answer
    assert answer.objective == pytest.approx(6.596560, rel=1e-4)
    assert replay_case(case, answer.series).problems == ()
