"""A series by local day and local hour: input of the anomaly detectors."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from data_quality.contracts.units import Behaviour, unit_of
from ml.features.civil import Civil
from ml.features.series import HOUR, Index, Series, Vector

HOURS = 24
Mask = npt.NDArray[np.bool_]
Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DayGrid:
    """values: (days, 24), a local hour each, an amount per hour or a level; NaN is a gap, and where clocks jump.

    is_off: (days,) weekend or holiday. weekday: (days,) Monday 1. begins, ends: (days * 24,) hours since start_utc at
    which the local hour begins and has ended; the hour that clocks repeat is one of two hours, with their mean.
    """

    values: Matrix
    is_off: Mask
    weekday: Index
    begins: Vector
    ends: Vector
    start_utc: datetime

    def begin_utc(self, cell: int) -> datetime:
        """The instant at which a local hour begins; cell: day * 24 + hour."""
        return self.start_utc + timedelta(hours=float(self.begins[cell]))

    def end_utc(self, cell: int) -> datetime:
        """The instant at which a local hour has ended."""
        return self.start_utc + timedelta(hours=float(self.ends[cell]))


def day_grid(series: Series, civil: Civil) -> DayGrid:
    """The series by local day and hour; an hour counts with all of its steps. civil: at least as long as the series."""
    length = len(series.values)
    per_hour = max(HOUR // series.step, 1)
    cell = (civil.day * HOURS + civil.minute // 60)[:length]
    cells = (int(civil.day[length - 1]) + 1) * HOURS if length else 0
    is_known = np.isfinite(series.values)
    known = np.bincount(cell[is_known], minlength=cells)
    total = np.bincount(cell[is_known], weights=series.values[is_known], minlength=cells)
    every = np.bincount(cell, minlength=cells)
    is_amount = unit_of(series.unit).behaviour is not Behaviour.LEVEL
    with np.errstate(invalid="ignore", divide="ignore"):
        values = total / known * (per_hour if is_amount else 1)
    values[(known < every) | (known < per_hour)] = np.nan
    begins, ends = np.full(cells, np.nan), np.full(cells, np.nan)
    place = np.arange(length) / per_hour
    ends[cell] = place + 1 / per_hour
    begins[cell[::-1]] = place[::-1]
    days = cells // HOURS
    first = np.searchsorted(civil.day[:length], np.arange(days))
    return DayGrid(
        values.reshape(days, HOURS), civil.day_type[first] > 0, civil.weekday[first], begins, ends, series.start_utc
    )


def median_of(values: Matrix | Vector, axis: int) -> Vector:
    """Median of what is known along an axis; NaN where nothing is. A tenth of the time of numpy's own."""
    ordered = np.sort(values, axis=axis)
    known = np.isfinite(ordered).sum(axis=axis)
    lower, upper = np.maximum((known - 1) // 2, 0), np.maximum(known // 2, 0)
    take = (np.take_along_axis(ordered, np.expand_dims(each, axis), axis).squeeze(axis) for each in (lower, upper))
    low, high = take
    return np.asarray((low + high) / 2)


def logarithms(values: Matrix) -> Matrix:
    """Natural logarithm; NaN for values not above zero."""
    return np.log(values, out=np.full_like(values, np.nan), where=values > 0)
