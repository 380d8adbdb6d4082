"""/why: where a number comes from, made again; and keeping it as a figure that can be cited."""

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import HTMLResponse, RedirectResponse, Response

from data_quality.contracts.access.permissions import Permission, may
from orchestration.web.ask import Ask
from orchestration.web.draw import draw
from orchestration.web.number_asked import WHY_TAKES, explained, kept_number
from orchestration.web.route_rights import asked
from reports.pages.address import read_address
from reports.pages.why import address_of, why_page
from reports.pages.why_links import TAKES, WHY

router = APIRouter()


@router.get("/why", response_class=HTMLResponse)
def why(ask: Ask = asked(Permission.READ, takes=WHY_TAKES)) -> Response:
    """The reason of one number."""
    may_keep = may(ask.person, Permission.REPORT_RUN)
    return draw(ask, why_page(explained(ask), ask.address, may_keep=may_keep))


@router.post("/why/keep")
def keep(ask: Ask = asked(Permission.REPORT_RUN)) -> Response:
    """Store the number with its trace, and show it under its id; the same number again keeps its id."""
    wanted = replace(ask, address=read_address(WHY, list(ask.form.items()), takes=TAKES))
    return RedirectResponse(address_of(kept_number(wanted), ask.address), 303)
