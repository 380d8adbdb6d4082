"""/settings: every setting with its value and where it comes from, and the way to the site files."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission
from orchestration.web.draw import draw
from orchestration.web.people.seen import settings_seen
from orchestration.web.request_context import MORE, Ask, Nav, requires
from reports.pages.settings_list import PATH, settings_page

router = APIRouter(include_in_schema=False)
NAV = Nav(
    85, PATH, "Settings", Permission.SETTINGS_UPDATE, "sliders-horizontal", MORE,
    ("home", "ops", "exec", "audit", "site"),
)  # fmt: skip


@router.get(PATH, response_class=HTMLResponse)
def settings(ask: Ask = requires(Permission.SETTINGS_UPDATE, shared=("locale",))) -> Response:
    """Settings for who lets people in to all sites; site files for who writes them."""
    shown, is_changed, listed = settings_seen(ask)
    return draw(ask, settings_page(shown, ask.address, is_changed=is_changed, sites=listed))
