"""A forecast as data: who made it, when it was issued, and its quantiles per step."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

# The label of a forecast that was issued beside the leading one to be compared, and that nothing rests on.
SHADOW = "shadow"
# Stored before forecasts were of more than energies.
_FORMER = {"p10_kwh": "p10", "p50_kwh": "p50", "p90_kwh": "p90"}


class ForecastRow(Model):
    """One step in the unit of its forecast: an amount per step (kWh) or a level; quantiles do not cross.

    p5, p95: ends of the 90 % interval; None of forecasts stored before there was one, and where too little tells it.
    """

    time_utc: datetime
    p10: float
    p50: float
    p90: float
    p5: float | None = None
    p95: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, given: Any) -> Any:
        return {_FORMER.get(name, name): value for name, value in given.items()} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _do_not_cross(self) -> Self:
        known = [each for each in (self.p5, self.p10, self.p50, self.p90, self.p95) if each is not None]
        if known != sorted(known):
            raise ValueError(f"quantiles cross at {self.time_utc:%Y-%m-%dT%H:%MZ}")
        return self


class Forecast(Model):
    """Forecast of one target, as issued. Rows follow each other by step_minutes; a daily one has local dates.

    labels: what a reader must know of how it was made, by name: a weaker model, weather that was missing.
    trajectories: equally likely courses of all steps, each as long as the rows; what several hours do together cannot
    be read off their quantiles (formulas 5.18). why: what moved the first whole day, a sentence for each part, the
    largest first.
    """

    forecast_id: str
    site_id: str
    target: str = Field(description="What is forecast, e.g. meter:main")
    issued_at_utc: datetime
    # From when on a plan may use it, whatever time it bears as its issue.
    available_at_utc: datetime
    model_name: str
    model_version: str
    input_digest: str
    is_synthetic: bool
    rows: tuple[ForecastRow, ...]
    unit: str = "kwh"
    step_minutes: int = Field(default=60, gt=0)
    labels: dict[str, str] = {}
    trajectories: tuple[tuple[float, ...], ...] = ()
    why: tuple[str, ...] = ()

    @property
    def is_shadow(self) -> bool:
        """True for a challenger's forecast, which no plan and no report uses."""
        return SHADOW in self.labels

    def quantiles_of(self, starts: Collection[datetime]) -> tuple[float, float, float] | None:
        """P10, P50 and P90 of what these steps come to together, over the courses; None where a step, or a course, is
        not there: quantiles of single steps do not add up.
        """
        places = [at for at, row in enumerate(self.rows) if row.time_utc in set(starts)]
        if not self.trajectories or len(places) != len(set(starts)):
            return None
        totals = sorted(sum(course[at] for at in places) for course in self.trajectories)
        low, middle, high = (totals[round(share * (len(totals) - 1))] for share in (0.1, 0.5, 0.9))
        return low, middle, high

    @model_validator(mode="after")
    def _courses_are_whole(self) -> Self:
        if any(len(course) != len(self.rows) for course in self.trajectories):
            raise ValueError("a trajectory is not as long as the forecast")
        return self


class BacktestScore(Model):
    """Rolling-origin score. NRMSE = RMSE / mean(actual); coverage of P10–P90 is a share (formulas 5.17)."""

    model_name: str
    nrmse: float
    # By the sum of what was, not hour by hour: a share of a load near zero means nothing.
    wape: float
    mase: float
    pinball: float
    coverage_p10_p90: float
    folds: int
    n: int
    # From the three quantiles: twice the mean pinball loss, in the unit of the series.
    crps: float | None = None
    # Mean of forecast less actual over the mean of the actual.
    bias: float | None = None
    # Of the 90 % interval; None of scores kept before there was one, and of models that do not give it.
    coverage_p5_p95: float | None = None
