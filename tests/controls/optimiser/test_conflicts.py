"""A case without a plan ends in a finding that names what contradicts what, when, and by how much."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.backends.solvers import run_solver
from controls.optimiser.case import DispatchCase
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import Part
from controls.optimiser.devices.kinds import KINDS
from controls.optimiser.lp_build import build_problem
from controls.optimiser.objective import Aims
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from tests.controls.optimiser.toys import TOY, TOY_BATTERY, changed


def finding(case: DispatchCase) -> Finding:
    answer = solve(case)
    assert isinstance(answer, Finding)
    assert answer.code == "infeasible"
    assert answer.is_blocking
    return answer


def test_a_load_above_the_connection_names_the_connection_and_what_is_missing() -> None:
    found = finding(changed(TOY, battery=None, load_kw=(1.0, 12.0)))
    assert found.facts == {"families": "import_limit", "import_limit_kw": 2.0}
    assert found.message == (
        "no plan keeps import_limit (the connection imports at most 10 kW); "
        "import_limit alone would have to give 2.000 kW between Thu 01:00 and Thu 02:00"
    )


def test_an_end_charge_that_cannot_be_reached_names_both_sides_of_the_conflict() -> None:
    # Two hours at 1 kW and 0.9 store 1.8 kWh; 1.9 kWh need 0.0556 kW more.
    found = finding(changed(TOY, soc_end_min_kwh=1.9))
    assert found.facts["families"] == "charge_limit,soc_end"
    assert found.facts["soc_end_kwh"] == pytest.approx(0.1)
    assert found.facts["charge_limit_kw"] == pytest.approx(0.1 / 1.8)


def test_an_end_above_the_ceiling_names_window_and_end() -> None:
    found = finding(changed(TOY, soc_end_min_kwh=2.5, max_charge_kw=5.0))
    assert found.facts["families"] == "soc_window,soc_end"
    assert found.facts["soc_window_kwh"] == pytest.approx(0.5)


def test_sun_that_may_not_be_curtailed_and_cannot_leave_names_export_and_curtailment() -> None:
    found = finding(changed(TOY, battery=None, pv_kw=(9.0, 9.0), export_max_kw=2.0, limit_min_kw=5.0))
    assert found.facts["families"] == "export_limit,curtailment_limit"
    # 9 kW less 1 kW load, less 4 kW that may be curtailed, less the 2 kW that may leave.
    assert found.facts["export_limit_kw"] == pytest.approx(2.0)


def test_a_conflict_of_two_causes_names_one_and_says_that_it_alone_does_not_help() -> None:
    found = finding(changed(TOY, load_kw=(1.0, 14.0), soc_end_min_kwh=3.0))
    assert "would have to give" not in found.message


def test_a_measured_charge_far_outside_the_window_is_not_planned_away() -> None:
    assert "soc_window" in str(finding(changed(TOY, soc_init_kwh=5.0)).facts["families"])


def test_a_feasible_case_has_no_conflict_to_explain() -> None:
    assert isinstance(solve(TOY), Solution)
    with pytest.raises(OurFault, match="there is none"):
        explain_conflict(TOY)


def night_without_plan() -> DispatchCase:
    """Twelve hours from 22:00 in Prague (UTC+2) with a load above the connection from 02:00 to 05:00."""
    load_kw = tuple(12.5 if 4 <= hour < 7 else 1.0 for hour in range(12))
    bare = changed(TOY, battery=None, step_h=(1.0,) * 12, load_kw=load_kw, pv_kw=(0.0,) * 12,
                   import_price_per_kwh=(0.1,) * 12, export_price_per_kwh=(0.0,) * 12)  # fmt: skip
    return bare.model_copy(update={"start_utc": datetime(2026, 6, 1, 20, tzinfo=UTC)})


def test_a_conflict_says_its_times_as_the_clock_on_the_wall() -> None:
    found = explain_conflict(night_without_plan(), time_zone="Europe/Prague")
    assert "give 2.500 kW between Tue 02:00 and Tue 05:00" in found.message


def test_in_the_night_of_the_clock_change_a_conflict_says_which_two_oclock_it_means() -> None:
    case = night_without_plan().model_copy(update={"start_utc": datetime(2026, 10, 24, 20, tzinfo=UTC)})
    assert "between Sun 02:00 CEST and Sun 04:00 CET" in explain_conflict(case, time_zone="Europe/Prague").message


@pytest.mark.parametrize("kind", [*KINDS.values(), Connection, Aims], ids=lambda kind: kind.kind)
def test_every_limit_of_every_kind_has_words_for_a_person(kind: type[Part]) -> None:
    assert set(kind.limits) == set(kind.means)


def test_of_many_devices_only_those_in_the_conflict_are_named_within_seconds() -> None:
    many = tuple(
        TOY_BATTERY.model_copy(update={"device_id": f"b{n:02d}", "soc_end_min_kwh": 1.9 if n == 7 else 0.5})
        for n in range(40)
    )
    started = time.perf_counter()
    found = explain_conflict(TOY.model_copy(update={"devices": many, "load_kw": (0.0, 0.0)}))
    assert time.perf_counter() - started < 6.0
    assert found.facts["families"] == "b07.charge_limit,b07.soc_end"
    assert "b07 ends with at least 1.9 kWh" in found.message


def test_a_search_cut_short_says_that_some_limits_may_not_matter() -> None:
    found = explain_conflict(changed(TOY, soc_end_min_kwh=1.9), time_limit_s=0.0)
    assert found.facts["is_smallest"] is False
    assert "may not matter" in found.message


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([1.0, 4.0, 12.0]), st.sampled_from([0.0, 1.9, 3.0]), st.sampled_from([0.0, 6.0, 14.0]),
    st.sampled_from([1.0, 5.0]), st.sampled_from([0.0, 2.0]),
)  # fmt: skip
def test_dropping_any_one_of_the_named_limits_makes_a_plan_possible(
    load_kw: float, end_kwh: float, sun_kw: float, rating_kw: float, export_kw: float
) -> None:
    case = changed(TOY, load_kw=(0.0, load_kw), soc_end_min_kwh=end_kwh, pv_kw=(sun_kw, 0.0), limit_min_kw=4.0,
                   max_charge_kw=rating_kw, max_discharge_kw=rating_kw, export_max_kw=export_kw)  # fmt: skip
    answer = solve(case)
    if isinstance(answer, Solution):
        return
    named = str(answer.facts["families"]).split(",")
    for name in named:
        # The connection's "never both" only repeats its limits, with factors taken from them.
        rest = build_problem(case, without={"exchange_mode", name}).program
        others = {family.label for family in rest.families} & set(named)
        assert others == set(named) - {name}
        outcome = run_solver(rest, solver="highs", gap=1e-6, time_limit_s=10.0)
        # Where there are two conflicts, the other one may still stand: what is named must be enough alone.
        limits = {label for part in case.parts for label in part.limits}
        alone = build_problem(case, without={"exchange_mode", *(limits - set(named)), name}).program
        assert (
            outcome.objective is not None
            or run_solver(alone, solver="highs", gap=1e-6, time_limit_s=10.0).objective is not None
        )
