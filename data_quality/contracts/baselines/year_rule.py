"""The rule by which a reporting year is judged where a use has several baseline years, named before it ends."""

from datetime import date, datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model


class YearSpan(Model):
    """Local dates [start, end)."""

    start: date
    end: date

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"the span {self.start}/{self.end} is empty")
        return self


class YearRule(Model):
    """Best of these training years for this reporting period of a use: the one that asks the least energy."""

    site_id: str
    seu_id: str
    rule: Literal["best_of"] = "best_of"
    trains: tuple[YearSpan, ...] = Field(min_length=1)
    report: YearSpan


class YearRuleRecord(Model):
    """A rule as a person approved it."""

    rule: YearRule
    approved_by: str
    reason: str
    recorded_at_utc: datetime
