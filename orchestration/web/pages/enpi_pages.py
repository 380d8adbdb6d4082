"""/enpi: all energy uses, and one of them."""

import csv
import io
from collections.abc import Mapping
from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from assets.kpi.enpi.use_register import REPORT, SeuLine, seu_lines
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from orchestration.web.draw import draw_cached
from orchestration.web.pages.adjustment_pages import adjustment_actor
from orchestration.web.pages.job_pages import fit_form
from orchestration.web.queries import asking, stamp_of_uses
from orchestration.web.request_context import Context, Nav, requires
from reports.assess import enb_of, known_days, use_request
from reports.figures.use_data import UseData, newest_assessable, use_data
from reports.pages.address import span
from reports.pages.adjustment_acts import adjustment_acts
from reports.pages.energy_uses import enpi_list, quarters_csv, version_address
from reports.pages.page import Page
from reports.pages.use_page import use_page

router = APIRouter()
NAV = Nav(40, "/enpi", "Performance", Permission.BASELINE_READ, "target", "Analyse", ("ops", "audit"))
TAKES = ("baseline",)


@router.get("/enpi", response_class=HTMLResponse)
def uses(request: Request, ctx: Context = requires(Permission.BASELINE_READ)) -> Response:
    """Every use of the sites that the person sees, or of the one that is named."""
    project, sites = ctx.project, ctx.sites() if not ctx.address.site else {ctx.site().site_id: ctx.site()}
    lines = _lines(ctx, sites)

    def page() -> Page:
        sources = project.sources(keeps=False)
        known = {name: asking(ctx.of(site=name), sources) for name in sites}
        found = [(line, newest_assessable(use_request(known[line.site], line.id))) for line in lines]
        return enpi_list(found, ctx.address, sites={each: site.name for each, site in sites.items()})

    stamp = f"{stamp_of_uses(ctx, sites.values())}|{[each.last_report for each in lines]}"
    return draw_cached(request, ctx, stamp, page)


@router.get("/enpi/{site}/{seu}", response_class=HTMLResponse)
def use(
    request: Request, site: str, seu: str, ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES)
) -> Response:
    """One use."""
    known = ctx.of(site=site).site()

    def page() -> Page:
        data = _use_data(ctx, site, seu)
        run = None if data.versions else fit_form(ctx, known, data.seu)
        acts = (
            tuple(adjustment_acts(data, enb_of(known, data.seu), actor, ctx.address))
            if actor.may_propose or actor.may_approve
            else ()
        )
        return _with_review(use_page(data, ctx.address, run, acts), data)

    actor = adjustment_actor(ctx)
    return draw_cached(request, ctx, f"{stamp_of_uses(ctx, [known])}|{actor.needs_key}{actor.public_key}", page)


@router.get("/enpi/{site}/{seu}/quarters.csv")
def use_csv(site: str, seu: str, ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES)) -> Response:
    """Its quarters as unrounded numbers."""
    data = _use_data(ctx, site, seu)
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(quarters_csv(data.quarters))
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


def _with_review(page: Page, data: UseData) -> Page:
    """The page, with where its newest version is reviewed."""
    if not data.versions:
        return page
    number = data.versions[-1].version
    href = version_address(page.address, data.site.site_id, data.seu.seu_id, number)
    return page.model_copy(update={"links": (*page.links, (Sentence("Review baseline v{0}", number), href))})


def _use_data(ctx: Context, site: str, seu: str) -> UseData:
    site_asking = asking(ctx.of(site=site))
    known = known_days(site_asking.site, site_asking.sources, site_asking.as_of_utc)
    usual = str(ctx.as_of_or_now.year if known is None else (known.end - timedelta(days=1)).year)
    period = span(ctx.address, time_zone=site_asking.site.time_zone, now_utc=ctx.as_of_or_now, usual=usual)
    active = {f"seu:{each.seu_id}" for each in site_asking.site.seus if each.is_active}
    reported = ctx.project.reports.newest_periods(site, REPORT, active & {f"seu:{seu}"})
    return use_data(
        site_asking,
        seu,
        period,
        baseline=ctx.address.part("baseline"),
        names=ctx.project.names,
        last_report=reported.get(f"seu:{seu}", ""),
    )


def _lines(ctx: Context, sites: Mapping[str, Site]) -> list[SeuLine]:
    return seu_lines(sites, baselines=ctx.project.baselines, reports=ctx.project.reports, is_active=True)
