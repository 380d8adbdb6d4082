"""A tariff, thin: energy price flat or by time of use, valid on local dates. The full language grows here."""

from datetime import date, time
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

DayType = Literal["weekday", "weekend", "holiday"]


class TouPeriod(Model):
    """One price and when it holds: local times [start, end) on the day types; 00:00 as end means midnight."""

    period_id: str
    price_per_kwh: float
    day_types: tuple[DayType, ...] = ("weekday", "weekend", "holiday")
    start: time = time(0)
    end: time = time(0)

    @model_validator(mode="after")
    def _on_quarter_hours(self) -> Self:
        for edge in (self.start, self.end):
            if edge.minute % 15 or edge.second or edge.microsecond:
                raise ValueError(f"period {self.period_id!r} must start and end on a quarter hour, got {edge}")
        return self


class Tariff(Model):
    """Energy prices in the site's currency on local dates [valid_from, valid_to); at each quarter hour
    exactly one period holds (checked by assets/tariffs/periods.py when prices are laid out).
    """

    tariff_id: str
    name: str = ""
    valid_from: date
    valid_to: date
    periods: tuple[TouPeriod, ...] = Field(min_length=1)
    export_price_per_kwh: float = 0.0

    @property
    def is_flat(self) -> bool:
        """True for one price at all times."""
        return len({period.price_per_kwh for period in self.periods}) == 1
