"""Tiles of open findings by the sources that look for them, and of the state of reports."""

from collections.abc import Sequence
from datetime import timedelta

from assets.stores.ledgers.work_orders import WorkflowInstances
from assets.stores.published.publications import PublicationStore
from data_quality.contracts.access.permissions import Permission, may, sees_whole_site
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.sentence import sentences
from data_quality.contracts.time import Period, months_after, parse_day, period_key
from orchestration.views.due_reports import MARKS, due_starts
from orchestration.views.open_findings import FindingsQuery, open_findings
from orchestration.views.work_orders import tasks_of
from orchestration.web.approvals import approvals_waiting
from orchestration.web.boards.board_figures import Show
from orchestration.web.library.report_lines import may_make, report_title
from orchestration.workflows.steps import DAY_KPIS, day_text
from reports.evidence.lifecycle import revision_states_at
from reports.figures.trace import stale_revisions
from reports.pages.findings import PATH, OpenFindings, address_of, findings_tile, subject_of
from reports.pages.page import Widget
from reports.pages.report_library import ReportRequest
from reports.pages.tasks import PATH as TASKS
from reports.pages.tasks import Tasks, tasks_tile
from reports.pages.widgets import report_status
from reports.pages.widgets.report_status import ReportLine, ReportStatus
from reports.texts.locales import named


def findings_of(shows: Sequence[Show]) -> Widget:
    """Widget 8, of these sites together; a source that cannot be asked is named, and hides nothing else."""
    found: list[OpenFinding] = []
    silent: dict[tuple[str, str], None] = {}
    sources: tuple[str, ...] = ()
    for show in shows:
        ctx = show.ctx
        sees_all = show is shows[0] and not ctx.person.sites and sees_whole_site(ctx.person)
        look = FindingsQuery(
            ctx.project, show.site, ctx.as_of_or_now, ctx.address.as_of_utc, show.address.locale, sees_all
        )
        result = open_findings(look)
        mine = [each.finding for each in result.standing if each.needs_someone]
        found += mine
        silent |= dict.fromkeys(result.silent)
        sources = result.asked
    data = OpenFindings(
        address=shows[0].address, open=tuple(found), asked=sources, silent=tuple(silent),
        links={each.finding_id: address_of(each, shows[0].address) for each in found},
        subjects={each.finding_id: href for each in found if (href := subject_of(each, shows[0].address))},
        may_act=may(shows[0].ctx.person, Permission.ANOMALY_UPDATE),
        link=shows[0].address.href(PATH, scope=None, period=None) if len(shows) == 1 else "",
        is_synthetic=any(show.site.is_simulated for show in shows),
    )  # fmt: skip
    return findings_tile(data)


def tasks_at(shows: Sequence[Show]) -> Widget:
    """The open work orders of these sites together."""
    first = shows[0]
    known = [
        each for show in shows for each in tasks_of(show.ctx.project, show.site, as_of_utc=show.ctx.address.as_of_utc)
    ]
    waiting = sorted((each for each in known if each.order.is_open), key=lambda each: each.order.priority)
    now = first.ctx.address.as_of_utc is None
    approvals = [
        each for show in shows if now for each in approvals_waiting(show.ctx.project, show.site, show.ctx.person)
    ]
    data = Tasks(
        address=first.address, asked=tuple(approvals), digests=tuple(_digest(show) for show in shows if now),
        open=tuple(waiting), ended=len(known) - len(waiting),
        link=first.address.href(TASKS, scope=None, period=None) if len(shows) == 1 else "",
        is_synthetic=any(show.site.is_simulated for show in shows),
    )  # fmt: skip
    return tasks_tile(data)


def _digest(show: Show) -> tuple[str, str]:
    """The newest daily digest of a site by its figures as they stand now, and where its energy is explained; empty
    before the first one.
    """
    digests = WorkflowInstances(show.ctx.project.store).current(show.site.site_id, "daily_digest")
    if not digests:
        return "", ""
    end = parse_day(digests[-1].subject, "day")
    day = Period(label=str(end), start=end - timedelta(days=1), end=end, time_zone=show.site.time_zone)
    found = {kpi: show.over(kpi, f"site:{show.site.site_id}", day)[0] for kpi in DAY_KPIS}
    known = {kpi: each for kpi, each in found.items() if each is not None and each.figure.value is not None}
    amounts = {kpi: (float(each.figure.value or 0), each.figure.unit) for kpi, each in known.items()}
    why = known["consumption_kwh"].why if "consumption_kwh" in known else ""
    return sentences((named(show.site.name), day_text(day.start, amounts, show.address.locale)), ", "), why


def reports_of(shows: Sequence[Show]) -> Widget:
    """Widget 13, of these sites together: the newest revision of each report and period, and what is due."""
    project, as_of = shows[0].ctx.project, shows[0].ctx.address.as_of_utc
    sites = {show.site.site_id: show.site for show in shows}
    newest = {
        each.report_id: each
        for each in project.reports.revisions(as_of_utc=as_of, with_content=False)
        if each.site_id in sites
    }
    keys = [(each.report_id, each.revision) for each in newest.values()]
    stale = stale_revisions(project.reports, shows[0].sources, as_of_utc=as_of, only=keys) if keys else {}
    lives = revision_states_at(PublicationStore(project.store), keys, {}, as_of_utc=as_of)
    lines = [
        ReportLine(
            name=each.name, site=each.site_id, period=each.period, revision=each.revision,
            status=lives[each.report_id, each.revision].status,
            stale=tuple(sorted({it.name for it in stale.get((each.report_id, each.revision), ())})),
            href=shows[0].address.href(f"/reports/{each.name}/{each.site_id}/{each.period}@{each.revision}", site=None),
        )
        for each in newest.values()
    ]  # fmt: skip
    for site in sites.values():
        for report, months in MARKS.items():
            if report == "enpi_quarter" and not site.seus:
                continue
            for start in due_starts(project, site, shows[0].as_of_utc, report=report, months=months):
                asks = ReportRequest(report, site.site_id, period_key(start, months_after(start, months)))
                if not any((line.name, line.site, line.period) == asks for line in lines):
                    href = asks.href(shows[0].address) if may_make(shows[0].ctx) else ""
                    due = ReportLine(name=report, site=site.site_id, period=asks.period, status="due", href=href)
                    lines.append(due)
    link = shows[0].address.href("/reports", site=None, scope=None, period=None)
    names = {site_id: site.name for site_id, site in sites.items()}
    titles = {each.name: report_title(shows[0].ctx, each.name) for each in lines}
    data = ReportStatus(address=shows[0].address, names=names, titles=titles, lines=tuple(lines), link=link)
    return report_status.view(data)
