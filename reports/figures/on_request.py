"""Numbers that are made on request, under ids that `trace` takes: of KPI rows what each rests on is looked up then.

A page or list that is drawn again and again names no inputs; a figure of it keeps its site file, the SQL and its
baseline by digest, and the rest follows from its span and instant.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from assets.stores.published.asked_figures import AskedFigures
from assets.stores.published.report_ledger import ReportStore
from assets.stores.transactions import Store
from data_quality.contracts.reporting.figure import Figure, TraceInput
from reports.figures.kpi_list import inputs_of
from reports.recompute.computations import KPI, version_named
from reports.recompute.figure_again import pinned
from reports.recompute.figure_sources import Sources, parse_dates


class KnownFigures:
    """Figures by id: those of reports and recommendations, then those that somebody asked for a while ago."""

    def __init__(self, reports: ReportStore, asked: AskedFigures, sources: Sources, now_utc: datetime) -> None:
        self.store: Store = reports.store
        self._reports, self._asked, self._sources, self._now_utc = reports, asked, sources, now_utc

    def figure(self, figure_id: str) -> Figure | None:
        """The figure of that id, or None."""
        # Both are asked whatever is found, so that nobody learns by the clock what there is.
        found, asked = self._reports.figure(figure_id), self._asked.figure(figure_id, now_utc=self._now_utc)
        return found or (None if asked is None else completed(asked, self._sources))

    def behind(self, figure_id: str) -> Figure | None:
        """As `figure`, of one that another is made of."""
        return self._reports.behind(figure_id) or self.figure(figure_id)


def with_digests(figures: Iterable[Figure], sources: Sources) -> list[Figure]:
    """Figures of KPIs with the few inputs that time could take from them: site file and SQL as they are now."""
    return [_with(each, (*_few(each, sources), *each.trace.inputs)) if _is_bare(each) else each for each in figures]


def _few(figure: Figure, sources: Sources) -> tuple[TraceInput, TraceInput]:
    return sources.site_input(sources.site(figure.trace.parameters["site"])), sources.definition_input()


def completed(figure: Figure, sources: Sources) -> Figure:
    """A KPI figure with all its inputs, as known at its instant; any other as it is."""
    if figure.trace.computation != KPI or any(each.kind == "lake" for each in figure.trace.inputs):
        return figure
    named, as_of_utc = figure.trace.parameters, figure.trace.as_of_utc
    then = pinned(figure, sources)
    start, end = parse_dates(named)
    baseline_id, version = version_named(figure.trace) or (None, None)
    row: dict[str, Any] = {"kpi": named["kpi"], "scope": named["scope"], "period_start": start, "period_end": end}
    row |= {"baseline_id": baseline_id, "baseline_version": version}
    held = {(each.role, each.id): each for each in figure.trace.inputs}
    # What was kept is what it was made of, whatever that is today.
    every = [held.get((each.role, each.id), each) for each in inputs_of(then.site(named["site"]), row, then, as_of_utc)]
    return _with(figure, tuple(every))


def _is_bare(figure: Figure) -> bool:
    return figure.trace.computation == KPI and all(each.role != "site" for each in figure.trace.inputs)


def _with(figure: Figure, inputs: tuple[TraceInput, ...]) -> Figure:
    return figure.model_copy(update={"trace": figure.trace.model_copy(update={"inputs": inputs})})
