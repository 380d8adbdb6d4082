"""Is the process alive, is it of use, and what has it done: for the machine itself, and for who has a key."""

import hashlib
import ipaddress
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

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
from orchestration.web.request_context import NotSignedIn

# A lake has thousands of files, and a bucket asks a price for a list.
LAKE_EVERY_S = 300
MOST_SITES = 1000


def _near(request: Request) -> None:
    """Raises NotSignedIn for who is neither this machine nor has a key."""
    address = request.client.host if request.client else ""
    try:
        # Of the network's own address too: what comes from the address that it was sent to never left this machine.
        is_near = ipaddress.ip_address(address).is_loopback or address == (request.scope.get("server") or ("",))[0]
    except ValueError:
        is_near = False
    # Somebody further away may stand behind a proxy on this machine.
    if is_near and not any(name in request.headers for name in ("x-forwarded-for", "forwarded")):
        return
    if request.app.state.signed_in(request) is None or not hasattr(request.state, "key_id"):
        raise NotSignedIn


router = APIRouter(dependencies=[Depends(_near)], include_in_schema=False)


@router.get("/healthz")
def healthz() -> Response:
    """Alive."""
    return JSONResponse({"status": "alive"})


@router.get("/ready")
@router.get("/readyz")
def readyz(request: Request) -> Response:
    """Of use: the store answers, and people and sites can be read."""
    state = request.app.state
    found: dict[str, Any] = {"people": state.people_fault() or "in order"}
    asks: dict[str, Callable[[], Any]] = {
        "store": lambda: state.project.store.rows(probe()),
        "sites": lambda: state.project.sites,
    }
    for name, ask in asks.items():
        try:
            ask()
            found[name] = "in order"
        except WorldFault:
            found[name] = "does not answer"
    is_ready = all(each == "in order" for each in found.values())
    return JSONResponse({"status": "ready" if is_ready else "not ready", **found}, 200 if is_ready else 503)


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """Counts of this process and numbers of the project, in the text format of Prometheus."""
    state = request.app.state
    page = Metrics("meterloom_")
    answers = [(f'{{status="{name}"}}', count) for name, count in sorted(state.counts.items())]
    page.add_metric("web_answers_total", "counter", answers, "Answers by status")
    for kind in ("streams", "exports"):
        page.add_metric(f"web_{kind}", "gauge", [("", state.allowances.taken(kind))], f"Open {kind}")
    add_project_metrics(page, state.project, state.clock.now_utc())
    return PlainTextResponse(page.text(), media_type="text/plain; version=0.0.4")


class LakeSize(NamedTuple):
    """Size of the lake's files, bytes, and how many of them no batch names a day after they were written."""

    size_bytes: int
    orphans: int


def add_project_metrics(page: Metrics, project: OpenProject, now_utc: datetime) -> None:
    """Add the project's metrics to a page. Where the database does not answer, `db_up` is 0; what cannot be asked is
    left out.
    """
    places = project.project
    disk = shutil.disk_usage(places.data_dir)
    page.add_metric(
        "disk_free_ratio", "gauge", [("", disk.free / disk.total)], "Free share of the disk of the data folder"
    )
    if (age_s := backup_age_s(places, now_utc)) is not None:
        page.add_metric(
            "backup_age_seconds", "gauge", [("", age_s)], "Since the last whole backup; absent before the first"
        )
    known = [each for each in roles(roles_dir(places)) if not each.is_elsewhere]
    standing = [(f'{{role="{each.name}"}}', float(each.is_alive)) for each in known]
    page.add_metric("role_up", "gauge", standing, "1 while the process of a service is the one that was started")
    is_up = _tell_store(page, project)
    page.add_metric("db_up", "gauge", [("", float(is_up))], "1 while the store answers")
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
    page.add_metric("store_seconds", "gauge", [("", time.perf_counter() - begun_s)], "Of one question to the store")
    return True


def _tell_sites(page: Metrics, project: OpenProject, now_utc: datetime) -> None:
    counted = [(f'{{result="{name}"}}', float(count)) for name, count in readings_counted(project.store).items()]
    page.add_metric("readings_total", "counter", counted, "Rows of files that came in, by what became of them")
    sites = project.sites
    lags = {
        site_id: max((now_utc - at).total_seconds(), 0.0)
        for site_id, at in last_arrivals(project.store).items()
        if site_id in sites
    }
    meaning = "Since the last file with readings of a site was taken in; of a bucket of sites the longest"
    page.add_metric("ingest_lag_seconds", "gauge", by_site(lags), meaning)
    page.add_metric(
        "stale_months", "gauge", [("", float(len(project.stage("kpi").stale())))], "Months to compute again"
    )


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
    page.add_metric("lake_bytes", "gauge", [("", float(found.size_bytes))], "Of the lake's files, every five minutes")
    page.add_metric(
        "orphan_files", "gauge", [("", float(found.orphans))], "Files of the lake that lake sweep would set aside"
    )


def lake_size(lake: Lake, now_utc: datetime) -> LakeSize:
    """As of one list of the lake. Raises Unreachable."""
    # The files first: one whose batch is recorded in between is in the manifest by then.
    standing = list(lake.kept.list(f"{READINGS}/"))
    named = set(known_paths(lake.store))
    old = (each for each in standing if now_utc - each.changed_utc > SWEPT_AFTER)
    return LakeSize(sum(each.size_bytes for each in standing), sum(each.key not in named for each in old))
