"""From which deviation an energy use is reported as a warning or critical: the organisation's own levels, per use."""

from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

Policy = Literal["signed", "symmetric", "target"]


class StatusRule(Model):
    """The organisation's own alert levels; ISO 50001 has none. Percent of expected energy, bounds inclusive."""

    policy: Policy = "signed"
    warn_percent: float = Field(default=3.0, ge=0, le=100)
    crit_percent: float = Field(default=5.0, ge=0, le=100)
    target_percent: float = Field(default=0.0, ge=0, le=100, description="Policy `target`: required improvement")
    implausible_saving_percent: float = Field(default=-15.0, ge=-100, le=0)
    min_days_share: float = Field(default=0.9, ge=0, le=1, description="Share of days that must be comparable")

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.crit_percent < self.warn_percent:
            raise ValueError(f"critical ({self.crit_percent:g} %) begins below the warning ({self.warn_percent:g} %)")
        return self
