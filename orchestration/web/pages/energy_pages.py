"""The energy page and its CSV: how much, when, against what."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission
from orchestration.web.cache import answered
from orchestration.web.draw import draw_kept
from orchestration.web.energy.energy_shown import energy_given
from orchestration.web.queries import scope_of, stamp_of
from orchestration.web.request_context import Ask, Nav, asked
from reports.pages.energy import CSV, PATH, energy_csv, energy_page

router = APIRouter()
NAV = Nav(30, "/energy", "Energy", Permission.READ, "chart-column", "Analyse", ("home", "ops", "site"))
TAKES = ("hide",)


@router.get(PATH, response_class=HTMLResponse)
def energy(request: Request, ask: Ask = asked(Permission.READ, takes=TAKES)) -> Response:
    """The page."""
    return draw_kept(request, ask, stamp_of(ask, ask.site()), lambda: energy_page(energy_given(ask)))


@router.get(CSV)
def energy_as_csv(request: Request, ask: Ask = asked(Permission.READ, takes=TAKES)) -> Response:
    """The same points, unrounded."""
    site = ask.site()
    name = f"energy_{site.site_id}_{scope_of(ask, site).replace(':', '_').replace('/', '_')}.csv"
    told = {"Content-Disposition": f'attachment; filename="{name}"'}
    return answered(
        request,
        ask,
        stamp_of(ask, site),
        lambda: (energy_csv(energy_given(ask)).encode(), "text/csv; charset=utf-8"),
        headers=told,
    )
