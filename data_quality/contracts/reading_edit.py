"""A person's edit of readings: which quarter hours, what they shall hold, who says so and why."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.people import Role

# Somebody who edits more than a quarter at once is not editing readings.
MAX_DAYS = 92


class ReadingEdit(Model):
    """`value` over [start_utc, end_utc): the whole amount, spread evenly, or the level throughout."""

    meter_id: str
    register_id: str
    start_utc: datetime
    end_utc: datetime
    value: Decimal
    unit: str
    person_id: str = Field(min_length=1)
    role: Role
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]

    @model_validator(mode="after")
    def _span_is_open(self) -> Self:
        if self.end_utc <= self.start_utc:
            raise ValueError(f"the edit ends ({self.end_utc}) before it starts ({self.start_utc})")
        if (self.end_utc - self.start_utc).days > MAX_DAYS:
            raise ValueError(f"an edit spans at most {MAX_DAYS} days")
        return self
