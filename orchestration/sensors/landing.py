"""New files in the landing folder start an ingestion; the content's hash is the run key.

A tick over a folder where nothing changed reads no file: their hashes are remembered (assets/stores/file_hashes.py),
in a file and not in the cursor, which Dagster keeps once more with every tick.
"""

import hashlib
from collections.abc import Iterator

import dagster as dg

from assets.stores.file_hashes import unseen_files
from orchestration.jobs import ingest
from orchestration.resources import ProjectResource
from orchestration.sensors.lake_changes import key_of_try
from orchestration.ticks import looking_every

# A run's configuration names every file: thousands of them go in several runs.
MAX_FILES_PER_TICK = 200


@looking_every(10, job=ingest, none="no file that the lake has not seen")
def landing(context: dg.SensorEvaluationContext, project: ProjectResource) -> Iterator[dg.RunRequest]:
    """Reads new files of the landing folder: drop a meter's file there, and its figures follow by themselves.

    Looks every 10 s. One run of the job ingest a site for the files that were never read; a file is known by its
    content, so the same one under another name is not read twice. Names that begin with a dot are left alone.
    """
    # A refused file is not read again by itself: whoever mended it says `quarantine retry`.
    refused, brought = project.quarantine.refused_sources(), project.lake.known_sources()
    for site_id in sorted(project.sites):
        known = (refused, brought.get(site_id, set()))
        fresh = unseen_files(project.project, site_id, known, project.cache, limit=MAX_FILES_PER_TICK)
        if fresh:
            # Sorted: the same files in another order are the same run.
            run_key = hashlib.sha256("".join([site_id, *sorted(fresh)]).encode()).hexdigest()
            config = {"site": site_id, "files": list(fresh.values())}
            yield dg.RunRequest(
                run_key=key_of_try(context.instance, f"ingest:{run_key}"),
                run_config={"ops": {"raw_landing__15min_readings": {"config": config}}},
            )
