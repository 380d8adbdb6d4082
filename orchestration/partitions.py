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
