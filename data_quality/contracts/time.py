"""Clocks, half-open local periods, and local days of 23, 24 and 25 hours. No clock is read outside this file."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import BaseModel, ConfigDict

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.sentence import Sentence

# The settlement period of Europe's power markets, and a divisor of all longer intervals that meters send.
CANONICAL_MINUTES = 15
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


class Clock(Protocol):
    """Clock: the source of "now"."""

    def now_utc(self) -> datetime:
        """The present instant, zone-aware, UTC."""


class SystemClock:
    """The machine's clock."""

    def now_utc(self) -> datetime:
        """The present instant, zone-aware, UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved: for demos, replays and tests."""

    def __init__(self, now_utc: datetime) -> None:
        self._now_utc = now_utc.astimezone(UTC)

    def now_utc(self) -> datetime:
        """The instant it was set to."""
        return self._now_utc

    def advance(self, step: timedelta) -> None:
        """Move forward by `step`."""
        self._now_utc += step


class Period(BaseModel):
    """A half-open span [start, end) of local civil days in one zone, and its UTC instants."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    label: str
    start: date
    end: date
    time_zone: str

    @property
    def start_utc(self) -> datetime:
        """The UTC instant at which the first local day begins."""
        return local_midnight_utc(self.start, self.time_zone)

    @property
    def end_utc(self) -> datetime:
        """The UTC instant at which the period has ended (exclusive)."""
        return local_midnight_utc(self.end, self.time_zone)

    @property
    def hours(self) -> float:
        """Elapsed hours: a DST month has one more or one less than 24 × days."""
        return (self.end_utc - self.start_utc) / timedelta(hours=1)

    @property
    def days(self) -> int:
        """Local days in the period."""
        return (self.end - self.start).days


def zone(name: str, *, file: str = "", line: int = 0) -> ZoneInfo:
    """The IANA zone of that name. Raises BadInput."""
    try:
        return ZoneInfo(name)
    # Names like ../x or Europe (a folder) fail with ValueError or OSError instead.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput(
            Sentence("unknown time zone {0}; expected an IANA name such as Europe/Berlin", repr(name)),
            file=file,
            line=line,
            reason="wrong_zone",
            mend=did_you_mean(name, sorted(available_timezones())),
        ) from error


# Every interval of a series asks for its day's.
@lru_cache(maxsize=8192)
def local_midnight_utc(day: date, time_zone: str) -> datetime:
    """The UTC instant at which the local civil day begins."""
    # Where summer time begins at midnight (Beirut) 00:00 is skipped: by the offset before it, it still is the instant
    # at which the day begins. Where midnight is repeated (Havana) the first pass counts.
    return datetime.combine(day, time.min, tzinfo=zone(time_zone)).astimezone(UTC)


def local_day(at_utc: datetime, time_zone: str) -> date:
    """The civil day that clocks there show at the instant."""
    return at_utc.astimezone(zone(time_zone)).date()


def last_local_day(end_utc: datetime, time_zone: str) -> date:
    """The civil day of the last moment of a span with that exclusive end: until midnight is the day before."""
    return local_day(end_utc - timedelta.resolution, time_zone)


def clock_of(local: datetime) -> str:
    """The time of day of a local moment, `14:15`; of a repeated hour with its pass, `02:00 B`."""
    is_once = local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()
    return f"{local:%H:%M}" if is_once else f"{local:%H:%M} {'AB'[local.fold]}"


def weekday_clock(at_utc: datetime, time_zone: str) -> str:
    """Weekday and time of day that clocks there show: `Sun 02:00 B`."""
    return f"{(local := at_utc.astimezone(zone(time_zone))):%a} {clock_of(local)}"


def local_day_hours(day: date, time_zone: str) -> float:
    """Hours of a local civil day: 23, 24 or 25 in most zones."""
    following = local_midnight_utc(day + timedelta(days=1), time_zone)
    return (following - local_midnight_utc(day, time_zone)) / timedelta(hours=1)


_YEAR = re.compile(r"^(\d{4})$")


_QUARTER = re.compile(r"^(\d{4})-Q([1-4])$")


_MONTH = re.compile(r"^(\d{4})-(0[1-9]|1[0-2])$")


# Python's own parser also takes 20250330 and 2025-W13-7, which are no labels of a period here.
_DAY = re.compile(r"^(\d{4})-(\d{2})-(\d{2})$")


FIRST_YEAR, LAST_YEAR = 1000, 9000


def parse_period(text: str, time_zone: str) -> Period:
    """A period from `2025`, `2025-Q1`, `2025-03`, `2025-03-30` or `START/END` (end exclusive). Raises BadInput."""
    try:
        start, end = _bounds(text)
    except (ValueError, OverflowError) as error:
        raise BadInput(
            f"cannot read period {text!r}; expected 2025, 2025-Q1, 2025-03, 2025-03-30 or 2025-01-01/2025-04-01",
            reason="bad_period",
        ) from error
    if end <= start:
        raise BadInput(f"period {text!r} ends before it starts", reason="bad_period")
    # The calendar has no days before its first year and behind its last one to compare with.
    if start.year < FIRST_YEAR or end.year > LAST_YEAR:
        raise BadInput(f"period {text!r} is outside the years {FIRST_YEAR} to {LAST_YEAR}", reason="bad_period")
    return Period(label=text, start=start, end=end, time_zone=time_zone)


def _bounds(text: str) -> tuple[date, date]:
    if match := _YEAR.match(text):
        year = int(match[1])
        return date(year, 1, 1), date(year + 1, 1, 1)
    if match := _QUARTER.match(text):
        first = date(int(match[1]), 3 * int(match[2]) - 2, 1)
        return first, months_after(first, 3)
    if match := _MONTH.match(text):
        first = date(int(match[1]), int(match[2]), 1)
        return first, months_after(first, 1)
    if _DAY.match(text):
        day = date.fromisoformat(text)
        return day, day + timedelta(days=1)
    start, _, end = text.partition("/")
    return date.fromisoformat(start), date.fromisoformat(end)


def parse_day(text: str, what: str) -> date:
    """A local day such as 2025-03-30. what: the option or column that asks for it. Raises BadInput naming that."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        message = Sentence("{0}: expected a date such as 2025-03-30, got {1}", what, repr(text))
        raise BadInput(message, reason="bad_period") from error


def months_after(first: date, months: int) -> date:
    """The first of the month that many months later (or earlier)."""
    index = first.year * 12 + first.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def months_before(day: date, months: int) -> date:
    """The same day that many months earlier, or the last of that month where it is shorter."""
    last = months_after(day, 1 - months) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def ends_month(end: date, month: int) -> bool:
    """True where the day before `end` is the last one of that calendar month (1–12)."""
    last = end - timedelta(days=1)
    return last.month == month and end.month != month


def months_of(period: Period) -> list[Period]:
    """The calendar months that the period touches, clipped to it, in order."""
    return list(_months_between(period.start, period.end, period.time_zone))


@lru_cache(maxsize=4096)
def _months_between(start: date, after: date, time_zone: str) -> tuple[Period, ...]:
    months = []
    while start < after:
        end = min(months_after(start.replace(day=1), 1), after)
        months.append(Period(label=f"{start:%Y-%m}", start=start, end=end, time_zone=time_zone))
        start = end
    return tuple(months)


def span(start: date, end: date, time_zone: str) -> Period:
    """A period with its short name."""
    return Period(label=period_key(start, end), start=start, end=end, time_zone=time_zone)


def quarters_of(period: Period) -> list[Period]:
    """Calendar quarters that the period touches, clipped to it."""
    return _grouped(period, 3)


def whole_quarters(period: Period) -> list[Period]:
    """Whole calendar quarters inside of the period, in order."""
    return [each for each in quarters_of(period) if months_after(each.start, 3) == each.end]


def years_of(period: Period) -> list[Period]:
    """Calendar years that the period touches, clipped to it."""
    return _grouped(period, 12)


def _grouped(period: Period, size: int) -> list[Period]:
    groups: dict[int, list[Period]] = {}
    for month in months_of(period):
        # Months counted through from year 0, so quarters and years fall on whole multiples.
        groups.setdefault((month.start.year * 12 + month.start.month - 1) // size, []).append(month)
    return [span(months[0].start, months[-1].end, period.time_zone) for months in groups.values()]


def period_key(start: date, end: date) -> str:
    """2025, 2025-Q1, 2025-03, 2025-03-30 or start_end: the shortest name of a span."""
    months = end.year * 12 + end.month - start.year * 12 - start.month
    # One span, one name: it is part of report ids, and a second name would be a second report.
    if start.day == 1 and end.day == 1:
        if months == 12 and start.month == 1:
            return f"{start.year}"
        if months == 3 and start.month % 3 == 1:
            return f"{start.year}-Q{(start.month + 2) // 3}"
        if months == 1:
            return f"{start:%Y-%m}"
    if end - start == timedelta(days=1):
        return start.isoformat()
    return f"{start}_{end}"


def parse_instant(text: str, time_zone: str = "", *, fold: int | None = None) -> datetime:
    """An ISO 8601 instant as UTC; one without offset is read in `time_zone`, or refused. Raises BadInput.

    A local time that the zone skips is refused, and one that it repeats, unless fold says which pass it is (0 or 1).
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"cannot read time {text!r}; expected ISO 8601 with offset", reason="bad_time") from error
    if moment.tzinfo is None and not time_zone:
        raise BadInput(f"time {text!r} has no offset and no zone is given", reason="no_zone")
    try:
        return only_instant(moment, time_zone, fold=fold)
    except ValueError as error:
        raise BadInput(str(error), reason="bad_time") from error


def earlier_instant(moment: datetime, time_zone: str) -> datetime:
    """The UTC instant of a local time (or of one with offset); where the zone repeats or skips it, the earlier.

    For what must be ready by then: too early by an hour is a wait, too late is a failure.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    return min(moment.replace(tzinfo=zone(time_zone), fold=fold).astimezone(UTC) for fold in (0, 1))


def next_clock(clock: str | Mapping[str, str], after_utc: datetime, time_zone: str) -> datetime | None:
    """The next UTC instant after `after_utc` at which it is that time on the spot; None for a date that has passed.

    clock: HH:MM, the same by weekday (mon ... sun), or one date and time. Raises ValueError for no time.
    """
    if isinstance(clock, str) and not CLOCK.match(clock):
        once = earlier_instant(datetime.fromisoformat(clock), time_zone)
        return once if once > after_utc else None
    clocks = clock if isinstance(clock, Mapping) else dict.fromkeys(WEEKDAYS, clock)
    today = local_day(after_utc, time_zone)
    # Eight days: a weekday's clock time that has passed today comes again in a week.
    for day in (today + timedelta(days=number) for number in range(8)):
        at = clocks.get(WEEKDAYS[day.weekday()])
        if at and (found := earlier_instant(datetime.fromisoformat(f"{day}T{at}"), time_zone)) > after_utc:
            return found
    raise ValueError(f"{clock!r} names no day of the week")


def only_instant(moment: datetime, time_zone: str, *, fold: int | None = None) -> datetime:
    """The UTC instant of a local time (or of one with offset). Raises ValueError where the zone skips or repeats it.

    fold: which pass of a repeated time it is (0 or 1), where that is known.
    """
    folds = (0, 1) if fold is None else (fold,)
    try:
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        passes = {moment.replace(tzinfo=zone(time_zone), fold=each).astimezone(UTC) for each in folds}
    except OverflowError as error:
        raise ValueError(f"{moment:%Y-%m-%d %H:%M} is beyond the calendar in UTC") from error
    # Back from UTC a skipped time is another one; a repeated one has two instants.
    real = {each for each in passes if each.astimezone(zone(time_zone)).replace(tzinfo=None) == moment}
    if len(real) != 1:
        many = "twice" if real else "not at all"
        raise ValueError(f"{moment:%Y-%m-%d %H:%M}: {time_zone} has that time {many}; give an offset")
    return real.pop()


def overlapping(spans: Sequence[tuple[date | None, date | None]]) -> tuple[int, int] | None:
    """Positions of two half-open spans that share a day (None: open end), or None where no two do."""
    bounds = sorted((start or date.min, end or date.max, at) for at, (start, end) in enumerate(spans))
    # By their starts: where no two neighbours overlap, no others do.
    for (_, end, first), (start, _, second) in pairwise(bounds):
        if start < end:
            return min(first, second), max(first, second)
    return None
