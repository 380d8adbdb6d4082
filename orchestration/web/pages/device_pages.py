"""/devices: the plan and the mode of a site, its devices, and one of them with what was sent to it."""

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from orchestration.views.device_list import Devices
from orchestration.web.boards import plan_tiles
from orchestration.web.boards.board_figures import Show
from orchestration.web.boards.plan_acts import actor_of, pause_now
from orchestration.web.boards.site_now import SiteNow
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import job_form
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context, Nav, requires
from reports.pages.board import COLUMNS
from reports.pages.device_acts import device_acts, manual_acts, site_acts
from reports.pages.devices import PATH, ListedDevice, device_page, devices_page
from reports.pages.widgets import plan_ahead
from reports.pages.widgets.plan_ahead import OVER

router = APIRouter()
NAV = Nav(43, PATH, "Plan and devices", Permission.DISPATCH_READ, "calendar-clock", "Analyse", ("ops", "home"))


@router.get(PATH, response_class=HTMLResponse)
def devices(ctx: Context = requires(Permission.DISPATCH_READ, shared=("site", "locale"))) -> Response:
    """Mode, plan and devices of a site."""
    site = whole_site(ctx)
    found = Devices(ctx.project, site, ctx.now_utc, ctx.address.locale)
    address = ctx.address.model_copy(update={"site": site.site_id})
    mode = found.mode
    acts = site_acts(mode, found.requests, actor_of(ctx, site), address)
    now = SiteNow(Show(ctx, site, ctx.project.sources(keeps=False)))
    ahead = plan_tiles.ahead(now).model_copy(update={"pause": pause_now(now)})
    made = (plan_ahead.view(ahead), plan_ahead.why(ahead))
    plan = [each.model_copy(update={"span": COLUMNS}) for each in made if each.state == "value"]
    run = None if plan and not ahead.is_over else job_form(ctx, site, PATH, OVER if plan else "")
    page = devices_page(
        found.listed, mode, address, plan=plan, run=run, acts=acts, changes=found.changes(),
        is_synthetic=site.is_simulated,
    )  # fmt: skip
    return draw(ctx, page)


@router.get(PATH + "/{device_id}", response_class=HTMLResponse)
def device(device_id: str, ctx: Context = requires(Permission.DISPATCH_READ, shared=("site", "locale"))) -> Response:
    """One device: its values, and commands of the last 24 hours."""
    site = whole_site(ctx)
    found = Devices(ctx.project, site, ctx.now_utc, ctx.address.locale)
    address = ctx.address.model_copy(update={"site": site.site_id})
    shown = the_device(found, device_id)
    actor = actor_of(ctx, site, device_id)
    acts = [*manual_acts(shown, found.mode, actor, address), *device_acts(shown, actor, address)]
    changes = found.changes(device_id)
    page = device_page(shown, found.mode, address, acts=acts, changes=changes, is_synthetic=site.is_simulated)
    return draw(ctx, page)


def the_device(found: Devices, device_id: str) -> ListedDevice:
    """The device of that id. Raises BadInput (unknown_device)."""
    known = {each.device_id: each for each in found.listed}
    if device_id not in known:
        message = f"site {found.site.site_id} has no device {device_id[:40]!r}"
        raise BadInput(message, reason="unknown_device", mend=did_you_mean(device_id, list(known)))
    return known[device_id]
