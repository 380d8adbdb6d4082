"""Keys of partitions as text: of a site's months and quarters, `2025-01-01|factory`. Nothing of Dagster is needed."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date

from data_quality.contracts.time import Period, parse_period

# Where sites are too many for keys of their own they share one: three digits, the same for a site for ever.
BUCKETS = tuple(f"{number:03d}" for number in range(200))


def bucket_of(site_id: str) -> str:
    """The bucket of a site."""
    return BUCKETS[int.from_bytes(hashlib.sha256(site_id.encode()).digest()[:8]) % len(BUCKETS)]


def site_month_key(site_id: str, month: date) -> str:
    """The key of one site's local month."""
    return f"{month:%Y-%m}-01|{site_id}"


def site_quarter_key(site_id: str, first_day: date) -> str:
    """The key of one site's local quarter."""
    return f"{first_day:%Y-%m-%d}|{site_id}"


def split_key(key: str) -> tuple[date, str]:
    """First local day and site of a multi-partition key."""
    first, _, site_id = key.partition("|")
    return date.fromisoformat(first), site_id


def month_ranges(partitions: Iterable[str]) -> list[tuple[str, str]]:
    """Contiguous runs of `SITE|YYYY-MM` (as ingestion names them), each as first and last partition key.

    One late reading gives one key; a year's file gives one range, so one run.
    """
    months: dict[str, list[int]] = {}
    for name in set(partitions):
        site_id, _, month = name.partition("|")
        year, number = (int(part) for part in month.split("-"))
        # Counted through, so that December and January are neighbours.
        months.setdefault(site_id, []).append(year * 12 + number - 1)
    ranges = []
    for site_id, numbers in sorted(months.items()):
        for first, last in _runs(sorted(numbers)):
            ranges.append((site_month_key(site_id, _month(first)), site_month_key(site_id, _month(last))))
    return ranges


def months_of_range(first: str, last: str) -> list[str]:
    """`SITE|YYYY-MM` of every month from the first to the last partition key."""
    (start, site_id), (end, _) = split_key(first), split_key(last)
    numbers = range(start.year * 12 + start.month - 1, end.year * 12 + end.month)
    return [f"{site_id}|{_month(number):%Y-%m}" for number in numbers]


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def _month(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def month_span(keys: Sequence[str], time_zone: str) -> Period:
    """The period from the first to the last month of one run's keys."""
    months = sorted(split_key(key)[0] for key in keys)
    index = months[-1].year * 12 + months[-1].month
    return Period(label=f"{months[0]:%Y-%m}", start=months[0], end=_month(index), time_zone=time_zone)


def quarter_from(first: date, time_zone: str) -> Period:
    """The local quarter that begins on a day."""
    return parse_period(f"{first.year}-Q{(first.month + 2) // 3}", time_zone)
