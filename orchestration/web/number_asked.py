"""What /why and the API of figures read: the number that an address names, as somebody may see it, with its trace."""

import csv
from functools import lru_cache
from typing import NamedTuple

from assets.stores.warehouse.mart_reader import mart_reader
from data_quality.contracts.access.permissions import sees_scope, sees_site, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import Period
from orchestration.web.ask import Ask
from reports.again.figure_sources import Sources
from reports.asked.why_asked import NAME, Asking, InHand, figures_of
from reports.content.lists.figure_list import figure_list
from reports.life.figure_trace import (
    Figures,
    as_read,
    graph,
    known_figure,
    readings_behind,
    trace_figure,
    versions_today,
)
from reports.life.revise import store_revision
from reports.pages.why import ROWS_A_PAGE, Explained
from reports.pages.why_links import TAKES, read_why
from reports.report_content import ReportContent

WHY_TAKES = (*TAKES, "page")
_MOST_PAGES = 10_000


class Number(NamedTuple):
    """One number ready to be walked back. figures: who gives it and its inputs by id."""

    figure: Figure
    figures: Figures
    sources: Sources
    kept: bool


def asking(ask: Ask, sources: Sources | None = None) -> Asking:
    """What numbers of the asked site are made from. Raises BadInput for an instant that is yet to come."""
    project, as_of = ask.project, ask.address.as_of_utc
    known_at = project.reports.known_at(ask.clock)
    if as_of is not None and as_of > known_at:
        raise BadInput(f"as_of {as_of:%Y-%m-%d %H:%M:%S}Z is yet to come", reason="bad_as_of")
    marts_dir = project.project.marts_dir
    return Asking(
        site=ask.site(),
        sources=sources or project.sources(keeps=False),
        marts_dir=marts_dir,
        read=mart_reader(marts_dir),
        baselines=project.baselines,
        as_of_utc=as_of or known_at,
        is_past=as_of is not None,
    )


def number_asked(ask: Ask) -> Number:
    """The number that an address of /why names, kept or made now. Raises BadInput (no_figure, no_number …)."""
    if figure_id := ask.address.part("figure"):
        return stored_number(ask, figure_id)
    given = asking(ask)
    figure, book = figures_of(read_why(ask.address, site=given.site.site_id, scope=ask.scope()), given)
    in_hand = InHand(ask.project.reports, {each.figure_id: each for each in book.figures()})
    _refuse_others(ask, figure, in_hand, f"the site has no number of scope {figure.scope!r}", "unknown_scope")
    return Number(figure, in_hand, given.sources, kept=False)


def stored_number(ask: Ask, figure_id: str) -> Number:
    """A kept figure. Raises BadInput in the same words for one that is not there and one that is somebody else's."""
    reports = ask.project.reports
    figure = known_figure(figure_id, reports)
    gone = f"no figure {figure_id!r} is stored; a report's register lists its figures"
    _refuse_others(ask, figure, reports, gone, "no_figure")
    return Number(figure, reports, ask.project.sources(keeps=False), kept=True)


def kept_number(ask: Ask) -> str:
    """Store the number that the address names, with all it is made of; its figure id. Raises BadInput."""
    if ask.address.part("figure") or ask.address.as_of_utc is not None:
        raise BadInput("only a number of now, that is not kept yet, can be kept", reason="bad_request")
    # Whether it is theirs to see at all.
    path = number_asked(ask).figure.path
    given = asking(ask, ask.project.sources())
    wanted = read_why(ask.address, site=given.site.site_id, scope=ask.scope())

    def build(revision: int) -> ReportContent:
        figure, book = figures_of(wanted, given, revision=revision)
        label = f"{figure.start}/{figure.end}"
        span = Period(label=label, start=figure.start, end=figure.end, time_zone=given.site.time_zone)
        return figure_list(book, name=NAME, title=figure.label, period=span, site=given.site)

    content, _ = store_revision(build, ask.project.reports, ask.clock, site=given.site, maker=ask.person.person_id)
    return next(figure.figure_id for figure in content.figures if figure.path == path)


def _refuse_others(ask: Ask, figure: Figure, figures: Figures, message: str, reason: str) -> None:
    """Who sees a number sees what it is made of: all of that must be theirs to see."""
    for node in graph(figure, figures):
        named = node.trace.parameters
        site = named.get("site")
        scope = named.get("scope") or (f"seu:{named['seu']}" if "seu" in named else node.scope)
        is_seen = sees_whole_site(ask.person) if site is None else sees_scope(ask.person, site, scope)
        if site is not None and not sees_site(ask.person, site):
            is_seen = False
        if not is_seen:
            raise BadInput(message, reason=reason)


def explained(ask: Ask) -> Explained:
    """Everything about the number that an address names. Raises BadInput."""
    number = number_asked(ask)
    figure, figures, sources = number.figure, number.figures, number.sources
    # First of all: it announces what the SQL is asked, so that it runs once.
    found = trace_figure(figure.figure_id, reports=figures, sources=sources)
    rows = as_read(readings_behind(figure, reports=figures, sources=sources))
    page = _page(ask.address.part("page"))
    nodes = tuple(graph(figure, figures))
    site = next((named["site"] for named in (node.trace.parameters for node in nodes) if "site" in named), "")
    return Explained(
        found=found,
        graph=nodes,
        changes=tuple(versions_today(figure, reports=figures, sources=sources)),
        readings=rows.slice(page * ROWS_A_PAGE, ROWS_A_PAGE).to_dicts(),
        total=rows.height,
        page=page,
        time_zone=sources.sites[site].time_zone if site in sources.sites else "UTC",
        titles=kpi_words(),
        kept=number.kept,
        is_past=ask.address.as_of_utc is not None and not number.kept,
    )


def _page(text: str) -> int:
    """The page of readings, counted from 0; people count from 1."""
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_PAGES):
        raise BadInput(f"page is a whole number from 1 on, got {text[:20]!r}", reason="bad_address")
    return int(text or 1) - 1


@lru_cache
def kpi_words() -> dict[str, tuple[str, str, str]]:
    """KPI -> title, formula and meaning, by the catalogue."""
    from orchestration.warehouse.dbt import PROJECT_DIR

    with (PROJECT_DIR / "seeds" / "kpi_catalogue.csv").open(newline="", encoding="utf-8") as file:
        return {row["kpi"]: (row["title"], row["formula"], row["definition"]) for row in csv.DictReader(file)}
