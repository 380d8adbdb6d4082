"""Number named by an address, for /why and the API of figures: as somebody may see it, with its trace."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import NamedTuple

import polars as pl

from data_quality.contracts.access.permissions import sees_scope, sees_site, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from orchestration.views.requested_figures import figure_lookup
from orchestration.warehouse.dbt import kpi_catalogue
from orchestration.web.cache import MOST_POINTS
from orchestration.web.number_parts import quarters_of, scope_name, source_files_of
from orchestration.web.queries import asking
from orchestration.web.request_context import Context
from reports.figure_book import FigureBook, figure_list
from reports.figures.answer import NAME, figures_of
from reports.figures.kpi_list import add_rows, kpi_rows
from reports.figures.query import Combined, Question, queries_in, question_of, without_site
from reports.figures.trace import (
    Figures,
    WalkedFigures,
    as_read,
    current_changes,
    graph,
    known_figure,
    source_readings,
    trace_figure,
)
from reports.figures.unnamed import unnamed, unnamed_changes, unnamed_trace
from reports.lifecycle.revise import store_revision
from reports.pages.address import TAKES, read_why
from reports.pages.why import ROWS_A_PAGE, Explained, why_csv
from reports.pages.why_parts import ENERGY, grain_of
from reports.recompute.computations import COMBINATIONS
from reports.recompute.figure_sources import Sources
from reports.report_content import ReportContent

WHY_TAKES = (*TAKES, "page", "point", "file")
_MOST_PAGES = 10_000
# The KPI of the whole site that a share of it is told of.
SHARED = "consumption_kwh"


class Number(NamedTuple):
    """One number ready to be walked back. figures: who gives it and its inputs by id. is_open: whether the readings
    behind a figure that it is made of are for who asks. until_utc: of one that is kept because it was asked for.
    """

    figure: Figure
    figures: Figures
    sources: Sources
    kept: bool
    is_open: Callable[[Figure], bool]
    until_utc: datetime | None = None


def requested_number(ctx: Context) -> Number:
    """The number that an address of /why names, kept or made now. Raises BadInput (no_figure, no_number …)."""
    if figure_id := ctx.address.part("figure"):
        return stored_number(ctx, figure_id)
    site_asking = asking(ctx)
    question = read_why(ctx.address, site=site_asking.site.site_id, scope=ctx.scope())
    shared = _shared(question, site_asking.site.site_id)
    named = {(each.site or site_asking.site.site_id, scope) for each in queries_in(question) for scope in each.scopes}
    for site, scope in named - shared:
        # Before anything is looked for: who may not see it hears of nothing, whether it is there or not.
        if not sees_scope(ctx.person, site, scope):
            raise BadInput(f"the site has no number of scope {scope!r}", reason="unknown_scope")
    figure, book = figures_of(question, site_asking)
    in_hand = WalkedFigures(ctx.project.reports, {each.figure_id: each for each in book.figures()})
    message = f"the site has no number of scope {figure.scope!r}"
    _refuse_others(ctx, figure, in_hand, message, "unknown_scope", shared=shared)
    ids = ctx.project.store_figures(book.figures(), ctx.clock)
    if ids.until_utc is not None:
        figure = ids.figures[figure.figure_id]
        in_hand = WalkedFigures(ctx.project.reports, {each.figure_id: each for each in ids.figures.values()})
    is_open = partial(_is_theirs, ctx)
    return Number(figure, in_hand, site_asking.sources, kept=False, is_open=is_open, until_utc=ids.until_utc)


def _shared_in(question: Question) -> frozenset[tuple[str, str]]:
    """As `_shared`, of an expression that names its site in full."""
    site = next((each.site for each in queries_in(question)), "")
    return _shared(without_site(question, site), site)


def _shared(question: Question, site: str) -> frozenset[tuple[str, str]]:
    """The whole site's consumption, for a person whose share of it is shown; nothing else of the site is theirs."""
    whole = f"site:{site}"
    if not isinstance(question, Combined) or question.of != "percent_of":
        return frozenset()
    # Not of an hour: a tenant is told of days.
    scopes = {(e.measure, e.scopes, e.site, e.grain in ("", "day", "month")) for e in queries_in(question.parts[1])}
    is_whole = scopes == {(SHARED, (whole,), "", True)}
    return frozenset({(site, whole)}) if is_whole else frozenset()


def stored_number(ctx: Context, figure_id: str) -> Number:
    """A kept figure. Raises BadInput in the same words for one that is not there and one that is somebody else's."""
    sources = ctx.project.sources(keeps=False)
    reports = figure_lookup(ctx.project, sources, ctx.clock)
    figure = known_figure(figure_id, reports)
    in_hand = WalkedFigures(reports, {figure_id: figure})
    message = f"no figure {figure_id!r} is stored; a report's register lists its figures"
    question = question_of(figure, in_hand.figure)
    # A share of the site that was told to a tenant is theirs by its id too; the readings behind the site's are not.
    shared = frozenset[tuple[str, str]]() if question is None else _shared_in(question)
    _refuse_others(ctx, figure, in_hand, message, "no_figure", shared=shared)
    return Number(figure, in_hand, sources, kept=True, is_open=partial(_is_theirs, ctx))


def kept_number(ctx: Context) -> str:
    """Store the number that the address names, with all it is made of; its figure id. Raises BadInput."""
    if ctx.address.part("figure") or ctx.address.as_of_utc is not None:
        raise BadInput("only a number of now, that is not kept yet, can be kept", reason="bad_request")
    # Whether it is theirs to see at all.
    path = requested_number(ctx).figure.path
    site_asking = asking(ctx, ctx.project.sources())
    question = read_why(ctx.address, site=site_asking.site.site_id, scope=ctx.scope())

    def build(revision: int) -> ReportContent:
        figure, book = figures_of(question, site_asking, revision=revision)
        label = f"{figure.start}/{figure.end}"
        span = Period(label=label, start=figure.start, end=figure.end, time_zone=site_asking.site.time_zone)
        return figure_list(book, name=NAME, title=figure.label, period=span, site=site_asking.site)

    content, _ = store_revision(
        build, ctx.project.reports, ctx.clock, site=site_asking.site, maker=ctx.person.person_id
    )
    return next(figure.figure_id for figure in content.figures if figure.path == path)


def _refuse_others(
    ctx: Context,
    figure: Figure,
    figures: Figures,
    message: str,
    reason: str,
    *,
    shared: frozenset[tuple[str, str]] = frozenset(),
) -> None:
    """Check that who sees a number may see its parts: all of that must be theirs to see, or shared with them."""
    for node in graph(figure, figures):
        is_shared = node.kpi == SHARED and (node.trace.parameters.get("site", ""), node.scope) in shared
        if not is_shared and not _is_theirs(ctx, node):
            raise BadInput(message, reason=reason)


def _is_theirs(ctx: Context, node: Figure) -> bool:
    named = node.trace.parameters
    if node.trace.computation in COMBINATIONS:
        # What it is made of is asked each for itself.
        return True
    site = named.get("site")
    if site is None:
        return sees_whole_site(ctx.person)
    return sees_scope(ctx.person, site, named.get("scope") or (f"seu:{named['seu']}" if "seu" in named else node.scope))


def explained(ctx: Context) -> Explained:
    """Everything about the number that an address names. Raises BadInput."""
    number = requested_number(ctx)
    figure, figures, sources = number.figure, number.figures, number.sources
    # First of all: it announces what the SQL is asked, so that it runs once.
    found = trace_figure(figure.figure_id, reports=figures, sources=sources)
    rows = _readings(number)
    # The page of readings, counted from 0; people count from 1.
    text = ctx.address.part("page")
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_PAGES):
        raise BadInput(f"page is a whole number from 1 on, got {text[:20]!r}", reason="bad_address")
    page = int(text or 1) - 1
    files, file = source_files_of(number.figure, number.figures, rows), ctx.address.part("file")
    if file:
        rows = rows.filter(pl.col("source_name") == file)
        if rows.is_empty():
            raise BadInput(f"no reading behind this number is of a file {file[:60]!r}", reason="unknown_item")
    changes, sees = current_changes(figure, reports=figures, sources=sources), partial(sees_site, ctx.person)
    return Explained(
        found=unnamed_trace(found, sees),
        graph=tuple(unnamed(each, sees) for each in graph(figure, figures)),
        changes=tuple(unnamed_changes(changes, found, sees)),
        readings=rows.slice(page * ROWS_A_PAGE, ROWS_A_PAGE).to_dicts(),
        total=rows.height,
        page=page,
        time_zone=_time_zone(number),
        titles={kpi: (row["title"], row["formula"], row["definition"]) for kpi, row in kpi_catalogue().items()},
        kept=number.kept,
        until_utc=number.until_utc,
        of=scope_name(number.figure, number.sources, _first_site(number)),
        is_past=ctx.address.as_of_utc is not None and not number.kept,
        parts=_parts(ctx, number),
        quarters=quarters_of(ctx, figure) if not number.kept else (),
        files=files,
        file=file,
        is_open=number.is_open,
    )


def _parts(ctx: Context, number: Number) -> list[Figure]:
    """The months or days of a sum over time, as the marts have them; of a kept number the marts may say otherwise."""
    figure, grain = number.figure, grain_of(number.figure)
    if number.kept or not grain:
        return []
    site_asking = asking(ctx, number.sources)
    span = Period(label="", start=figure.start, end=figure.end, time_zone=site_asking.site.time_zone)
    try:
        rows = kpi_rows(site_asking.site, span, grain, site_asking.read, scope=figure.scope)
    except BadInput as fault:
        if fault.reason not in ("nothing_in_period", "unknown_scope"):
            raise
        # A day without any reading has no hours, and a number all the same: that there is none.
        return []
    # A scope is read with its parts, as water of the site.
    is_own = (pl.col("grain") == grain) & (pl.col("scope") == figure.scope)
    rows = rows.filter(is_own & pl.col("kpi").is_in([figure.kpi, ENERGY]))
    book = FigureBook(
        report_id="why/parts", revision=0, as_of_utc=site_asking.as_of_utc, is_synthetic=figure.is_synthetic
    )
    return add_rows(book, site_asking.site, rows, sources=site_asking.sources, is_traced=False)


def readings_csv(ctx: Context) -> str:
    """All readings behind the number that an address names, as a table. Raises BadInput."""
    number = requested_number(ctx)
    rows = _readings(number)
    if rows.height > MOST_POINTS:
        raise BadInput(
            f"{rows.height} readings are more than the {MOST_POINTS} of one answer",
            reason="too_many_points",
            mend="keep the number as a figure: its readings are handed out page by page",
        )
    return why_csv(rows.iter_rows(named=True), _time_zone(number))


def _readings(number: Number) -> pl.DataFrame:
    return as_read(
        source_readings(number.figure, reports=number.figures, sources=number.sources, is_open=number.is_open)
    )


def _time_zone(number: Number) -> str:
    site = _first_site(number)
    return "UTC" if site is None else site.time_zone


def _first_site(number: Number) -> Site | None:
    """Of those that the number is made of."""
    named = (node.trace.parameters.get("site") for node in graph(number.figure, number.figures))
    return number.sources.sites.get(next((each for each in named if each is not None), ""))
