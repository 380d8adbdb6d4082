"""/settings: every setting with its value and where it comes from, and the way to the site files."""

import os

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.settings import SETTINGS_FILE, load_settings
from data_quality.contracts.settings_shown import shown_settings
from orchestration.web.draw import draw
from orchestration.web.request_context import Ask, Nav, asked
from reports.pages.settings_list import PATH, settings_page

router = APIRouter(include_in_schema=False)
NAV = Nav(
    85, PATH, "Settings", Permission.SETTINGS_UPDATE, "sliders-horizontal", "Assure",
    ("home", "ops", "exec", "audit", "site"),
)  # fmt: skip


@router.get(PATH, response_class=HTMLResponse)
def settings(ask: Ask = asked(Permission.SETTINGS_UPDATE, shared=("locale",))) -> Response:
    """Settings for who lets people in to all sites; site files for who writes them."""
    project = ask.project.project
    path = project.root / SETTINGS_FILE
    # What a mail server or a disk is called is nobody's who sees some sites alone.
    is_shown = may(ask.person, Permission.PEOPLE_ADMIN) and not ask.person.sites
    shown = shown_settings(path, os.environ) if is_shown else None
    is_changed = is_shown and load_settings(path, os.environ) != project.settings
    sites = ask.sites() if may(ask.person, Permission.WRITE) else {}
    listed = [(each, site.name) for each, site in sites.items()]
    return draw(ask, settings_page(shown, ask.address, is_changed=is_changed, sites=listed))
