"""Versions of alert rules, append-only: a row when a rule of a site file is new, changed, or taken out."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field, JsonValue

from assets.stores.journal import Ledger
from assets.stores.schema.tables_findings import alert_rules
from assets.stores.transactions import Repository
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.alert_rule import AlertRule
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock


class RuleVersion(Model):
    """One version. rule: as the site file says it; None: it was taken out. person_id: empty where the file was found
    changed. recorded_at_utc: None where it is in the file and not recorded yet.
    """

    site_id: str
    rule_id: str
    version: int = Field(ge=1)
    kind: str
    rule: dict[str, JsonValue] | None
    person_id: str = ""
    recorded_at_utc: datetime | None = None


_RULES = Ledger(alert_rules, RuleVersion, is_proven=True)


class AlertRules(Repository):
    """The versions of one transactional store."""

    def history(self, site_id: str, rule_id: str | None = None) -> list[RuleVersion]:
        """Every version of a site's rules, or of one, the oldest first."""
        return _RULES.history(self.store, site_id=site_id, rule_id=rule_id)

    def as_of(self, site_id: str, as_of_utc: datetime) -> list[RuleVersion]:
        """The rules of a site as they were recorded by then."""
        found = _RULES.all_as_of(self.store, "rule_id", as_of_utc=as_of_utc, site_id=site_id)
        return [each for each in found if each.rule is not None]

    def of(self, site: Site) -> list[tuple[AlertRule, RuleVersion]]:
        """The rules of the site file in its order, each with its version."""
        last = self._last(site.site_id)
        return [(rule, _version(site.site_id, rule, last.get(rule.rule_id))) for rule in site.alert_rules]

    def record(self, site: Site, clock: Clock, *, person_id: str = "") -> int:
        """Write down what changed since the last look. Returns how many rows were added."""
        if not site.alert_rules and not self._last(site.site_id):
            return 0
        with self.store.together():
            last = self._last(site.site_id)
            new = [_version(site.site_id, rule, last.get(rule.rule_id)) for rule in site.alert_rules]
            rows = [each for each in new if each.recorded_at_utc is None]
            rows += _taken_out(last.values(), {each.rule_id for each in new})
            _RULES.put(self.store, clock, *rows, person_id=person_id)
        return len(rows)

    def _last(self, site_id: str) -> dict[str, RuleVersion]:
        return {each.rule_id: each for each in self.history(site_id)}


def _version(site_id: str, rule: AlertRule, last: RuleVersion | None) -> RuleVersion:
    """The recorded version where it says the same, else the next one."""
    content = rule.model_dump(mode="json")
    if last is not None and last.rule == content:
        return last
    number = 1 if last is None else last.version + 1
    return RuleVersion(site_id=site_id, rule_id=rule.rule_id, version=number, kind=rule.kind, rule=content)


def _taken_out(last: Iterable[RuleVersion], kept: set[str]) -> list[RuleVersion]:
    gone = [each for each in last if each.rule is not None and each.rule_id not in kept]
    return [
        each.model_copy(update={"version": each.version + 1, "rule": None, "recorded_at_utc": None}) for each in gone
    ]
