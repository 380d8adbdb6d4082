"""The conformance table: every clause has a row, every row holds or says why it deviates, and a broken rule shows."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from data_quality.contracts.errors import OurFault
from ml.conformance import data as conformance_data
from ml.conformance import register as conformance
from ml.conformance.case import Case, Outcome, expect
from ml.conformance.register import all_cases, conformance_rows
from orchestration.cli.main import build_app

CASES = all_cases()
# Clauses and rules of formulas 5.6, and the statistics of 5.3, by the name they have in the table.
CALTRACK = {
    "2.2.1.1", "2.2.1.2", "2.2.1.3", "2.2.1.4", "2.2.2.1", "2.2.3", "2.2.3.4", "2.2.4.1", "2.2.6", "2.2.7", "2.3.5",
    "2.3.6", "2.4.2", "3.2", "3.2.2", "3.3.2.1", "3.3.4.1", "3.3.4.2", "3.4.1", "3.4.3.2", "3.5.1", "3.8", "3.9.1",
    "3.9.2", "3.10", "3.11", "3.12", "4.1.2", "4.3.2.1", "4.3.2.2", "4.3.2.4", "4.3.2.4.3", "Appendix 3.3.1.2",
}  # fmt: skip
STATISTICS = {
    "R²", "adjusted R²", "RMSE, n", "RMSE, n − p", "CV(RMSE), n", "NMBE, in sample", "NMBE, out of sample", "PNRMSE",
    "F", "t and p", "VIF", "Durbin–Watson", "ρ₁",
}  # fmt: skip
OTHERS = {"ESPI 4.0", "Degree days", "Bills", "GHG Protocol", "IPMVP", "ISO 50001", "ASHRAE Guideline 14", "Time"}


def test_every_clause_of_caltrack_has_a_row() -> None:
    assert {row.clause for row in CASES if row.standard == "CalTRACK 2.0"} >= CALTRACK


def test_every_statistic_and_every_other_standard_has_a_row() -> None:
    assert {row.clause for row in CASES if row.standard == "Regression statistics"} >= STATISTICS
    assert {row.standard for row in CASES} >= OTHERS


@pytest.mark.parametrize("case", CASES, ids=[f"{case.standard} {case.clause}" for case in CASES])
def test_a_row_holds_or_says_why_it_deviates(case: Case) -> None:
    (row,) = conformance_rows([case])
    assert row.result in ("pass", "deviation"), row.note
    assert row.statement
    assert row.note
    assert row.result == "pass" or "; " in row.note


def test_names_of_cases_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))


def test_a_number_that_differs_in_its_last_printed_digit_fails() -> None:
    assert expect(21.04, 21.0, digits=1).holds
    wrong = expect(21.06, 21.0, digits=1)
    assert not wrong.holds
    assert "expected 21.0" in wrong.note


MUTANTS = {
    "zero is never missing": ("ml.conformance.caltrack.usage_of", "zero_electricity_is_missing"),
    "the correction is capped": (
        "ml.conformance.savings.correction",
        "months_are_those_of_the_report_and_not_capped",
    ),
    "correlation counts for nothing": (
        "ml.conformance.savings.effective_observations",
        "correlated_points_count_less",
    ),
    "the months beside count whole": (
        "ml.baselines.models.segments.NEIGHBOUR_WEIGHT",
        "months_are_fitted_in_weighted_segments",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_a_failed_row(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.kpi.enpi.savings_band import correction
    from ml.baselines.usage_tables.usage_table import usage_of

    broken = {
        "zero is never missing": lambda *given, **named: usage_of(*given, **(named | {"zero_is_missing": False})),
        "the correction is capped": lambda frequency, months: correction(frequency, min(months, 12)),
        "correlation counts for nothing": lambda n, rho1: n,
        "the months beside count whole": 1.0,
    }
    path, case_name = MUTANTS[name]
    monkeypatch.setattr(path, broken[name])
    (case,) = [case for case in all_cases() if case.name == case_name]
    (row,) = conformance_rows([case])
    assert row.result == "fail"


def test_the_conformance_building_must_have_a_fit() -> None:
    empty = conformance_data.days(np.ones(5), np.ones(5))
    with pytest.raises(OurFault, match="conformance building"):
        conformance_data.fitted(empty)


def test_the_command_prints_the_table_as_json() -> None:
    answer = CliRunner().invoke(build_app(("conformance",)), ["conformance", "--standard", "caltrack", "--json"])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert set(found["rows"][0]) == {"standard", "clause", "statement", "test", "result", "note"}
    assert found["counts"]["fail"] == 0
    assert {row["standard"] for row in found["rows"]} == {"CalTRACK 2.0"}


def test_a_failure_is_exit_code_one_and_an_unknown_standard_two(monkeypatch: pytest.MonkeyPatch) -> None:
    def never_true() -> Outcome:
        return Outcome(holds=False, note="computed 1, expected 2")

    monkeypatch.setattr(conformance, "all_cases", lambda: (Case("House rule", "1", "1 is 2", never_true),))
    app = build_app(("conformance",))
    assert CliRunner().invoke(app, ["conformance"]).exit_code == 1
    assert "1 fail" in CliRunner().invoke(app, ["conformance"]).output
    assert CliRunner().invoke(app, ["conformance", "--standard", "nothing"]).exit_code == 2
