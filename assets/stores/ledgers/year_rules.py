"""Approved rules of baseline years, append-only: named before the reporting year is over, once for each year."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_baselines import baseline_year_rules
from assets.stores.transactions import Repository
from data_quality.contracts.baselines.baseline import YearRule, YearRuleRecord
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock, local_day


def _read(row: Mapping[str, Any]) -> YearRuleRecord:
    return YearRuleRecord(
        rule=YearRule.model_validate(row["rule"]),
        approved_by=row["person_id"],
        reason=row["reason"],
        recorded_at_utc=row["recorded_at_utc"],
    )


_RULES = AppendOnly(baseline_year_rules, _read, is_proven=True)


class YearRules(Repository):
    """The rules of one transactional store. A row that is not as it was sealed is refused, not read."""

    def approve(
        self, rule: YearRule, person: Person, reason: str, clock: Clock, *, time_zone: str
    ) -> YearRuleRecord:  # fmt: skip
        """Record a rule. time_zone: of the site, by which its reporting year ends.

        Raises BadInput for a missing role, an empty reason, a reporting year that is over, and one that has its rule:
        who sees a year's figures before the rule is named could choose it by them.
        """
        person.must_be(Role.APPROVER)
        if not reason.strip():
            raise BadInput("an approval needs a reason", reason="no_reason")
        if local_day(clock.now_utc(), time_zone) >= rule.report.end:
            raise BadInput(
                f"the reporting period {rule.report.start}/{rule.report.end} is over: its rule is named before it ends",
                reason="rule_too_late",
            )
        with self.store.together():
            if (known := self.of(rule)) is not None:
                raise BadInput(
                    f"the rule of {rule.seu_id} for {rule.report.start}/{rule.report.end} stands since "
                    f"{known.recorded_at_utc:%Y-%m-%d}, approved by {known.approved_by}",
                    reason="decided_already",
                )
            decision = {"person_id": person.person_id, "reason": reason.strip(), "rule": rule.model_dump(mode="json")}
            _RULES.add(self.store, clock, _key(rule) | decision)
            kept = self.of(rule)
        assert kept is not None  # noqa: S101
        return kept

    def of(self, rule: YearRule, *, as_of_utc: datetime | None = None) -> YearRuleRecord | None:
        """The rule of the use and reporting period, whatever its years; None where nobody approved one."""
        return _RULES.latest(self.store, as_of_utc=as_of_utc, **_key(rule))


def _key(rule: YearRule) -> dict[str, str]:
    start, end = rule.report.start.isoformat(), rule.report.end.isoformat()
    return {"site_id": rule.site_id, "seu_id": rule.seu_id, "report_start": start, "report_end": end}
