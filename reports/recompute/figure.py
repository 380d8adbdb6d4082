"""Recomputes a figure from its trace alone, and says equal or by how much not."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import KPI, Figure
from reports.recompute.computations import COMBINATIONS, LEAVES, combine, kpi_of_trace
from reports.recompute.figure_sources import Sources
from reports.recompute.recomputed_kpis import prefetch_kpis

Lookup = Callable[[str], Figure | None]


def recompute(
    figure: Figure, *, sources: Sources, lookup: Lookup, kept: dict[str, Decimal | None] | None = None
) -> Decimal | None:
    """The figure's value recomputed from its inputs as known at its as_of.

    lookup gives input figures by id; they are recomputed too, never believed. `kept` shares work between calls.
    Raises OurFault for a trace that names what does not exist.
    """
    if kept is None:
        # At the top only: whoever shares `kept` announces all its figures at once.
        prefetch([figure], sources=sources, lookup=lookup)
    known = {} if kept is None else kept
    if figure.figure_id not in known:
        trace = figure.trace
        if trace.computation in COMBINATIONS:
            operands = []
            for given in trace.inputs:
                source = lookup(given.id)
                if source is None:
                    raise OurFault(f"figure {figure.figure_id} rests on figure {given.id}, which is not stored")
                operands.append((given.role, recompute(source, sources=sources, lookup=lookup, kept=known)))
            known[figure.figure_id] = combine(trace.computation, operands)
        elif trace.computation in LEAVES:
            known[figure.figure_id] = LEAVES[trace.computation](trace, pinned(figure, sources))
        else:
            raise OurFault(f"figure {figure.figure_id} names the unknown computation {trace.computation!r}")
    return known[figure.figure_id]


def prefetch(figures: Iterable[Figure], *, sources: Sources, lookup: Lookup) -> None:
    """Tell the sources of every KPI that these figures rest on, so that one run of the SQL answers for many."""
    seen, waiting = set(), list(figures)
    while waiting:
        figure = waiting.pop()
        if figure.figure_id in seen:
            continue
        seen.add(figure.figure_id)
        if figure.trace.computation == KPI:
            basis, question = kpi_of_trace(figure.trace)
            prefetch_kpis(pinned(figure, sources), basis, [question])
        elif figure.trace.computation in COMBINATIONS:
            waiting += [each for given in figure.trace.inputs if (each := lookup(given.id)) is not None]


def pinned(figure: Figure, sources: Sources) -> Sources:
    """The sources with the site files that the trace names."""
    for given in figure.trace.inputs:
        sources = sources.with_site_version(given.id, given.sha256) if given.role == "site" else sources
    return sources
