"""A stored revision of a report as a page."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from assets.stores.published.publications import PublicationStore
from data_quality.contracts.access.permissions import Permission, sees_site
from data_quality.contracts.errors import BadInput
from orchestration.web.ask import Ask
from orchestration.web.draw import draw
from orchestration.web.route_rights import asked
from reports.evidence.life import with_life
from reports.life.revise import stored_content
from reports.pages.report_twin import report_page

router = APIRouter(include_in_schema=False)


@router.get("/reports/{report_id:path}@{revision:int}", response_class=HTMLResponse)
def report_twin(report_id: str, revision: int, ask: Ask = asked(Permission.REPORT_READ)) -> Response:
    """The revision as its files show it now. Of a site that the person does not see, there is none."""
    reports = ask.project.reports
    if not sees_site(ask.person, reports.get(report_id, revision).site_id):
        raise BadInput(f"no revision {revision} of report {report_id!r}", reason="unknown_report")
    content = with_life(stored_content(reports, report_id, revision), PublicationStore(reports.store))
    links = ((f"All reports of {content.site_name}", ask.address.href("/reports", site=content.site_id)),)
    return draw(ask, report_page(content, ask.address, links))
