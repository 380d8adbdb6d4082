"""Local time of a site as ESPI writes it: offset, and two rules by which summer time begins and ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_ON_OR_AFTER, _FIRST, _LAST = 1, 2, 7


@dataclass(frozen=True)
class LocalTime:
    """LocalTimeParameters: seconds east of UTC, seconds that summer time adds, and its rules as DstRuleType.

    is_exact: the rules give each change of the years that they were made of; else they are those of the last year.
    """

    offset_s: int
    summer_s: int = 0
    start_rule: int = 0
    end_rule: int = 0
    is_exact: bool = True


@dataclass(frozen=True)
class _Change:
    """A change of the clock by the clock before it."""

    at: datetime
    seconds: int


def local_time(zone: str, first_year: int, last_year: int) -> LocalTime:
    """Local time of an IANA zone through these years. Source: ESPI 4.0, LocalTimeParameters and DstRuleType."""
    of_zone = ZoneInfo(zone)
    years = range(first_year, last_year + 1)
    changes = [change for year in years for change in _changes(of_zone, year)]
    winter = min(_offset_s(of_zone, datetime(last_year, month, 15, tzinfo=UTC)) for month in (1, 7))
    forward = [each for each in changes if each.seconds > 0]
    back = [each for each in changes if each.seconds < 0]
    if not forward or not back:
        return LocalTime(_offset_s(of_zone, datetime(last_year, 12, 31, tzinfo=UTC)), is_exact=not changes)
    start, end = _rule(forward), _rule(back)
    is_regular = len(forward) == len(back) == len(years)
    return LocalTime(winter, forward[-1].seconds, start[0], end[0], is_exact=is_regular and start[1] and end[1])


def _changes(zone: ZoneInfo, year: int) -> list[_Change]:
    """The clock's changes of a year, to the minute."""
    found, at, end = [], datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        before, after = _offset_s(zone, at), _offset_s(zone, at + timedelta(days=1))
        if before != after:
            minute = next(
                minute for minute in range(1, 1441) if _offset_s(zone, at + timedelta(minutes=minute)) != before
            )
            local = (at + timedelta(minutes=minute, seconds=before)).replace(tzinfo=None)
            found.append(_Change(local, after - before))
        at += timedelta(days=1)
    return found


def _rule(changes: Sequence[_Change]) -> tuple[int, bool]:
    """The rule of the newest change, and whether all others follow it: the nth or the last such weekday of a month, or
    the first one on or after a day.
    """
    newest, days = changes[-1].at, [each.at.day for each in changes]
    places = [
        {(_FIRST + (each.at.date().day - 1) // 7), *([_LAST] if _is_last(each.at.date()) else [])} for each in changes
    ]
    is_alike = all(_clock(each.at) == _clock(newest) for each in changes)
    shared = set.intersection(*places)
    # Of the last and the fourth, which may be one, the last is what laws say.
    operator, earliest = max(shared or places[-1]), 0
    is_within_a_week = max(days) - min(days) < 7
    if not shared and is_within_a_week:
        operator, earliest = _ON_OR_AFTER, min(days)
    rule = newest.month << 28 | operator << 25 | earliest << 20 | newest.isoweekday() << 17 | newest.hour << 12
    return rule | newest.minute * 60, is_alike and (bool(shared) or is_within_a_week)


def _clock(at: datetime) -> tuple[int, int, int, int]:
    return at.month, at.isoweekday(), at.hour, at.minute


def _is_last(day: date) -> bool:
    return (day + timedelta(days=7)).month != day.month


def _offset_s(zone: ZoneInfo, at: datetime) -> int:
    shift = at.astimezone(zone).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0
