"""Open findings of a site by every source that looks for them, and the acts of people on each."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from assets.kpi.enpi.alerts import mart_alerts
from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.bill_ledger import BillStore
from assets.stores.ledgers.flags import latest_validations
from assets.stores.live.live_store import FRESH, LiveReader
from controls.ledger.device_faults import open_faults
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.open_finding import (
    FindingEvent,
    FindingState,
    OpenFinding,
    Severity,
    state_after,
    tab_of,
)
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import last_local_day, local_day
from ml.forecasts.targets import unmeasured
from orchestration.views.finding_sources import (
    judged,
    not_working,
    not_working_anywhere,
    open_anomalies,
    over_limits,
    since_of,
    stale_group_reports,
    stale_reports,
)
from orchestration.views.use_excess import excess_cost, excess_questions
from reports.texts.locales import days_of, format_alike, long_date, named, unit_text
from reports.writer import words

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

OF_FINDING: dict[str, Severity] = {"blocking": 2, "warning": 3, "info": 4}
# Of validation: what a rule found, and what was done with the readings.
_RULES = {
    "dead": "no change in reading", "stuck": "same reading repeated", "spike": "implausible peak",
    "unit_scale": "possible unit error", "negative": "negative readings", "range": "reading out of range",
    "rate": "implausible change", "clock_shift": "clock shifted",
}  # fmt: skip
_DONE = {"hold": "held back", "exclude": "excluded"}


@dataclass(frozen=True)
class FindingsQuery:
    """At one site, now or as known at an instant. locale: of dates and amounts within sentences. with_every_site: with
    what is of no single site too, such as an ingest that fails: for who may see every site. with_money: with the loss
    of a use over its limit, which is asked of the figures.
    """

    project: "OpenProject"
    site: Site
    now_utc: datetime
    as_of_utc: datetime | None = None
    locale: str = "en"
    with_every_site: bool = False
    with_money: bool = True


@dataclass(frozen=True)
class FindingStatus:
    """A finding, its state, and the event that the state rests on."""

    finding: OpenFinding
    state: FindingState
    event: FindingEvent | None = None

    @property
    def needs_someone(self) -> bool:
        """Nobody muted, explained or closed it."""
        return tab_of(self.state) == "open"


@dataclass(frozen=True)
class SourceFindings:
    """Findings of the sources. asked: which were; silent: those that could not be, with why."""

    standing: tuple[FindingStatus, ...]
    asked: tuple[str, ...]
    silent: tuple[tuple[str, str], ...]


def open_findings(look: FindingsQuery) -> SourceFindings:
    """Each source's findings of the site; a source that cannot be asked is named, and hides nothing else."""
    is_past = look.as_of_utc is not None
    # Of them these alone can say what was open at another instant.
    sources = {name: ask for name, ask in SOURCES.items() if not is_past or name in _KNOW_THE_PAST}
    silent = [(each, "it says what is open now alone") for each in SOURCES if each not in sources]
    asks = [*sources.items(), *(_ANYWHERE.items() if look.with_every_site and not is_past else ())]
    found: list[OpenFinding] = []
    for name, ask in asks:
        try:
            found += ask(look)
        except Unreachable as fault:
            silent.append((name, str(fault)))
        except BadInput as fault:
            # Marts that are not published yet have no alert; every other refusal is told.
            if fault.reason != "mart_missing":
                silent.append((name, fault.message))
    found = judged(found, look.site.alert_rules)
    events = AlertEvents(look.project.store).of_site(look.site.site_id, as_of_utc=look.as_of_utc)
    return SourceFindings(tuple(_stands(each, events, look) for each in found), tuple(sources), tuple(silent))


def the_finding(look: FindingsQuery, finding_id: str) -> FindingStatus:
    """The finding whose id starts so. Raises BadInput (no_finding) for none, or several."""
    known = open_findings(look).standing
    found = [each for each in known if finding_id and each.finding.finding_id.startswith(finding_id)]
    if len(found) != 1:
        raise BadInput(
            f"{len(found) or 'no'} finding{'s' if len(found) > 1 else ''} of {look.site.site_id} with an id that "
            f"starts with {finding_id!r}",
            reason="no_finding",
            mend=f"meterloom findings list --site {look.site.site_id} shows those that are open",
        )
    return found[0]


def _stands(found: OpenFinding, events: Mapping[str, list[FindingEvent]], look: FindingsQuery) -> FindingStatus:
    state, event = state_after(events.get(found.finding_id, []), at_utc=found.at_utc, now_utc=look.now_utc)
    return FindingStatus(found.model_copy(update={"time_zone": look.site.time_zone}), state, event)


def _refused(look: FindingsQuery) -> list[OpenFinding]:
    """Rows and files that stand in quarantine, a line a reason."""
    by_reason: dict[str, list[datetime]] = defaultdict(list)
    for item in look.project.quarantine.items(look.site.site_id, is_open=True, as_of_utc=look.as_of_utc):
        by_reason[item["reason"]].append(item["recorded_at_utc"])
    return [
        OpenFinding(
            site_id=look.site.site_id, source="quarantine", cause=reason, severity=3, at_utc=max(times),
            rule_kind="quality", amounts={"cases": len(times)},
            count=len(times), what=Sentence("{0}: {1} refused", Sentence(words(reason)), len(times)),
        )
        for reason, times in by_reason.items()
    ]  # fmt: skip


def _validated(look: FindingsQuery) -> list[OpenFinding]:
    """Findings of the rules of validation, a line a rule and meter; what is only flagged is to know."""
    grouped, names = defaultdict(list), {each.meter_id: each.name for each in look.site.meters}
    for month in latest_validations(look.project.store, look.site.site_id):
        for each in month.findings:
            grouped[each.rule, each.meter, each.action].append(each)
    return [
        OpenFinding(
            site_id=look.site.site_id, source="validation", cause=f"{rule} {meter} {action}",
            severity=4 if action == "flag" else 3, count=len(all_),
            at_utc=max(each.end_utc for each in all_), is_end=True,
            what=_event(look, rule, names.get(meter) or words(meter), action, [each.end_utc for each in all_]),
            kind=_kind(rule, action), of=names.get(meter) or words(meter),
            rule_kind="quality", scopes=(f"meter:{meter}",), amounts={"cases": len(all_)},
        )
        for (rule, meter, action), all_ in grouped.items()
    ]  # fmt: skip


def _event(look: FindingsQuery, rule: str, meter: str, action: str, ends_utc: Sequence[datetime]) -> str:
    """Grid connection: no change in reading, 2 times."""
    found = Sentence(_RULES.get(rule, words(rule)))
    day = last_local_day(max(ends_utc), look.site.time_zone)
    one = Sentence("{0}: {1} on {2}", named(meter), found, long_date(day, look.locale))
    many = Sentence("{0}: {1}, {2} times", named(meter), found, len(ends_utc))
    return sentences((one if len(ends_utc) == 1 else many, Sentence(_DONE.get(action, ""))), ", ")


def _kind(rule: str, action: str) -> str:
    """No change in reading, excluded."""
    return sentences((Sentence(_RULES.get(rule, words(rule))), Sentence(_DONE.get(action, ""))), ", ")


def _alerts(look: FindingsQuery) -> list[OpenFinding]:
    """Uses over their limit in the newest complete quarter."""
    project = look.project
    alerts = mart_alerts(look.site, marts_dir=project.project.marts_dir, baselines=project.baselines)
    found = []
    for seu, each in ((seu, each) for seu, mine in alerts.items() for each in mine):
        a_day, days = excess_cost(project, look.site, each, look.now_utc) if look.with_money else (None, None)
        loss = None if a_day is None or days is None else a_day * days
        found.append(
            OpenFinding(
                site_id=look.site.site_id, source="EnPI alerts", cause=f"{seu} {each.quarter} {each.kind}", severity=2,
                what=each.message, rule_kind="enpi", scopes=(f"seu:{seu}",),
                amounts={"percent": float(each.deviation_percent)}, loss=loss, loss_days=days,
                currency=look.site.currency, loss_of=excess_questions(each)[0] if loss else "",
            )
        )  # fmt: skip
    return found


def _anomalies(look: FindingsQuery) -> list[OpenFinding]:
    """Stored anomaly events of the last weeks with readings."""
    return open_anomalies(look.project, look.site, locale=look.locale, as_of_utc=look.as_of_utc)


def _faults(look: FindingsQuery) -> list[OpenFinding]:
    """Latches of devices: control stands still until somebody acknowledges."""
    return [
        OpenFinding(
            site_id=look.site.site_id, source="devices", cause=each.device_id or "", severity=1,
            what=f"{each.device_id or look.site.site_id}: {each.reason}",
            at_utc=datetime.fromisoformat(each.set_at_utc) if each.set_at_utc else None,
            rule_kind="device", scopes=(f"asset:{each.device_id}",),
        )
        for each in open_faults(look.project.store, look.site.site_id)
    ]  # fmt: skip


def _forecasts(look: FindingsQuery) -> list[OpenFinding]:
    """Forecasts that the site file asks for and its meters cannot give."""
    return [
        OpenFinding(
            site_id=look.site.site_id, source="forecasts", cause=f"{each.code} {each.scope}",
            severity=OF_FINDING[each.severity], what=each.message,
        )
        for each in unmeasured(look.site)
    ]  # fmt: skip


def bill_findings(look: FindingsQuery) -> list[OpenFinding]:
    """Bills that differ from what they come to when billed again."""
    books = BillStore(look.project.project.data_dir / "bills", look.project.store)
    found = []
    for bill in books.bills(look.site.site_id):
        audits = books.audits(bill["bill_id"])
        if audits and audits[-1]["verdict"] == "differs":
            delta = Decimal(audits[-1]["delta_total"])
            span = days_of(bill["period_start"], bill["period_end"])
            [amount] = format_alike([abs(delta)], look.site.currency, locale="en")
            cause = Sentence(words(audits[-1]["cause"] or ""))
            pattern = "Bill of {0} is {1} too high: {2}" if delta > 0 else "Bill of {0} is {1} too low: {2}"
            worth = Sentence("{0}", Numeral(f"{amount} {unit_text(look.site.currency)}"))
            what = Sentence(pattern, span, worth, cause)
            found.append(
                OpenFinding(
                    site_id=look.site.site_id, source="bill audits", cause=bill["bill_id"], severity=3, what=what,
                    worth=worth, at_utc=audits[-1]["recorded_at_utc"], why=cause, currency=look.site.currency,
                    loss=float(delta) if delta > 0 else None,
                    loss_days=(bill["period_end"] - bill["period_start"]).days,
                    rule_kind="bill_variance", amounts={look.site.currency: float(abs(delta))},
                )
            )  # fmt: skip
    return found


def _rules(look: FindingsQuery) -> list[OpenFinding]:
    """Limits of the site's own rules that values are over."""
    project, site = look.project, look.site
    return [*over_limits(project, site, look.now_utc, look.locale), *stale_reports(project, site)]


def _failed(look: FindingsQuery) -> list[OpenFinding]:
    """Jobs whose last run failed, live sources that deliver nothing, and live values that nobody judges."""
    found = [_not_working(look, each) for each in not_working(look.project, look.site, look.now_utc)]
    return found + _not_judged(look)


def _not_judged(look: FindingsQuery) -> list[OpenFinding]:
    """Finding on live values whose limits are too old to judge them by."""
    project, site = look.project.project, look.site
    states = LiveReader(project.live_dir).states(site.site_id) if site.sources else []
    if not any(look.now_utc - at_utc <= FRESH for at_utc, _ in states):
        return []
    # Only here: with it come the detectors.
    from ml.anomaly_scoring.live_limits import limits_of

    facts: dict[str, Any] = {"site_id": site.site_id, "source": "jobs and sources", "severity": 3}
    try:
        limits = limits_of(project.limits_dir, site.site_id)
    except BadInput as fault:
        return [OpenFinding(**facts, cause="limits_bad", what=fault.message)]
    if limits is None or not limits.is_old(look.now_utc):
        return []
    day = long_date(local_day(limits.until_utc, site.time_zone), look.locale)
    what = Sentence("Live values are not checked: limits are of {0}; the job anomalies makes new ones", day)
    return [OpenFinding(**facts, cause="limits_old", at_utc=limits.until_utc, what=what)]


def _groups(look: FindingsQuery) -> list[OpenFinding]:
    """Reports of organisations that rest on what has changed since."""
    return stale_group_reports(look.project, look.site)


def _failed_anywhere(look: FindingsQuery) -> list[OpenFinding]:
    """The same of jobs that are of no single site."""
    return [_not_working(look, each) for each in not_working_anywhere(look.project, look.now_utc)]


def _not_working(look: FindingsQuery, found: Finding) -> OpenFinding:
    facts, since_utc = found.facts, since_of(found)
    source = next((each for each in look.site.sources if each.source_id == facts.get("source")), None)
    streams = () if source is None else dict.fromkeys(f"meter:{each.stream}" for each in source.points)
    kind = "freshness" if source is not None else "plan_infeasible" if facts.get("job") == "plan" else ""
    return OpenFinding(
        site_id=look.site.site_id, source="jobs and sources", severity=2, at_utc=since_utc,
        cause=f"{found.code} {facts.get('source') or facts.get('job') or ''}",
        what=found.message, mend=Sentence(str(facts["mend"])), kind=Sentence(str(facts.get("is", ""))),
        of="" if source is None else look.site.source_name(source.source_id), rule_kind=kind, scopes=tuple(streams),
        amounts={} if since_utc is None else {"h": (look.now_utc - since_utc) / timedelta(hours=1)},
    )  # fmt: skip


SOURCES: dict[str, Callable[[FindingsQuery], list[OpenFinding]]] = {
    "devices": _faults,
    "jobs and sources": _failed,
    "EnPI alerts": _alerts,
    "quarantine": _refused,
    "validation": _validated,
    "bill audits": bill_findings,
    "forecasts": _forecasts,
    "anomalies": _anomalies,
    "alert rules": _rules,
}
# What is of no single site, under the source that it belongs to.
_ANYWHERE = {"jobs and sources": _failed_anywhere, "alert rules": _groups}
_KNOW_THE_PAST = ("quarantine", "anomalies")
