"""Hours far above or below anything usual: spikes, dead meters, wrong units."""

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Past, Usual
from ml.features.series import Vector

# A low hour is also below this share of the 1st percentile.
BELOW_LOWEST = 0.6
# More hours above anything usual are no spike. No score is higher than MOST.
SPIKE_HOURS, MOST = 5, 1000.0


def level_marks(past: Past, day: int, usual: Usual, params: DetectorParams) -> list[Mark]:
    """Marks `high` and `low`, an hour each, of a day, from what was usual in the weeks before."""
    values = past.grid.values[day]
    lowest, highest = usual.ends
    profiles = np.array(list(usual.profiles.values()))
    upper, lower = np.fmax.reduce(profiles), np.fmin.reduce(profiles)
    care = params.caution
    ceiling = np.fmax(
        (1 + (params.spike_ratio - 1) * care) * highest, (1 + (params.high_ratio - 1) * care) * np.fmax(upper, lowest)
    )
    ceiling = np.fmax(ceiling, past.habit(day, params.window_days))
    floor = np.minimum(params.low_ratio**care * lower, BELOW_LOWEST * lowest)
    with np.errstate(invalid="ignore", divide="ignore"):
        is_high = values > ceiling
        past.peaks[day] = values[is_high].max() if 0 < is_high.sum() <= SPIKE_HOURS else 0.0
        return [
            *_hours("high", day, is_high, np.minimum(values / ceiling, MOST)),
            *_hours("low", day, (values < floor) & (lowest > 0), floor / np.maximum(values, floor / 100)),
        ]


def _hours(kind: str, day: int, is_marked: Mask, score: Vector) -> list[Mark]:
    return [
        Mark(kind, day * HOURS + hour, day * HOURS + hour + 1, float(score[hour]))
        for hour in map(int, np.flatnonzero(is_marked))
    ]
