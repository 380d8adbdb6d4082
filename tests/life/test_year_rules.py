"""The rule of baseline years: named before the reporting year ends, once, by an approver; and judged against it."""

from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.ledgers.year_rules import YearRules
from assets.stores.schema.tables_baselines import baseline_year_rules
from assets.stores.transactions import DatabaseError
from data_quality.contracts.baselines.baseline import YearRule, YearSpan
from data_quality.contracts.errors import BadInput
from tests.life.test_commands import call, folder
from tests.life.world import ANNA, BEN, Works

__all__ = ["folder"]
# The clock of the works stands in January 2026.
RULE = YearRule(
    site_id="works",
    seu_id="line",
    trains=(YearSpan(start=date(2024, 1, 1), end=date(2025, 1, 1)),),
    report=YearSpan(start=date(2026, 1, 1), end=date(2027, 1, 1)),
)
OVER = RULE.model_copy(update={"report": YearSpan(start=date(2025, 1, 1), end=date(2026, 1, 1))})


@pytest.fixture
def rules(works: Works) -> YearRules:
    works.clock.advance(timedelta(minutes=1))
    return YearRules(works.lake.store)


def test_a_rule_is_known_from_its_approval_on(works: Works, rules: YearRules) -> None:
    kept = rules.approve(RULE, ANNA, "as the board decided", works.clock, time_zone="Europe/Berlin")
    assert (kept.approved_by, kept.reason, kept.rule) == ("anna", "as the board decided", RULE)
    assert rules.of(RULE) == kept
    assert rules.of(RULE, as_of_utc=kept.recorded_at_utc - timedelta(seconds=1)) is None
    assert rules.of(OVER) is None


def test_a_rule_for_a_year_that_is_over_is_refused(works: Works, rules: YearRules) -> None:
    with pytest.raises(BadInput) as fault:
        rules.approve(OVER, ANNA, "late", works.clock, time_zone="Europe/Berlin")
    assert fault.value.reason == "rule_too_late"


def test_a_year_has_one_rule_whatever_its_years(works: Works, rules: YearRules) -> None:
    rules.approve(RULE, ANNA, "first", works.clock, time_zone="Europe/Berlin")
    other = RULE.model_copy(update={"trains": (YearSpan(start=date(2025, 1, 1), end=date(2026, 1, 1)),)})
    with pytest.raises(BadInput) as fault:
        rules.approve(other, ANNA, "second thoughts", works.clock, time_zone="Europe/Berlin")
    assert fault.value.reason == "decided_already"


def test_who_is_no_approver_and_who_gives_no_reason_are_refused(works: Works, rules: YearRules) -> None:
    with pytest.raises(BadInput):
        rules.approve(RULE, BEN, "mine", works.clock, time_zone="Europe/Berlin")
    with pytest.raises(BadInput) as fault:
        rules.approve(RULE, ANNA, "  ", works.clock, time_zone="Europe/Berlin")
    assert fault.value.reason == "no_reason"


def test_a_rule_cannot_be_changed_or_taken_away(works: Works, rules: YearRules) -> None:
    rules.approve(RULE, ANNA, "first", works.clock, time_zone="Europe/Berlin")
    for act in (sa.update(baseline_year_rules).values(reason="better"), sa.delete(baseline_year_rules)):
        with pytest.raises(DatabaseError), works.lake.store.begin() as connection:
            connection.execute(act)


def test_a_use_is_judged_by_years_and_says_that_nobody_named_them(folder: Path) -> None:
    years = ("baseline", "best", "--seu", "works/line", "--years", "2024", "--report", "2025-01-01/2026-01-01")
    found = call(folder, *years)
    assert found["best"] == "2024"
    assert found["approved"] is None
    assert [each["code"] for each in found["findings"]] == ["rule_not_named"]


def test_a_rule_named_in_time_is_shown_and_other_years_are_barred(folder: Path) -> None:
    report = ("--report", "2025-06-01/2100-01-01")
    rule = ("baseline", "rule", "--seu", "line", "--train", "2024-01-01/2025-01-01", *report, "--reason", "plan")
    assert call(folder, *rule, "--as", "anna")["rule"]["approved_by"] == "anna"
    words = ("baseline", "best", "--seu", "line", "--train", "2024-01-01/2025-01-01", *report)
    found = call(folder, *words)
    assert found["approved"]["reason"] == "plan"
    assert "other_rule_approved" not in [each["code"] for each in found["findings"]]
    other = ("baseline", "best", "--seu", "line", "--train", "2024-03-01/2025-03-01", *report)
    assert "other_rule_approved" in [each["code"] for each in call(folder, *other)["findings"]]


def test_a_use_that_no_site_has_is_one_sentence(folder: Path) -> None:
    words = ("baseline", "best", "--seu", "lime", "--years", "2024", "--report", "2025-01-01/2026-01-01")
    assert "no site has a use 'lime'" in call(folder, *words, code=2)
