"""When a price holds: seasons, the tariff's own holidays, windows of local time. Prices stand in tariff_charges.py."""

from collections.abc import Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import product
from operator import not_
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.model import Model

DayType = Literal["weekday", "weekend", "holiday"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
ClockName = Literal["local", "standard", "utc"]
DAY_TYPES: tuple[DayType, ...] = ("weekday", "weekend", "holiday")
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The grid of the readings: a price that changes within a quarter hour could be billed by nobody.
QUARTER_MINUTES = 15


def _month_day(text: str) -> str:
    month, _, day = text.partition("-")
    try:
        # A leap year, so that 02-29 may end a season.
        return date(2024, int(month), int(day)).strftime("%m-%d")
    except ValueError as error:
        raise ValueError(f"expected a month and day such as 04-01, got {text!r}") from error


MonthDay = Annotated[str, AfterValidator(_month_day)]
Month = Annotated[int, Field(ge=1, le=12)]
# Money and rates are exact decimals; a number in a file becomes the decimal that was written.
Money = Annotated[Decimal, Field(allow_inf_nan=False)]


class Season(Model):
    """A part of every year, [start, end) as month and day (it may run over New Year); or published days (day colours);
    or all days on which none of the seasons holds that `other_than` names.
    """

    season_id: str
    start: MonthDay | None = None
    end: MonthDay | None = None
    dates: tuple[date, ...] = Field(default=(), exclude_if=not_, description="Published days, instead of start and end")
    other_than: tuple[str, ...] = Field(
        default=(), exclude_if=not_, description="Seasons on whose days it does not hold, on all others"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        parts = [self.start is not None, self.end is not None]
        if any(parts) != all(parts) or sum([any(parts), bool(self.dates), bool(self.other_than)]) != 1:
            raise ValueError(f"season {self.season_id!r} is given by start and end, by dates, or by other_than")
        return self

    @cached_property
    def _days(self) -> frozenset[date]:
        return frozenset(self.dates)

    def holds(self, day: date) -> bool:
        """True on days of a season that is given by itself; one of `other_than` holds by no day of its own."""
        if self.start is None or self.end is None:
            return day in self._days
        here = day.strftime("%m-%d")
        # Month and day as MM-DD sort as dates do; over New Year the season is two pieces of a year.
        if self.start < self.end:
            return self.start <= here < self.end
        return here >= self.start or here < self.end


class Holiday(Model):
    """One rule of the tariff's own calendar: a date, a day of every year, the nth weekday of a month, or Easter."""

    name: str = ""
    on: date | None = None
    month_day: MonthDay | None = None
    month: Month | None = None
    weekday: Weekday | None = None
    nth: int | None = Field(default=None, description="1 is the first such weekday of the month, -1 the last")
    easter_offset_days: int | None = None
    observed: Literal["no", "nearest_weekday", "next_monday"] = "no"

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        nth = (self.month, self.weekday, self.nth)
        given = [self.on is not None, self.month_day is not None, self.easter_offset_days is not None]
        if any(part is not None for part in nth):
            if None in nth:
                raise ValueError("an nth weekday needs month, weekday and nth")
            given.append(True)
        if given.count(True) != 1:
            raise ValueError("a holiday is given by on, month_day, month + weekday + nth, or easter_offset_days")
        return self

    def dates(self, year: int) -> list[date]:
        """The days off that the rule gives in that year, none or one."""
        day = self._day(year)
        if day is None:
            return []
        if self.observed != "no" and day.weekday() >= 5:
            # Nearest: Saturday on Friday, Sunday on Monday (US federal law); next Monday: both on Monday (Britain).
            nearest = self.observed == "nearest_weekday" and day.weekday() == 5
            day += timedelta(days=-1 if nearest else 7 - day.weekday())
        return [day]

    def _day(self, year: int) -> date | None:
        if self.on is not None:
            return self.on if self.on.year == year else None
        if self.month_day is not None:
            try:
                return date.fromisoformat(f"{year:04d}-{self.month_day}")
            except ValueError:
                return None  # 29 February of a common year
        if self.easter_offset_days is not None:
            return easter(year) + timedelta(days=self.easter_offset_days)
        assert self.month is not None and self.weekday is not None and self.nth is not None  # noqa: S101, PT018
        following = date(year + self.month // 12, self.month % 12 + 1, 1)
        days = [date(year, self.month, 1) + timedelta(days=n) for n in range(31)]
        same = [day for day in days if day < following and WEEKDAYS[day.weekday()] == self.weekday]
        index = self.nth - 1 if self.nth > 0 else self.nth
        return same[index] if -len(same) <= index < len(same) else None


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus's form of the computus)."""
    golden, century, part = year % 19, year // 100, year % 100
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (part // 4) - epact - part % 4) % 7
    shift = (golden + 11 * epact + 22 * sunday) // 451
    month, day = divmod(epact + sunday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


class Calendar(Model):
    """The tariff's own calendar. What is left out is the site's: its weekly rest, its public holidays.

    Without a site (a bill for a file) the weekend is Saturday and Sunday and there are no holidays.
    """

    weekend: tuple[Weekday, ...] | None = None
    holidays: tuple[Holiday, ...] | None = None
    seasons: tuple[Season, ...] = ()
    day_starts: time = Field(
        default=time(0),
        exclude_if=lambda at: at == time(0),
        description="Local time before which an hour is of the day before, in season and day type",
    )

    @model_validator(mode="after")
    def _seasons_are_named_once(self) -> Self:
        names = [season.season_id for season in self.seasons]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"season appears twice: {', '.join(twice)}")
        own = {season.season_id for season in self.seasons if not season.other_than}
        for season in self.seasons:
            if foreign := sorted(set(season.other_than) - own):
                raise ValueError(f"season {season.season_id!r} is other than {', '.join(foreign)}, which no season is")
        if self.day_starts.minute % QUARTER_MINUTES or self.day_starts.second or self.day_starts.microsecond:
            raise ValueError(f"day_starts must be on a quarter hour, got {self.day_starts}")
        return self

    @cached_property
    def published_days(self) -> tuple[date, ...]:
        """Days that seasons name one by one, in order; empty where every season comes again each year."""
        return tuple(sorted({day for season in self.seasons for day in season.dates}))

    @property
    def first_quarter(self) -> int:
        """Quarter hour of the wall clock with which a day begins."""
        return (self.day_starts.hour * 60 + self.day_starts.minute) // QUARTER_MINUTES

    def days_off(self, years: Iterable[int]) -> set[date]:
        """Its holidays in those years. A Monday that is one already is followed by the next free day (Britain's
        Christmas and Boxing Day of a weekend).
        """
        found: set[date] = set()
        # Those that stay where they are first: only what is moved gives way.
        rules = sorted(self.holidays or (), key=lambda rule: rule.observed == "next_monday")
        for rule, year in product(rules, sorted(years)):
            for on in rule.dates(year):
                day = on
                while rule.observed == "next_monday" and day in found:
                    day += timedelta(days=1)
                found.add(day)
        return found

    def seasons_on(self, day: date) -> tuple[str, ...]:
        """Names of the seasons that hold on a day, in their order."""
        held = {season.season_id for season in self.seasons if season.holds(day)}
        return tuple(
            season.season_id
            for season in self.seasons
            if season.season_id in held or (season.other_than and not held.intersection(season.other_than))
        )


class Window(Model):
    """When: local times [start, end) on the day types, in the seasons and months; 00:00 as end means midnight.

    A window over midnight belongs, at both ends, to the local day on which the clock shows it.
    """

    day_types: tuple[DayType, ...] = DAY_TYPES
    start: time = time(0)
    end: time = time(0)
    seasons: tuple[str, ...] = Field(default=(), description="Names of the calendar's seasons; empty: all year")
    months: tuple[Month, ...] = Field(default=(), description="1 to 12; empty: all months")

    @model_validator(mode="after")
    def _on_quarter_hours(self) -> Self:
        for edge in (self.start, self.end):
            if edge.minute % QUARTER_MINUTES or edge.second or edge.microsecond:
                raise ValueError(f"must start and end on a quarter hour, got {edge}")
        return self

    def quarters(self) -> set[int]:
        """Quarter hours of the wall clock, 0 to 95, that the window holds."""
        first = (self.start.hour * 60 + self.start.minute) // QUARTER_MINUTES
        # 00:00 as an end is midnight, 96: as 0 the window would hold nothing.
        last = (self.end.hour * 60 + self.end.minute) // QUARTER_MINUTES or 96
        if first < last:
            return set(range(first, last))
        return set(range(first, 96)) | set(range(last))
