"""Climatology: values at this local time on this type of day over the last weeks. The model that is always there.

It answers where the newest week is missing, for 15 minutes, hours and days, up to a month ahead.
"""

import json
from collections.abc import Mapping

import numpy as np

from ml.features.civil import DAY_TYPE_CODES, Civil
from ml.features.forecast_case import Case
from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import HIGH, HIGHEST, LOW, LOWEST, Quantiles, TooShort, ordered

ALGORITHM = "climatology"
# Six weeks hold thirty workdays and twelve days of weekend; a season and a year stand in where they are missing.
WINDOW_DAYS = (42, 91, 366)
# By code of the day type (weekday, weekend, holiday): which types count as alike.
AS_IT_IS, REST_OR_WORK, ANY_DAY = np.array([0, 1, 2]), np.array([0, 1, 1]), np.array([0, 0, 0])
LIKENESS = (*((days, kind) for days in WINDOW_DAYS for kind in (AS_IT_IS, REST_OR_WORK)), (WINDOW_DAYS[-1], ANY_DAY))
MIN_TRAIN_DAYS = 14
# By quantile: fewer values than this have no tenth part, or no twentieth.
MIN_VALUES = {LOW: 9, 0.5: 9, HIGH: 9, LOWEST: 19, HIGHEST: 19}


class Climatology:
    """Quantiles of the known values at the same local time and type of day."""

    algorithm = ALGORITHM

    def __init__(self, *, floor: float | None) -> None:
        self.floor = floor

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; NaN only where nothing is known of that local time within a year."""
        civil, ahead = case.civil, np.arange(origin, origin + horizon)
        found = np.full((len(MIN_VALUES), horizon), np.nan)
        # From the nearest likeness to the widest: each fills what those before it left open.
        for days, kind in LIKENESS:
            is_open = np.isnan(found).any(axis=0)
            if is_open.any():
                # Known steps of the last `days` before the origin.
                end = min(origin, len(case.series.values))
                steps = np.arange(max(origin - days * case.series.per_day, 0), end)
                past: Index = steps[~np.isnan(case.series.values[steps])]
                like = _quantiles(
                    case.series.values[past], _slot(civil, kind, past), _slot(civil, kind, ahead[is_open])
                )
                found[:, is_open] = np.where(np.isnan(found[:, is_open]), like, found[:, is_open])
        low, middle, *others = found
        return ordered(middle, low - middle, *(each - middle for each in others), floor=self.floor)

    def to_files(self) -> dict[str, bytes]:
        """One JSON document: all else is in the series to be forecast."""
        return {"model.json": json.dumps({"algorithm": ALGORITHM, "floor": self.floor}, sort_keys=True).encode()}


class ClimatologyFitter:
    """Sees that there is enough to be like."""

    algorithm = ALGORITHM

    def fit(self, case: Case) -> Climatology:
        """Raises TooShort under two weeks of known steps."""
        known, wanted = int((~np.isnan(case.series.values)).sum()), MIN_TRAIN_DAYS * case.series.per_day
        if known < wanted:
            raise TooShort(f"{known} steps are known; {wanted} are needed")
        return Climatology(floor=case.series.floor)

    def load(self, files: Mapping[str, bytes]) -> Climatology:
        """The forecaster that wrote these files."""
        return Climatology(floor=json.loads(files["model.json"])["floor"])


def _quantiles(values: Vector, slot: Index, steps: Index) -> Vector:
    """MIN_VALUES × steps: quantiles of the values in the slot of each step; NaN where they are too few."""
    order = np.lexsort((values, slot))
    values, slot = values[order], slot[order]
    first = np.searchsorted(slot, steps, side="left")
    count = np.searchsorted(slot, steps, side="right") - first
    found: Vector = np.full((len(MIN_VALUES), len(steps)), np.nan)
    for row, (share, least) in enumerate(MIN_VALUES.items()):
        enough = count >= least
        # Rank (n + 1) · p: of few values the bounds lie further out than the sample's own.
        rank = np.clip((count[enough] + 1) * share - 1, 0, count[enough] - 1)
        below = np.floor(rank).astype(np.int64)
        at, weight = first[enough] + below, rank - below
        above = np.minimum(at + 1, first[enough] + count[enough] - 1)
        found[row, enough] = (1 - weight) * values[at] + weight * values[above]
    return found


def _slot(civil: Civil, kind: Index, step: Index) -> Index:
    """One number for a local time on a type of day."""
    slot: Index = civil.minute[step] * len(DAY_TYPE_CODES) + kind[civil.day_type[step]]
    return slot
