"""Same hour last week, the floor that every other model must beat: by local clock, so that a day of 23 hours is one."""

import json
from collections.abc import Mapping

import numpy as np

from ml.features.feature import WEEK_DAYS, Rows
from ml.features.forecast_case import Case
from ml.features.series import Vector
from ml.forecasts.forecast_model import LEVELS, Quantiles, TooShort, ordered

ALGORITHM = "same_hour_last_week"


class SameHourLastWeek:
    """P50 is the value of the same local time in the newest whole week; the others add past weekly differences."""

    algorithm = ALGORITHM

    def __init__(
        self, *, low: float, high: float, lowest: float = np.nan, highest: float = np.nan, floor: float | None
    ) -> None:
        self.offsets, self.floor = {"low": low, "high": high, "lowest": lowest, "highest": highest}, floor

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; a step whose week-old value is a gap stays NaN."""
        p50 = week_before(case, origin, horizon)
        return ordered(p50, *(np.full(horizon, each) for each in self.offsets.values()), floor=self.floor)

    def to_files(self) -> dict[str, bytes]:
        """One JSON document."""
        known = {name: each for name, each in self.offsets.items() if name in ("low", "high") or not np.isnan(each)}
        document = {"algorithm": ALGORITHM, "floor": self.floor, **known}
        return {"model.json": json.dumps(document, sort_keys=True).encode()}


class SameHourLastWeekFitter:
    """Learns the spread of week-to-week differences."""

    algorithm = ALGORITHM

    def fit(self, case: Case) -> SameHourLastWeek:
        """Raises TooShort under two weeks, or where too few steps have a value a week before."""
        values, week = case.series.values, WEEK_DAYS * case.series.per_day
        differences = values[week:] - values[:-week]
        known = differences[~np.isnan(differences)]
        if len(known) < week:
            raise TooShort(f"{len(known)} steps have a value one week before; {week} are needed")
        low, high, lowest, highest = np.quantile(known, LEVELS).tolist()
        # What never fed in cannot: P10 of such a load stops at zero.
        return SameHourLastWeek(low=low, high=high, lowest=lowest, highest=highest, floor=case.series.floor)

    def load(self, files: Mapping[str, bytes]) -> SameHourLastWeek:
        """The forecaster that wrote these files."""
        document = json.loads(files["model.json"])
        wide = {name: document[name] for name in ("lowest", "highest") if name in document}
        return SameHourLastWeek(low=document["low"], high=document["high"], **wide, floor=document["floor"])


def week_before(case: Case, origin: int, horizon: int) -> Vector:
    """The values of the same local times in the newest week before the origin that holds them; NaN in a gap."""
    rows = Rows(case, np.array([origin]), horizon)
    weeks = -(-rows.newest_days // WEEK_DAYS)
    return rows.same_clock(WEEK_DAYS * weeks)
