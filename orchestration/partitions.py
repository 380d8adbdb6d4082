"""Partitions: time × site, never one per meter. A multi-partition key reads `2025-01-01|factory`.

A project that outgrew keys by site (instance/by_bucket.py) has 200 buckets in their place, `2025-01-01|017`. A run that
a sensor or a schedule asks for then names the sites that it is about in a tag; one asked for by hand takes all of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple, Protocol

import dagster as dg

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from orchestration.instance.by_bucket import is_by_bucket, partitions_begin
from orchestration.month_keys import (
    BUCKETS,
    bucket_of,
    month_ranges,
    month_span,
    months_of_range,
    quarter_from,
    split_key,
)
from orchestration.open_project import OpenProject

# For as long as this process lives: of older files the UI shows the months after "Reload definitions".
FIRST_MONTH = f"{partitions_begin():%Y-%m-%d}"
BY_BUCKET = is_by_bucket()

SITES = dg.DynamicPartitionsDefinition(name="sites")
# UTC+14, where a day begins first: a month is a partition as soon as it has begun at any site.
FIRST_ZONE = "Etc/GMT-14"
# end_offset: the month in progress is a partition too, as its figures are wanted before it ends.
MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, end_offset=1, timezone=FIRST_ZONE)
QUARTERS = dg.TimeWindowPartitionsDefinition(
    start=FIRST_MONTH, fmt="%Y-%m-%d", cron_schedule="0 0 1 1,4,7,10 *", end_offset=1, timezone=FIRST_ZONE
)
YEARS = dg.TimeWindowPartitionsDefinition(
    start=f"{FIRST_MONTH[:4]}-01-01", fmt="%Y-%m-%d", cron_schedule="0 0 1 1 *", end_offset=1, timezone=FIRST_ZONE
)
# Dagster puts the parts of a key in the order of these names: the time must come first.
PLACE = "site_bucket" if BY_BUCKET else "site"
PLACES = dg.StaticPartitionsDefinition(BUCKETS) if BY_BUCKET else SITES
SITE_MONTHS = dg.MultiPartitionsDefinition({"month": MONTHS, PLACE: PLACES})
SITE_QUARTERS = dg.MultiPartitionsDefinition({"quarter": QUARTERS, PLACE: PLACES})
# A year of a site is one run, so one start of dbt; of a bucket it would not fit into memory.
SPAN_IN_ONE_RUN = dg.BackfillPolicy.multi_run(1) if BY_BUCKET else dg.BackfillPolicy.single_run()

PARTITION_TAG = "dagster/partition"
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
# The sites of a bucket that a run is about; of a year, sites and organisations.
SITES_TAG = "meterloom/sites"

# By what is over: a status that a later Dagster adds counts as on its way, and nothing is asked for twice.
_UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}
]


def active_runs(job_name: str, key: str) -> dg.RunsFilter:
    """The runs of a job for a partition that are not over."""
    return dg.RunsFilter(job_name=job_name, tags={PARTITION_TAG: key}, statuses=_UNFINISHED)


class MonthRange(NamedTuple):
    """Neighbouring months of a place as first and last key, and the sites that they are asked for."""

    first: str
    last: str
    site_ids: tuple[str, ...]

    def holds(self, name: str) -> bool:
        """True where a `SITE|YYYY-MM` is among them."""
        site_id, _, month = name.partition("|")
        return site_id in self.site_ids and self.first[:7] <= month <= self.last[:7]


class _Asking(Protocol):
    """Context of a step, and of a check, in its run."""

    @property
    def partition_keys(self) -> Sequence[str]:
        """Those of this run."""

    @property
    def run(self) -> dg.DagsterRun:
        """The run."""


def site_mapping(asset: str) -> dg.AssetDep:
    """A dependency between an asset by site and one by month, in either direction."""
    # Of a bucket Dagster cannot tell which sites are in it: each rests on all.
    return dg.AssetDep(asset, partition_mapping=dg.AllPartitionMapping() if BY_BUCKET else None)


def place_of(site_id: str) -> str:
    """The site's part of the keys of its months: its bucket or its id."""
    return bucket_of(site_id) if BY_BUCKET else site_id


def graph_key(key: str) -> str:
    """The key in which a `first-day|site` key stands in the graph."""
    first, _, site_id = key.partition("|")
    return f"{first}|{place_of(site_id)}"


def month_spans(stale: Iterable[str]) -> list[MonthRange]:
    """`SITE|YYYY-MM` as runs: of each place its spans of neighbouring months, with the sites that have some in it."""
    by_place: dict[str, set[str]] = {}
    for name in stale:
        site_id, _, month = name.partition("|")
        by_place.setdefault(f"{place_of(site_id)}|{month}", set()).add(site_id)
    found = []
    for first, last in month_ranges(by_place):
        sites = {site_id for name in months_of_range(first, last) for site_id in by_place[name]}
        found.append(MonthRange(first, last, tuple(sorted(sites))))
    return found


def sites_of(project: OpenProject, keys: Iterable[str], tags: Mapping[str, str]) -> list[Site]:
    """The sites that a run with these keys and tags is about. Raises BadInput where there is none."""
    places = sorted({split_key(key)[1] for key in keys})
    if not BY_BUCKET:
        return [project.site(place) for place in places]
    named = tags.get(SITES_TAG)
    names = set(project.sites) if named is None else set(named.split(","))
    found = [
        site for site_id, site in sorted(project.sites.items()) if site_id in names and bucket_of(site_id) in places
    ]
    if not found:
        raise BadInput(f"no site of this project is in bucket {', '.join(places)}", reason="empty_bucket")
    return found


def months_of_run(context: _Asking, project: OpenProject, *, is_whole: bool = False) -> list[tuple[Site, Period]]:
    """The sites of a run with the months of its keys in their local time. is_whole: all of its buckets, whatever sites
    it names. Raises BadInput.
    """
    keys, tags = context.partition_keys, context.run.tags if BY_BUCKET and not is_whole else {}
    return [(site, month_span(keys, site.time_zone)) for site in sites_of(project, keys, tags)]


def quarter_of_run(context: _Asking, project: OpenProject) -> list[tuple[Site, Period]]:
    """The sites of a run with the quarter of its key in their local time. Raises BadInput."""
    [key], tags = context.partition_keys, context.run.tags if BY_BUCKET else {}
    first = split_key(key)[0]
    return [(site, quarter_from(first, site.time_zone)) for site in sites_of(project, [key], tags)]


def request_of(run_key: str, months: MonthRange, dimension: str) -> dg.RunRequest:
    """A run over keys. dimension: month or quarter.

    Dagster refuses a key that the asking process does not know. One that began before older readings arrived does not,
    and the process of the run does: it is told by the tags that Dagster would have made of the key.
    """
    tags = {SITES_TAG: ",".join(months.site_ids)} if BY_BUCKET else {}
    if months.first != months.last:
        return dg.RunRequest(run_key=run_key, tags={**tags, RANGE_START: months.first, RANGE_END: months.last})
    first, _, place = months.first.partition("|")
    if first >= FIRST_MONTH:
        return dg.RunRequest(run_key=run_key, partition_key=months.first, tags=tags)
    names = {"": months.first, f"/{dimension}": first, f"/{PLACE}": place}
    tags |= {f"dagster/partition{name}": value for name, value in names.items()}
    return dg.RunRequest(run_key=run_key, tags=tags)


def year_request(run_key: str, first: date, names: Sequence[str]) -> dg.RunRequest:
    """A run over a year for these sites and organisations; one that the asking process does not know goes by its tag,
    as in `request_of`.
    """
    key, tags = f"{first}", {SITES_TAG: ",".join(names)}
    if key[:4] < FIRST_MONTH[:4]:
        return dg.RunRequest(run_key=run_key, tags={**tags, PARTITION_TAG: key})
    return dg.RunRequest(run_key=run_key, partition_key=key, tags=tags)
