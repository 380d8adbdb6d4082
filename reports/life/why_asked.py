"""A number that is nowhere stored, asked for by what it is: made from the marts as a figure, ready to be explained.

The figure stands in a book of revision 0 with every figure that it is made of; `InHand` lets a trace walk it like a
stored one. A view of the past is made from the readings: the marts hold what is known now.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from assets.kpi.running_cost.month_to_date import running_figures, span_behind
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.published.report_ledger import ReportStore
from assets.stores.warehouse.marts import ReadMart
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, months_of, parse_period
from reports.again.computations import RUNNING
from reports.again.figure_sources import Sources, seu_of
from reports.content.lists.kpi_list import HOURLY, Grain, add_rows, hours_of, kpi_rows
from reports.content.lists.running_list import running_book
from reports.content.lists.span_total import OF_DAYS, span_rows
from reports.datasets.base import Given, Item
from reports.datasets.enpi import MEASURES, EnpiData
from reports.datasets.template_ask import Asker
from reports.figures import FigureBook
from reports.make_report import baselines_in_force
from reports.pages.why_links import PAIRS, WhyAsked

NAME = "why"
# Units of combinations; of the others it is that of what they combine.
_UNITS = {"ratio": "ratio", "deviation_percent": "percent", "percent_of": "percent"}


@dataclass(frozen=True)
class Asking:
    """What answers are read from, as known at an instant. is_past: an instant that the marts are not of."""

    site: Site
    sources: Sources
    marts_dir: Path
    read: ReadMart
    baselines: BaselineStore
    as_of_utc: datetime
    is_past: bool = False


class InHand:
    """Stored figures, and those of a book beside them: what a trace asks for figures by id."""

    def __init__(self, reports: ReportStore, figures: Mapping[str, Figure]) -> None:
        self.store, self._reports, self._figures = reports.store, reports, dict(figures)

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id, or None."""
        return self._figures.get(figure_id) or self._reports.figure(figure_id)


def figures_of(asked: WhyAsked, given: Asking, *, revision: int = 0) -> tuple[Figure, FigureBook]:
    """The number that is asked for, and the book with all that it is made of.

    Raises BadInput (no_number) where the marts have no such number.
    """
    book = FigureBook(
        report_id="/".join([NAME, given.site.site_id, _name(asked)]),
        revision=revision,
        as_of_utc=given.as_of_utc,
        is_synthetic=False,
    )
    if asked.of == "running":
        return _running(asked, given, revision)
    if asked.of == "assessment":
        return _assessed(asked, given, book), book
    span = parse_period(asked.period, given.site.time_zone)
    first = _side(book, asked, given, asked.scope, asked.kpi, span)
    if asked.of not in PAIRS:
        return first, book
    other = parse_period(asked.against, given.site.time_zone)
    second = _side(book, asked, given, asked.against_scope or asked.scope, asked.against_kpi or asked.kpi, other)
    unit = _UNITS.get(asked.of, first.unit)
    pair = [("first", first), ("second", second)]
    return book.derive(asked.of, asked.of, pair, label=f"{asked.of} of {asked.kpi}", kpi=asked.of, unit=unit), book


def _name(asked: WhyAsked) -> str:
    """The question in one word of a report's id, in which a stroke parts."""
    told = asked.model_dump(mode="json", exclude={"site"}, exclude_defaults=True)
    return ";".join(str(value) for value in told.values()).replace("/", "~")


def _side(book: FigureBook, asked: WhyAsked, given: Asking, scope: str, kpi: str, span: Period) -> Figure:
    """One row, or the sum or the largest of those of its days or months."""
    rows = _rows(asked, given, scope, kpi, span)
    if given.is_past:
        rows = _as_known_then(rows, given)
    book.is_synthetic = book.is_synthetic or bool(rows["is_synthetic"].any())
    before = {figure.figure_id for figure in book.figures()}
    add_rows(book, given.site, rows, sources=given.sources)
    made = [figure for figure in book.figures() if figure.figure_id not in before]
    if not asked.grain:
        return made[0]
    # Of difference, ratio and the like the sides are made first; of a sum the sum is the answer.
    parts = [("part", figure) for figure in made]
    path = f"{asked.each}/{scope}/{kpi}/{span.start}/{span.end}"
    return book.derive(path, asked.each, parts, label=f"{kpi} of {scope}", kpi=kpi, unit=made[0].unit, scope=scope)


def _rows(asked: WhyAsked, given: Asking, scope: str, kpi: str, span: Period) -> pl.DataFrame:
    is_it = (pl.col("scope") == scope) & (pl.col("kpi") == kpi)
    if asked.at_utc is not None:
        hours = {} if kpi not in HOURLY else {"kpis": (kpi,)}
        rows = hours_of(given.site, span, given.read, scope=scope, **hours)
        rows = rows.filter(is_it & (pl.col("hour_start_utc") == asked.at_utc))
    elif asked.grain:
        rows = kpi_rows(given.site, span, asked.grain, given.read, scope=scope)
        rows = rows.filter(is_it & (pl.col("grain") == asked.grain))
        # A hole would make the sum of what is there look like that of the whole.
        if not rows.is_empty() and not _is_whole(rows, span):
            raise _none(f"{kpi} of {scope}: not every {asked.grain} of {span.label} is in the marts")
    elif kpi in OF_DAYS:
        rows = span_rows(given.site, scope, span, given.read, kpis=(kpi,))
    else:
        exact = (pl.col("period_start") == span.start) & (pl.col("period_end") == span.end)
        grains = _grains(span)
        rows = pl.concat([kpi_rows(given.site, part, grain, given.read, scope=scope) for grain, part in grains.items()])
        rows = rows.filter(is_it & exact)
    if rows.is_empty():
        about = f" at {asked.at_utc:%Y-%m-%d %H:%M}Z" if asked.at_utc is not None else ""
        raise _none(f"the marts have no {kpi} of {scope} for {span.start}/{span.end}{about}")
    return rows


def _grains(span: Period) -> dict[Grain, Period]:
    """In which rows a span can stand: of a day, a month, a year; of twelve months in those of the last of them."""
    if span.days == 1:
        return {"day": span}
    months = months_of(span)
    if span.start.day != 1 or span.end.day != 1 or len(months) not in (1, 12):
        raise _none(
            f"{span.start}/{span.end} is no day, month or year: name the days or months that it is made of (grain)"
        )
    found: dict[Grain, Period] = {"month": months[-1]}
    return found | ({"year": span} if len(months) == 12 and span.start.month == 1 else {})


def _is_whole(rows: pl.DataFrame, span: Period) -> bool:
    starts, ends = rows["period_start"].to_list(), rows["period_end"].to_list()
    return [span.start, *ends] == [*starts, span.end]


def _as_known_then(rows: pl.DataFrame, given: Asking) -> pl.DataFrame:
    """The rows with the values that the readings gave then."""
    found = []
    for row in rows.iter_rows(named=True):
        if row["hour_start_utc"] is not None or row.get("baseline_id") is not None:
            raise _none(
                "an hour, or a difference to a baseline, is explained as it is known now: leave as_of out, or "
                "keep it as a figure first"
            )
        span = Period(label="", start=row["period_start"], end=row["period_end"], time_zone=given.site.time_zone)
        known = given.sources.kpi_of(given.site, row["scope"], row["kpi"], span, given.as_of_utc)
        value = None if known is None else known.value
        codes = ("no_readings",) if known is None else known.findings
        found.append(
            row
            | {
                "exact": value,
                "value": None if value is None else float(value),
                "finding": codes[0] if codes else None,
                "findings": " ".join(codes),
                "coverage": None if known is None else known.coverage,
                "estimated_share": None if known is None else known.estimated_share,
            }
        )
    schema = {**rows.schema, "exact": pl.Decimal(38, 15)}
    return pl.DataFrame(found, schema=schema)


def _running(asked: WhyAsked, given: Asking, revision: int) -> tuple[Figure, FigureBook]:
    site = given.site
    if asked.kpi not in RUNNING:
        raise _none(f"there is no running figure {asked.kpi!r}; there are {', '.join(RUNNING)}")
    quarters = given.read("mart_site__quarter_hour_running", site_id=site.site_id)
    projections = given.read("mart_site__day_projection", site_id=site.site_id)
    found = running_figures(site.site_id, quarters, projections, at_utc=asked.at_utc)
    start, end = span_behind(site, found.at_utc)
    month = Period(label="", start=start, end=end, time_zone=site.time_zone)
    is_synthetic = given.sources.has_synthetic(site, month, given.as_of_utc)
    book = running_book(
        site, found, sources=given.sources, as_of_utc=given.as_of_utc, revision=revision, is_synthetic=is_synthetic
    )
    return next(figure for figure in book.figures() if figure.kpi == asked.kpi), book


def _assessed(asked: WhyAsked, given: Asking, book: FigureBook) -> Figure:
    """A number of an energy use against a version of its baseline, by name, or against the one in force."""
    seu = seu_of(given.site, asked.scope.removeprefix("seu:"))
    if asked.kpi not in MEASURES:
        raise _none(f"an energy use has no number {asked.kpi!r}; there are {', '.join(MEASURES)}")
    span = parse_period(asked.period, given.site.time_zone)
    book.is_synthetic = given.sources.has_synthetic(given.site, span, given.as_of_utc)
    ask = assessing(
        given, span, {seu.seu_id: version_of(asked.baseline, given, seu.seu_id)}, book, confidence=asked.confidence
    )
    return ask.question(f"enpi.{asked.kpi}", Item(key="", label=seu.name, scope=asked.scope, period=span))


def assessing(
    given: Asking,
    span: Period,
    versions: Mapping[str, BaselineVersion | None],
    book: FigureBook,
    *,
    confidence: float = 0.9,
) -> Asker:
    """What fills a book with numbers of energy uses over a span, each against the version named."""
    known = Given(
        site=given.site,
        period=span,
        as_of_utc=given.as_of_utc,
        sources=given.sources,
        versions={name: version for name, version in versions.items() if version is not None},
        marts_dir=None if given.is_past else given.marts_dir,
        confidence=confidence,
    )
    return Asker(known, {"enpi": EnpiData(known)}, book)


def version_of(name: str, given: Asking, seu_id: str) -> BaselineVersion | None:
    """The version `id@number`, or without a name the one in force. Raises BadInput."""
    if not name:
        return baselines_in_force(given.site, given.baselines, as_of_utc=given.as_of_utc).get(seu_id)
    baseline_id, _, number = name.rpartition("@")
    if not (number.isascii() and number.isdecimal() and len(number) < 9) or not baseline_id.startswith(f"{given.site.site_id}/{seu_id}/"):
        raise BadInput(f"{name!r} is no version of a baseline of {seu_id!r}", reason="no_baseline")
    return given.baselines.get(baseline_id, int(number), as_of_utc=given.as_of_utc)


def _none(what: str) -> BadInput:
    return BadInput(what, reason="no_number")
