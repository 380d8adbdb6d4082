"""What is open at a site by the sources that look for it, and where its reports stand."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from assets.kpi.enpi.alert_marts import mart_alerts
from assets.stores.ledgers.bill_ledger import BillStore
from assets.stores.ledgers.flags import latest_validations
from assets.stores.published.publications import PublicationStore
from controls.ledger.device_faults import open_faults
from data_quality.contracts.access.permissions import sees_whole_site
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.time import months_after, zone
from ml.forecasts.targets import unmeasured
from orchestration.views.due_reports import MARKS, due_starts
from orchestration.views.not_working import not_working, not_working_anywhere, since_of
from orchestration.web.boards.board_figures import Show
from reports.evidence.lifecycle import life_at
from reports.figures.trace import stale_revisions
from reports.pages.page import Widget
from reports.pages.widgets import open_findings, report_status
from reports.pages.widgets.open_findings import OpenFinding, OpenFindings
from reports.pages.widgets.report_status import ReportLine, ReportStatus
from reports.texts.locales import long_date, named, period_text
from reports.texts.numbers import unit_text
from reports.writer import format_alike, words

Found = list[OpenFinding]


def findings_of(shows: Sequence[Show]) -> Widget:
    """Widget 8, of these sites together; a source that cannot be asked is named, and hides nothing else."""
    found: Found = []
    silent: list[tuple[str, str]] = []
    is_past = shows[0].ask.address.as_of_utc is not None
    # Of them quarantine alone can say what was open at another instant.
    sources = {"quarantine": _refused} if is_past else SOURCES
    silent += [(each, "it says what is open now alone") for each in SOURCES if each not in sources]
    for show in shows:
        asks = list(sources.items())
        asks += [("jobs and sources", _failed_anywhere)] if show is shows[0] and not is_past else []
        for name, ask in asks:
            try:
                found += ask(show)
            except Unreachable as fault:
                silent.append((name, str(fault)))
            except BadInput as fault:
                # Marts that are not published yet have no alert; every other refusal is told.
                if fault.reason != "mart_missing":
                    silent.append((name, fault.message))
    given = OpenFindings(
        address=shows[0].address, open=tuple(found), asked=tuple(sources), silent=tuple(silent),
        is_synthetic=any(show.site.is_simulated for show in shows),
    )  # fmt: skip
    return open_findings.view(given)


def _refused(show: Show) -> Found:
    """Rows and files that stand in quarantine, a line a reason."""
    by_reason: dict[str, list[datetime]] = defaultdict(list)
    for item in show.ask.project.quarantine.items(
        show.site.site_id, is_open=True, as_of_utc=show.ask.address.as_of_utc
    ):
        by_reason[item["reason"]].append(item["recorded_at_utc"])
    return [
        OpenFinding(
            severity=3, source="quarantine", at_utc=max(times), count=len(times),
            what=Sentence("{0}: {1} refused", Sentence(words(reason)), len(times)),
        )
        for reason, times in by_reason.items()
    ]  # fmt: skip


def _validated(show: Show) -> Found:
    """What the rules of validation found, a line a rule and meter; what is only flagged is to know."""
    grouped, names = defaultdict(list), {each.meter_id: each.name for each in show.site.meters}
    for month in latest_validations(show.ask.project.store, show.site.site_id):
        for each in month.findings:
            grouped[each.rule, each.meter, each.action].append(each)
    return [
        OpenFinding(
            severity=4 if action == "flag" else 3, source="validation",
            what=_event(show, rule, names.get(meter) or words(meter), action, [each.end_utc for each in all_]),
            at_utc=max(each.end_utc for each in all_), count=len(all_),
        )
        for (rule, meter, action), all_ in grouped.items()
    ]  # fmt: skip


# Of validation: what a rule found, and what was done with the readings.
RULES = {
    "dead": "no change in reading", "stuck": "same reading repeated", "spike": "implausible peak",
    "unit_scale": "possible unit error", "negative": "negative readings", "range": "reading out of range",
    "rate": "implausible change", "clock_shift": "clock shifted",
}  # fmt: skip
DONE = {"hold": "held back", "exclude": "excluded"}


def _event(show: Show, rule: str, meter: str, action: str, ends_utc: Sequence[datetime]) -> str:
    """Grid connection: no change in reading, 2 times."""
    found = Sentence(RULES.get(rule, words(rule)))
    day = (max(ends_utc) - timedelta(seconds=1)).astimezone(zone(show.site.time_zone)).date()
    one = Sentence("{0}: {1} on {2}", named(meter), found, long_date(day, show.address.locale))
    many = Sentence("{0}: {1}, {2} times", named(meter), found, len(ends_utc))
    return sentences((one if len(ends_utc) == 1 else many, Sentence(DONE.get(action, ""))), ", ")


def _alerts(show: Show) -> Found:
    """Uses over their limit in the newest complete quarter."""
    project = show.ask.project
    alerts = mart_alerts(show.site, marts_dir=project.project.marts_dir, baselines=project.baselines)
    return [
        OpenFinding(severity=2, source="EnPI alerts", what=each.message) for mine in alerts.values() for each in mine
    ]


def _faults(show: Show) -> Found:
    """Latches of devices: control stands still until somebody acknowledges."""
    return [
        OpenFinding(
            severity=1, source="devices", what=f"{each.device_id or show.site.site_id}: {each.reason}",
            at_utc=datetime.fromisoformat(each.set_at_utc) if each.set_at_utc else None,
        )
        for each in open_faults(show.ask.project.store, show.site.site_id)
    ]  # fmt: skip


def _forecasts(show: Show) -> Found:
    """Forecasts that the site file asks for and its meters cannot give."""
    return [
        OpenFinding(severity=open_findings.OF_FINDING[each.severity], source="forecasts", what=each.message)
        for each in unmeasured(show.site)
    ]


def _bills(show: Show) -> Found:
    """Bills that differ from what they come to when billed again."""
    project = show.ask.project
    books = BillStore(project.project.data_dir / "bills", project.store)
    found = []
    for bill in books.bills(show.site.site_id):
        audits = books.audits(bill["bill_id"])
        if audits and audits[-1]["verdict"] == "differs":
            delta, locale = Decimal(audits[-1]["delta_total"]), show.address.locale
            span = period_text(bill["period_start"], bill["period_end"], locale)
            [amount] = format_alike([abs(delta)], show.site.currency, locale=locale)
            cause = Sentence(words(audits[-1]["cause"] or ""))
            pattern = "bill of {0} is {1} too high: {2}" if delta > 0 else "bill of {0} is {1} too low: {2}"
            what = Sentence(pattern, span, f"{amount} {unit_text(show.site.currency)}", cause)
            found.append(OpenFinding(severity=3, source="bill audits", what=what, at_utc=audits[-1]["recorded_at_utc"]))
    return found


def _failed(show: Show) -> Found:
    """Jobs whose last run failed, and live sources that deliver nothing."""
    return [_not_working(each) for each in not_working(show.ask.project, show.site, show.ask.clock.now_utc())]


def _failed_anywhere(show: Show) -> Found:
    """The same of jobs that are of no single site, for who sees every site."""
    if show.ask.person.sites or not sees_whole_site(show.ask.person):
        return []
    return [_not_working(each) for each in not_working_anywhere(show.ask.project, show.ask.clock.now_utc())]


def _not_working(found: Finding) -> OpenFinding:
    what = sentences((found.message, Sentence(str(found.facts["mend"]))))
    return OpenFinding(severity=2, source="jobs and sources", what=what, at_utc=since_of(found))


SOURCES: dict[str, Callable[[Show], Found]] = {
    "devices": _faults,
    "jobs and sources": _failed,
    "EnPI alerts": _alerts,
    "quarantine": _refused,
    "validation": _validated,
    "bill audits": _bills,
    "forecasts": _forecasts,
}


def reports_of(shows: Sequence[Show]) -> Widget:
    """Widget 13, of these sites together: the newest revision of each report and period, and what is due."""
    project, as_of = shows[0].ask.project, shows[0].ask.address.as_of_utc
    sites = {show.site.site_id: show.site for show in shows}
    newest = {
        each.report_id: each
        for each in project.reports.revisions(as_of_utc=as_of, with_content=False)
        if each.site_id in sites
    }
    keys = [(each.report_id, each.revision) for each in newest.values()]
    stale = stale_revisions(project.reports, shows[0].sources, as_of_utc=as_of, only=keys) if keys else {}
    publications = PublicationStore(project.store)
    lines = [
        ReportLine(
            name=each.name, site=each.site_id, period=each.period, revision=each.revision,
            status=life_at(publications, each.report_id, each.revision, {}, as_of_utc=as_of).status,
            stale=tuple(sorted({f"{it.kind} {it.id}" for it in stale.get((each.report_id, each.revision), ())})),
            href=shows[0].address.href(f"/reports/{each.name}/{each.site_id}/{each.period}@{each.revision}", site=None),
        )
        for each in newest.values()
    ]  # fmt: skip
    for site in sites.values():
        for report, months in MARKS.items():
            if report == "enpi_quarter" and not site.seus:
                continue
            for start in due_starts(project, site, shows[0].as_of_utc, report=report, months=months):
                label = f"{start:%Y-%m}" if months == 1 else f"{start.year}-Q{(start.month + 2) // 3}"
                if months not in (1, 3):
                    label = f"{start}/{months_after(start, months)}"
                if not any((line.name, line.site, line.period) == (report, site.site_id, label) for line in lines):
                    lines.append(ReportLine(name=report, site=site.site_id, period=label, status="due"))
    link = shows[0].address.href("/reports", site=None, scope=None, period=None)
    names = {site_id: site.name for site_id, site in sites.items()}
    return report_status.view(ReportStatus(address=shows[0].address, names=names, lines=tuple(lines), link=link))
