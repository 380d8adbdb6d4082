"""Series of a scope, running figures and the quality of readings: as `meterloom running` and `quality` say them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from data_quality.contracts.time import Period, parse_instant, zone
from orchestration.operations.answer_figures import store_answer_figures
from orchestration.operations.commands import command
from orchestration.views.quality_view import judged_days, quality_result
from orchestration.views.series_ids import Interval, series_ids
from orchestration.web.api.kpis import range_of
from orchestration.web.cache import BASE, MOST_POINTS, PAGING, json_answer, listed, whole, whole_number
from orchestration.web.energy.energy_input import EnergyQuery, points_of
from orchestration.web.queries import instant_of, marts_of, scope_of, stamp_of, whole_site
from orchestration.web.request_context import Context, requires
from orchestration.web.web_call import WebCall
from reports.figures.running import running_book, running_now, running_result, with_coarse_source
from reports.pages.address import PageGrain, before
from reports.pages.energy import UNIT, Point
from reports.recompute.computations import RUNNING

router = APIRouter(prefix=BASE)
# Intervals of a day, by which the points of a period are told before any is read.
A_DAY = {"quarter": 100, "hour": 25, "day": 1, "month": 1 / 28, "year": 1 / 365}
SHARED = ("site", "scope", "period", "grain", "compare", "as_of")
FIELDS = tuple(RUNNING)


@router.get("/series")
def series(
    request: Request, ctx: Context = requires(Permission.READ, takes=("range", "points", *PAGING), shared=SHARED)
) -> Response:
    """Energy of a scope by `grain`, with `compare` beside it, each with an id; every interval that has begun, gaps as
    null. Of `points` that are fewer the lowest and highest of neighbours are kept.
    """
    site = ctx.site()
    scope, period, grain = scope_of(ctx, site, has_registers=True), range_of(ctx, site), ctx.address.grain or "hour"
    if ctx.address.compare == "baseline":
        raise BadInput("a series has no baseline", reason="bad_address", mend="ask /analytics/savings, or compare=year")
    _refuse_many(period, grain)
    most = whole_number("points", ctx.address.part("points") or str(MOST_POINTS), MOST_POINTS)
    return listed(
        request,
        ctx,
        stamp_of(ctx, site),
        whole(lambda: _points(EnergyQuery(ctx, site, scope, period, grain, has_whys=False), most)),
        most=MOST_POINTS,
        usual=MOST_POINTS,
        more=lambda: {"site": site.site_id, "scope": scope, "unit": UNIT, "grain": grain, "time_zone": site.time_zone},
    )


@router.get("/running")
def running(
    request: Request, ctx: Context = requires(Permission.READ, takes=("at",), shared=("site", "as_of", "locale"))
) -> Response:
    """The month to date, the demand window so far and what the month comes to, of the whole site."""
    site = whole_site(ctx)
    at = ctx.address.part("at")
    at_utc = parse_instant(at, site.time_zone) if at else None

    def make() -> dict[str, Any]:
        read, sources = marts_of(ctx, site), ctx.project.sources()
        found = with_coarse_source(running_now(read, site.site_id, at_utc), site, read)
        book = running_book(site, found, sources=sources, as_of_utc=instant_of(ctx), is_synthetic=site.is_simulated)
        ids = ctx.project.store_figures(book.figures(), ctx.clock)
        whole = running_result(found, site.time_zone, {each.kpi: ids.of(each) for each in book.figures()})
        place = f"{found.at_utc:%Y-%m-%dT%H:%MZ}"
        scope = f"site:{site.site_id}"
        whys = {
            field: ctx.address.href("/why", site=site.site_id, scope=scope, kpi=field, of="running", at=place)
            for field in FIELDS
        }
        return {**whole, "why": whys}

    return json_answer(request, ctx, stamp_of(ctx, site), make)


@router.get("/quality")
def quality(
    request: Request,
    ctx: Context = requires(Permission.METER_READ, takes=("range", "from", "to"), shared=("site", "period", "as_of")),
) -> Response:
    """Findings of validation in the readings of local days [from, to), or of `range`, or of all."""
    site = whole_site(ctx)
    start, end = ctx.address.part("from") or None, ctx.address.part("to") or None
    if ctx.address.part("range") or ctx.address.period:
        if start or end:
            raise BadInput("range and from/to exclude each other: name one of the two", reason="bad_address")
        period = range_of(ctx, site)
        start, end = str(period.start), str(period.end)

    def make() -> dict[str, Any]:
        call = WebCall(ctx)
        judged, findings = judged_days(call.project.lake, site, start, end, as_of_utc=ctx.address.as_of_utc)
        found, days = plain(quality_result(judged, findings)), {"site": site.site_id, "start": start, "end": end}
        kept = store_answer_figures(command("quality"), call, days, found)
        return found if kept is None else kept.with_ids(found)

    return json_answer(request, ctx, stamp_of(ctx, site), make)


def _points(query: EnergyQuery, most: int) -> list[dict[str, Any]]:
    compared = before(query.period, query.ctx.address.compare)
    every, is_synthetic = points_of(query, compared)
    points, local = _thinned(every, most), zone(query.site.time_zone)
    own = [
        Interval(each.start_utc, each.value, each.coverage, each.estimated_share, each.codes)
        for each in points
        if each.value is not None
    ]
    others = [Interval(each.before_utc, each.before) for each in points if each.before_utc and each.before is not None]
    ids, ids_before = (_ids(query, each, is_synthetic=is_synthetic) for each in (own, others))
    return [
        {
            "start": each.start_utc.astimezone(local).isoformat(),
            "start_utc": each.start_utc.astimezone(UTC),
            "value": each.value,
            "figure_id": "" if each.value is None else next(ids),
            **({} if compared is None else _compared(each, ids_before)),
            "coverage": each.coverage,
            "estimated_share": each.estimated_share,
            "findings": each.codes,
            "is_synthetic": is_synthetic,
        }
        for each in points
    ]


def _compared(point: Point, ids: Iterator[str]) -> dict[str, Any]:
    has_id = point.before_utc and point.before is not None
    return {"compared": point.before, "compared_figure_id": next(ids) if has_id else ""}


def _ids(query: EnergyQuery, intervals: list[Interval], *, is_synthetic: bool) -> Iterator[str]:
    ctx, site = query.ctx, query.site
    found = series_ids(
        ctx.project,
        site,
        query.scope,
        query.grain,
        intervals,
        is_synthetic=is_synthetic,
        as_of_utc=ctx.as_of_or_now,
        clock=ctx.clock,
    )
    return iter(found)


def _thinned(points: Sequence[Point], most: int) -> Sequence[Point]:
    """At most so many of them in their order: of each run of neighbours the lowest and the highest value."""
    if len(points) <= most:
        return points
    run, kept = -(-len(points) // max(most // 2, 1)), []
    for start in range(0, len(points), run):
        here = range(start, min(start + run, len(points)))
        # A run of gaps stays one.
        known = [at for at in here if points[at].value is not None] or [start]
        ends = {min(known, key=lambda at: points[at].value or 0), max(known, key=lambda at: points[at].value or 0)}
        kept += [points[at] for at in sorted(ends)]
    return kept[:most]


def _refuse_many(period: Period, grain: PageGrain) -> None:
    if period.days * A_DAY[grain] <= MOST_POINTS:
        return
    coarser = next(each for each in A_DAY if period.days * A_DAY[each] <= MOST_POINTS)
    raise BadInput(
        f"{period.days} days by {grain} are more than {MOST_POINTS} points",
        reason="too_many_points",
        mend=f"ask by {coarser}, or for {timedelta(days=int(MOST_POINTS / A_DAY[grain])).days} days at most",
    )
