"""The graph where months stand by bucket: python -m tests.orchestration.by_bucket_steps, with METERLOOM_PROJECT set.

A process of its own: by what months stand is read once, when the graph is loaded. Runs what the sensors of the marts
ask for until they ask for nothing, and prints each look: key, sites and whether the run went well.
"""

import json
import os
import sys
from typing import Any

import dagster as dg

from orchestration.definitions import defs
from orchestration.partitions import SITES_TAG
from orchestration.resources import ProjectResource
from orchestration.sensors.lake_changes import enpi_changes, lake_changes

RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
MOST_LOOKS = 5


def looks(sensor: dg.SensorDefinition, job: str, instance: dg.DagsterInstance) -> list[list[Any]]:
    """Run requests of one sensor, look by look, each run to its end in this process."""
    project, found, done = ProjectResource(root=os.environ["METERLOOM_PROJECT"]), list[list[Any]](), set[str | None]()
    for _ in range(MOST_LOOKS):
        with dg.build_sensor_context(instance, resources={"project": project}) as context:
            asked = [each for each in sensor(context) if isinstance(each, dg.RunRequest)]  # type: ignore[call-overload]
        ran = []
        # As the daemon does: of a run key that was there it makes none.
        for each in (one for one in asked if one.run_key not in done):
            done.add(each.run_key)
            tags = {**each.tags, "dagster/run_key": str(each.run_key)}
            result = defs.resolve_job_def(job).execute_in_process(
                instance=instance, partition_key=each.partition_key, tags=tags, raise_on_error=False
            )
            keys = [each.partition_key] if each.partition_key else [each.tags[name] for name in RANGE]
            ran.append([keys, each.tags[SITES_TAG].split(","), result.success])
        project.close()
        if not ran:
            break
        found.append(ran)
    return found


def reported(instance: dg.DagsterInstance, key: str) -> list[str]:
    """The reports of a month asked for by hand: lines of the table that stands with its asset."""
    result = defs.resolve_job_def("month_reports").execute_in_process(
        instance=instance, partition_key=key, raise_on_error=False
    )
    [made] = result.asset_materializations_for_node("out_site__month_reports") if result.success else [None]
    return [] if made is None else str(made.metadata["sites"].value).splitlines()


def main() -> None:
    """Print both sensors' looks, and the keys under which the months were recorded; of a key its reports."""
    with dg.DagsterInstance.get() as instance:
        kpi, enpi = looks(lake_changes, "kpi", instance), looks(enpi_changes, "enpi", instance)
        published = dg.AssetKey("core_marts__published")
        recorded = sorted(instance.get_materialized_partitions(published))
        keys = len(defs.get_repository_def().asset_graph.get(published).partitions_def.get_partition_keys())
        lines = [line for key in sys.argv[1:] for line in reported(instance, key)]
    sys.stdout.write(json.dumps({"kpi": kpi, "enpi": enpi, "recorded": recorded, "keys": keys, "reported": lines}))


if __name__ == "__main__":
    main()
