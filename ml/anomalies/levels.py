"""Hours far above or below anything usual: spikes, dead meters, wrong units."""

from dataclasses import dataclass

import numpy as np

from ml.anomalies.day_grid import HOURS, Mask
from ml.anomalies.params import DetectorParams
from ml.anomalies.past import Mark, Usual
from ml.features.series import Vector

# A low hour is also below this share of the 1st percentile.
BELOW_LOWEST = 0.6
# More hours above anything usual are no spike. No score is higher than MOST.
SPIKE_HOURS, MOST = 5, 1000.0


@dataclass(frozen=True)
class LevelLimits:
    """Limits of each local hour (24,), NaN where none is known. lowest: 1st percentile of an hour."""

    ceiling: Vector
    floor: Vector
    lowest: float


def level_limits(usual: Usual, params: DetectorParams, habit: float = 0.0) -> LevelLimits:
    """Limits of a day from what was usual in the weeks before. habit: what single hours have reached by themselves."""
    lowest, highest = usual.ends
    profiles = np.array(list(usual.profiles.values()))
    upper, lower = np.fmax.reduce(profiles), np.fmin.reduce(profiles)
    care = params.caution
    ceiling = np.fmax(
        (1 + (params.spike_ratio - 1) * care) * highest, (1 + (params.high_ratio - 1) * care) * np.fmax(upper, lowest)
    )
    ceiling = np.fmax(ceiling, habit)
    return LevelLimits(ceiling, np.minimum(params.low_ratio**care * lower, BELOW_LOWEST * lowest), lowest)


def peak_of(values: Vector, limits: LevelLimits) -> float:
    """The highest of a day's few hours above the limit; 0 where there is none, or more than a spike has."""
    is_high = values > limits.ceiling
    return float(values[is_high].max()) if 0 < is_high.sum() <= SPIKE_HOURS else 0.0


def level_marks(values: Vector, day: int, limits: LevelLimits) -> list[Mark]:
    """Marks `high` and `low`, an hour each, of a day's values."""
    ceiling, floor = limits.ceiling, limits.floor
    with np.errstate(invalid="ignore", divide="ignore"):
        return [
            *_hours("high", day, values > ceiling, np.minimum(values / ceiling, MOST)),
            *_hours("low", day, (values < floor) & (limits.lowest > 0), floor / np.maximum(values, floor / 100)),
        ]


def _hours(kind: str, day: int, is_marked: Mask, score: Vector) -> list[Mark]:
    return [
        Mark(kind, day * HOURS + hour, day * HOURS + hour + 1, float(score[hour]))
        for hour in map(int, np.flatnonzero(is_marked))
    ]
