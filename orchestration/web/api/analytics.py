"""Consumption, cost, carbon and savings of a scope or its parts, against another time: KPI rows in S0's words."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_instant
from orchestration.web.api.kpis import kpi_frame, kpi_rows_of, one_name, range_of
from orchestration.web.cache import BASE, PAGING, listed, whole
from orchestration.web.queries import scope_of, scopes_of, stamp_of
from orchestration.web.request_context import Context, requires
from reports.pages.address import Compare, before
from reports.pages.energy import same_slot, slot_of

router = APIRouter(prefix=BASE)
SHARED = ("site", "scope", "period", "grain", "as_of", "locale")
TAKES = ("range", "granularity", "breakdown", "compareWith", *PAGING)
KPI = {"consumption": "consumption_kwh", "cost": "cost", "carbon": "emission_kgco2e", "savings": "savings_kwh"}
BREAKDOWNS = ("none", "building", "zone", "tenant", "seu", "asset", "meter")
COMPARED: Mapping[str, Compare] = {"": "none", "previous": "previous", "year": "year", "baseline": "baseline"}
GRAINS = ("hour", "day", "month", "year")


@router.get("/analytics/consumption")
def consumption(request: Request, ctx: Context = requires(Permission.READ, takes=TAKES, shared=SHARED)) -> Response:
    """KWh."""
    return _answer(request, ctx, "consumption")


@router.get("/analytics/cost")
def cost(request: Request, ctx: Context = requires(Permission.READ, takes=TAKES, shared=SHARED)) -> Response:
    """Energy cost in the site's currency."""
    return _answer(request, ctx, "cost")


@router.get("/analytics/carbon")
def carbon(request: Request, ctx: Context = requires(Permission.READ, takes=TAKES, shared=SHARED)) -> Response:
    """Kg CO2e, location-based."""
    return _answer(request, ctx, "carbon")


@router.get("/analytics/savings")
def savings(
    request: Request, ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES, shared=SHARED)
) -> Response:
    """KWh below what the named baseline of each use expects; none where nothing may be claimed, with the reason."""
    return _answer(request, ctx, "savings")


def _answer(request: Request, ctx: Context, what: str) -> Response:
    granularity = _one_of("granularity", one_name(ctx, "granularity", ctx.address.grain) or "month", GRAINS)
    breakdown = _one_of("breakdown", ctx.address.part("breakdown") or "none", BREAKDOWNS)
    compared = _one_of("compareWith", ctx.address.part("compareWith"), tuple(COMPARED))
    if compared == "baseline" and what != "savings":
        raise BadInput(
            "only uses have a baseline", reason="bad_address", mend="ask /analytics/savings, or compareWith=year"
        )
    of_grain = ctx.of(grain=granularity)
    site = ctx.site()
    scope, period = scope_of(ctx, site), range_of(ctx, site)
    _expect_parts(ctx, site, what, breakdown)

    def make() -> list[dict[str, Any]]:
        rows = _rows(of_grain, site, scope, period, what, breakdown)
        other = before(period, COMPARED[compared])
        return rows if other is None else _with_compared(of_grain, site, rows, period, other, what)

    return listed(
        request,
        ctx,
        stamp_of(ctx, site),
        whole(make),
        more=lambda: {"site": site.site_id, "granularity": granularity},
    )


def _expect_parts(ctx: Context, site: Site, what: str, breakdown: str) -> None:
    """Raises BadInput where the breakdown, or the scope beside it, would change nothing."""
    scope = ctx.address.scope
    if what == "savings" and breakdown not in ("none", "seu"):
        raise BadInput("savings are of uses alone: breakdown is none or seu", reason="bad_address")
    is_parted = breakdown != "none" or (what == "savings" and not scope.startswith("seu:"))
    if is_parted and scope not in ("", f"site:{site.site_id}"):
        by = "savings" if what == "savings" else f"breakdown={breakdown}"
        raise BadInput(
            f"{by} lists parts of the whole site: scope={scope[:64]} would change nothing", reason="bad_address",
            mend="leave out one of the two" if breakdown != "none" else "name a use (seu:…), or no scope",
        )  # fmt: skip


def _rows(ctx: Context, site: Site, scope: str, period: Period, what: str, breakdown: str) -> list[dict[str, Any]]:
    names = scopes_of(ctx, site)
    kind = "seu" if what == "savings" else breakdown
    scopes = [scope] if kind == "none" or scope.startswith("seu:") else [e for e in names if e.startswith(f"{kind}:")]
    of_kpi = ctx.of(more=(("kpi", KPI[what]),))
    # One question for all: a site's marts are in memory anyway.
    every = kpi_frame(of_kpi, site, scope if scopes == [scope] else "", period).filter(pl.col("scope").is_in(scopes))
    rows, _ = kpi_rows_of(of_kpi, site, every, slice(None))
    found = [{**row, "name": names.get(row["scope"], row["scope"])} for row in rows]
    return found if what != "savings" else _with_baselines(ctx, found, every)


def _with_baselines(ctx: Context, rows: list[dict[str, Any]], marts: pl.DataFrame) -> list[dict[str, Any]]:
    """A saving says what it is measured against, or it says nothing."""
    known = {
        (row["scope"], row["period_start"]): (row["baseline_id"], row["baseline_version"])
        for row in marts.iter_rows(named=True)
    }
    sources, found = ctx.project.sources(keeps=False), []
    for row in rows:
        baseline_id, version = known.get((row["scope"], row["start"]), (None, None))
        kind = None if baseline_id is None else sources.baseline(baseline_id, version).baseline.baseline_type
        found.append({**row, "baseline": baseline_id, "baseline_version": version, "baseline_type": kind})
    return found


def _with_compared(
    ctx: Context, site: Site, rows: list[dict[str, Any]], period: Period, other: Period, what: str
) -> list[dict[str, Any]]:
    """The same rows of the other time, by how many intervals lie before them in their period."""
    try:
        of_kpi = ctx.of(more=(("kpi", KPI[what]),))
        scopes = list({row["scope"] for row in rows})
        every = kpi_frame(of_kpi, site, scopes[0] if len(scopes) == 1 else "", other)
        others, _ = kpi_rows_of(of_kpi, site, every.filter(pl.col("scope").is_in(scopes)), slice(None))
    except BadInput as fault:
        if fault.reason != "nothing_in_period":
            raise
        others = []
    then = {(row["scope"], _place(row, other, ctx)): row["value"] for row in others}
    return [{**row, "compared": then.get((row["scope"], _place(row, period, ctx)))} for row in rows]


def _place(row: Mapping[str, Any], period: Period, ctx: Context) -> tuple[int, str]:
    start = row["start"]
    if ctx.address.grain in ("month", "year"):
        return (start.year * 12 + start.month - period.start.year * 12 - period.start.month, "")
    hour = row["hour_start_utc"]
    return ((start - period.start).days, same_slot(slot_of(parse_instant(hour), period.time_zone)) if hour else "")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise BadInput(f"{name} is one of {', '.join(filter(None, allowed))}, got {value[:40]!r}", reason="bad_address")
    return value
