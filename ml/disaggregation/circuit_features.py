"""Features of a circuit's steps: level, edges, windows, steady stretches and the local clock. Not causal."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from ml.disaggregation.circuit import Circuit
from ml.features.series import Index, Vector

Matrix = npt.NDArray[np.float32]
# Distances of edges and widths of windows, in steps; days and weeks where they are few steps.
EDGES = (1, 2, 3, 5, 10)
CENTRED = (5, 11, 31, 61)
ONE_SIDED = (5, 15, 30, 60, 120)
LONGEST = 200
# Power of a step that ends a steady stretch, as shares of what the circuit seldom exceeds.
STRETCHES = (0.03, 0.1, 0.3)
SELDOM = 99.0


def features(circuit: Circuit) -> Matrix:
    """One row a step. NaN where a window or a neighbour has no reading."""
    known = circuit.kwh[np.isfinite(circuit.kwh)]
    top = float(np.percentile(known, SELDOM)) if len(known) else 1.0
    # Narrow one by one: a year of minutes in double precision is a gigabyte.
    return np.column_stack([values.astype(np.float32) for values in _columns(circuit, top)])


def _columns(circuit: Circuit, top: float) -> Iterator[Vector | Index]:
    yield from _level(circuit.kwh, circuit, is_main=True)
    yield from (circuit.civil.minute, circuit.civil.weekday)
    for values in circuit.beside.values():
        yield from _level(values, circuit, is_main=False)
    for share in STRETCHES:
        yield from _stretches([circuit.kwh, *circuit.beside.values()], share * top)


def _level(values: Vector, circuit: Circuit, *, is_main: bool) -> Iterator[Vector]:
    """A column itself, its edges and its windows; fewer of them beside the circuit."""
    day, week = circuit.per_day, 7 * circuit.per_day
    edges = EDGES if is_main else EDGES[:2]
    centred = CENTRED if is_main else CENTRED[1::2]
    one_sided = ONE_SIDED if is_main else ONE_SIDED[1::2]
    longer = tuple(width for width in (day, week) if width <= LONGEST)
    yield values
    for steps in (*edges, *longer[:1]):
        yield values - _shifted(values, steps)
        yield values - _shifted(values, -steps)
    series = pl.Series(values).fill_nan(None)
    for width in (*centred, *longer):
        yield from _rolled(series, width, is_centred=True)
    for width in one_sided:
        yield from _rolled(series, width, is_centred=False)
        yield from (each[::-1] for each in _rolled(series.reverse(), width, is_centred=False))


def _shifted(values: Vector, steps: int) -> Vector:
    found = np.full_like(values, np.nan)
    if abs(steps) >= len(values):
        return found
    if steps > 0:
        found[steps:] = values[:-steps]
    else:
        found[:steps] = values[-steps:]
    return found


def _rolled(series: pl.Series, width: int, *, is_centred: bool) -> Iterator[Vector]:
    """Least, largest and mean value of the windows, and their spread where they are centred."""
    rolled: list[Callable[..., pl.Series]] = [series.rolling_min, series.rolling_max, series.rolling_mean]
    if is_centred:
        rolled.append(series.rolling_std)
    for function in rolled:
        found = function(width, min_samples=1, center=is_centred)
        yield found.fill_null(float("nan")).to_numpy().copy()


def _stretches(columns: list[Vector], edge: float) -> list[Vector]:
    """The steady stretch that a step lies in: its length, the place in it, and the means of it and its neighbours."""
    main = np.nan_to_num(columns[0])
    begins = np.abs(np.diff(main, prepend=main[:1])) > edge
    number = np.cumsum(begins)
    count = np.bincount(number)
    start = np.concatenate([[0], np.flatnonzero(begins)]) if not begins[0] else np.flatnonzero(begins)
    found = [count[number].astype(np.float64), (np.arange(len(main)) - start[number]).astype(np.float64)]
    found += [_shifted(count.astype(np.float64), side)[number] for side in (1, -1)]
    for values in columns:
        mean = np.bincount(number, np.nan_to_num(values)) / count
        found.append(mean[number])
        for far in (1, 2, 3):
            found += [(mean - _shifted(mean, far))[number], (mean - _shifted(mean, -far))[number]]
    return found
