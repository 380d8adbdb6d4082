"""Ids of the points of a series, stored as one row; a point becomes an energy figure when it is asked for."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from assets.sites.scopes import register_scopes
from assets.stores.published.report_ledger import keep_site_version
from assets.stores.published.requested_figures import RequestedFigures
from data_quality.contracts.reporting.figure import KPI, REGISTER_KPI, Figure, Trace
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_day, months_after
from reports.recompute.computations import code_sha256
from reports.recompute.hours import QUARTER

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

T = TypeVar("T")
# The name under which a series is stored; its points name the computation that makes them.
SERIES = "series"
_MEASURE, _IN_FULL = "consumption_kwh", (1.0, None, ())
# Grain -> the local day after an interval that begins on one.
_END: Mapping[str, Callable[[date], date]] = {
    "quarter": lambda day: day + timedelta(days=1),
    "hour": lambda day: day + timedelta(days=1),
    "day": lambda day: day + timedelta(days=1),
    "month": lambda day: months_after(day, 1),
    "year": lambda day: months_after(day, 12),
}


class Interval(NamedTuple):
    """Energy of an interval, kWh, with what a reader must know beside it."""

    start_utc: datetime
    value: Decimal
    coverage: float | None = None
    estimated_share: float | None = None
    codes: tuple[str, ...] = ()


def series_ids(
    project: "OpenProject",
    site: Site,
    scope: str,
    grain: str,
    intervals: Sequence[Interval],
    *,
    is_synthetic: bool,
    as_of_utc: datetime,
    clock: Clock,
) -> list[str]:
    """Ids of energies of a scope by `grain` (quarter, hour, day, month, year), in their order; empty texts where
    nothing can be kept.
    """
    without = [""] * len(intervals)
    if project.store.read_only is not None or not intervals:
        return without
    sources = project.sources()
    rows = ";".join(map(_row, intervals))
    measure = REGISTER_KPI if scope in register_scopes(site) else _MEASURE
    computation = _computation(measure, grain)
    inputs = (sources.site_input(site), *([] if computation == QUARTER else [sources.definition_input()]))
    code = code_sha256(computation)
    # The id holds no time of a request: equal readings give equal ids.
    facts = [SERIES, site.site_id, scope, grain, str(is_synthetic), code, *(each.sha256 for each in inputs), rows]
    figure_id = hashlib.sha256("\x1f".join(facts).encode()).hexdigest()[:16]
    first, last = (local_day(each.start_utc, site.time_zone) for each in (intervals[0], intervals[-1]))
    named = {"site": site.site_id, "scope": scope, "grain": grain, "time_zone": site.time_zone, "rows": rows}
    series = Figure(
        figure_id=figure_id, path="", label=f"{measure} of {scope}", kpi=measure, scope=scope, start=first,
        end=_END[grain](last), value=None, unit="kwh", is_synthetic=is_synthetic,
        trace=Trace(computation=SERIES, code_sha256=code, parameters=named, as_of_utc=as_of_utc, inputs=inputs),
    )  # fmt: skip
    if RequestedFigures(project.project.data_dir).keep([series], now_utc=clock.now_utc()) is None:
        return without
    keep_site_version(project.store, site, inputs[0].sha256, clock)
    return [f"{figure_id}-{row}" for row in range(len(intervals))]


def _computation(measure: str, grain: str) -> str:
    """Computation of a point: its readings of a quarter hour and of a register, else the marts' own SQL."""
    return QUARTER if grain == "quarter" or measure == REGISTER_KPI else KPI


def _row(each: Interval) -> str:
    """Second of its start and value; quality behind them where the interval was not read in full."""
    at, more = f"{each.start_utc.timestamp():.0f} {each.value}", each[2:]
    return at if more == _IN_FULL else f"{at} {json.dumps(more)}"


def row_of(rows: Sequence[T], number: str) -> T | None:
    """The row that the end of an id names, from 0; None where there is none."""
    return rows[int(number)] if number in map(str, range(len(rows))) else None


def interval_figure(series: Figure, row: str) -> Figure | None:
    """The figure of a row of a kept series; None where there is none."""
    named = dict(series.trace.parameters)
    rows, grain, local = named.pop("rows").split(";"), named.pop("grain"), named.pop("time_zone")
    if (kept := row_of(rows, row)) is None:
        return None
    second, value, *more = kept.split(" ", 2)
    coverage, estimated_share, codes = json.loads(more[0]) if more else _IN_FULL
    at_utc = datetime.fromtimestamp(int(second), UTC)
    start = local_day(at_utc, local)
    end = _END[grain](start)
    named |= {"kpi": series.kpi, "start": str(start), "end": str(end)}
    place = str(start)
    if grain in ("quarter", "hour"):
        # Where local midnight lies inside a UTC hour, the rest of the hour is of the day that begins in it.
        at = f"{at_utc if grain == 'quarter' else at_utc.replace(minute=0):%Y-%m-%dT%H:%MZ}"
        named[f"{grain}_start_utc"], place = at, f"{at}~{place}"
    computation = _computation(series.kpi, grain)
    return series.model_copy(
        update={
            "figure_id": f"{series.figure_id}-{row}",
            "path": f"{named['site']}/{series.scope}/{grain}/{place}/{series.kpi}",
            "start": start,
            "end": end,
            "value": Decimal(value),
            "coverage": coverage,
            "estimated_share": estimated_share,
            "findings": tuple(codes),
            "trace": series.trace.model_copy(update={"computation": computation, "parameters": named}),
        }
    )
