"""The live board for programs: newest values, powers of the main meters, and the stream of what moves."""

from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from assets.sites.meter_tree import total_meters
from assets.stores.live.live_store import LiveReader
from data_quality.contracts.access.permissions import Permission, may, sees_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.live_source import poll_intervals_s
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.units import unit_of
from orchestration.web.boards.live_feed import LiveFeed, value_document
from orchestration.web.request_context import Context, requires

router = APIRouter(prefix="/api/v1/ems")
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# More names than this are asked for as all of them.
MOST_POINTS = 32


def feed_of(app: FastAPI) -> LiveFeed:
    """The one feed of the process; its thread begins with the first that looks."""
    state = app.state
    if getattr(state, "live", None) is None:
        state.live = LiveFeed(LiveReader(state.project.project.live_dir), state.clock)
    feed: LiveFeed = state.live
    return feed


@router.get("/live")
def live(ctx: Context = requires(Permission.LIVE_READ, shared=("site",))) -> dict[str, Any]:
    """The newest value of every live point of a site, and the state of its sources."""
    site, reader = ctx.site(), LiveReader(ctx.project.project.live_dir)
    site_id, every_s = site.site_id, poll_intervals_s(site)
    return {
        "site": site_id,
        "now": ctx.now_utc,
        "points": [
            {"point": f"{each.source_id}/{each.point}", "stream": each.stream}
            | value_document(each, ctx.now_utc, every_s.get(each.source_id, 0.0))
            for each in reader.values(site_id)
        ],
        "sources": [
            {"told_at": told_utc} | state.model_dump(mode="json") for told_utc, state in reader.states(site_id)
        ],
        "is_evidence": False,
    }


@router.get("/live/flow")
def flow(ctx: Context = requires(Permission.LIVE_READ, shared=("site",))) -> dict[str, Any]:
    """Powers told live, by meter and the meter above it; a sum of them is nobody's measurement and stands nowhere."""
    site, reader = ctx.site(), LiveReader(ctx.project.project.live_dir)
    mains = set(total_meters(site, Carrier.ELECTRICITY))
    every_s = poll_intervals_s(site)
    powers = {
        each.stream: value_document(each, ctx.now_utc, every_s.get(each.source_id, 0.0))
        for each in reader.values(site.site_id)
        if unit_of(each.unit).is_power
    }
    return {
        "site": site.site_id,
        "now": ctx.now_utc,
        "meters": [
            {"meter": meter.meter_id, "parent": meter.parent_on(), "is_main": meter.meter_id in mains}
            | powers.get(meter.meter_id, {"value": None})
            for meter in site.meters
        ],
        "is_evidence": False,
    }


@router.get("/live/stream")
def stream(
    request: Request, ctx: Context = requires(Permission.LIVE_READ, takes=("points",), shared=("site",))
) -> Response:
    """Server-sent events: value, age, finding, heartbeat, bye. points: `source/point`, parted by commas; none: all."""
    site = ctx.site()
    site_id = site.site_id
    names = frozenset(filter(None, ctx.address.part("points").split(",")))
    if len(names) > MOST_POINTS:
        raise BadInput(f"at most {MOST_POINTS} points are named; name none for all of them", reason="bad_address")
    last = request.headers.get("last-event-id", "")
    feed, state, person = feed_of(request.app), request.app.state, ctx.person

    def is_allowed() -> bool:
        found = state.signed_in(request)
        return found is not None and may(found[0], Permission.LIVE_READ) and sees_site(found[0], site_id)

    places = ExitStack()
    places.enter_context(state.allowances.place("streams", person.person_id))
    feed.watch(site_id, poll_intervals_s(site))
    number = int(last) if last.isdecimal() and len(last) < 20 else None
    content = feed.stream(site_id, names, last=number, is_allowed=is_allowed)
    return _Stream(content, places)


class _Stream(StreamingResponse):
    """Gives its place back however it ends, also where nobody was there any more when it began."""

    def __init__(self, content: Any, places: ExitStack) -> None:
        super().__init__(content, media_type="text/event-stream", headers=HEADERS)
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._places:
            await super().__call__(scope, receive, send)
