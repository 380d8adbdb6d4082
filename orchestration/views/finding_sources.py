"""Findings of a site by their source: failed jobs, live sources that deliver nothing, anomaly events, alert rules."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assets.kpi.alert_rules.rule_rows import Excursion, open_excursion, rule_rows
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger, recent
from assets.stores.ledgers.job_outcomes import OF_NO_SITE, failed_jobs
from assets.stores.live.live_store import FRESH, LiveReader
from assets.stores.warehouse.marts import mart_stamp, read_mart
from data_quality.contracts.finding import Finding
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.reporting.anomaly_event import CAUSE_TITLES, KIND_TITLES, SOURCE, AnomalyEvent, AnomalyLabel
from data_quality.contracts.reporting.open_finding import KEPT_FOR, OpenFinding
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.alert_rule import AlertRule, LimitRule, SourceRule
from data_quality.contracts.site_file.live_source import Streaming
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import last_local_day, local_day, zone
from orchestration.open_project import OpenProject
from orchestration.views.pack_subjects import groups_of
from reports.texts.locales import days_of, format_alike, moment, named, unit_text
from reports.writer import words

if TYPE_CHECKING:
    from assets.stores.published.report_ledger import Revision
    from reports.figures.trace import VersionChange


RULES = "alert rules"
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


def over_limits(project: OpenProject, site: Site, now_utc: datetime, locale: str) -> list[OpenFinding]:
    """A finding of each rule whose last value is over its limit, or was within a day. Raises BadInput without marts."""
    rules = [each for each in site.alert_rules if isinstance(each, LimitRule) and each.enabled]
    if not rules:
        return []
    end = local_day(now_utc, site.time_zone) + timedelta(days=1)
    # Months of rows are read again once marts, rules, budgets or the day are others.
    rest = (*(each.model_dump_json() for each in rules), str(site.budgets), site.time_zone, site.currency)
    key = (site.site_id, mart_stamp(project.project.marts_dir, site.site_id), end, rest)
    found = project.cache.once("excursions", key, lambda: _excursions(project, site, rules, end))
    return [
        _rule_finding(rule, each, site, locale) for rule, each in zip(rules, found, strict=True) if each is not None
    ]


def _excursions(
    project: OpenProject, site: Site, rules: Sequence[LimitRule], end: date
) -> tuple[Excursion | None, ...]:
    read = partial(read_mart, project.project.marts_dir)
    rows = (rule_rows(rule, site, read, end - _LOOK, end) for rule in rules)
    return tuple(open_excursion(each, rule, shown_for=KEPT_FOR) for each, rule in zip(rows, rules, strict=True))


def stale_reports(project: OpenProject, site: Site) -> list[OpenFinding]:
    """The newest revision of each report whose inputs changed, where a rule asks for it: to look takes a while."""
    return [
        _stale_finding(site, each, Sentence("{0} of {1}: its inputs changed", Sentence(words(each.name)), each.period))
        for each, _ in (_stale(project, site.site_id) if _wants_stale(site) else ())
    ]


def stale_group_reports(project: OpenProject, site: Site) -> list[OpenFinding]:
    """The same of organisations, where a rule of one of their sites asks for it; of one that no file has any more, a
    rule of any site. Told with a site. Raises BadInput for an organisation's file that is not in order.
    """
    if not any(map(_wants_stale, project.sites.values())):
        return []
    found, groups = [], groups_of(project)
    for name in _gone_groups(project, groups):
        for each, _ in _stale(project, name):
            facts = (Sentence(words(each.name)), name, each.period)
            found.append(
                _stale_finding(
                    site, each, Sentence("{0} of {1}, {2}: no file names this organisation any more", *facts)
                )
            )
    for name, group in groups.items():
        for each, changes in _stale(project, name) if any(map(_wants_stale, group.sites)) else ():
            facts = (Sentence(words(each.name)), group.name, each.period)
            pattern = (
                "{0} of {1}, {2}: the file of the organisation changed"
                if any(one.id == name for one in changes)
                else "{0} of {1}, {2}: its inputs changed"
            )
            found.append(_stale_finding(site, each, Sentence(pattern, *facts)))
    return found


def _gone_groups(project: OpenProject, groups: Collection[str]) -> list[str]:
    """Organisations that stored reports are of, and that were deleted or called otherwise since."""
    known = {*project.sites, *groups}
    lost = [each for each in project.reports.revisions(with_content=False) if each.site_id not in known]
    rows = project.reports.distinct_inputs([(each.report_id, each.revision) for each in lost]) if lost else ()
    named = {row["id"] for row in rows if row["role"] == "organisation"}
    return sorted(named & {each.site_id for each in lost})


def _wants_stale(site: Site) -> bool:
    return any(
        isinstance(each, SourceRule) and each.enabled and each.kind == "stale_report" for each in site.alert_rules
    )


def _stale(project: OpenProject, subject: str) -> "list[tuple[Revision, list[VersionChange]]]":
    """The newest revision of each report of a site or organisation that no longer holds, with what changed."""
    from reports.figures.trace import stale_revisions

    newest = {each.report_id: each for each in project.reports.revisions(subject, with_content=False)}
    keys = {(each.report_id, each.revision): each for each in newest.values()}
    stale = stale_revisions(project.reports, project.sources(), only=list(keys)) if keys else {}
    return [(each, stale[key]) for key, each in keys.items() if stale[key]]


def _stale_finding(site: Site, of: "Revision", what: str) -> OpenFinding:
    return OpenFinding(
        site_id=site.site_id, source=RULES, cause=f"stale {of.report_id}", severity=3, rule_kind="stale_report",
        what=what,
    )  # fmt: skip


def limit_text(rule: AlertRule | LimitRule, value: float, locale: str) -> str:
    """A value with the rule's unit, as people read it."""
    unit = _UNITS.get(rule.unit, rule.unit)
    [amount] = format_alike([round(value, 3)], unit, locale=locale)
    return Sentence("{0} cases", amount) if unit == "cases" else f"{amount} {unit_text(unit)}".strip()


def _rule_finding(rule: LimitRule, found: Excursion, site: Site, locale: str) -> OpenFinding:
    pattern = "{0}: {1} is above the limit of {2}" if rule.is_above else "{0}: {1} is below the limit of {2}"
    value, limit = (limit_text(rule, each, locale) for each in (found.value, rule.limit))
    since = moment(found.start_utc.astimezone(zone(site.time_zone)), locale)
    what = Sentence(pattern, named(rule.title), value, limit)
    return OpenFinding(
        site_id=site.site_id, source=RULES, cause=rule.rule_id, severity=rule.severity, at_utc=found.start_utc,
        what=sentences((what, Sentence("since {0}", since)), ", "), of=rule.title,
    )  # fmt: skip


# Days shown before and after an event, where it is looked at.
_AROUND = timedelta(days=3)


def open_anomalies(
    project: OpenProject, site: Site, *, locale: str, as_of_utc: datetime | None = None
) -> list[OpenFinding]:
    """The recent events of a site as findings."""
    known = AnomalyLedger(project.store).current(site.site_id, as_of_utc=as_of_utc)
    return [finding_of(each, site, locale=locale) for each in recent(known)]


def finding_of(event: AnomalyEvent, site: Site, *, locale: str = "en") -> OpenFinding:
    """The event as a finding under its own id. Its cause names the meter and the days around the event."""
    meter = site.meter(event.meter_id)
    name = (meter.name if meter is not None else "") or words(event.meter_id)
    kind = Sentence(KIND_TITLES.get(event.kind, words(event.kind)))
    first, last = local_day(event.start_utc, site.time_zone), last_local_day(event.end_utc, site.time_zone)
    pattern = "{0}: {1} on {2}" if first == last else "{0}: {1}, {2}"
    days = Sentence(pattern, named(name), kind, days_of(first, last + timedelta(days=1)))
    span = f"{first - _AROUND}/{last + _AROUND}"
    why = "" if event.cause is None or event.cause == "unknown" else Sentence(CAUSE_TITLES[event.cause])
    if why and event.confidence is not None:
        why = Sentence("{0}, confidence {1} %", why, f"{event.confidence * 100:.0f}")
    return OpenFinding(
        site_id=site.site_id, source=SOURCE, cause=f"{event.meter_id} {span}", severity=event.severity,
        what=sentences((days, _energy(event)), ", "), at_utc=event.end_utc, is_end=True, worth=_worth(event, locale),
        stored_id=event.event_id, rule_kind="anomaly", scopes=(f"meter:{event.meter_id}",), amounts=amounts_of(event),
        why=why, currency=event.currency, loss_days=(last - first).days + 1,
        loss=event.cost if event.cost is not None and event.cost > 0 else None,
    )  # fmt: skip


def amounts_of(event: AnomalyEvent) -> dict[str, float]:
    """By unit, for alert rules; without sign."""
    amounts = {event.currency: event.cost, "kwh": event.kwh}
    return {unit: abs(amount) for unit, amount in amounts.items() if amount is not None}


def row(
    event: AnomalyEvent, state: str, label: AnomalyLabel | None = None, figure_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """An event by the contract's keys. A label stands beside the cause that was computed. figure_ids: of the stored
    reports that quote it.
    """
    return {
        "id": event.event_id,
        "site": event.site_id,
        "start_utc": event.start_utc,
        "end_utc": event.end_utc,
        "meter": event.meter_id,
        "kind": event.kind,
        "cause": event.cause,
        "confidence": event.confidence,
        "severity": event.severity,
        "kwh": event.kwh,
        "cost": event.cost,
        "currency": event.currency,
        "cost_finding": event.cost_finding,
        "state": state,
        "label": label and label.cause,
        "figure_ids": list(figure_ids),
        "evidence": event.evidence,
        "params_version": event.params_version,
    }


def _energy(event: AnomalyEvent) -> str:
    """412 kWh more than usual."""
    if not event.kwh:
        return ""
    [amount] = format_alike([round(abs(event.kwh), 1)], "kwh", locale="en")
    pattern = "{0} more than usual" if event.kwh > 0 else "{0} less than usual"
    return Sentence(pattern, Numeral(f"{amount} kWh"))


def _worth(event: AnomalyEvent, locale: str) -> str:
    if event.cost is None or event.cost <= 0:
        return ""
    [amount] = format_alike([event.cost], event.currency, locale=locale)
    return f"{amount} {unit_text(event.currency)}"


DEAD = {"silent", "refused", "disk_full", "behind"}
# The sensor looks every 10 s; a look over many runs takes longer.
LATE = timedelta(minutes=5)
_NOTE = "jobs_looked_at"


def note_look(data_dir: Path, now_utc: datetime) -> None:
    """Keep when jobs were last looked at, by atomic rename."""
    unfinished = data_dir / f".{_NOTE}.part"
    unfinished.write_text(now_utc.isoformat(), encoding="utf-8")
    unfinished.replace(data_dir / _NOTE)


def overdue(data_dir: Path, now_utc: datetime) -> Finding | None:
    """Finding on schedules and sensors that no longer run; None where they run, or never did.

    facts: since_utc, mend.
    """
    with suppress(OSError, ValueError):
        since_utc = datetime.fromisoformat((data_dir / _NOTE).read_text(encoding="utf-8"))
        if now_utc - since_utc > LATE:
            return Finding(
                code="jobs_overdue",
                message="schedules and sensors are overdue: Dagster's daemon does not run, so no job begins by itself",
                facts={"job": "daemon", "since_utc": since_utc.isoformat(), "mend": "start it: meterloom up"},
            )
    return None


def not_working(project: OpenProject, site: Site, now_utc: datetime) -> list[Finding]:
    """Findings with what fails, since when (facts: since_utc, where it is known) and what to do (mend).

    Raises Unreachable.
    """
    return [*failed_jobs(project.store, [site.site_id]), *dead_sources(project, site, now_utc)]


def not_working_anywhere(project: OpenProject, now_utc: datetime) -> list[Finding]:
    """As not_working, of jobs that are of no single site, such as an ingest, and of all of them together."""
    return [*nothing_runs(project, now_utc), *failed_jobs(project.store, [OF_NO_SITE])]


def nothing_runs(project: OpenProject, now_utc: datetime) -> list[Finding]:
    """A finding where schedules and sensors are overdue: it holds for each site."""
    found = overdue(project.project.data_dir, now_utc)
    return [found] if found else []


def dead_sources(project: OpenProject, site: Site, now_utc: datetime) -> Iterator[Finding]:
    """A finding for each live source of the site that delivered once, or should, and does not now."""
    states = LiveReader(project.project.live_dir).states(site.site_id)
    by_source = {state.source_id: (at_utc, state) for at_utc, state in states}
    for source in site.sources:
        at_utc, state = by_source.get(source.source_id, (now_utc, None))
        if state is None or not isinstance(source, Streaming):
            continue
        if now_utc - at_utc > FRESH:
            yield _finding(site, state, "no collector runs", "start it: meterloom up", at_utc)
        elif state.state in DEAD:
            mend = f"meterloom sources test {source.source_id} --site {site.site_id} shows what it answers"
            yield _finding(site, state, state.sentence or "no data received", mend, state.last_utc)


def _finding(site: Site, state: SourceState, sentence: str, mend: str, since_utc: datetime | None) -> Finding:
    return Finding(
        code="source_dead",
        message=Sentence("source {0}: {1}", site.source_name(state.source_id), Sentence(sentence)),
        scope=site.site_id,
        facts={
            "source": state.source_id, "since_utc": since_utc and since_utc.isoformat(), "mend": mend, "is": sentence,
        },
    )  # fmt: skip


def since_of(finding: Finding) -> datetime | None:
    """Since when it does not work, where that is known."""
    since_utc = finding.facts.get("since_utc")
    return datetime.fromisoformat(str(since_utc)) if since_utc else None


def what_of(finding: Finding) -> str:
    """Faults and since when they stand, for people."""
    since_utc = since_of(finding)
    return finding.message + (f" (since {since_utc:%Y-%m-%d %H:%M}Z)" if since_utc else "")


def failures(findings: Sequence[Finding]) -> list[str]:
    """Faults of now, for people: which, since when, and what to do."""
    by_mend: dict[str, list[str]] = {}
    for each in findings:
        by_mend.setdefault(str(each.facts["mend"]), []).append(f"    {each.scope or 'project'}: {what_of(each)}")
    lines = [line for mend, mine in by_mend.items() for line in (*mine, f"      {mend}")]
    return ["not working:", *lines] if lines else []
