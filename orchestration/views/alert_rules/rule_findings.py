"""Findings of a site's alert rules: values over a limit, stale reports, and what rules make of other sources."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from assets.kpi.alert_rules.excursions import Excursion, open_excursion
from assets.kpi.alert_rules.rule_rows import rule_rows
from assets.stores.warehouse.marts import mart_stamp, read_mart
from data_quality.contracts.reporting.open_finding import KEPT_FOR, OpenFinding
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.alert_rule import AlertRule, LimitRule, SourceRule
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from reports.texts.locales import moment, named
from reports.texts.numbers import format_alike, unit_text
from reports.writer import words

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

SOURCE = "alert rules"
# Longer than the longest hold, so that an excursion that counts is seen from its begin.
_LOOK = timedelta(days=92)
_UNITS = {"1": "ratio", "kwh_per_unit": "kwh/unit"}


def judged(found: Iterable[OpenFinding], rules: Sequence[AlertRule]) -> list[OpenFinding]:
    """Findings after the rules of their kinds: those below a limit or muted are left out, others have its severity."""
    mine = [each for each in rules if isinstance(each, SourceRule) and each.enabled]
    kept = []
    for each in found:
        rule = next((one for one in mine if one.is_of(each.rule_kind, each.scopes)), None)
        if rule is None:
            kept.append(each)
        elif rule.passes(each.amounts):
            kept.append(each.model_copy(update={"severity": rule.severity or each.severity}))
    return kept


def over_limits(project: "OpenProject", site: Site, now_utc: datetime, locale: str) -> list[OpenFinding]:
    """A finding of each rule whose last value is over its limit, or was within a day. Raises BadInput without marts."""
    rules = [each for each in site.alert_rules if isinstance(each, LimitRule) and each.enabled]
    if not rules:
        return []
    end = (now_utc.astimezone(zone(site.time_zone)) + timedelta(days=1)).date()
    # Months of rows are read again once marts, rules, budgets or the day are others.
    said = (*(each.model_dump_json() for each in rules), str(site.budgets), site.time_zone, site.currency)
    key = (site.site_id, mart_stamp(project.project.marts_dir, site.site_id), end, said)
    found = project.cache.once("excursions", key, lambda: _excursions(project, site, rules, end))
    return [_finding(rule, each, site, locale) for rule, each in zip(rules, found, strict=True) if each is not None]


def _excursions(
    project: "OpenProject", site: Site, rules: Sequence[LimitRule], end: date
) -> tuple[Excursion | None, ...]:
    read = partial(read_mart, project.project.marts_dir)
    rows = (rule_rows(rule, site, read, end - _LOOK, end) for rule in rules)
    return tuple(open_excursion(each, rule, shown_for=KEPT_FOR) for each, rule in zip(rows, rules, strict=True))


def stale_reports(project: "OpenProject", site: Site) -> list[OpenFinding]:
    """The newest revision of each report whose inputs changed, where a rule asks for it: to look takes a while."""
    if not any(
        isinstance(each, SourceRule) and each.enabled and each.kind == "stale_report" for each in site.alert_rules
    ):
        return []
    from reports.figures.trace import stale_revisions

    newest = {each.report_id: each for each in project.reports.revisions(site.site_id, with_content=False)}
    keys = {(each.report_id, each.revision): each for each in newest.values()}
    stale = stale_revisions(project.reports, project.sources(), only=list(keys)) if keys else {}
    return [
        OpenFinding(
            site_id=site.site_id, source=SOURCE, cause=f"stale {each.report_id}", severity=3, rule_kind="stale_report",
            what=Sentence("{0} of {1}: its inputs changed", Sentence(words(each.name)), each.period),
        )
        for key, each in keys.items()
        if stale[key]
    ]  # fmt: skip


def limit_text(rule: AlertRule | LimitRule, value: float, locale: str) -> str:
    """A value with the rule's unit, as people read it."""
    unit = _UNITS.get(rule.unit, rule.unit)
    [amount] = format_alike([round(value, 3)], unit, locale=locale)
    return Sentence("{0} cases", amount) if unit == "cases" else f"{amount} {unit_text(unit)}".strip()


def _finding(rule: LimitRule, found: Excursion, site: Site, locale: str) -> OpenFinding:
    pattern = "{0}: {1} is above the limit of {2}" if rule.is_above else "{0}: {1} is below the limit of {2}"
    value, limit = (limit_text(rule, each, locale) for each in (found.value, rule.limit))
    since = moment(found.start_utc.astimezone(zone(site.time_zone)), locale)
    what = Sentence(pattern, named(rule.title), value, limit)
    return OpenFinding(
        site_id=site.site_id, source=SOURCE, cause=rule.rule_id, severity=rule.severity, at_utc=found.start_utc,
        what=sentences((what, Sentence("since {0}", since)), ", "), of=rule.title,
    )  # fmt: skip
