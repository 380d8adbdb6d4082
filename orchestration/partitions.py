"""Partitions: time × site, never one per meter. A multi-partition key reads `2025-01-01|factory`."""

import dagster as dg

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

PARTITION_TAG = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

# By what is over: a status that a later Dagster adds counts as on its way, and nothing is asked for twice.
_UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
]


def on_its_way(job_name: str, key: str) -> dg.RunsFilter:
    """The runs of a job for a partition that are not over."""
    return dg.RunsFilter(job_name=job_name, tags={PARTITION_TAG: key}, statuses=_UNFINISHED)


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
