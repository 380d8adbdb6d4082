"""The energy page and its CSV: how much, when, of which uses, against what; or why nothing is shown, and what next."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from assets.kpi.from_readings import carriers_of
from assets.sites.load_sites import site_sha256
from assets.sites.meter_tree import children_of, has_import, submeters_of, total_meters
from assets.sites.scopes import is_allocated, known_spans
from assets.stores.warehouse.marts import if_published
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from orchestration.web.cache import answered
from orchestration.web.draw import draw_cached
from orchestration.web.energy.energy_input import (
    EnergyQuery,
    heat_of,
    hours_read,
    nearest_month,
    points_of,
    totals_book,
    totals_of,
    typical_of,
    values_of,
)
from orchestration.web.pages.job_pages import job_form
from orchestration.web.queries import age_of, header_of, period_of, scope_of, scopes_of, stale_finding, stamp_of
from orchestration.web.request_context import Context, Nav, requires
from reports.datasets.enpi_findings import overlapping
from reports.pages.address import PageGrain, before
from reports.pages.chart import PARTS
from reports.pages.energy import CSV, PATH, EnergyInput, Point, Use, energy_csv, energy_page
from reports.pages.header import GRAINS
from reports.pages.page_states import State, no_hours, no_marts, no_readings, nothing_in, too_fine
from reports.recompute.computations import combine
from reports.texts.locales import named

router = APIRouter()
NAV = Nav(30, "/energy", "Energy", Permission.READ, "chart-column", "Analyse", ("home", "ops", "site"))
TAKES = ("hide",)


@router.get(PATH, response_class=HTMLResponse)
def energy(request: Request, ctx: Context = requires(Permission.READ, takes=TAKES)) -> Response:
    """The page."""
    return draw_cached(request, ctx, stamp_of(ctx, ctx.site()), lambda: energy_page(energy_input(ctx)))


@router.get(CSV)
def energy_as_csv(request: Request, ctx: Context = requires(Permission.READ, takes=TAKES)) -> Response:
    """The same points, unrounded."""
    site = ctx.site()
    name = f"energy_{site.site_id}_{_scope_of(ctx, site).replace(':', '_').replace('/', '_')}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return answered(
        request,
        ctx,
        stamp_of(ctx, site),
        lambda: (energy_csv(energy_input(ctx)).encode(), "text/csv; charset=utf-8"),
        headers=headers,
    )


# Local days that a chart of a grain holds.
MOST_DAYS: Mapping[PageGrain, int] = {"quarter": 31, "hour": 62, "day": 800, "month": 3700, "year": 3700}
# Up to so many days a page that is not told a grain shows it.
USUAL: Mapping[int, PageGrain] = {2: "quarter", 14: "hour", 92: "day", 3700: "month"}


def energy_input(ctx: Context) -> EnergyInput:
    """Content of the page for the address. Raises BadInput for an unknown site, scope or period."""
    site = ctx.site()
    scope, age = _scope_of(ctx, site), age_of(ctx, site)
    period = period_of(ctx, site, age)
    usual = next(each for days, each in USUAL.items() if period.days <= days)
    # A scope that is given shares of meters by days has nothing shorter.
    has_hours = usual not in ("quarter", "hour") or not is_allocated(known_spans(site, scope))
    grain = ctx.address.grain or (usual if has_hours else "day")
    question = EnergyQuery(ctx, site, scope, period, grain)
    data = EnergyInput(
        address=ctx.address,
        site_id=site.site_id,
        scope=scope,
        scope_name=scopes_of(ctx, site, has_registers=True)[scope],
        period=period,
        grain=grain,
        header=header_of(ctx, site, scope, period, age, grains=tuple(GRAINS), grain=grain, has_registers=True),
        age=age.words(site.time_zone, ctx.address.locale),
        # A register is shown from its readings: no mart of it can be out of date.
        made="" if question.is_register else age.made(site.time_zone, ctx.address.locale),
        findings=() if question.is_register else stale_finding(age, period),
        what="Energy" if question.is_register else "Used",
    )
    if refused := _cannot(question):
        return _with(data, refused)
    compared = before(period, ctx.address.compare)
    try:
        points, is_synthetic = points_of(question, compared)
    except BadInput as fault:
        return _with(data, _state_of(question, fault))
    if not any(each.value is not None for each in points):
        return _with(data, _nothing(question))
    missing: list[Finding] = []

    def without(why: str) -> Any:
        missing[:] = [Finding(code="mart_missing", message=f"What is made of it is not shown: {why}.")]
        return {}

    book = totals_book(question)
    totals, notes = if_published(lambda: totals_of(book, question, age), lambda why: (without(why), {}))
    hours = if_published(lambda: hours_read(question, points), lambda why: (without(why), ())[1])
    return _with(
        data,
        None,
        points=points,
        uses=if_published(lambda: uses_of(question, points), lambda _: ()),
        against=compared,
        totals=totals,
        notes=notes,
        lookup={each.figure_id: each for each in book.figures()},
        heat=heat_of(hours, site.time_zone),
        typical=typical_of(hours, site.time_zone),
        findings=(*data.findings, *_partly(question), *missing),
        is_synthetic=is_synthetic,
    )


def _scope_of(ctx: Context, site: Site) -> str:
    return scope_of(ctx, site, has_registers=True)


def _with(data: EnergyInput, state: State | None, **more: Any) -> EnergyInput:
    if state is not None:
        return replace(data, problem=state.paragraphs, links=state.links)
    return replace(data, **more)


def _cannot(question: EnergyQuery) -> State | None:
    """State of a chart with more intervals than it holds; None for one that can be drawn."""
    address, days, grain = question.ctx.address, question.period.days, question.grain
    if days > MOST_DAYS[grain]:
        return too_fine(address, GRAINS[grain], days, MOST_DAYS[grain], [e for e in MOST_DAYS if days <= MOST_DAYS[e]])
    return None


def _state_of(question: EnergyQuery, fault: BadInput) -> State:
    """The state that a reader's refusal means. Raises it where it means none."""
    if fault.reason == "share_has_no_hours":
        return _no_hours(question)
    if fault.reason != "mart_missing":
        raise fault
    site = question.site
    if not _has_readings(question):
        return no_readings(site.site_id)
    return no_marts(job_form(question.ctx, site, PATH))


def _nothing(question: EnergyQuery) -> State:
    if not _has_readings(question):
        return no_readings(question.site.site_id)
    if question.grain == "hour" and is_allocated(known_spans(question.site, question.scope)):
        return _no_hours(question)
    return nothing_in(question.ctx.address, question.period, nearest_month(question))


def _no_hours(question: EnergyQuery) -> State:
    return no_hours(question.ctx.address, scopes_of(question.ctx, question.site)[question.scope])


def _has_readings(question: EnergyQuery) -> bool:
    address = question.ctx.address
    return question.ctx.project.lake.span(question.site.site_id, as_of_utc=address.as_of_utc) is not None


def _partly(question: EnergyQuery) -> tuple[Finding, ...]:
    """Finding on months or years partly in the period, which such a chart leaves out."""
    start, end = question.period.start, question.period.end
    is_whole = start.day == end.day == 1 and (question.grain == "month" or start.month == end.month == 1)
    if question.grain not in ("month", "year") or is_whole:
        return ()
    message = (
        f"A {question.grain} that lies only partly in the period is not in the chart; the numbers above are of all."
    )
    return (Finding(code="partial_intervals", message=message, severity="info"),)


NOT_METERED = "Not metered separately"


def uses_of(query: EnergyQuery, points: tuple[Point, ...]) -> tuple[Use, ...]:
    """The parts of a whole site, and what none of them measures, so that they add up to the points.

    None where that cannot be said: of a part of a site, of several carriers, of uses that share a meter, and where a
    generator or a battery feeds the meters below, so that the difference would be no remainder.
    """
    site, start = query.site, query.period.start
    if query.scope != f"site:{site.site_id}":
        return ()
    visible, key = scopes_of(query.ctx, site), (site_sha256(site), start)
    parts = query.ctx.project.cache.once("site_parts", key, lambda: parts_of(site, start))
    shown = [each for each in parts if each[1] in visible]
    if not 0 < len(shown) <= len(PARTS):
        return ()
    try:
        read = [(*each, values_of(query, each[1])) for each in shown]
    except BadInput:
        # A part without hours of its own: the whole is shown by itself.
        return ()
    found = [
        Use(named(name), scope, tuple(values.get(each.start_utc) for each in points), place)
        for name, scope, place, values in read
        if values
    ]
    if not found:
        return ()
    rest = tuple(_rest(each.value, [use.values[at] for use in found]) for at, each in enumerate(points))
    return (*found, Use(NOT_METERED, "", rest))


def parts_of(site: Site, start: date) -> list[tuple[str, str, int]]:
    """Names, scopes and places of the site's active uses of electricity; without any, of the meters below the main
    ones. None of a site with other carriers, or where something feeds the meters below.

    start: the local day whose hierarchy counts.
    """
    mains = total_meters(site, Carrier.ELECTRICITY, start)
    below = [site.meter(each) for main in mains for each in children_of(site, main, start)]
    is_fed = any(each is not None and not has_import(each) for each in below)
    if is_fed or carriers_of(site, f"site:{site.site_id}") != (Carrier.ELECTRICITY,):
        return []
    every = [each for each in site.seus if each.is_active and not each.is_aggregate]
    uses = [each for each in every if each.carrier == Carrier.ELECTRICITY]
    if uses and not overlapping(uses, site):
        return [(each.name, f"seu:{each.seu_id}", every.index(each)) for each in uses]
    read = [site.meter(each) for main in mains for each in submeters_of(site, main, start)]
    meters = [each for each in read if each and has_import(each)]
    return [(each.name or each.meter_id, f"meter:{each.meter_id}", at) for at, each in enumerate(meters)]


def _rest(whole: Decimal | None, parts: list[Decimal | None]) -> Decimal | None:
    """Energy outside all parts; unknown where the whole or a part is."""
    total = combine("sum", [(f"part {at}", value) for at, value in enumerate(parts)])
    return combine("difference", [("first", whole), ("second", total)])
