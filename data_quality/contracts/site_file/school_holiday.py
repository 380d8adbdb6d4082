"""School holidays that a site file declares, where the calendar of its country does not know them."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

# The longest summer holidays have thirteen weeks; more is a slip of the year.
MAX_DAYS = 100


class SchoolHoliday(Model):
    """Local dates on which schools are closed: the first and the last one, as the authority publishes them."""

    first: date
    last: date
    name: str = Field(default="", description="As people call it: Easter, summer")

    @model_validator(mode="after")
    def _is_a_holiday(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"school holidays end ({self.last}) before they begin ({self.first})")
        if (self.last - self.first).days >= MAX_DAYS:
            raise ValueError(f"school holidays from {self.first} to {self.last} are longer than {MAX_DAYS} days")
        return self

    @property
    def dates(self) -> frozenset[date]:
        """All of them, weekends too."""
        return frozenset(self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1))


def check_apart(holidays: Sequence[SchoolHoliday]) -> None:
    """Raises ValueError where two of them share a date: one of them is a slip."""
    for one, other in pairwise(sorted(holidays, key=lambda each: each.first)):
        if other.first <= one.last:
            raise ValueError(f"school holidays overlap: until {one.last} and from {other.first}")
