"""Clock changes between periods of bills: which change lies where one period and the next differ by its hour.

A supplier that cuts bills at fixed hours, but counts days by another clock, states periods that overlap or leave a gap
of one hour. The clock is the zone that a person states, else the file's own LocalTimeParameters, else the one of a few
that the periods themselves show.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from data_quality.contracts.finding import Finding
from data_quality.contracts.time import zone

_DAY_S = 86_400
# By how much clocks change: an hour, on Lord Howe Island half of one.
SIZES_S = (3600, 1800)
# One zone for each rule of clock changes that many suppliers bill by.
RULES = (
    "America/New_York",
    "Europe/Berlin",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "America/Santiago",
)
# A single odd hour fits some rule by chance; two that differ from all others do not.
MIN_SHOWN = 2


@dataclass(frozen=True)
class Change:
    """A clock change: its instant (epoch seconds), the seconds it puts the clock forward (negative: back), its date."""

    epoch_s: int
    seconds: int
    day: date


@dataclass(frozen=True)
class Join:
    """End of a period of a stream and start of the next; all in epoch seconds."""

    start_s: int
    stated_end_s: int
    next_s: int

    @property
    def off_s(self) -> int:
        """Positive for a gap, negative for an overlap."""
        return self.next_s - self.stated_end_s


@dataclass(frozen=True)
class BillClock:
    """A clock with its changes in time order. name: as findings name it."""

    name: str
    changes: tuple[Change, ...]

    def change_of(self, join: Join) -> Change | None:
        """The change by whose hour the join is off; None where none lies there.

        It lies in the period, or within a day of either end: the hour of a bill's day is not always midnight.
        """
        first, last = min(join.start_s, join.next_s), max(join.stated_end_s, join.next_s)
        inside = self._between(first + _DAY_S, last - _DAY_S)
        edges = [*self._between(last - _DAY_S, last + _DAY_S), *self._between(first - _DAY_S, first + _DAY_S)]
        # Spring and autumn in one period cancel out: its ends are of one clock.
        shifts = edges or (inside[-1:] if sum(each.seconds for each in inside) else [])
        return next((each for each in shifts if abs(each.seconds) == abs(join.off_s)), None)

    def is_hidden_by(self, join: Join) -> bool:
        """True where a change lies well inside a period that is followed without overlap or gap."""
        inside = self._between(join.start_s + _DAY_S, join.next_s - _DAY_S)
        return join.off_s == 0 and sum(each.seconds for each in inside) != 0

    def _between(self, start_s: int, end_s: int) -> Sequence[Change]:
        times = [each.epoch_s for each in self.changes]
        return self.changes[bisect_left(times, start_s) : bisect_right(times, end_s)]


def clock_of(joins: Sequence[Join], *, stated: str | None, own: Mapping[str, str] | None) -> BillClock | None:
    """The clock by which these periods are cut; None where nothing says so.

    stated: an IANA zone of a person; own: the leaves of the file's LocalTimeParameters. A stated zone without clock
    changes (UTC) leaves it to the file, as none does. Raises BadInput for an unknown zone.
    """
    first, last = min(join.start_s for join in joins), max(join.next_s for join in joins)
    span = (first - 2 * _DAY_S, last + 2 * _DAY_S)
    if stated is not None:
        zone(stated)
        if changes := _changes_of_zone(stated, *span):
            return BillClock(stated, changes)
    odd = [join for join in joins if join.off_s]
    written = BillClock("the file's own clock", _changes_of_rules(own or {}, *span))
    if written.changes and all(written.change_of(join) for join in odd):
        return written
    shown = [BillClock(f"as in {name}", _changes_of_zone(name, *span)) for name in RULES]
    best = max(shown, key=lambda clock: _shown(clock, joins))
    if _shown(best, joins):
        return best
    return written if written.changes else None


def hour_finding(join: Join, change: Change, clock: BillClock, stream: str, line: int) -> Finding:
    """Finding on a period that was made to last until its next: which, by how much, and why."""
    start, end, following = (datetime.fromtimestamp(at, UTC) for at in (join.start_s, join.stated_end_s, join.next_s))
    kind, minutes = ("gap" if join.off_s > 0 else "overlap"), abs(join.off_s) // 60
    did = "overlaps the next" if kind == "overlap" else "ends before the next"
    return Finding(
        code="clock_change_hour",
        severity="info",
        message=f"the period from {start:%Y-%m-%d %H:%M}Z to {end:%Y-%m-%d %H:%M}Z {did} by {minutes} min, the hour of "
        f"the clock change on {change.day} ({clock.name}): it counts whole and lasts until "
        f"{following:%Y-%m-%d %H:%M}Z",
        scope=stream,
        facts={
            "kind": kind,
            "minutes": minutes,
            "start_utc": start.isoformat(),
            "stated_end_utc": end.isoformat(),
            "end_utc": following.isoformat(),
            "clock_change": change.day.isoformat(),
            "clock": clock.name,
            "line": line,
        },
    )


def unknown_clock(count: int) -> Finding:
    """So many periods look as at a clock change, and nobody says by which clock."""
    periods = "1 period overlaps the next or leaves" if count == 1 else f"{count} periods overlap the next or leave"
    return Finding(
        code="clock_unknown",
        message=f"{periods} a gap by an hour, as at a clock change, and nothing says by which clock; overlaps are in "
        "quarantine, both periods: name its zone with --tz, in the column map or in the site file",
        facts={"count": count},
    )


def _shown(clock: BillClock, joins: Sequence[Join]) -> int:
    """Number of joins that the clock explains; none where one contradicts it, or where its hours point both ways."""
    if any(clock.is_hidden_by(join) for join in joins):
        return 0
    found = [(change, join) for join in joins if join.off_s and (change := clock.change_of(join)) is not None]
    is_one_way = len({change.seconds * join.off_s > 0 for change, join in found}) == 1
    return len(found) if is_one_way and len({change for change, _ in found}) >= MIN_SHOWN else 0


@lru_cache(maxsize=64)
def _changes_of_zone(name: str, start_s: int, end_s: int) -> tuple[Change, ...]:
    of_zone, found = ZoneInfo(name), []
    low, before = start_s, _offset(of_zone, start_s)
    while low < end_s:
        high = min(low + _DAY_S, end_s)
        after = _offset(of_zone, high)
        if after != before:
            at = _instant(of_zone, low, high)
            found.append(Change(at, after - before, datetime.fromtimestamp(at, of_zone).date()))
        low, before = high, after
    return tuple(found)


def _instant(of_zone: ZoneInfo, low: int, high: int) -> int:
    """The first second of [low, high] with the offset of `high`."""
    after = _offset(of_zone, high)
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(of_zone, middle) == after else (middle, high)
    return high


def _offset(of_zone: ZoneInfo, epoch_s: int) -> int:
    shift = datetime.fromtimestamp(epoch_s, of_zone).utcoffset()
    return int(shift.total_seconds()) if shift is not None else 0


def _changes_of_rules(own: Mapping[str, str], start_s: int, end_s: int) -> tuple[Change, ...]:
    """Changes that LocalTimeParameters state; none where they are incomplete or no rules."""
    try:
        shift, offset = int(own.get("dstOffset", "")), int(own.get("tzOffset", "0"))
        forward, back = int(own.get("dstStartRule", ""), 16), int(own.get("dstEndRule", ""), 16)
    except ValueError:
        return ()
    if shift not in SIZES_S or forward == back or abs(offset) > _DAY_S:
        return ()
    years = range(*(datetime.fromtimestamp(at, UTC).year + more for at, more in ((start_s, 0), (end_s, 1))))
    # Summer's own clock tells when it ends.
    found = [*_on_rule(forward, years, offset, shift), *_on_rule(back, years, offset + shift, -shift)]
    return tuple(sorted((each for each in found if start_s < each.epoch_s <= end_s), key=lambda each: each.epoch_s))


def _on_rule(rule: int, years: Iterable[int], offset: int, seconds: int) -> list[Change]:
    """One change a year by an ESPI DstRuleType: month, operator, day of the month, weekday, hour, second."""
    month, operator, day, weekday = rule >> 28 & 15, rule >> 25 & 7, rule >> 20 & 31, rule >> 17 & 7
    into = timedelta(hours=rule >> 12 & 31, seconds=rule & 4095)
    is_day = operator == 0 and day > 0
    if not 1 <= month <= 12 or not (is_day or 1 <= weekday <= 7):
        return []
    found = []
    for year in years:
        first = datetime(year, month, 1, tzinfo=UTC)
        if is_day:
            on = first + timedelta(days=day - 1)
        elif operator == 7:
            following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
            on = following - timedelta(days=(following.isoweekday() - weekday - 1) % 7 + 1)
        else:
            earliest = first + timedelta(days=max(day, 1) - 1) if operator == 1 else first
            on = earliest + timedelta(days=(weekday - earliest.isoweekday()) % 7 + 7 * max(operator - 2, 0))
        found.append(Change(int((on + into).timestamp()) - offset, seconds, on.date()))
    return found
