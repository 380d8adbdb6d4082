"""`/live`: what the live board holds of a site."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from assets.stores.live.live_store import LiveReader
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.site_file.live_source import poll_intervals_s
from orchestration.web.api.live_api import feed_of
from orchestration.web.draw import draw
from orchestration.web.request_context import MORE, Context, Nav, requires
from reports.pages.live_points import live_page

router = APIRouter()
NAV = Nav(50, "/live", "Connections", Permission.LIVE_READ, "plug", MORE, ("home", "ops", "audit"))


@router.get("/live", response_class=HTMLResponse)
def live(request: Request, ctx: Context = requires(Permission.LIVE_READ)) -> Response:
    """Values of the live sources and their age."""
    site = ctx.site()
    address = ctx.address.model_copy(update={"site": site.site_id})
    reader, fault = LiveReader(ctx.project.project.live_dir), ""
    every_s = poll_intervals_s(site)
    values, states = [], []
    try:
        values, states = reader.values(site.site_id), reader.states(site.site_id)
    except Unreachable as unreachable:
        fault = f"The live board cannot be read now: {unreachable}"
    feed = feed_of(request.app)
    feed.watch(site.site_id, every_s)
    page = live_page(
        address, site=site, values=values, received=states, minutes=feed.minutes(site.site_id),
        now_utc=ctx.now_utc, has_sources=bool(site.sources), every_s=every_s, fault=fault,
    )  # fmt: skip
    return draw(ctx, page)
