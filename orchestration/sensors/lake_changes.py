"""Changed months of the lake start a rebuild of exactly those months, one run a contiguous range."""

import dagster as dg
import polars as pl

from assets.readings.affected import affected_months
from assets.stores.marks import get_mark
from orchestration.jobs import kpi
from orchestration.partitions import RANGE_END, RANGE_START, SITES, month_ranges
from orchestration.resources import ProjectResource


@dg.sensor(job=kpi, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def lake_changes(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
    """Follows the manifest by its id: the cursor is the last id that was turned into runs."""
    # Without a cursor, what the marts already know needs no second run.
    seen = int(context.cursor) if context.cursor else get_mark(project.project.marts_dir)
    touched, newest = touched_months(project, after_id=seen)
    if newest == seen:
        return dg.SkipReason("the lake has not changed")
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(project.sites))
    requests = [request(first, last, newest) for first, last in month_ranges(touched)]
    return dg.SensorResult(run_requests=requests, cursor=str(newest))


def request(first: str, last: str, newest: int) -> dg.RunRequest:
    """One run for a range of months; a single month is a plain partition."""
    run_key = f"kpi:{first}:{last}:{newest}"
    if first == last:
        return dg.RunRequest(run_key=run_key, partition_key=first)
    return dg.RunRequest(run_key=run_key, tags={RANGE_START: first, RANGE_END: last})


def touched_months(project: ProjectResource, *, after_id: int) -> tuple[set[str], int]:
    """`SITE|YYYY-MM` of manifest rows beyond an id, and the newest id."""
    touched: set[str] = set()
    newest = after_id
    for site_id, site in project.sites.items():
        entries = [entry for entry in project.lake.manifest(site_id) if int(entry["id"]) > after_id]
        newest = max([newest, *(int(entry["id"]) for entry in entries)])
        if entries:
            files = project.lake.files(entries)
            changed = pl.scan_parquet(files, hive_partitioning=False).select("interval_start_utc").unique().collect()
            touched |= set(affected_months(site, changed))
    return touched, newest
