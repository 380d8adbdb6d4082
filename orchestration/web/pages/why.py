"""/why: where a number comes from, made again; and keeping it as a figure that can be cited."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.permissions import Permission
from orchestration.web.ask import Ask
from orchestration.web.draw import draw
from orchestration.web.explain import WHY_TAKES, explained
from orchestration.web.gate import asked
from reports.pages.why import why_page

router = APIRouter()


@router.get("/why", response_class=HTMLResponse)
def why(ask: Ask = asked(Permission.READ, takes=WHY_TAKES)) -> Response:
    """The reason of one number."""
    return draw(ask, why_page(explained(ask), ask.address))
