"""Years, quarters and months that the demo makes for data that end before a day."""

from datetime import date, datetime, time, timedelta

from controls.simulator.worlds.anchor import ANCHOR
from data_quality.contracts.time import months_after, zone

# Of the daily digest: the local time of its workflow, and five minutes.
DIGEST_DUE = timedelta(hours=7, minutes=5)


def factory_span(until: date) -> tuple[date, date]:
    """Two full years, one to train a baseline on and one to hold against it, and the running one."""
    return date(until.year - 2, 1, 1), until


def quarter_end(until: date) -> date:
    """The day after the last finished quarter."""
    return date(until.year, until.month - (until.month - 1) % 3, 1)


def last_quarters(until: date) -> tuple[date, ...]:
    """First days of the last four finished quarters."""
    return tuple(months_after(quarter_end(until), -months) for months in (12, 9, 6, 3))


def last_months(until: date, count: int) -> tuple[tuple[date, date], ...]:
    """First day and day after of the last finished months."""
    end = until.replace(day=1)
    return tuple((months_after(end, -months), months_after(end, 1 - months)) for months in range(count, 0, -1))


def months_with_faults(today: date) -> tuple[date, ...]:
    """First days of the running month and of the one before; none of a time whose figures stand as shipped."""
    running = today.replace(day=1)
    return tuple(each for each in (months_after(running, -1), running) if each >= ANCHOR)


def digest_morning(until: date, time_zone: str, now_utc: datetime) -> datetime:
    """Local moment of the newest digest that is due, on `until` at the latest: an act recorded ahead of now would be
    the recorded time of all acts until then. By the clock, on days of 23 and 25 hours too.
    """
    here = zone(time_zone)
    day = min(until, (now_utc.astimezone(here) - DIGEST_DUE).date())
    return datetime.combine(day, time.min, here) + DIGEST_DUE


def tower_span(until: date, *, quick: bool) -> tuple[date, date]:
    """Finished months of the tower: long enough for faults of every kind, of which some strike the last full quarter.

    What is corrected later is the first month or the last: where the last is of the running quarter, the first is not.
    """
    end, quarter = until.replace(day=1), quarter_end(until)
    months = 2 if quick else 6
    return months_after(quarter, -months if end == quarter else -months // 2), end
