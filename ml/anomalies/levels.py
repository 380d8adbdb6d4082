"""Hours far above or below anything usual: spikes, dead meters, wrong units."""

from dataclasses import dataclass

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Usual
from ml.features.series import Vector

# A low hour is also below this share of the 1st percentile.
BELOW_LOWEST = 0.6


@dataclass(frozen=True)
class LevelLimits:
    """Limits of each local hour (24,), NaN where none is known. lowest: 1st percentile of an hour."""

    ceiling: Vector
    floor: Vector
    lowest: float


def level_limits(usual: Usual, params: DetectorParams) -> LevelLimits:
    """Limits of a day from what was usual in the weeks before."""
    lowest, highest = usual.ends
    profiles = np.array(list(usual.profiles.values()))
    upper, lower = np.fmax.reduce(profiles), np.fmin.reduce(profiles)
    care = params.caution
    ceiling = np.fmax(
        (1 + (params.spike_ratio - 1) * care) * highest, (1 + (params.high_ratio - 1) * care) * np.fmax(upper, lowest)
    )
    return LevelLimits(ceiling, np.minimum(params.low_ratio**care * lower, BELOW_LOWEST * lowest), lowest)


def level_marks(values: Vector, day: int, limits: LevelLimits) -> list[Mark]:
    """Marks `high` and `low`, an hour each, of a day's values."""
    ceiling, floor = limits.ceiling, limits.floor
    with np.errstate(invalid="ignore", divide="ignore"):
        return [
            *_hours("high", day, values > ceiling, values / ceiling),
            *_hours("low", day, (values < floor) & (limits.lowest > 0), floor / np.maximum(values, floor / 100)),
        ]


def _hours(kind: str, day: int, is_marked: Mask, score: Vector) -> list[Mark]:
    return [
        Mark(kind, day * HOURS + hour, day * HOURS + hour + 1, float(score[hour]))
        for hour in map(int, np.flatnonzero(is_marked))
    ]
