"""`/live`: what the live board holds of a site, and one of its points in full."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from assets.stores.live.live_store import LiveReader
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.site import Site
from orchestration.web.api.live_api import feed_of
from orchestration.web.ask import Ask
from orchestration.web.draw import draw
from orchestration.web.route_rights import asked
from reports.pages.live_grid import live_page, point_page

router = APIRouter()


@router.get("/live", response_class=HTMLResponse)
def live(request: Request, ask: Ask = asked(Permission.LIVE_READ, takes=("point",))) -> Response:
    """What happens this second?"""
    site = ask.site()
    address = ask.address.model_copy(update={"site": site.site_id})
    reader, fault = LiveReader(ask.project.project.live_dir), ""
    values, told = [], []
    try:
        values, told = reader.values(site.site_id), reader.states(site.site_id)
    except Unreachable as unreachable:
        fault = f"The live board cannot be read now: {unreachable}"
    name = address.part("point")
    if name:
        value = next((each for each in values if f"{each.source_id}/{each.point}" == name), None)
        if value is None:
            raise BadInput(f"site {site.site_id!r} tells no point {name!r} now", reason="unknown_item")
        topic = _topic(site, value.source_id, value.point)
        page = point_page(address, value, of=site.name, topic=topic, time_zone=site.time_zone, now_utc=ask.now_utc)
        return draw(ask, page)
    feed = feed_of(request.app)
    feed.watch(site.site_id)
    page = live_page(
        address, site_id=site.site_id, of=site.name, values=values, told=told, minutes=feed.minutes(site.site_id),
        now_utc=ask.now_utc, has_sources=bool(site.sources), fault=fault,
    )  # fmt: skip
    return draw(ask, page)


def _topic(site: Site, source_id: str, point: str) -> str:
    """The point's address in its source, as far as its kind has one."""
    for source in site.sources:
        for each in source.points:
            if (source.source_id, each.point) == (source_id, point):
                known = (getattr(each, name, "") for name in ("topic", "value_name", "object", "obis"))
                return f"{source.kind} {next(filter(None, known), '')}".strip()
    return ""
