"""The marts as of an instant: built from the readings known then, and kept beside those of now.

A folder a view, named after the newest manifest entry that was known; which was not asked for longest is given up.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import polars as pl

from assets.carbon.factor_choice.factor_view import known_factors
from assets.kpi.incremental.stage import versions_texts
from assets.kpi.mart_windows import factors_text
from assets.sites.load_sites import site_sha256
from assets.stores.lake.merges import newest_entry
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.site_file.site import Site
from orchestration.open_project import OpenProject
from orchestration.warehouse.dbt import build, fingerprint, warehouse_plan
from orchestration.warehouse.user_cache import user_cache

# Seconds that the build took, beside the marts.
SECONDS = "seconds.txt"
# Of a build that was killed: no other takes so long.
_LEFT_OVER_S = 3600.0


def past_folder(project: OpenProject, sites: Sequence[Site], as_of_utc: datetime) -> Path:
    """Folder of the marts of these sites as of then, by today's SQL and site files, built or not.

    Two instants between which nothing came have one folder: no readings, factors, baselines or adjustments. Raises
    BadInput (nothing_known) where nothing was known of any of the sites.
    """
    entries = {site.site_id: newest_entry(project.store, site.site_id, as_of_utc=as_of_utc) for site in sites}
    known = [site for site in sites if entries[site.site_id]]
    if not known:
        names = ", ".join(repr(site.site_id) for site in sites)
        raise BadInput(
            f"no reading of site {names} was known at {as_of_utc:%Y-%m-%d %H:%M:%S}Z", reason="nothing_known"
        )
    parts = [fingerprint()]
    for site in known:
        factors = factors_text(site, known_factors(site, project.store, as_of_utc=as_of_utc))
        versions = versions_texts([site], project.baselines, as_of_utc=as_of_utc)[site.site_id]
        parts += [site.site_id, str(entries[site.site_id]), site_sha256(site), factors, versions]
    name = known[0].site_id if len(known) == 1 else f"{len(known)}_sites"
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return _home(project) / f"{name}-{max(entries.values())}-{digest}"


def _home(project: OpenProject) -> Path:
    """The folder of all views; of a project that cannot be written one of the user's own."""
    if project.store.read_only is None:
        return project.project.as_of_dir
    return user_cache("marts", project.project.root)


def marts_as_of(project: OpenProject, sites: Sequence[Site], as_of_utc: datetime) -> Path:
    """The folder of `past_folder` with the marts, built where it is not there. Raises BadInput (nothing_known).

    Built on a DuckDB file of its own, whatever the project's engine, so that nothing present is touched.
    """
    folder = past_folder(project, sites, as_of_utc)
    if not is_built(folder):
        # What answers from marts that are there already need not load what makes them.
        from assets.kpi.incremental.mart_sources import source_tables
        from assets.stores.warehouse.marts import MARTS
        from assets.stores.warehouse.warehouse import WarehouseTarget, publish_marts
        from ml.baselines.lifecycle.fit_site import expected_of_site

        began_s = time.perf_counter()
        folder.parent.mkdir(exist_ok=True, parents=True, mode=0o700)
        lake, store = project.lake, project.baselines
        known = {site.site_id: site for site in sites if lake.span(site.site_id, as_of_utc=as_of_utc) is not None}
        days = [expected_of_site(site, lake=lake, store=store, as_of_utc=as_of_utc) for site in known.values()]
        # Extrapolation is asked of the baseline itself; the warehouse has no column for it.
        expected = pl.concat(days).drop("is_extrapolated")
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as unfinished:
            target = WarehouseTarget(duckdb_file=Path(unfinished) / "past.duckdb")
            sources = source_tables(known, lake, expected, as_of_utc=as_of_utc)
            outcome = build(target, sources, (node for node in warehouse_plan().nodes if node.kind != "test"))
            if not outcome.is_success:
                raise OurFault(outcome.why)
            made = Path(unfinished) / "marts"
            publish_marts(target, made, tuple(MARTS))
            (made / SECONDS).write_text(f"{time.perf_counter() - began_s:.1f}", encoding="utf-8")
            # Somebody else may have been as far before us, and theirs are the same.
            with suppress(OSError):
                made.rename(folder)
        _forget(folder.parent, most_bytes=project.project.settings.server.as_of_mb << 20, kept=folder)
    return folder


def is_built(folder: Path) -> bool:
    """Whether the marts are there; who asks wants them, and they are kept the longer for it."""
    try:
        os.utime(folder)
    except FileNotFoundError:
        return False
    return True


def seconds_to_build(project: OpenProject) -> float:
    """Expected duration of a build, s: that of the last one, else 20."""
    last = sorted(_home(project).glob(f"*/{SECONDS}"), key=lambda path: path.stat().st_mtime)
    return float(last[-1].read_text(encoding="utf-8")) if last else 20.0


def _forget(home: Path, *, most_bytes: int, kept: Path) -> None:
    """Give up the views that nobody asked for longest, until the others take no more than so much."""
    sizes = {}
    for path in home.iterdir():
        with suppress(FileNotFoundError):
            if path.name.startswith("."):
                if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
                    shutil.rmtree(path, ignore_errors=True)
                continue
            sizes[path] = (path.stat().st_mtime, sum(each.stat().st_size for each in path.rglob("*") if each.is_file()))
    whole = sum(size for _, size in sizes.values())
    for path in sorted(sizes.keys() - {kept}, key=lambda path: sizes[path]):
        if whole <= most_bytes:
            return
        # First out of sight: nobody is to find it half gone.
        gone = path.with_name(f".{path.name}")
        with suppress(OSError):
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        whole -= sizes[path][1]
