"""Equal readings for longer than the meter's resolution explains."""

import numpy as np

from ml.anomalies.day_grid import HOURS
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past
from ml.features.series import Index


class StuckReadings:
    """Marks `stuck`. Keeps the longest run of equal readings of each day: what this meter does by itself."""

    def __init__(self, past: Past, params: DetectorParams) -> None:
        values = past.grid.values.ravel()
        is_same = np.append([False], values[1:] == values[:-1])
        place = np.arange(len(values))
        # Readings in a row that are equal, up to this one.
        self.run: Index = place - np.maximum.accumulate(np.where(is_same, 0, place)) + 1
        self.natural = np.ones(len(past.grid.values))
        self.past, self.params = past, params

    def marks(self, day: int) -> list[Mark]:
        """The hours of a day that end too long a run, with the hours of the run before."""
        run = self.run[day * HOURS : (day + 1) * HOURS]
        is_use = self.past.grid.values[day] > 0
        first = max(0, day - self.params.window_days)
        usual = float(np.quantile(self.natural[first:day], 0.95)) if day > first else 1.0
        limit = max(self.params.stuck_hours * self.params.caution, 2 * usual)
        is_stuck = (run >= limit) & is_use & (day >= self.params.training_days)
        if not is_stuck.any():
            self.natural[day] = max(1, int(run[is_use].max())) if is_use.any() else 1
        return [
            Mark("stuck", day * HOURS + hour - int(run[hour]) + 2, day * HOURS + hour + 1, float(run[hour]) / limit)
            for hour in map(int, np.flatnonzero(is_stuck))
        ]
