"""Expected energy of one SEU and local day, from one baseline version."""

from datetime import date

from pydantic import Field

from data_quality.contracts.model import Model


class ExpectedDay(Model):
    """One row of core_seu__expected_days; null where a driver of the day is missing."""

    site_id: str
    seu_id: str
    local_date: date
    baseline_id: str
    baseline_version: int
    expected_kwh: float | None = Field(description="kWh of the local day, a multiple of 1e-9")
    is_extrapolated: bool = Field(description="A driver lies outside the range that the baseline was trained on")
