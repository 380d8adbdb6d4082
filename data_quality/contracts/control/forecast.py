"""A forecast as data: who made it, when it was issued, and its quantiles per hour."""

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model


class ForecastRow(Model):
    """One step: mean power over the step as energy of one hour, kWh; quantiles do not cross."""

    time_utc: datetime
    p10_kwh: float
    p50_kwh: float
    p90_kwh: float

    @model_validator(mode="after")
    def _do_not_cross(self) -> Self:
        if not self.p10_kwh <= self.p50_kwh <= self.p90_kwh:
            raise ValueError(f"quantiles cross at {self.time_utc:%Y-%m-%dT%H:%MZ}")
        return self


class Forecast(Model):
    """Hourly day-ahead forecast of one stream, as issued."""

    forecast_id: str
    site_id: str
    target: str = Field(description="Stream that is forecast, e.g. meter:main")
    issued_at_utc: datetime
    # From when on a plan may use it, whatever time it bears as its issue.
    available_at_utc: datetime
    model_name: str
    model_version: str
    input_digest: str
    is_synthetic: bool
    rows: tuple[ForecastRow, ...]


class BacktestScore(Model):
    """Rolling-origin score. NRMSE = RMSE / mean(actual); coverage of P10–P90 is a share."""

    model_name: str
    nrmse: float
    # By the sum of what was, not hour by hour: a share of a load near zero means nothing.
    wape: float
    mase: float
    pinball: float
    coverage_p10_p90: float
    folds: int
    n: int
