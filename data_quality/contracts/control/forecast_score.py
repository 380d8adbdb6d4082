"""Accuracy of issued forecasts: one row a target, local day, lead and model version, and what drifts."""

from datetime import date, datetime

from pydantic import Field

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


class ForecastScore(Model):
    """Scores of one model version's forecasts of a local day, from forecasts really issued (formulas 5.17).

    lead: h00, h06, h12, h18 by hours ahead, then d1, d2 by days. pinball, crps and floor_crps are in the target's unit;
    nrmse, wape and bias are shares of the day's mean and None where that is zero. floor_crps: same hour last week, on
    the same steps; None where that week is missing.
    """

    site_id: str
    target: str
    local_day: date
    lead: str
    model_name: str
    model_version: str
    is_shadow: bool
    is_synthetic: bool
    n: int = Field(gt=0)
    coverage: float
    pinball: float
    crps: float
    nrmse: float | None
    bias: float | None
    floor_crps: float | None
    # None of scores kept before it was reckoned.
    wape: float | None = None

    @property
    def skill(self) -> float | None:
        """1 − CRPS / CRPS of same hour last week."""
        return 1 - self.crps / self.floor_crps if self.floor_crps else None


class ForecastDrift(Model):
    """Trigger of a new training of a target: findings of its data or of its errors, as seen on a local day."""

    site_id: str
    target: str
    local_day: date
    seen_at_utc: datetime
    model_name: str
    model_version: str
    findings: tuple[Finding, ...] = Field(min_length=1)


class LeadScore(Model):
    """Accuracy of issued forecasts at one lead over many days: means over their steps, in the target's unit."""

    lead: str
    n: int = Field(gt=0)
    coverage: float
    crps: float
    floor_crps: float | None
