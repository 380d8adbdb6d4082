"""/reports: which there are, how far each has come, and which no longer holds; and a stored revision as a page."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from assets.stores.published.publications import PublicationStore
from data_quality.contracts.access.permissions import Permission, sees_site
from data_quality.contracts.errors import BadInput
from orchestration.web.draw import draw
from orchestration.web.request_context import Ask, Nav
from orchestration.web.route_rights import asked
from reports.evidence.lifecycle import life_at, with_life
from reports.figures.trace import stale_revisions
from reports.lifecycle.revise import stored_content
from reports.pages.report_list import NO_REPORTS, STATES, ReportLine, report_page
from reports.pages.report_twin import report_page as report_twin_page
from reports.report_content import ReportLife
from reports.writer import words

router = APIRouter()
NAV = Nav(60, "/reports", "Reports", Permission.REPORT_READ, "file-text", "Assure", ("ops", "exec", "audit"))


# Before the list: a twin's address begins like it.
@router.get("/reports/{report_id:path}@{revision:int}", response_class=HTMLResponse, include_in_schema=False)
def twin(report_id: str, revision: int, ask: Ask = asked(Permission.REPORT_READ)) -> Response:
    """The revision as its files show it now. Of a site that the person does not see, there is none."""
    reports = ask.project.reports
    if not sees_site(ask.person, reports.get(report_id, revision).site_id):
        raise BadInput(f"no revision {revision} of report {report_id!r}", reason="unknown_report")
    content = with_life(
        stored_content(reports, report_id, revision), PublicationStore(reports.store), ask.project.names
    )
    links = ((f"All reports of {content.site_name}", ask.address.href("/reports", site=content.site_id)),)
    return draw(ask, report_twin_page(content, ask.address, links))


@router.get("/reports", response_class=HTMLResponse)
def reports(ask: Ask = asked(Permission.REPORT_READ, takes=("state", "all"))) -> Response:
    """The list, of the sites that the person sees."""
    state = ask.address.part("state")
    if state and state not in STATES:
        raise BadInput(f"state is one of {', '.join(STATES)}, got {state[:20]!r}", reason="bad_address")
    site = ask.site().site_id if ask.address.site else None
    lines = [
        each
        for each in report_lines(ask)
        if sees_site(ask.person, each.revision.site_id) and site in (None, each.revision.site_id)
    ]
    known = ask.sites()
    names, is_synthetic = {each: known[each].name for each in known}, any(e.is_simulated for e in known.values())
    return draw(ask, report_page(lines, ask.address, sites=names, is_synthetic=is_synthetic))


def report_lines(ask: Ask) -> list[ReportLine]:
    """Every revision of a report with its life and what changed under it, newest first."""
    project, as_of = ask.project, ask.address.as_of_utc
    publications, names = PublicationStore(project.store), project.names
    found = [
        each for each in project.reports.revisions(as_of_utc=as_of, with_content=False) if each.name not in NO_REPORTS
    ]
    keys = [(each.report_id, each.revision) for each in found]
    # All at once: revisions share their inputs, and each is looked at once.
    changed = stale_revisions(project.reports, project.sources(keeps=False), as_of_utc=as_of, only=keys)
    decided = publications.statuses(as_of_utc=as_of)
    newest = {each.report_id: each.revision for each in found}
    return [
        ReportLine(
            revision=each,
            life=life_at(publications, *key, names, as_of_utc=as_of) if key in decided else ReportLife(),
            changes=changed.get(key, ()),
            title=words(each.name),
            is_newest=newest[each.report_id] == each.revision,
        )
        for each, key in zip(reversed(found), reversed(keys), strict=True)
    ]
