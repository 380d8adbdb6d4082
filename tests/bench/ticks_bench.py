"""Cost of a tick of each sensor at thousands of sites: python -m tests.bench.ticks_bench --sites 5000.

Each site has two meters, a use with an approved baseline, one read file and marts that know it. First in a process,
when nothing changed, when a reading of one site came, and when one came that its baseline was trained on. Processor
seconds; the world costs a minute or two to make.
"""

import argparse
import logging
import os
import re
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.stores.file_hashes import file_sha256
from assets.stores.journal import AppendOnly
from assets.stores.lake.lake import BatchInfo
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.lake.merges import newest_entry
from assets.stores.schema.tables_baselines import baseline_approvals
from assets.stores.warehouse.marts import Built, write_built
from data_quality.contracts.people import Role
from data_quality.contracts.time import SystemClock
from orchestration.resources import ProjectResource
from orchestration.sensors.dispatch import dispatch_slots
from orchestration.sensors.lake_changes import baseline_changes, enpi_changes, lake_changes, report_changes
from orchestration.sensors.landing import landing
from orchestration.sensors.plan_trigger import plan_changes
from tests.bench.scale_world import site_text
from tests.reports.plant import plant_baseline

SENSORS = (landing, lake_changes, enpi_changes, baseline_changes, report_changes, plan_changes, dispatch_slots)
START = datetime(2025, 1, 1, tzinfo=UTC)


def write(project: ProjectResource, site_id: str, source: Path, value: float) -> None:
    """A batch of one quarter hour."""
    row = (site_id, "main", "import", START + timedelta(minutes=15 * value), 15, 15, value, "kwh", 14, 0, False, False)
    schema = {name: kind for name, kind in LAKE_SCHEMA.items() if name not in ("batch_id", "recorded_at_utc")}
    frame = pl.DataFrame([row], schema=schema | {"is_correction": pl.Boolean}, orient="row")
    info = BatchInfo(
        site_id=site_id,
        source_name=source.name,
        source_sha256=file_sha256(source),
        reader="csv",
        reader_version="1",
        accepted_rows=1,
        rejected_rows=0,
        is_synthetic=True,
    )
    project.lake.write_batch(info, frame, unchanged_rows=0, clock=SystemClock())


def approve_baselines(project: ProjectResource, sites: list[str]) -> None:
    """An approved baseline of each site's use, trained on the first week of its readings."""
    known = plant_baseline("moulding").model_copy(
        update={"seu_id": "use_m00000", "train_start": START.date(), "train_end": START.date() + timedelta(days=7)}
    )
    given = [(known.model_copy(update={"site_id": name}), "run", f"checksum of {name}") for name in sites]
    versions = project.baselines.add_all(given, "anna", SystemClock())
    rows = [
        {"baseline_id": each.baseline_id, "version": 1, "person_id": "bert", "role": Role.APPROVER.value}
        | {"reason": "sound", "waivers": {}, "dataset_digest": each.baseline.dataset_digest}
        for each in versions
    ]
    # All in one: `approve` reads every approval there is before each.
    AppendOnly(baseline_approvals, dict).add(project.store, SystemClock(), *rows)


def world(folder: Path, sites: int) -> ProjectResource:
    """A project of so many sites whose marts are as new as its lake."""
    text = re.sub(r"site_id: \S+", "site_id: SITE", site_text(2, 1), count=1)
    (folder / "sites").mkdir()
    project = ProjectResource(root=str(folder))
    for name in (f"s{number:05d}" for number in range(sites)):
        (folder / "sites" / f"{name}.yaml").write_text(text.replace("SITE", name))
        source = folder / "landing" / name / "a.csv"
        source.parent.mkdir(parents=True)
        source.write_text(name)
        write(project, name, source, 0)
    approve_baselines(project, sorted(project.sites))
    for stage in ("kpi", "enpi"):
        known = Built(floor=newest_entry(project.store), sites=project.stage(stage).now())
        write_built(project.project.marts_dir, stage, known)
    return project


def look(name: str, project: ProjectResource, instance: dg.DagsterInstance, cursors: dict[str, str | None]) -> None:
    """Print what each sensor's look costs."""
    total = 0.0
    for sensor in SENSORS:
        given: dict[str, Any] = {"project": project}
        given |= {"clock": SystemClock()} if sensor in (plan_changes, dispatch_slots) else {}
        before = time.process_time()
        with dg.build_sensor_context(instance, cursor=cursors.get(sensor.name), resources=given) as context:
            list(sensor(context))  # type: ignore[call-overload]
            cursors[sensor.name] = context.cursor
        took = time.process_time() - before
        total += took
        sys.stdout.write(f"{name}: {sensor.name} {took:.2f} CPU s\n")
    sys.stdout.write(f"{name}: all {total:.2f} CPU s at load {os.getloadavg()[0]:.1f}\n")


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description="What a look of each sensor costs at thousands of sites.")
    options.add_argument("--sites", type=int, default=5000)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    cursors: dict[str, str | None] = {}
    with tempfile.TemporaryDirectory() as name, dg.DagsterInstance.ephemeral() as instance:
        folder = Path(name)
        (folder / "meterloom.yaml").write_text("{}\n")
        project = world(folder, options.parse_args().sites)
        look("marts known", project, instance, cursors)
        look("nothing changed", project, instance, cursors)
        for came, quarter in (("a reading came", 96 * 30), ("one of training came", 1)):
            source = folder / f"{quarter}.csv"
            source.write_text(came)
            write(project, "s00000", source, quarter)
            look(came, project, instance, cursors)
        project.close()


if __name__ == "__main__":
    main()
