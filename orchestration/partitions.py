"""Partitions: time × site, never one per meter. A multi-partition key reads `2025-01-01|factory`."""

from collections.abc import Iterable, Sequence
from datetime import date

import dagster as dg

from data_quality.contracts.time import Period
from orchestration.instance.first_month import partitions_begin

# For as long as this process lives: of older files the UI shows the months after "Reload definitions".
FIRST_MONTH = f"{partitions_begin():%Y-%m-%d}"

SITES = dg.DynamicPartitionsDefinition(name="sites")
# end_offset: the month in progress is a partition too, as its figures are wanted before it ends.
MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, end_offset=1)
QUARTERS = dg.TimeWindowPartitionsDefinition(
    start=FIRST_MONTH, fmt="%Y-%m-%d", cron_schedule="0 0 1 1,4,7,10 *", end_offset=1
)
SITE_MONTHS = dg.MultiPartitionsDefinition({"month": MONTHS, "site": SITES})
SITE_QUARTERS = dg.MultiPartitionsDefinition({"quarter": QUARTERS, "site": SITES})

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def request_of(run_key: str, key: str, dimension: str) -> dg.RunRequest:
    """A run of one `first-day|site` key. dimension: month or quarter.

    Dagster refuses a key that the asking process does not know. One that began before older readings arrived does not,
    and the process of the run does: it is told by the tags that Dagster would have made of the key.
    """
    first, _, site_id = key.partition("|")
    if first >= FIRST_MONTH:
        return dg.RunRequest(run_key=run_key, partition_key=key)
    names = {"": key, f"/{dimension}": first, "/site": site_id}
    return dg.RunRequest(run_key=run_key, tags={f"dagster/partition{name}": value for name, value in names.items()})


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
