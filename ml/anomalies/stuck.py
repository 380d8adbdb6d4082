"""Equal readings for longer than the meter's resolution explains."""

import numpy as np

from ml.anomalies.day_grid import HOURS
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past
from ml.features.series import Index, Vector


def runs_of(values: Vector) -> Index:
    """Readings in a row that are equal, up to each one; 1 where it differs from the one before, or one is a gap."""
    is_same = np.append([False], values[1:] == values[:-1])
    place = np.arange(len(values))
    found: Index = place - np.maximum.accumulate(np.where(is_same, 0, place)) + 1
    return found


def stuck_marks(run: Index, values: Vector, day: int, limit: float) -> list[Mark]:
    """Marks `stuck` of a day: each hour in use that ends too long a run, with the hours of the run before it."""
    return [
        Mark("stuck", day * HOURS + hour - int(run[hour]) + 2, day * HOURS + hour + 1, float(run[hour]) / limit)
        for hour in map(int, np.flatnonzero((run >= limit) & (values > 0)))
    ]


class StuckReadings:
    """Marks `stuck`. Keeps the longest run of equal readings of each day: what this meter does by itself."""

    def __init__(self, past: Past, params: DetectorParams) -> None:
        self.run = runs_of(past.grid.values.ravel())
        self.natural = np.ones(len(past.grid.values))
        self.past, self.params = past, params

    def limit(self, day: int) -> float:
        """Equal readings in a row that are too many, by what this meter did in the days before."""
        first = max(0, day - self.params.window_days)
        usual = float(np.quantile(self.natural[first:day], 0.95)) if day > first else 1.0
        return max(self.params.stuck_hours * self.params.caution, 2 * usual)

    def marks(self, day: int) -> list[Mark]:
        """The hours of a day that end too long a run, with the hours of the run before."""
        run, values = self.run[day * HOURS : (day + 1) * HOURS], self.past.grid.values[day]
        is_judged = day >= self.params.training_days
        found = stuck_marks(run, values, day, self.limit(day)) if is_judged else []
        if not found:
            is_use = values > 0
            self.natural[day] = max(1, int(run[is_use].max())) if is_use.any() else 1
        return found
