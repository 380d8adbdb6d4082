"""Answers a query by a figure made from the marts, stored nowhere, ready to be explained.

The figure stands in a book of revision 0 with every figure that it is made of; `WalkedFigures` lets a trace walk it
like a stored one.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from urllib.parse import unquote

import polars as pl

from assets.kpi.claims.mv_savings import project_of
from assets.kpi.running_cost.month_to_date import source_span
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import REGISTER_KPI, Figure
from data_quality.contracts.time import Period, months_of, parse_instant, parse_period
from reports.assess import Asking, project_baselines, version_of
from reports.datasets.anomalies import AnomalyData
from reports.datasets.base import Item, ReportInput
from reports.datasets.bills import BillData
from reports.datasets.enpi import EnpiData
from reports.datasets.project import ProjectData
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.figures.kpi_list import HOURLY, OF_DAYS, Grain, add_rows, hours_of, kpi_rows, span_rows
from reports.figures.query import GRAINS, PAIRS, ROWS, Query, Question
from reports.figures.register_figures import register_figure
from reports.figures.running import running_book, running_now
from reports.recompute.computations import RUNNING
from reports.recompute.event import FIELDS
from reports.recompute.figure_sources import seu_of

NAME = "why"
# Units of combinations of one unit; of the others it is that of what they combine.
_UNITS = {"ratio": "ratio", "deviation_percent": "percent", "percent_of": "percent"}


def figures_of(question: Question, given: Asking, *, revision: int = 0) -> tuple[Figure, FigureBook]:
    """The number that is asked for, and the book with all that it is made of.

    Raises BadInput (no_number) where the marts have no such number.
    """
    if isinstance(question, Query) and question.grain == "running":
        return _running(question, given, revision)
    more = {"at_utc", "baseline", "confidence"} if isinstance(question, Query) else set[str]()
    details = question.model_dump(mode="json", include=more, exclude_defaults=True)
    # One word of the id, in which a stroke parts.
    name = ";".join([str(question), *map(str, details.values())]).replace("/", "~")
    book = FigureBook(
        report_id="/".join([NAME, given.site.site_id, name]),
        revision=revision,
        as_of_utc=given.as_of_utc,
        is_synthetic=False,
    )
    parts = _parts(question, given, book)
    if len(parts) > 1:
        raise _none(f"{str(question)[:80]} is {len(parts)} numbers, not one")
    return parts[0], book


def _parts(question: Question, given: Asking, book: FigureBook) -> list[Figure]:
    if isinstance(question, Query):
        return [each for scope in question.scopes for each in _numbers(question, scope, given, book)]
    if book.has(str(question)):
        return [book.at(str(question))]
    parts = [figure for each in question.parts for figure in _parts(each, given, book)]
    units = {each.unit for each in parts}
    # A sum of euros and kWh, or of two currencies, would be a number of nothing.
    if len(units) > 1 and question.of not in ("ratio", "product"):
        raise _none(f"{question.of} of {' and '.join(sorted(units))} is no number")
    is_pair = question.of in PAIRS
    if is_pair and len(parts) != 2:
        raise _none(f"{question.of} is made of two numbers, these are {len(parts)}")
    first, scopes = parts[0], {each.scope for each in parts}
    scope = first.scope if len(scopes) == 1 or is_pair else f"site:{given.site.site_id}"
    label = f"{question.of} of {first.kpi}" if is_pair else first.label if len(scopes) == 1 else first.kpi
    roles = ("first", "second") if is_pair else ("part",) * len(parts)
    made = book.derive(
        str(question),
        question.of,
        list(zip(roles, parts, strict=True)),
        label=label,
        kpi=question.of if is_pair else first.kpi,
        unit=_unit_of(question.of, [each.unit for each in parts]),
        scope=scope,
    )
    return [made]


def _unit_of(of: str, units: list[str]) -> str:
    """EUR and kwh as a ratio are EUR/kwh; that times kwh/day is EUR/day."""
    first, last = units[0], units[-1]
    if of == "ratio" and first != last and "/" not in first + last:
        return f"{first}/{'day' if last == 'days' else last}"
    top, _, per = first.partition("/")
    if of == "product" and per and last.split("/")[0] == per:
        return top + last.removeprefix(per)
    return _UNITS.get(of, first)


def _numbers(query: Query, scope: str, given: Asking, book: FigureBook) -> list[Figure]:
    """The numbers of one scope of a query: one, or those of its rows."""
    own = given if query.site in ("", given.site.site_id) else replace(given, site=given.sources.site(query.site))
    if query.grain in ("assessment", "project"):
        # A number of an energy use against a version of its baseline, by name, or against the one in force; or of a
        # project.
        kind, _, name = scope.partition(":")
        versions: dict[str, BaselineVersion | None] = {}
        if query.grain == "assessment":
            seu = seu_of(own.site, name if kind == "seu" else scope)
            versions, label = {seu.seu_id: version_of(query.baseline, own, seu.seu_id)}, seu.name
        else:
            label = project_of(own.site, name if kind == "project" else scope).name
        span = parse_period(query.span, own.site.time_zone)
        book.is_synthetic = book.is_synthetic or own.sources.has_synthetic(own.site, span, own.as_of_utc)
        ask = assessing(own, span, versions, book, confidence=query.confidence)
        dataset = "enpi" if query.grain == "assessment" else "project"
        known = ask.datasets[dataset].measures
        if query.measure not in known:
            raise _none(f"{scope} has no number {query.measure!r}; there are {', '.join(known)}")
        item = Item(key="", label=label, scope=scope, period=span)
        return [ask.question(f"{dataset}.{query.measure}", item)]
    if query.grain == "bill":
        return [_of_bill(query, scope, own, book)]
    if query.grain == "event":
        return [_of_event(query, scope, own, book)]
    at_utc = query.at_utc if query.grain in GRAINS else parse_instant(query.grain)
    span = parse_period(query.span, own.site.time_zone)
    if query.measure == REGISTER_KPI:
        if query.grain in ROWS:
            raise _none(f"{REGISTER_KPI} has no rows by {query.grain}: name its days")
        return [register_figure(book, own.site, scope, span, at_utc, own.sources)]
    rows = _rows(query.measure, scope, span, at_utc, query.grain, own)
    book.is_synthetic = book.is_synthetic or bool(rows["is_synthetic"].any())
    found = add_rows(book, own.site, rows, sources=own.sources, marts_dir=own.marts_dir)
    return found if query.grain in ROWS else found[:1]


def _rows(kpi: str, scope: str, span: Period, at_utc: datetime | None, grain: str, given: Asking) -> pl.DataFrame:
    """The one row that is asked for, or those of a grain."""
    is_it = (pl.col("scope") == scope) & (pl.col("kpi") == kpi)
    known: pl.DataFrame | None = None
    if at_utc is not None or grain == "hour":
        hours = {} if kpi not in HOURLY else {"kpis": (kpi,)}
        rows = hours_of(given.site, span, given.read, scope=scope, **hours).filter(is_it)
        # Hours that nobody read are in no sum of a day so far.
        is_asked = pl.col("coverage") > 0 if at_utc is None else pl.col("hour_start_utc") == at_utc
        rows = rows.filter(is_asked).sort("hour_start_utc")
    elif grain in ("day", "month"):
        known = kpi_rows(given.site, span, "day" if grain == "day" else "month", given.read, scope=scope)
        rows = known.filter(is_it & (pl.col("grain") == grain))
        # A hole would make the sum of what is there look like that of the whole.
        starts, ends = rows["period_start"].to_list(), rows["period_end"].to_list()
        if starts and [span.start, *ends] != [*starts, span.end]:
            raise _none(f"{kpi} of {scope}: not every {grain} of {span.label} is in the marts")
    elif kpi in OF_DAYS:
        rows = span_rows(given.site, scope, span, given.read, kpis=(kpi,))
    else:
        exact = (pl.col("period_start") == span.start) & (pl.col("period_end") == span.end)
        known = _of_grains(given, scope, _grains(span))
        rows = known.filter(is_it & exact)
    if rows.is_empty():
        about = f" at {at_utc:%Y-%m-%d %H:%M}Z" if at_utc is not None else ""
        near = [] if known is None else get_close_matches(kpi, known["kpi"].unique().to_list(), n=1)
        meant = f"; did you mean {near[0]}?" if near and near[0] != kpi else ""
        raise _none(f"the marts have no {kpi} of {scope} for {span.start}/{span.end}{about}{meant}")
    return rows


def _of_grains(given: Asking, scope: str, parts: Mapping[Grain, Period]) -> pl.DataFrame:
    """Rows of the grains that there are: of a year that has begun its last month is not read."""
    found, fault = [], _none("there is no such grain")
    for grain, part in parts.items():
        try:
            found.append(kpi_rows(given.site, part, grain, given.read, scope=scope))
        except BadInput as missing:
            if missing.reason not in ("nothing_in_period", "unknown_scope"):
                raise
            fault = missing
    if not found:
        raise fault
    return pl.concat(found, how="diagonal")


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


def _running(query: Query, given: Asking, revision: int) -> tuple[Figure, FigureBook]:
    site = given.site
    if query.measure not in RUNNING:
        raise _none(f"there is no running figure {query.measure!r}; there are {', '.join(RUNNING)}")
    found = running_now(given.read, site.site_id, query.at_utc)
    start, end = source_span(site, found.at_utc)
    month = Period(label="", start=start, end=end, time_zone=site.time_zone)
    is_synthetic = given.sources.has_synthetic(site, month, given.as_of_utc)
    book = running_book(
        site, found, sources=given.sources, as_of_utc=given.as_of_utc, revision=revision, is_synthetic=is_synthetic
    )
    return next(figure for figure in book.figures() if figure.kpi == query.measure), book


def _of_bill(query: Query, scope: str, given: Asking, book: FigureBook) -> Figure:
    """A number of a bill of the site, or of one of its lines, recomputed from the site's readings and tariff."""
    bill_id, _, line = scope.removeprefix("bill:").partition("/")
    span = parse_period(query.span, given.site.time_zone)
    known = _given(given, span, {})
    bills = BillData(known)
    row = next((each for each in bills.rows if each["bill_id"] == bill_id), None)
    if row is None or (row["period_start"], row["period_end"]) != (span.start, span.end):
        raise _none(f"the site has no bill {bill_id!r} of {span.start}/{span.end}")
    if query.measure not in bills.measures:
        raise _none(f"a bill has no number {query.measure!r}; it has {', '.join(bills.measures)}")
    book.is_synthetic = book.is_synthetic or given.sources.has_synthetic(given.site, span, given.as_of_utc)
    name = "/".join(filter(None, (f"bill:{bill_id}", unquote(line))))
    item = Item(key=bill_id, label="", scope=name, period=span)
    return TemplateQueries(known, {"bills": bills}, book).question(f"bills.{query.measure}", item)


def _of_event(query: Query, scope: str, given: Asking, book: FigureBook) -> Figure:
    """A number of a stored anomaly event of the site."""
    span = parse_period(query.span, given.site.time_zone)
    known = _given(given, span, {})
    data = AnomalyData(known)
    item = data.item(scope.removeprefix("event:"))
    if item is None or (item.period.start, item.period.end) != (span.start, span.end):
        raise _none(f"the site has no event {scope.removeprefix('event:')!r} of {span.start}/{span.end}")
    if query.measure not in FIELDS:
        raise _none(f"an event has no number {query.measure!r}; it has {', '.join(FIELDS)}")
    book.is_synthetic = book.is_synthetic or given.sources.has_synthetic(given.site, span, given.as_of_utc)
    return TemplateQueries(known, {"anomalies": data}, book).question(f"anomalies.{query.measure}", item)


def _given(
    given: Asking, span: Period, versions: Mapping[str, BaselineVersion | None], *, confidence: float = 0.9
) -> ReportInput:
    """Input of datasets over a span. versions: energy use -> the baseline that expects, None for one without."""
    return ReportInput(
        site=given.site,
        period=span,
        as_of_utc=given.as_of_utc,
        sources=given.sources,
        versions={name: version for name, version in versions.items() if version is not None},
        marts_dir=given.marts_dir,
        confidence=confidence,
    )


def assessing(
    given: Asking,
    span: Period,
    versions: Mapping[str, BaselineVersion | None],
    book: FigureBook,
    *,
    confidence: float = 0.9,
) -> TemplateQueries:
    """Asker that fills a book with numbers of energy uses over a span, each against its version, and of projects."""
    at_utc = given.as_of_utc
    projects = given.sources.keep(
        ("project baselines", given.site.site_id, at_utc),
        lambda: project_baselines(given.site, given.sources.baselines, as_of_utc=at_utc),
    )
    known = replace(_given(given, span, versions, confidence=confidence), project_versions=projects)
    return TemplateQueries(known, {"enpi": EnpiData(known), "project": ProjectData(known)}, book)


def _none(what: str) -> BadInput:
    return BadInput(what, reason="no_number")
