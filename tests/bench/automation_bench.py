"""Cost of declarative automation in place of our sensors: `python -m tests.bench.automation_bench`.

The graph is the real one, of every asset that has months and sites, with nothing in it to compute; three sites of 36
months. Conditions say "a parent is newer" for every month (`eager` alone would look at the newest month only). Printed:
seconds of an evaluation, evaluations until nothing is asked for, partitions of assets and runs asked for. The figures
of docs/adr/0018 come from here.
"""

import json
import logging
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.automation_tick_evaluation_context import build_run_requests

from orchestration.partitions import MONTHS, SITE_MONTHS, SITES

NAMES = ("factory", "home", "tower")
FIRST, MONTHS_EACH = "2023-01-01", 36
LANDING = dg.AssetKey("raw_landing__15min_readings")
QUIET = 0


def mirror() -> list[dg.AssetsDefinition]:
    """Assets of the same keys, parents and partitions as the real ones; the landing asset comes first and has none."""
    from orchestration.definitions import defs

    graph = defs.get_repository_def().asset_graph
    keys = {key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def == SITE_MONTHS}

    def parents(key: dg.AssetKey) -> set[dg.AssetKey]:
        """Those with months, and the landing asset; views between are passed over, which is kind to conditions."""
        near = graph.get(key).parent_keys
        return {each for each in near if each in keys | {LANDING}}.union(
            *(parents(each) for each in near if each not in keys | {LANDING})
        )

    wanted = dg.AutomationCondition.eager().without(dg.AutomationCondition.in_latest_time_window())

    def make(key: dg.AssetKey) -> dg.AssetsDefinition:
        @dg.asset(
            key=key,
            deps=sorted(parents(key)),
            partitions_def=SITE_MONTHS,
            automation_condition=wanted,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def shell() -> None:
            """Nothing."""

        return shell

    return [dg.asset(key=LANDING)(lambda: None), *(make(key) for key in sorted(keys))]


class Bench:
    """One instance in memory, in which every month of every site was made."""

    def __init__(self) -> None:
        self.instance = dg.DagsterInstance.ephemeral()
        self.instance.add_dynamic_partitions(SITES.name or "", NAMES)
        self.assets = mirror()
        self.defs = dg.Definitions(assets=self.assets)
        self.graph = self.defs.get_repository_def().asset_graph
        keys = MONTHS.get_partition_keys()
        first = keys.index(FIRST)
        self.partitions = [f"{month}|{name}" for name in NAMES for month in keys[first : first + MONTHS_EACH]]
        self.cursor: Any = None

    def made(self, key: dg.AssetKey, partition: str | None) -> None:
        """Say that a partition of an asset was materialised."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=partition))

    def fill(self) -> None:
        """Everything once, parents first; then one evaluation to take note of it."""
        self.made(LANDING, None)
        for key in self.graph.toposorted_asset_keys:
            if key != LANDING:
                for partition in self.partitions:
                    self.made(key, partition)

    def settle(self, name: str, at_most: int = 40) -> None:
        """Evaluate and make what is asked for until nothing is; print what that took."""
        ticks, requested, runs, backfills, seconds, last = 0, 0, 0, 0, 0.0, -1
        while last != QUIET and ticks < at_most:
            before = time.process_time()
            result = dg.evaluate_automation_conditions(self.defs, self.instance, cursor=self.cursor)
            seconds += time.process_time() - before
            self.cursor, last = result.cursor, result.total_requested
            ticks += 1
            subsets = [each.true_subset for each in result.results if each.true_subset.size]
            runs += len(build_run_requests(subsets, self.graph, {}, emit_backfills=False))
            backfills += len(build_run_requests(subsets, self.graph, {}, emit_backfills=True))
            for subset in subsets:
                for part in subset.expensively_compute_asset_partitions():
                    self.made(part.asset_key, part.partition_key)
                    requested += 1
        sys.stdout.write(
            f"{name}: {ticks} evaluations, {seconds / ticks:.2f} CPU-s each, {requested} asset partitions, "
            f"{runs} runs, or {backfills} backfills\n"
        )


def ours(folder: Path) -> None:
    """A tick of our sensors over a project of the same size whose marts are as new as its lake."""
    from assets.readings.ingest.ingest_file import ingest_file
    from assets.stores.lake.merges import newest_entry
    from assets.stores.warehouse.marts import Built, write_built
    from data_quality.contracts.time import SystemClock
    from orchestration.resources import ProjectResource
    from orchestration.sensors import lake_changes, landing

    start = datetime(int(FIRST[:4]), 1, 1, tzinfo=UTC)
    for name in NAMES:
        site = {"site_id": name, "name": name, "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
        (folder / "sites").mkdir(parents=True, exist_ok=True)
        (folder / "sites" / f"{name}.yaml").write_text(json.dumps(site | {"meters": [{"meter_id": "main"}]}))
        (folder / "landing" / name).mkdir(parents=True)
        for month in range(MONTHS_EACH):
            first = start + timedelta(days=30 * month)
            rows = [f"main,{first + timedelta(minutes=15 * n):%Y-%m-%dT%H:%M:%SZ},{1 + n % 7}" for n in range(2880)]
            (folder / "landing" / name / f"{month}.csv").write_text("\n".join(["meter,timestamp,kwh", *rows]) + "\n")
    project = ProjectResource(root=str(folder))
    for path in sorted((folder / "landing").rglob("*.csv")):
        site = project.site(path.parent.name)
        ingest_file(path, site=site, lake=project.lake, quarantine=project.quarantine, clock=SystemClock())
    for stage in ("kpi", "enpi"):
        known = Built(floor=newest_entry(project.store), sites=project.stage(stage).now())
        write_built(project.project.marts_dir, stage, known)
    sensors = (lake_changes.lake_changes, lake_changes.enpi_changes, lake_changes.baseline_changes)
    with dg.DagsterInstance.ephemeral() as instance:
        for sensor in (landing.landing, *sensors, lake_changes.report_changes):
            cursor, took = None, []
            for _ in range(10):
                before = time.process_time()
                with dg.build_sensor_context(instance, cursor=cursor, resources={"project": project}) as context:
                    (skip,) = sensor(context)
                    cursor = context.cursor
                took.append((time.process_time() - before) * 1000)
            sys.stdout.write(f"{sensor.name}: {took[0]:.0f} ms, then {sorted(took)[5]:.1f} ms ({skip.skip_message})\n")
    project.close()


def main() -> None:
    """Print the figures."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        ours(Path(folder))
    bench = Bench()
    sys.stdout.write(f"{len(bench.assets)} assets, {len(bench.partitions)} partitions\n")
    bench.fill()
    bench.settle("the first look", at_most=3)
    bench.settle("nothing happened")
    lake = dg.AssetKey("core_lake__month_quality")
    bench.made(lake, bench.partitions[5])
    bench.settle("one month of one site is said to have changed")
    bench.made(LANDING, None)
    bench.settle("one file landed")


if __name__ == "__main__":
    main()
