"""The civil calendar of every step of a grid: what people go by, whatever the clock in UTC says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from assets.sites.calendar import day_types, school_holidays
from data_quality.contracts.site_file.site import Site
from ml.features.series import DAY, HOUR, Index

DAY_TYPE_CODES = {"weekday": 0, "weekend": 1, "holiday": 2}


@dataclass(frozen=True)
class Civil:
    """Arrays of one length, an entry a step.

    minute: of the local day at which the step begins. weekday: Monday 1. day: local days since the first of the grid.
    day_type: weekday 0, weekend 1, holiday 2, with those of the days before and after. is_school_holiday: 0 or 1.
    offset: of local time from UTC, in steps. per_day: steps of a day of 24 hours.
    """

    minute: Index
    weekday: Index
    day_of_year: Index
    day: Index
    day_type: Index
    day_type_before: Index
    day_type_after: Index
    is_school_holiday: Index
    offset: Index
    first_day: date
    per_day: int

    def __len__(self) -> int:
        return len(self.minute)

    @property
    def hour(self) -> Index:
        """Local hour of the day, 0 to 23."""
        return self.minute // 60

    @property
    def midnights(self) -> Index:
        """Steps at which a local day begins; where clocks are moved at midnight, the day's first step."""
        begins = np.flatnonzero(np.diff(self.day) > 0) + 1
        return np.concatenate([[0], begins]) if len(self) and self.minute[0] == 0 else begins

    def same_clock(self, step: Index, days_before: Index | int) -> Index:
        """The step at the same local time so many days earlier (days of 23 and 25 hours counted as days).

        May be negative: before the grid.
        """
        earlier = step - days_before * self.per_day
        # By as much as the clock was moved between the two.
        moved = self.offset[step] - self.offset[np.clip(earlier, 0, len(self.offset) - 1)]
        found: Index = earlier + moved
        return found


# Day types by local date, and the dates on which schools are closed.
DayTypes = Callable[[date, date], Mapping[date, str]]


def civil_of(site: Site, start_utc: datetime, length: int, step: timedelta = HOUR) -> Civil:
    """The site's calendar on a grid, its school holidays too. Raises BadInput for a country without holidays."""

    def types(start: date, end: date) -> Mapping[date, str]:
        return dict(day_types(site, start, end).select("local_date", "day_type").iter_rows())

    end_utc = start_utc + length * step
    around = timedelta(days=2)
    school = school_holidays(site, (start_utc - around).date(), (end_utc + around).date())
    return civil_on(types, site.time_zone, start_utc, length, step, school=school)


def civil_on(
    types: DayTypes,
    zone: str,
    start_utc: datetime,
    length: int,
    step: timedelta = HOUR,
    *,
    school: frozenset[date] = frozenset(),
) -> Civil:
    """The calendar of a zone on a grid, with day types as told. A daily grid has local dates, whatever the zone."""
    every = f"{step // timedelta(minutes=1)}m"
    moments = pl.datetime_range(start_utc, start_utc + length * step, every, closed="left", time_zone="UTC", eager=True)
    local = moments if step >= DAY else moments.dt.convert_time_zone(zone)
    dates = local.dt.date()
    # A day more on either side, for the day types before and after.
    first, last = _date(dates.min()) - timedelta(days=1), _date(dates.max()) + timedelta(days=2)
    known = types(first, last)
    days = [first + timedelta(days=n) for n in range((last - first).days)]
    codes = np.array([DAY_TYPE_CODES[known[day]] for day in days], dtype=np.int64)
    closed = np.array([day in school for day in days], dtype=np.int64)
    day = (dates - first).dt.total_days().to_numpy().astype(np.int64)
    clock = local.dt.hour().cast(pl.Int64) * 60 + local.dt.minute()
    shift = (local.dt.replace_time_zone(None) - moments.dt.replace_time_zone(None)).dt.total_minutes()
    return Civil(
        minute=clock.to_numpy().astype(np.int64),
        weekday=local.dt.weekday().to_numpy().astype(np.int64),
        day_of_year=local.dt.ordinal_day().to_numpy().astype(np.int64),
        day=day - 1,
        day_type=codes[day],
        day_type_before=codes[day - 1],
        day_type_after=codes[day + 1],
        is_school_holiday=closed[day],
        offset=shift.to_numpy().astype(np.int64) // (step // timedelta(minutes=1)),
        first_day=first + timedelta(days=1),
        per_day=DAY // step,
    )


def _date(value: object) -> date:
    assert isinstance(value, date)  # noqa: S101  # the grid is not empty
    return value
