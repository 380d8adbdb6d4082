"""Figures by id, and a number by its address: the same JSON as `meterloom trace --json`."""

import json
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from data_quality.contracts.access.permissions import Permission, may, sees_site, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from orchestration.operations.reports.trace import answer_trace, stored_answer
from orchestration.web.api.operations_api import ENDPOINTS
from orchestration.web.request_context import Context, requires
from orchestration.web.requested_number import Number, requested_number, stored_number
from orchestration.web.web_call import WebCall
from reports.figures.trace import (
    TraceReport,
    VersionChange,
    current_changes,
    source_readings,
    trace_data,
    trace_figure,
)
from reports.figures.unnamed import unnamed_changes, unnamed_trace
from reports.pages.address import TAKES, expect_read

MOST_ROWS = 1000
SHARED = ("site", "scope", "period", "as_of")
# Module below orchestration.operations, name and permission of each operation whose answer is given over the network.
_GIVEN = (*(each[1:] for each in ENDPOINTS), ("quality", Permission.METER_READ))
BASE = "/api/v1/ems"
router = APIRouter(prefix=BASE)


@router.get("/figures/{figure_id}")
def figure(request: Request, figure_id: str, ctx: Context = requires(Permission.READ, shared=())) -> Response:
    """A kept figure with its inputs, or a number of an answer, recomputed."""
    found = _of_answer(request, ctx, figure_id) or _traced(ctx, stored_number(ctx, figure_id))[0]
    return JSONResponse(plain(trace_data(found, names=sees_whole_site(ctx.person))))


@router.get("/figures/{figure_id}/rows")
def figure_rows(
    figure_id: str, ctx: Context = requires(Permission.READ, takes=("limit", "cursor"), shared=())
) -> Response:
    """The readings behind it, `limit` of them from `cursor` on; they are of a past instant, so no page shifts."""
    number = stored_number(ctx, figure_id)
    limit = whole(ctx.address.part("limit") or "100", "limit", least=1, most=MOST_ROWS)
    start = whole(ctx.address.part("cursor") or "0", "cursor", least=0, most=10**9)
    rows = source_readings(number.figure, reports=number.figures, sources=number.sources, is_open=number.is_open)
    more = start + limit < rows.height
    headers = {"Link": f'<{BASE}/figures/{figure_id}/rows?limit={limit}&cursor={start + limit}>; rel="next"'}
    return JSONResponse(
        plain({
            "figure_id": figure_id,
            "total": rows.height,
            "cursor": str(start + limit) if more else None,
            "rows": rows.slice(start, limit).to_dicts(),
        }),
        headers=headers if more else None,
    )  # fmt: skip


@router.get("/figures/{figure_id}/versions")
def figure_versions(figure_id: str, ctx: Context = requires(Permission.READ, shared=())) -> Response:
    """The versions behind it, and what would change it if it were made now."""
    number = stored_number(ctx, figure_id)
    found, changes = _traced(ctx, number)
    return JSONResponse(plain({"figure_id": figure_id, "versions": found.versions, "changes": changes}))


@router.get("/why")
def why(ctx: Context = requires(Permission.READ, takes=TAKES, shared=SHARED)) -> Response:
    """The number that an address of /why names, with what it would be now: as `trace --versions --json`."""
    expect_read(ctx.address)
    number = requested_number(ctx)
    found, changes = _traced(ctx, number)
    return JSONResponse(plain({**trace_data(found, names=sees_whole_site(ctx.person)), "changes": changes}))


def _of_answer(request: Request, ctx: Context, figure_id: str) -> TraceReport | None:
    """The number of an answer that an endpoint gives too, for who may ask it of all sites that it was asked of."""
    call = WebCall(ctx)
    if (kept := stored_answer(call, figure_id)) is None:
        return None
    named, scopes = kept.trace.parameters, getattr(request.state, "scopes", None)
    sites = json.loads(named.get("sites", "[]"))
    asked_of = [*sites, *([named["site"]] if "site" in named else [])]
    needs = next((each for name, each in _GIVEN if name == named["operation"]), None)
    # An answer of a site for who sees all of them has what is of no single site too.
    is_seen = (bool(sites) or call.sees_every_site) and sees_whole_site(ctx.person) and {*asked_of} <= {*ctx.sites()}
    is_allowed = needs is not None and may(ctx.person, needs) and (scopes is None or needs in scopes)
    # Files of a command are no business of who asks over the network.
    return answer_trace(call, figure_id) if is_seen and is_allowed and not kept.trace.inputs else None


def _traced(ctx: Context, number: Number) -> tuple[TraceReport, list[VersionChange]]:
    """The number walked back and recomputed, and what changed since, without peers that the person may not see."""
    found = trace_figure(number.figure.figure_id, reports=number.figures, sources=number.sources)
    changes = current_changes(number.figure, reports=number.figures, sources=number.sources)
    sees = partial(sees_site, ctx.person)
    return unnamed_trace(found, sees), unnamed_changes(changes, found, sees)


def whole(text: str, name: str, *, least: int, most: int) -> int:
    """A whole number of a query. Raises BadInput."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and least <= int(text) <= most):
        raise BadInput(f"{name} is a whole number from {least} to {most}, got {text[:20]!r}", reason="bad_address")
    return int(text)
