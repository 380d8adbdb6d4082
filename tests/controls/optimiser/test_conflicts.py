"""A case without a plan ends in a finding that names what contradicts what, and by how much."""

import pytest

from controls.optimiser.case import DispatchCase
from controls.optimiser.conflicts import explain_conflict
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from tests.controls.optimiser.toys import TOY, changed


def finding(case: DispatchCase) -> Finding:
    answer = solve(case)
    assert isinstance(answer, Finding)
    assert answer.code == "infeasible"
    assert answer.is_blocking
    return answer


def test_a_load_above_the_connection_names_the_connection_and_what_is_missing() -> None:
    found = finding(changed(TOY, battery=None, load_kw=(1.0, 12.0)))
    assert found.facts == {"families": "import_limit", "import_limit_kw": 2.0}
    assert found.message == "no plan keeps import_limit; import_limit alone would have to give 2.000 kW"


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
