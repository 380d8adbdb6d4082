"""Marked hours become events: one of each kind and time, with what was measured and what was to be expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import numpy as np

from ml.anomalies.day_grid import DayGrid, Matrix
from ml.anomalies.levels import SPIKE_HOURS
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark
from ml.anomalies.weather import WarmDays
from ml.features.series import Vector

# Marks of a kind with no more hours between them are one event.
GAP_HOURS = {"high": 6, "low": 16, "stuck": 1, "night": 20, "drift": 72}
# Kinds that a temperature can explain.
SLOW = {"high", "low", "night_waste", "drift"}
# Factors between units that people mix up (kWh and MJ, Wh, MWh, a pulse of ten), and how near a ratio must be.
UNIT_FACTORS, UNIT_NEAR = (3.6, 10.0, 60.0, 100.0, 1000.0), 0.15


@dataclass(frozen=True)
class AnomalyEvent:
    """Hours that should not be. score: how far over the limit, 1 at the limit, the highest of the event.

    measured, expected: of the hours of which both are known, in the unit of the series. ratio: the median of their
    ratios; None where none is known. is_weather: the temperature explains most of it. more: measured less expected of
    each known hour, by the instant at which it begins.
    """

    kind: str
    start_utc: datetime
    end_utc: datetime
    score: float
    hours: int
    measured: float
    expected: float
    ratio: float | None
    is_weather: bool = False
    more: Mapping[datetime, float] = field(default_factory=dict, compare=False, repr=False)


def events_of(
    marks: Sequence[Mark],
    grid: DayGrid,
    expected: Matrix,
    params: DetectorParams,
    warmth: WarmDays | None = None,
) -> list[AnomalyEvent]:
    """The events of all marks, in order of time. expected: (days, 24), as known before each day."""
    found = []
    for kind, of_kind in groupby(sorted(marks, key=lambda each: (each.kind, each.first)), key=lambda each: each.kind):
        spans: list[list[Mark]] = []
        end = -1
        for each in of_kind:
            if spans and each.first - end <= GAP_HOURS[kind]:
                spans[-1].append(each)
            else:
                spans.append([each])
                end = each.end
            end = max(end, each.end)
        found += [
            _event(kind, span, grid, expected, warmth)
            for span in spans
            if kind != "low" or len(span) >= params.low_hours
        ]
    return sorted(found, key=lambda each: (each.start_utc, each.kind))


def _event(kind: str, span: list[Mark], grid: DayGrid, expected: Matrix, warmth: WarmDays | None) -> AnomalyEvent:
    first, end = span[0].first, max(each.end for each in span)
    measured, usual = grid.values.ravel()[first:end], expected.ravel()[first:end]
    known = np.isfinite(measured) & np.isfinite(usual)
    # Of a night, the days between are no part of the ratio.
    marked = np.unique([hour for each in span for hour in range(each.first, each.end)])
    is_ratio = known & (usual > 0) & np.isin(np.arange(first, end), marked)
    ratio = float(np.median(measured[is_ratio] / usual[is_ratio])) if is_ratio.any() else None
    cells = np.flatnonzero(np.isfinite(grid.begins[first:end])) + first
    name = _kind(kind, measured, ratio, end - first)
    return AnomalyEvent(
        name,
        grid.begin_utc(int(cells[0])),
        grid.end_utc(int(cells[-1])),
        max(each.score for each in span),
        end - first,
        float(measured[known].sum()),
        float(usual[known].sum()),
        ratio,
        is_weather=warmth is not None and name in SLOW and warmth.explain(marked),
        more={grid.begin_utc(first + n): float(measured[n] - usual[n]) for n in map(int, np.flatnonzero(known))},
    )


def _kind(kind: str, measured: Vector, ratio: float | None, hours: int) -> str:
    """Kind of an event by its marks, its length and its ratio to the expected value."""
    if kind == "night":
        return "night_waste"
    if kind not in {"high", "low"}:
        return kind
    known = measured[np.isfinite(measured)]
    if kind == "low" and (known <= 0).all():
        return "dead"
    if kind == "high" and hours <= SPIKE_HOURS:
        return "spike"
    factor = 0.0 if not ratio else max(ratio, 1 / ratio)
    return "unit_scale" if any(abs(factor / each - 1) < UNIT_NEAR for each in UNIT_FACTORS) else kind
