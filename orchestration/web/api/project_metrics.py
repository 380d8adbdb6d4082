"""Metrics of a whole project, asked of ledger, lake and role files at a scrape (names of production 3.8)."""

import hashlib
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from assets.stores.backup.last_backup import backup_age_s
from assets.stores.counted import last_arrivals, readings_counted
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import READINGS, SWEPT_AFTER
from assets.stores.lake.merges import known_paths
from assets.stores.transactions import probe
from controls.gateways.access.loopback_port import Metrics
from data_quality.contracts.errors import WorldFault
from orchestration.doctor.role_files import roles, roles_dir
from orchestration.open_project import OpenProject

# A lake has thousands of files, and a bucket asks a price for a list.
LAKE_EVERY_S = 300
MOST_SITES = 1000


class LakeSize(NamedTuple):
    """Size of the lake's files, bytes, and how many of them no batch names a day after they were written."""

    size_bytes: int
    orphans: int


def tell_project(page: Metrics, project: OpenProject, now_utc: datetime) -> None:
    """Add the project's metrics to a page. Where the database does not answer, `db_up` is 0; what cannot be asked is
    left out.
    """
    places = project.project
    disk = shutil.disk_usage(places.data_dir)
    page.tell("disk_free_ratio", "gauge", [("", disk.free / disk.total)], "Free share of the disk of the data folder")
    if (age_s := backup_age_s(places, now_utc)) is not None:
        page.tell("backup_age_seconds", "gauge", [("", age_s)], "Since the last whole backup; absent before the first")
    known = [each for each in roles(roles_dir(places)) if not each.is_elsewhere]
    standing = [(f'{{role="{each.name}"}}', float(each.is_alive)) for each in known]
    page.tell("role_up", "gauge", standing, "1 while the process of a service is the one that was started")
    is_up = _tell_store(page, project)
    page.tell("db_up", "gauge", [("", float(is_up))], "1 while the store answers")
    for tell in (_tell_sites, _tell_lake) if is_up else ():
        # Site files that cannot be read hide nothing of the lake, and a bucket that is gone nothing of the sites.
        with suppress(WorldFault):
            tell(page, project, now_utc)


def _tell_store(page: Metrics, project: OpenProject) -> bool:
    begun_s = time.perf_counter()
    try:
        project.store.rows(probe())
    except WorldFault:
        return False
    page.tell("store_seconds", "gauge", [("", time.perf_counter() - begun_s)], "Of one question to the store")
    return True


def _tell_sites(page: Metrics, project: OpenProject, now_utc: datetime) -> None:
    counted = [(f'{{result="{name}"}}', float(count)) for name, count in readings_counted(project.store).items()]
    page.tell("readings_total", "counter", counted, "Rows of files that came in, by what became of them")
    sites = project.sites
    lags = {
        site_id: max((now_utc - at).total_seconds(), 0.0)
        for site_id, at in last_arrivals(project.store).items()
        if site_id in sites
    }
    said = "Since the last file with readings of a site was taken in; of a bucket of sites the longest"
    page.tell("ingest_lag_seconds", "gauge", by_site(lags), said)
    page.tell("stale_months", "gauge", [("", float(len(project.stage("kpi").stale())))], "Months to compute again")


def by_site(values: Mapping[str, float]) -> list[tuple[str, float]]:
    """Values under labels: of up to 1,000 sites each, of more the largest in each of 256 buckets."""
    if len(values) <= MOST_SITES:
        return [(f'{{site="{site_id}"}}', value) for site_id, value in sorted(values.items())]
    buckets: dict[str, float] = {}
    for site_id, value in values.items():
        bucket = hashlib.sha256(site_id.encode()).hexdigest()[:2]
        buckets[bucket] = max(value, buckets.get(bucket, value))
    return [(f'{{bucket="{bucket}"}}', value) for bucket, value in sorted(buckets.items())]


def _tell_lake(page: Metrics, project: OpenProject, now_utc: datetime) -> None:
    every = int(now_utc.timestamp() // LAKE_EVERY_S)
    found = project.cache.once("lake_sizes", every, lambda: lake_size(project.lake, now_utc))
    page.tell("lake_bytes", "gauge", [("", float(found.size_bytes))], "Of the lake's files, every five minutes")
    page.tell(
        "orphan_files", "gauge", [("", float(found.orphans))], "Files of the lake that lake sweep would set aside"
    )


def lake_size(lake: Lake, now_utc: datetime) -> LakeSize:
    """As of one list of the lake. Raises Unreachable."""
    # The files first: one whose batch is recorded in between is in the manifest by then.
    standing = list(lake.kept.list(f"{READINGS}/"))
    named = set(known_paths(lake.store))
    old = (each for each in standing if now_utc - each.changed_utc > SWEPT_AFTER)
    return LakeSize(sum(each.size_bytes for each in standing), sum(each.key not in named for each in old))
