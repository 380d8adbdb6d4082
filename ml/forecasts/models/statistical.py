"""Pipelines of sktime on a few weeks: exponential smoothing beneath the week's pattern, and an additive model.

A pipeline runs on clock time, a grid of equal days: the second of two equal hours of a 25-hour day stands for both,
the hour that a 23-hour day skips is filled like any gap. A public holiday is forecast as the Sunday that follows it.
Only six weeks are looked at, so that a fit takes a second and an answer some hundredths of one.
"""

import json
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from ml.features.civil import DAY_TYPE_CODES
from ml.features.feature import WEEK_DAYS, mean_of_known
from ml.features.forecast_case import Case
from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import LEVELS, Quantiles, TooShort, ordered

WINDOW_DAYS, MIN_KNOWN_SHARE = 42, 0.5
# Four weeks of forecasts two days ahead: enough errors for each hour of the day to have its own tenth.
ERROR_DAYS, AHEAD_DAYS = 28, 2
Setting = tuple[float, ...]
# What is past, how many steps ahead, how many are a day, and the setting.
Run = Callable[[Vector, int, int, Setting], Vector]
# How fast the level and the daily pattern follow; the pair with the smallest errors a day ahead is taken.
SMOOTHING = tuple(product((0.01, 0.05, 0.2), (0.05, 0.2)))
# Waves a week, of which every seventh is one of the day; how far a bend may go next to a wave.
WAVES: tuple[Setting, ...] = tuple(product((21, 63), (0.02, 0.3)))
# So many bends in six weeks: one in a week that has another after it.
BENDS, RIDGE = 5, 1.0
CHOOSING_ORIGINS = 5
SUNDAY = 7
# Under this many residuals an hour borrows those of all hours: a tenth of 50 is five values, no fewer.
MIN_PER_HOUR = 50


_NO_INTERVAL = np.full(24, np.nan)


class HourSpread:
    """Offsets of the quantiles from P50 per local hour, in the unit of the residuals."""

    def __init__(
        self, low: Vector, high: Vector, lowest: Vector = _NO_INTERVAL, highest: Vector = _NO_INTERVAL
    ) -> None:
        self.low, self.high, self.lowest, self.highest = low, high, lowest, highest

    @classmethod
    def of(cls, residuals: Vector, local_hour: Index) -> "HourSpread":
        """residuals: actual − forecast, without NaN, at least one; local_hour 0–23 of each."""
        offsets = np.empty((len(LEVELS), 24))
        for hour in range(24):
            own = residuals[local_hour == hour]
            sample = own if len(own) >= MIN_PER_HOUR else residuals
            # Conformal quantiles: one rank further out than the sample's own, so that small samples do not overpromise.
            ranked, n = np.sort(sample), len(sample)
            ranks = [int(np.floor((n + 1) * each) if each < 0.5 else np.ceil((n + 1) * each)) - 1 for each in LEVELS]
            found: list[float] = ranked[np.clip(ranks, 0, n - 1)].tolist()
            offsets[:, hour] = found
        return cls(*offsets)

    def of_hours(self, hour: Index) -> tuple[Vector, ...]:
        """Offsets by LEVELS of those local hours."""
        return tuple(each[hour] for each in (self.low, self.high, self.lowest, self.highest))

    def to_document(self) -> dict[str, Any]:
        """As plain lists."""
        return {name: each.tolist() for name, each in vars(self).items() if not np.isnan(each).any()}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "HourSpread":
        """From plain lists."""
        return cls(**{name: np.array(each) for name, each in document.items()})


class Pipeline(ABC):
    """One pipeline of sktime on clock time, run anew at each origin with the setting that the fit chose."""

    algorithm: str
    settings: tuple[Setting, ...]

    def __init__(self, setting: Setting, spread: HourSpread, *, floor: float | None) -> None:
        self.setting, self.spread, self.floor = setting, spread, floor

    @staticmethod
    @abstractmethod
    def forecaster(known: int, day: int, setting: Setting) -> Any:
        """The forecaster of sktime for a past of so many known steps, of which `day` are a day."""

    @classmethod
    def run(cls, past: Vector, steps: int, day: int, setting: Setting) -> Vector:
        """The steps that follow the past, of which `day` are a day."""
        import pandas as pd

        with quiet_sktime():
            course = cls.forecaster(len(past), day, setting).fit(pd.Series(past), fh=np.arange(1, steps + 1)).predict()
        found: Vector = np.asarray(course, dtype=np.float64).ravel()
        return found

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; all NaN where less than half of the six weeks before the origin is known."""
        p50 = _p50(case, origin, horizon, self.run, self.setting)
        hour = case.civil.hour[origin : origin + horizon]
        return ordered(p50, *self.spread.of_hours(hour), floor=self.floor)

    def to_files(self) -> dict[str, bytes]:
        """One JSON document."""
        document = {
            "algorithm": self.algorithm,
            "setting": list(self.setting),
            "spread": self.spread.to_document(),
            "floor": self.floor,
        }
        return {"model.json": json.dumps(document, sort_keys=True).encode()}


class PipelineFitter:
    """Chooses the setting and measures the spread on days that the pipeline had not seen."""

    def __init__(self, kind: type[Pipeline]) -> None:
        self.kind, self.algorithm = kind, kind.algorithm

    def fit(self, case: Case) -> Pipeline:
        """Raises TooShort under ten weeks, of which four measure the errors, or where most of it is missing."""
        day, midnights = case.series.per_day, case.civil.midnights
        first, last = WINDOW_DAYS * day, len(case.series.values) - AHEAD_DAYS * day
        origins = midnights[(midnights >= first) & (midnights <= last)][-ERROR_DAYS:]
        if len(origins) < ERROR_DAYS:
            raise TooShort(f"{len(origins)} days can be forecast from six weeks before them; {ERROR_DAYS} are needed")
        some = origins[:: -(-len(origins) // CHOOSING_ORIGINS)]
        settings = self.kind.settings
        wrong = [float(np.nanmean(np.abs(_errors(case, some, self.kind.run, each)))) for each in settings]
        setting = settings[int(np.argmin(wrong))]
        errors = _errors(case, origins, self.kind.run, setting).ravel()
        steps = (origins[:, None] + np.arange(AHEAD_DAYS * day)).ravel()
        known = ~np.isnan(errors)
        if known.sum() < MIN_KNOWN_SHARE * len(errors):
            raise TooShort(f"{int(known.sum())} of the last {len(errors)} forecast steps have an answer and a value")
        spread = HourSpread.of(errors[known], case.civil.hour[steps[known]])
        return self.kind(setting, spread, floor=case.series.floor)

    def load(self, files: Mapping[str, bytes]) -> Pipeline:
        """The forecaster that wrote these files."""
        document = json.loads(files["model.json"])
        # Smoothing was the only setting there was.
        setting = document["setting"] if "setting" in document else document["smoothing"]
        return self.kind(tuple(setting), HourSpread.from_document(document["spread"]), floor=document["floor"])


class ExponentialSmoothing(Pipeline):
    """The week's pattern taken off; setting: how fast level and daily pattern follow what is left."""

    algorithm = "exponential_smoothing"
    settings = SMOOTHING

    @staticmethod
    def forecaster(known: int, day: int, setting: Setting) -> Any:  # noqa: ARG004
        """Exponential smoothing."""
        from sktime.forecasting.compose import TransformedTargetForecaster
        from sktime.forecasting.exp_smoothing import ExponentialSmoothing as Smoothing
        from sktime.transformations.series.detrend import Deseasonalizer

        level, season = setting
        # A day is one step of a daily series, and has no season within.
        daily: dict[str, Any] = {"seasonal": "add", "sp": day, "smoothing_seasonal": season} if day > 1 else {}
        smoother = Smoothing(smoothing_level=level, optimized=False, initialization_method="heuristic", **daily)
        return TransformedTargetForecaster([("week", Deseasonalizer(sp=WEEK_DAYS * day)), ("day", smoother)])


class Additive(Pipeline):
    """In the manner of Prophet: a trend that may bend, and the week as a sum of waves; setting: waves, freedom to bend.

    The trend's bends and the waves are drawn to nothing (ridge regression), as Prophet's priors do it (Taylor & Letham
    2018).
    """

    algorithm = "additive"
    settings = WAVES

    @staticmethod
    def forecaster(known: int, day: int, setting: Setting) -> Any:
        """Ridge regression on trend and waves."""
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer
        from sktime.forecasting.trend import TrendForecaster

        waves, freedom = setting
        terms = partial(_terms, known=known, week=WEEK_DAYS * day, waves=int(waves), freedom=freedom)
        return TrendForecaster(make_pipeline(FunctionTransformer(terms), Ridge(RIDGE)))


def _terms(at: Vector, *, known: int, week: int, waves: int, freedom: float) -> Vector:
    """Steps × terms: a line that begins at each bend, all within the known steps, then sine and cosine of each wave."""
    bends = freedom * np.maximum(at / known - np.arange(BENDS + 1) / (BENDS + 1), 0.0)
    # No more waves than a week has pairs of steps.
    angle = 2 * np.pi * at / week * np.arange(1, min(waves, (week - 1) // 2) + 1)
    return np.hstack([bends, np.sin(angle), np.cos(angle)])


@contextmanager
def quiet_sktime() -> Iterator[None]:
    """One thread: two wait for each other at so small sums. Notices off: sktime 1.2 announces another default of what
    it remembers, and nothing is asked of it later.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="blas"):
        warnings.filterwarnings("ignore", message="The default of config ``remember_data``", module="sktime")
        yield


def _errors(case: Case, origins: Index, run: Run, setting: Setting) -> Vector:
    """Origins × steps: actual less forecast, from what was known at each origin."""
    horizon = AHEAD_DAYS * case.series.per_day
    steps = origins[:, None] + np.arange(horizon)
    courses = [_p50(case.before(int(origin)), int(origin), horizon, run, setting) for origin in origins]
    found: Vector = case.series.values[steps] - np.stack(courses)
    return found


def _p50(case: Case, origin: int, horizon: int, run: Run, setting: Setting) -> Vector:
    """P50 of the horizon, by the civil clock."""
    past = _clock_window(case, origin)
    if past is None:
        return np.full(horizon, np.nan)
    civil, horizon_steps = case.civil, np.arange(origin, origin + horizon)
    rest = (civil.day_type == DAY_TYPE_CODES["holiday"]) & (civil.weekday != SUNDAY)
    # The Sunday after a holiday, by its place in the week: as far ahead as six days behind the horizon.
    later = np.where(rest[horizon_steps], SUNDAY - civil.weekday[horizon_steps], 0) * civil.per_day
    ahead = _clock(case, horizon_steps) - _clock(case, np.array([origin - 1])) + later
    # When clocks go back an hour comes twice: the second time is forecast like the first.
    ahead = np.maximum(ahead, 1)
    p50: Vector = run(past, int(ahead.max()), civil.per_day, setting)[ahead - 1]
    return p50


def _clock(case: Case, step: Index) -> Index:
    """Place on the grid of equal days."""
    place: Index = case.civil.day[step] * case.series.per_day + case.civil.minute[step] * case.series.per_day // 1440
    return place


def _clock_window(case: Case, origin: int) -> Vector | None:
    """The six weeks before the origin on clock time, without holidays, gaps filled; None where too little is known."""
    civil, day = case.civil, case.series.per_day
    length = WINDOW_DAYS * day
    # Half a day more than the window holds all of it, however the clock was moved.
    steps = np.arange(max(origin - length - day // 2, 0), origin)
    if not len(steps):
        return None
    place = _clock(case, steps)
    place = place - place[-1] + length - 1
    values = np.full(len(steps), np.nan)
    known = steps < len(case.series.values)
    values[known] = case.series.values[steps[known]]
    values[(civil.day_type[steps] == DAY_TYPE_CODES["holiday"]) & (civil.weekday[steps] != SUNDAY)] = np.nan
    grid = np.full(length, np.nan)
    inside = (place >= 0) & ~np.isnan(values)
    grid[place[inside]] = values[inside]
    if np.isnan(grid).mean() > 1 - MIN_KNOWN_SHARE:
        return None
    return _filled(grid, day)


def _filled(grid: Vector, day: int) -> Vector:
    """Gaps by the mean of the same time of the week, else of the day, else of all."""
    for period in (WEEK_DAYS * day, day, 1):
        gaps = np.isnan(grid)
        if not gaps.any():
            break
        usual = mean_of_known(grid.reshape(-1, period))
        grid = np.where(gaps, np.tile(usual, len(grid) // period), grid)
    return grid
