"""A search that its time limit ended says how near it came, and which limit the relaxation says holds it back."""

import pytest

from controls.optimiser.out_of_time import none_in_time, not_proven
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence
from reports.texts.locales import page_word
from tests.controls.optimiser.test_solve import hard_case, in_little_time
from tests.controls.optimiser.toys import TOY, changed


def test_a_plan_that_is_not_proven_names_its_gap_and_the_limit_that_holds_the_relaxation_back() -> None:
    case = hard_case()
    found = in_little_time(case)
    finding = not_proven(case, found.gap)
    assert (finding.code, finding.severity, finding.facts["gap"]) == ("plan_not_proven", "warning", found.gap)
    assert finding.message.startswith(
        f"the search ended before the plan was proven: it is at most {found.gap:.2%} from the best there is; "
    )
    assert f"{finding.facts['limit']} (" in finding.message
    assert "holds it back most: one k" in finding.message


def test_the_limit_that_is_named_makes_the_relaxation_cheaper_where_it_gives() -> None:
    # Who is paid for what is imported would import more: half a euro in each of two hours for one kilowatt.
    case = changed(TOY, load_kw=(1.5, 1.5), import_price_per_kwh=(-0.5, -0.5), soc_max_kwh=50.0)
    case = case.model_copy(update={"connection": case.connection.model_copy(update={"import_max_kw": 1.6})})
    finding = not_proven(case, 0.1)
    assert finding.facts["limit"] == "import_limit"
    wider = case.model_copy(update={"connection": case.connection.model_copy(update={"import_max_kw": 1.61})})
    before, after = solve(case), solve(wider)
    assert isinstance(before, Solution)
    assert isinstance(after, Solution)
    assert before.objective - after.objective == pytest.approx(
        0.01 * float(finding.facts["saves_per_unit"] or 0), rel=1e-3
    )


def test_no_plan_in_time_says_the_same_and_a_relaxation_without_solution_is_a_conflict() -> None:
    finding = none_in_time(hard_case(), solver="HiGHS", time_limit_s=1.0, time_zone="UTC")
    assert (finding.code, finding.is_blocking) == ("no_plan_in_time", True)
    assert finding.message.startswith("HiGHS found no plan within 1 s; with switches at any share, ")
    narrow = TOY.connection.model_copy(update={"import_max_kw": 0.1, "export_max_kw": 0.0})
    shut = changed(TOY, load_kw=(9.0, 9.0)).model_copy(update={"connection": narrow})
    assert none_in_time(shut, solver="HiGHS", time_limit_s=1.0, time_zone="UTC").code == "infeasible"


def test_the_words_are_there_in_german_and_arabic() -> None:
    finding = not_proven(hard_case(), 0.05)
    assert isinstance(finding, Finding)
    assert isinstance(finding.message, Sentence)
    for language in ("de", "ar"):
        assert "holds it back" not in page_word(language, finding.message)
        assert page_word(language, finding.message) != finding.message
