"""Positions of the parts of a chart, on paper and on screen alike: ticks, labels, stretches, shades, ends of flows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from reports.report_content import Chart

MAX_LABELS = 14
SHADES = 9
# Amounts below it are drawn as zero: a step between them would be zero.
_LEAST = 1e-300


def nice_ticks(highest: float) -> list[float]:
    """Four to six round values from zero to at least `highest`."""
    if highest < _LEAST:
        return [0.0, 1.0]
    step = 10 ** math.floor(math.log10(highest / 4))
    step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if highest / (step * factor) <= 5)
    # Rounded: 5.000000001 steps are float noise, not a sixth tick.
    return [step * index for index in range(math.ceil(round(highest / step, 9)) + 1)]


def span_ticks(lowest: float, highest: float) -> list[float]:
    """Round values that reach from below zero, where anything is, to above it; zero is one of them."""
    if lowest > -_LEAST:
        return nice_ticks(highest)
    above, below = nice_ticks(max(highest, 0.0)), nice_ticks(-lowest)
    # One step for both sides, the wider one, so that zero falls on a tick.
    step = max(above[1] if highest >= _LEAST else 0.0, below[1])
    down = math.ceil(round(-lowest / step, 9))
    up = math.ceil(round(max(highest, 0.0) / step, 9))
    return [step * index for index in range(-down, up + 1)]


def step_ticks(lowest: float, highest: float) -> list[float]:
    """Round values around levels that hardly differ: from zero only where that leaves the steps to be seen."""
    spread = highest - lowest
    floor = lowest - spread * 0.6
    if lowest < 0 or floor < highest * 0.3 or not spread:
        return span_ticks(min(lowest, 0.0), highest)
    step = nice_ticks((highest - floor) * 1.05)[1]
    first = math.floor(floor / step)
    return [step * index for index in range(first, math.ceil(round(highest / step, 9)) + 2)]


def tick_decimals(ticks: Sequence[float]) -> int:
    """Number of decimals that distinguishes the ticks, at most six."""
    step = ticks[1] - ticks[0]
    return 0 if step >= 1 and step == int(step) else min(max(1, -math.floor(math.log10(step))), 6)


def bounds(chart: Chart) -> tuple[float, float]:
    """Lowest and highest of all values and edges of bands; zeros where there are none."""
    values = [
        value for series in chart.series for value in (*series.values, *series.low, *series.high) if value is not None
    ]
    return min(values, default=0.0), max(values, default=0.0)


def runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Stretches without a gap, as (index, value)."""
    found: list[list[tuple[int, float]]] = []
    is_open = False
    for index, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        if not is_open:
            found.append([])
            is_open = True
        found[-1].append((index, value))
    return found


def label_places(categories: Sequence[str], most: int) -> list[int]:
    """Indices of the labelled categories: all, or the first of each month and its 15th, as many as fit."""
    if len(categories) <= most:
        return list(range(len(categories)))
    # Days are named by ISO dates: months and their middles read better than every tenth day.
    firsts = [index for index, name in enumerate(categories) if name.endswith("-01")]
    halves = [index for index, name in enumerate(categories) if name.endswith(("-01", "-15"))]
    for found in (halves, firsts):
        if 0 < len(found) <= most:
            return found
    step = math.ceil(len(categories) / most)
    return list(range(0, len(categories), step))


def shade(value: float | None, low: float, most: float) -> int | None:
    """Shade of a value, 0 the lightest; None for an unknown value."""
    if value is None:
        return None
    return 0 if most <= low else min(int((value - low) / (most - low) * SHADES), SHADES - 1)


def stretches(levels: list[int | None]) -> list[tuple[int, int, int]]:
    """Neighbouring hours of one shade: first, last, shade."""
    found: list[tuple[int, int, int]] = []
    for hour, level in enumerate(levels):
        if level is None:
            continue
        if found and found[-1][1] == hour - 1 and found[-1][2] == level:
            found[-1] = (found[-1][0], hour, level)
        else:
            found.append((hour, hour, level))
    return found


def step_levels(values: Sequence[float]) -> list[float]:
    """End level of each step of a waterfall: the first value, and what each but the last adds to it."""
    levels = [values[0]]
    for value in values[1:-1]:
        levels.append(levels[-1] + value)
    return levels


class Ends(NamedTuple):
    """Both sides of a chart of flows: totals by category and by series, and each flow between them, none of them 0."""

    sources: dict[int, float]
    targets: dict[int, float]
    flows: dict[tuple[int, int], float]


def flow_ends(rows: Sequence[Sequence[float | None]]) -> Ends:
    """Flow from each category to each row of a chart, as amounts."""
    flows = {
        (source, target): abs(value)
        for target, values in enumerate(rows)
        for source, value in enumerate(values)
        if value
    }
    starts, ends = sorted({source for source, _ in flows}), sorted({target for _, target in flows})
    return Ends(
        sources={each: math.fsum(v for (a, _), v in sorted(flows.items()) if a == each) for each in starts},
        targets={each: math.fsum(v for (_, b), v in sorted(flows.items()) if b == each) for each in ends},
        flows=dict(sorted(flows.items())),
    )
