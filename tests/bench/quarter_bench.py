"""Seconds from the end of a quarter hour until it stands in the lake and is validated, through everything real.

Run: `.venv/bin/python -m tests.bench.quarter_bench --quarters 2`, which takes up to half an hour of wall clock: a
project with the demo's home and factory is served by `meterloom up` (broker, simulated machines, collector, Dagster)
and looked at from outside. `--project DIR` looks at one that is being served already. A JSON line a quarter hour:
where the seconds went, and the load.

`--day 60` does not serve anything: it ingests a day of 60 counters that tell their state every minute, once as the 96
files that the collector lands and once as 24 of an hour, and prints CPU seconds of both.
"""

import argparse
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

import assets.sites
from assets.readings.ingest.ingest_file import ingest_file
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.schema.tables_readings import batches, month_validations
from assets.stores.transactions import connect_store, open_store, select_rows
from controls.gateways.ports import free_port
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.live.sample_line import SampleHead, sample_line
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import FixedClock
from tests.live.live_sites import site_of
from tests.test_layers import ROOT

DEMO = Path(assets.sites.__file__).parent / "demo"
SITE = "factory"
QUARTER = timedelta(minutes=15)
# What has not come so long after the end does not come.
PATIENCE = timedelta(minutes=6)


@contextmanager
def served(folder: Path) -> Iterator[None]:
    """The project behind `meterloom up`, until the block ends."""
    (folder / "sites").mkdir(parents=True)
    (folder / "meterloom.yaml").touch()
    for name in ("home", SITE):
        shutil.copy(DEMO / f"{name}.yaml", folder / "sites")
    shutil.copy(DEMO / "people.yaml", folder)
    ports = {f"METERLOOM_SERVER__{name}_PORT": str(free_port()) for name in ("DAGSTER", "MLFLOW", "MODBUS", "WEB")}
    command = [sys.executable, "-c", "from orchestration.cli.main import main; main()", "up", "--project", str(folder)]
    with (folder / "up.log").open("wb") as log:
        up = subprocess.Popen(command, cwd=ROOT, env=os.environ | ports, stdout=log, stderr=log)
    try:
        yield
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(90)


def step_delays(folder: Path, end_utc: datetime) -> dict[str, object]:
    """Seconds after the end of a quarter hour at which each step was over, as far as they are by now."""
    start = end_utc - QUARTER
    landing = sorted((folder / "landing" / SITE).glob(f"{start:%Y%m%dT%H%MZ}.*.samples.gz"))
    project = load_project(folder, os.environ)
    store = connect_store(project.store_url)
    try:
        with store.engine.connect() as connection:
            mine = batches.c.source_name.in_([each.name for each in landing])
            stored = select_rows(connection, batches.select().where(mine))
            run_ids = {row["run_id"] for row in stored}
            last = max((row["recorded_at_utc"] for row in stored), default=None)
            query = sa.select(sa.func.min(month_validations.c.recorded_at_utc).label("at"))
            query = query.where(
                month_validations.c.site_id == SITE, month_validations.c.recorded_at_utc > (last or end_utc)
            )
            (judged,) = select_rows(connection, query) if last is not None else ({"at": None},)
    finally:
        store.close()
    found: dict[str, object] = {"quarter": f"{start:%FT%H:%MZ}"}
    if landing:
        found["landed_s"] = round(max(each.stat().st_mtime for each in landing) - end_utc.timestamp(), 1)
    if stored and last is not None:
        found |= _run(project.data_dir, run_ids, end_utc)
        found["stored_s"] = round((last - end_utc).total_seconds(), 1)
    if judged["at"] is not None:
        found["judged_s"] = round((judged["at"] - end_utc).total_seconds(), 1)
    return found | {"load": round(os.getloadavg()[0], 1)}


def _run(data: Path, run_ids: set[str], end_utc: datetime) -> dict[str, float]:
    """Delays [s] of the sensor's run request and of the start of the run's process."""
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(data / "dagster")) as instance:
        for record in (each for run_id in run_ids if (each := instance.get_run_record_by_id(run_id)) is not None):
            requested_s = record.create_timestamp.replace(tzinfo=UTC).timestamp()
            began = record.start_time or requested_s
            return {
                "asked_s": round(requested_s - end_utc.timestamp(), 1),
                "began_s": round(began - end_utc.timestamp(), 1),
            }
    return {}


def observe(folder: Path, quarters: int) -> Iterator[dict[str, object]]:
    """Each of the next quarter hours, once it is judged or patience ends."""
    end_utc = datetime.fromtimestamp((time.time() // 900 + 1) * 900, UTC)
    for number in range(quarters):
        due = end_utc + number * QUARTER
        while (now := datetime.now(UTC)) < due + timedelta(seconds=30):
            time.sleep(min(30.0, (due + timedelta(seconds=31) - now).total_seconds()))
        while "judged_s" not in (found := step_delays(folder, due)) and datetime.now(UTC) < due + PATIENCE:
            time.sleep(2)
        yield found


def day(channels: int, files: int) -> dict[str, object]:
    """CPU seconds of a day's ingestion, of so many files; each tells what stood in it and the state that closes it."""
    names = [f"m{number}" for number in range(channels)]
    first, minutes = datetime(2026, 3, 2, tzinfo=UTC), 1440 // files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = open_store(f"sqlite:///{folder / 'store.db'}")
        lake, quarantine = Lake(folder / "lake", store), QuarantineStore(folder / "quarantine", store)
        clock, site = FixedClock(first + timedelta(days=2)), site_of(channels)
        cpu_s = []
        for number in range(files):
            begin = first + number * timedelta(minutes=minutes)
            samples = [
                Sample(f"{each}.kwh", at := begin + timedelta(minutes=n), 1000.0 + number * minutes + n, "kwh", at)
                for each in names
                for n in range(minutes + 1)
            ]
            path = folder / f"{begin:%Y%m%dT%H%MZ}.line.samples.gz"
            head = SampleHead("plant", "line", begin, is_synthetic=True).lines()
            path.write_bytes(
                gzip.compress((head + "".join(f"{sample_line(x)}\n" for x in samples)).encode(), 3, mtime=0)
            )
            began_s = time.process_time()
            report = ingest_file(path, site=site, lake=lake, quarantine=quarantine, clock=clock)
            cpu_s.append(time.process_time() - began_s)
            assert report.new_rows == channels * minutes // 15, report
        held = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        store.close()
    total, half = sum(cpu_s), files // 2
    return {"files": files, "channels": channels, "cpu_s": round(total, 1), "first_half_s": round(sum(cpu_s[:half]), 1),
            "mb": round(held / 2**20, 1), "load": round(os.getloadavg()[0], 1)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quarters", type=int, default=1)
    parser.add_argument("--project", type=Path, help="a project that is being served already")
    parser.add_argument("--day", type=int, metavar="CHANNELS", help="the CPU of a day of so many counters instead")
    options = parser.parse_args()
    if options.day:
        for files in (96, 24):
            sys.stdout.write(json.dumps(day(options.day, files)) + "\n")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = options.project or Path(name) / "plant"
        if options.project is None:
            with served(folder):
                _print_lines(folder, options.quarters)
        else:
            _print_lines(folder, options.quarters)


def _print_lines(folder: Path, quarters: int) -> None:
    for found in observe(folder, quarters):
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
