"""Same hour last week, the floor that every other model must beat, through sktime's NaiveForecaster."""

import json
import warnings
from collections.abc import Mapping

import numpy as np

from ml.features.day_ahead import WEEK
from ml.features.hourly import Calendar, Hours, Vector
from ml.forecasts.forecast_model import HIGH, LOW, Quantiles, TooShort, ordered

ALGORITHM = "same_hour_last_week"
MIN_RESIDUALS = WEEK


class SameHourLastWeek:
    """P50 is the value one week before; P10 and P90 add the spread of past week-to-week differences."""

    algorithm = ALGORITHM

    def __init__(self, *, low: float, high: float, floor: float | None) -> None:
        self.low, self.high, self.floor = low, high, floor

    def predict(self, hours: Hours, calendar: Calendar, origin: int, horizon_h: int) -> Quantiles:
        """Forecast of the horizon; an hour whose week-old value is a gap stays NaN."""
        # An hour that has begun but not ended is a gap before the origin, not a shift of the whole forecast.
        known = np.full(origin, np.nan)
        known[: len(hours.values)] = hours.values[:origin]
        p50 = _last_season(known, horizon_h)
        offsets = np.full(horizon_h, 1.0)
        return ordered(p50, self.low * offsets, self.high * offsets, floor=self.floor)

    def to_files(self) -> dict[str, bytes]:
        """One JSON document."""
        document = {"algorithm": ALGORITHM, "low": self.low, "high": self.high, "floor": self.floor}
        return {"model.json": json.dumps(document, sort_keys=True).encode()}


class SameHourLastWeekFitter:
    """Learns the spread of week-to-week differences."""

    algorithm = ALGORITHM

    def fit(self, hours: Hours, calendar: Calendar) -> SameHourLastWeek:
        """Raises TooShort under two weeks, or where too few hours have a value a week before."""
        differences = hours.values[WEEK:] - hours.values[:-WEEK]
        known = differences[~np.isnan(differences)]
        if len(known) < MIN_RESIDUALS:
            raise TooShort(f"{len(known)} hours have a value one week before; {MIN_RESIDUALS} are needed")
        low, high = np.quantile(known, [LOW, HIGH])
        smallest = float(np.nanmin(hours.values))
        # What never fed in cannot: P10 of such a load stops at zero.
        return SameHourLastWeek(low=float(low), high=float(high), floor=0.0 if smallest >= 0 else None)

    def load(self, files: Mapping[str, bytes]) -> SameHourLastWeek:
        """The forecaster that wrote these files."""
        document = json.loads(files["model.json"])
        return SameHourLastWeek(low=document["low"], high=document["high"], floor=document["floor"])


def _last_season(values: Vector, horizon_h: int) -> Vector:
    import pandas as pd

    with warnings.catch_warnings():
        # sktime announces a change of a default that a fit without later updates does not meet.
        warnings.filterwarnings("ignore", message="The default of config ``remember_data``", category=FutureWarning)
        from sktime.forecasting.naive import NaiveForecaster

        # Two weeks are enough for the last one; a longer series would only be copied.
        recent = pd.Series(values[-2 * WEEK :])
        forecaster = NaiveForecaster(strategy="last", sp=WEEK).fit(recent)
        predicted = forecaster.predict(fh=np.arange(1, horizon_h + 1))
    return np.asarray(predicted, dtype=np.float64).ravel()
