"""/bills: the bills of a site as they stand, and one of them line by line."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.site_file.site import Site
from orchestration.views.site_bills import site_bills, the_bill
from orchestration.web.draw import draw
from orchestration.web.queries import instant_of, whole_site
from orchestration.web.request_context import Ask, Nav
from orchestration.web.route_rights import asked
from reports.figures.bill_figures import BillFigures
from reports.pages.address import Address
from reports.pages.bill_lines import bill_page
from reports.pages.bills import PATH, bills_page

router = APIRouter()
NAVS = (
    Nav(41, PATH, "Cost and bills", Permission.BILL_READ, "receipt", "Analyse"),
    Nav(41, PATH, "Cost", Permission.BILL_READ, "receipt", "", ("home",)),
)


@router.get(PATH, response_class=HTMLResponse)
def bills(ask: Ask = asked(Permission.BILL_READ)) -> Response:
    """The inbox of a site."""
    return draw(ask, bills_page(_figures(ask, whole_site(ask)), _at(ask)))


@router.get(PATH + "/{bill_id}", response_class=HTMLResponse)
def bill(bill_id: str, ask: Ask = asked(Permission.BILL_READ)) -> Response:
    """One of them."""
    figures = _figures(ask, whole_site(ask))
    return draw(ask, bill_page(figures, the_bill(figures.bills, bill_id), _at(ask)))


def _figures(ask: Ask, site: Site) -> BillFigures:
    found = site_bills(ask.project, site, as_of_utc=ask.address.as_of_utc)
    return BillFigures(site, found, as_of_utc=instant_of(ask))


def _at(ask: Ask) -> Address:
    """The address with its site, which numbers are explained of."""
    return ask.address.model_copy(update={"site": ask.site().site_id, "scope": "", "period": ""})
