"""KPIs of a scope and the catalogue behind them, with the keys and unrounded numbers of `meterloom kpis --json`."""

from collections.abc import Mapping
from typing import Any, cast

import polars as pl
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.access.permissions import Permission, sees_scope, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from orchestration.warehouse.dbt import kpi_catalogue
from orchestration.web.cache import BASE, MOST_POINTS, PAGING, listed, whole
from orchestration.web.queries import age_of, marts_dir_of, marts_of, scope_of, sites_as_of, stale_finding, stamp_of
from orchestration.web.request_context import Context, requires
from reports.figure_book import FigureBook
from reports.figures.kpi_list import Grain, add_rows, kpi_rows, row_of
from reports.figures.portfolio import kpi_portfolio
from reports.pages.address import span, why_of

router = APIRouter(prefix=BASE)
# Other names for a scope, and for the period.
SCOPES = ("building", "tenant", "portfolio")
SHARED = ("site", "scope", "period", "grain", "as_of", "locale")
TAKES = ("range", "kpi", *SCOPES, *PAGING)
GRAINS = ("hour", "day", "month", "year")
PORTFOLIO = "portfolio"


@router.get("/kpis")
def kpis(request: Request, ctx: Context = requires(Permission.READ, takes=TAKES, shared=SHARED)) -> Response:
    """Every KPI of a scope (`scope`, or `building`, `tenant`, `portfolio`) and its parts over `range`."""
    if ctx.address.part("portfolio") or ctx.address.scope.startswith(PORTFOLIO):
        stamp = "|".join(stamp_of(ctx, each) for each in sites_as_of(ctx, ctx.sites().values()))
        return listed(request, ctx, stamp, whole(lambda: _of_portfolio(ctx)))
    site = ctx.site()
    named = {f"{kind}:{found}" for kind in ("building", "tenant") if (found := ctx.address.part(kind))}
    named |= {ctx.address.scope} if ctx.address.scope else set()
    if len(named) > 1:
        raise BadInput(f"one scope at a time, got {', '.join(sorted(named))}", reason="bad_address")
    of_scope = ctx.of(scope=next(iter(named), ""))
    scope = scope_of(of_scope, site) if of_scope.address.scope or not sees_whole_site(ctx.person) else ""
    period = range_of(ctx, site)

    def more() -> Mapping[str, Any]:
        return {"site": site.site_id, "findings": stale_finding(age_of(ctx, site), period)}

    return listed(
        request,
        ctx,
        stamp_of(ctx, site),
        lambda part: kpi_rows_of(ctx, site, kpi_frame(ctx, site, scope, period), part),
        more=more,
    )


@router.get("/kpis/catalogue")
def catalogue(request: Request, ctx: Context = requires(Permission.READ, takes=PAGING, shared=())) -> Response:
    """The KPI catalogue: formula, unit, where each exists, what is said in its place."""
    return listed(request, ctx, "catalogue", whole(_catalogue))


def kpi_frame(ctx: Context, site: Site, scope: str, period: Period) -> pl.DataFrame:
    """Rows of the marts of a scope and its parts, or of all that the person sees. Raises BadInput."""
    rows = kpi_rows(site, period, grain_of(ctx), marts_of(ctx, site), scope=scope or None)
    if kpi := ctx.address.part("kpi"):
        rows = rows.filter(pl.col("kpi") == kpi)
    return rows.filter(
        pl.col("scope").is_in([e for e in set(rows["scope"]) if sees_scope(ctx.person, site.site_id, e)])
    )


def kpi_rows_of(ctx: Context, site: Site, every: pl.DataFrame, part: slice) -> tuple[list[dict[str, Any]], int]:
    """The rows of `meterloom kpis --json`, each with the address of its reason, and the id that it is kept by a while.

    Raises BadInput (too_many_points) for more than an answer holds.
    """
    rows = every[part]
    if rows.height > MOST_POINTS:
        raise BadInput(
            f"{rows.height} rows are more than the {MOST_POINTS} of one answer",
            reason="too_many_points",
            mend="name a scope, a shorter range, or a longer grain",
        )
    sources = ctx.project.sources(keeps=False)
    is_synthetic = bool(rows["is_synthetic"].any())
    book = FigureBook(report_id="kpis", revision=0, as_of_utc=ctx.as_of_or_now, is_synthetic=is_synthetic)
    add_rows(book, site, rows, sources=sources, marts_dir=ctx.marts_now, is_traced=False)
    # Kept for a while: whoever cites a number keeps it as the command does.
    ids = ctx.project.store_figures(book.figures(), ctx.clock)
    found = [
        {**row_of(figure, sources, {}), "figure_id": ids.of(figure), "why": why_of(figure, ctx.address)}
        for figure in book.figures()
    ]
    return found, every.height


def range_of(ctx: Context, site: Site) -> Period:
    """`range` or `period`. Raises BadInput (bad_period)."""
    text = one_name(ctx, "range", ctx.address.period)
    if not text:
        raise BadInput("range is missing: expected 2025, 2025-Q1, 2025-03 or START/END", reason="bad_period")
    address = ctx.address.model_copy(update={"period": text})
    return span(address, time_zone=site.time_zone, now_utc=ctx.as_of_or_now, usual="")


def one_name(ctx: Context, name: str, shared: str | None) -> str:
    """Value of a parameter with two names. Raises BadInput (bad_address) where they differ."""
    own = ctx.address.part(name)
    if own and shared and own != shared:
        raise BadInput(f"{name}={own[:64]} and {shared[:64]!r} are two answers to one question", reason="bad_address")
    return own or shared or ""


def grain_of(ctx: Context) -> Grain:
    """The grain of marts. Raises BadInput (bad_address) for quarter hours, which no KPI has."""
    grain = ctx.address.grain or "month"
    if grain not in GRAINS:
        raise BadInput(f"KPIs have the grains {', '.join(GRAINS)}; /series has quarter hours", reason="bad_address")
    return cast("Grain", grain)


def _of_portfolio(ctx: Context) -> list[dict[str, Any]]:
    # A sum over sites tells of each of them.
    if ctx.person.sites or not sees_whole_site(ctx.person):
        raise BadInput("there is no scope 'portfolio'", reason="unknown_scope")
    scope = ctx.address.scope
    named = {"site": ctx.address.site, "scope": "" if scope.startswith(PORTFOLIO) else scope}
    others = [name for name, value in (named | {each: ctx.address.part(each) for each in SCOPES[:2]}).items() if value]
    if others:
        raise BadInput(f"the portfolio is of all sites: {', '.join(others)} would change nothing", reason="bad_address")
    text = one_name(ctx, "range", ctx.address.period)
    period = span(
        ctx.address.model_copy(update={"period": text or "7d"}), time_zone="UTC", now_utc=ctx.as_of_or_now, usual=""
    )
    sources = ctx.project.sources(keeps=False)
    content = kpi_portfolio(
        period,
        grain=grain_of(ctx),
        sources=sources,
        marts_dir=marts_dir_of(ctx, *ctx.sites().values()),
        as_of_utc=ctx.as_of_or_now,
        revision=0,
        scope=None,
    )
    by_id = {figure.figure_id: figure for figure in content.figures}
    ids = ctx.project.store_figures(content.figures, ctx.clock)
    return [
        {**row_of(figure, sources, by_id), "figure_id": ids.of(figure), "why": why_of(figure, ctx.address, by_id.get)}
        for figure in content.figures
        if figure.scope.startswith(scope or PORTFOLIO) and ctx.address.part("kpi") in ("", figure.kpi)
    ]


def _catalogue() -> list[dict[str, Any]]:
    lists = ("grains", "scopes")
    return [
        {**{name: text for name, text in row.items() if name != "source_model"},
         **{name: row[name].split() for name in lists}}
        for row in kpi_catalogue().values()
    ]  # fmt: skip
