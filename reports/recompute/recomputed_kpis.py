"""KPI rows recomputed from readings, as the marts would have them: one run of the SQL for all that is wanted of a year.

Wanted and answered rows are kept with the sources.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import polars as pl

from assets.kpi import from_readings
from assets.kpi.enpi.daily import adjusted_days, expected_days
from assets.kpi.from_readings import KpiQuery, KpiQuestions, KpiRow, kpi_rows, scope_meters, source_streams
from assets.kpi.mart_windows import Window
from assets.kpi.running_cost.interval_costs import interval_costs, supply_streams
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.reporting.figure import Trace
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.recompute.figure_sources import Sources, parse_dates

# KPIs that dated facts of the site file alone decide.
OF_THE_SITE_FILE = ("floor_area_m2", "headcount")
# Readings of several sites that one run of the SQL is over: more of them would only be memory.
_TOGETHER = 2**17


class KpiBasis(NamedTuple):
    """Sources of KPI rows recomputed, beside the question: a site as of then, and by which SQL.

    definition: its digest; empty: today's. baseline: the version that expects for the use seu_id, of differences.
    """

    site_id: str
    as_of_utc: datetime
    definition: str = ""
    seu_id: str = ""
    baseline: tuple[str, int] | None = None


def prefetch_kpis(sources: Sources, basis: KpiBasis, questions: Iterable[KpiQuery]) -> None:
    """Announce what `kpi_row` will look up: questions of one basis and year are answered by one run of the SQL."""
    _wanted(sources).setdefault(basis, set()).update(questions)


def kpi_row(sources: Sources, basis: KpiBasis, question: KpiQuery) -> KpiRow | None:
    """A KPI recomputed from readings, as the marts would have it; None where they would have no such row."""
    known = _answered(sources, basis)
    if question not in known:
        wanted = {
            # A year at a time: one run over all that is wanted would hold all their readings at once.
            each: {one for one in kpis if one.start.year == question.start.year} - set(_answered(sources, each))
            for each, kpis in _wanted(sources).items()
            # Of other sites as well, in what order they may come.
            if each._replace(site_id=basis.site_id) == basis
        }
        mine = wanted.pop(basis, set()) | {question}
        try:
            _run_sql(sources, {basis: mine} | wanted)
        except WorldFault:
            if not any(wanted.values()):
                raise
            # What another site is at fault in is told where that is asked.
            _run_sql(sources, {basis: mine})
    return known[question]


def _answered(sources: Sources, basis: KpiBasis) -> dict[KpiQuery, KpiRow | None]:
    return sources.keep(("kpi rows", basis), dict)


def _run_sql(sources: Sources, wanted: Mapping[KpiBasis, Collection[KpiQuery]]) -> None:
    """Answer what is wanted of the first basis, and of others as long as they are small."""
    questions, rows = dict[KpiBasis, KpiQuestions](), 0
    for basis, wanted_kpis in wanted.items():
        if not wanted_kpis:
            continue
        made = _questions(sources, basis, wanted_kpis)
        rows += made.readings.height
        if questions and rows > _TOGETHER:
            break
        questions[basis] = made
    definition = sources.definition(next(iter(questions)).definition)
    found = kpi_rows([*questions.values()], definition=definition, run=sources.definitions.run)
    for basis, answers in zip(questions, found, strict=True):
        _answered(sources, basis).update(answers)


def _questions(sources: Sources, basis: KpiBasis, questions: Collection[KpiQuery]) -> KpiQuestions:
    site = sources.site(basis.site_id)
    start, end = min(each.start for each in questions), max(each.end for each in questions)
    named = dict.fromkeys((each.kpi, each.scope) for each in questions)
    streams = list(dict.fromkeys(name for kpi, scope in named for name in source_streams(kpi, site=site, scope=scope)))
    if any(each.kpi in OF_THE_SITE_FILE for each in questions):
        # An area is known of a scope without readings too, as long as the site has some.
        streams += scope_meters(site, f"site:{site.site_id}")
    return KpiQuestions(
        site,
        questions,
        # Sorted, because they are part of a key: in another order they would be read again.
        readings=sources.stream_readings(site, sorted(set(streams)), start, end, basis.as_of_utc),
        factors=sources.factors(site, basis.as_of_utc),
        expected=_expected_days(sources, basis, site, Period(label="", start=start, end=end, time_zone=site.time_zone)),
    )


def _expected_days(sources: Sources, basis: KpiBasis, site: Site, span: Period) -> pl.DataFrame | None:
    """lake.seu_expected_days of the one use whose difference to a baseline is asked for."""
    if basis.baseline is None:
        return None
    version, seu_id = sources.baseline(*basis.baseline), basis.seu_id
    days = sources.days(site, seu_id, span, basis.as_of_utc)
    expected = adjusted_days(
        expected_days(version.baseline, days), sources.adjustments(*basis.baseline, basis.as_of_utc)
    )
    return expected.select(
        pl.lit(site.site_id).alias("site_id"),
        pl.lit(seu_id).alias("seu_id"),
        "local_date",
        pl.lit(basis.baseline[0]).alias("baseline_id"),
        pl.lit(basis.baseline[1]).alias("baseline_version"),
        "expected_kwh",
    )


def _wanted(sources: Sources) -> dict[KpiBasis, set[KpiQuery]]:
    """KPIs that are going to be looked up, by what answers them."""
    return sources.keep(("wanted kpis",), dict)


def running_rows(trace: Trace, sources: Sources) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Quarter hours and projections behind a running figure (`from_readings.running_rows`)."""
    site, (first, after) = sources.site(trace.parameters["site"]), parse_dates(trace.parameters)
    window = Window(site_id=site.site_id, first=first, after=after)
    return from_readings.running_rows(
        sources.definition(definition_named(trace)),
        site=site,
        readings=sources.stream_readings(site, supply_streams(site), first, after, trace.as_of_utc),
        factors=sources.factors(site, trace.as_of_utc),
        costs=interval_costs(site, sources.lake, [window], as_of_utc=trace.as_of_utc),
        run=sources.definitions.run,
    )


def definition_named(trace: Trace) -> str:
    """Digest of the SQL that the trace pins; empty of one that was made before SQL was pinned."""
    return next((each.sha256 for each in trace.inputs if each.role == "definition"), "")
