"""Partitions: time × site, never one per meter. A multi-partition key reads `2025-01-01|factory`."""

import dagster as dg

# Older readings have no partition; each further month makes every listing of keys longer.
FIRST_MONTH = "2015-01-01"

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
