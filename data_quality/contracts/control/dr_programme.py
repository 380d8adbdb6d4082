"""A programme of demand response: when it may call, its notice, and the baseline and prices that it settles by."""

from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.control.curtailment import Preference
from data_quality.contracts.model import Model
from data_quality.contracts.time import zone

Days = Literal["business", "all"]
Price = Annotated[float, Field(ge=0)]
# Names of `dr baseline`, except its own regression, which no programme pays by.
Rule = Literal[
    "10-in-10", "10-in-10-adj20", "10-in-10-adj40", "high-5-of-10", "high-5-of-10-adj20", "high-4-of-5", "last-week",
    "matching-day", "before-after",
]  # fmt: skip


class CallWindow(Model):
    """Hours of the site's clock in which a programme may call. months: 1 to 12; none named: all."""

    start: time
    end: time
    days: Days = "business"
    months: tuple[Annotated[int, Field(ge=1, le=12)], ...] = ()

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.end != time(0) and self.end <= self.start:
            raise ValueError("a window ends on its own day, after its start; 00:00 is the end of the day")
        return self

    def holds(self, start: time, end: time, day: date) -> bool:
        """True for an event of that local day within the window; public holidays count as business days."""
        is_day = (self.days == "all" or day.weekday() < 5) and (not self.months or day.month in self.months)
        return is_day and self.start <= start and (self.end == time(0) or time(0) < end <= self.end)


class Programme(Model):
    """Terms as a contract has them, prices in the site's currency.

    price_per_kwh: of a kWh shed, up to the target. price_per_kw: of the least power shed over the event.
    penalty_per_kwh: of a kWh below least_share of the target. telemetry_minutes: the step of readings it asks for.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    title: str = Field(min_length=1, max_length=120)
    source: str = Field(default="", max_length=300, description="Where its terms stand")
    notice_minutes: int = Field(default=0, ge=0, le=7 * 24 * 60)
    windows: tuple[CallWindow, ...] = Field(default=(), description="None: it may call at any time")
    max_minutes: int = Field(default=240, gt=0, le=24 * 60)
    calls_per_year: int | None = Field(default=None, gt=0)
    baseline: Rule
    price_per_kwh: Price = 0
    price_per_kw: Price = 0
    penalty_per_kwh: Price = 0
    least_share: float = Field(default=0, ge=0, le=1)
    telemetry_minutes: Literal[15, 30, 60] = 15
    template: Preference = Field(default="cost", description="Loads by least cost, in their order, or by comfort")

    def fault_of(
        self, start_utc: datetime, end_utc: datetime, *, told_utc: datetime, time_zone: str, calls: int
    ) -> str:
        """Why its terms do not allow an event; empty where they do. told_utc: when it was called; calls: of that year
        before it.
        """
        local = zone(time_zone)
        start, end = start_utc.astimezone(local), end_utc.astimezone(local)
        if start_utc - told_utc < timedelta(minutes=self.notice_minutes):
            return f"{self.notice_minutes} min of notice are agreed"
        if end_utc - start_utc > timedelta(minutes=self.max_minutes):
            return f"an event lasts {self.max_minutes} min at most"
        if self.windows and not any(each.holds(start.time(), end.time(), start.date()) for each in self.windows):
            return "it may not call at that time"
        if self.calls_per_year is not None and calls >= self.calls_per_year:
            return f"it may call {self.calls_per_year} times a year, and has"
        return ""
