"""New files in the landing folder start an ingestion; the content's hash is the run key."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg

from orchestration.jobs import ingest
from orchestration.resources import ProjectResource

MAX_FILES_PER_TICK = 200


def landing_files(folder: Path) -> list[Path]:
    """Complete files in arrival order; names that start with a dot are still being written."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def content_key(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dg.sensor(job=ingest, minimum_interval_seconds=30, default_status=dg.DefaultSensorStatus.RUNNING)
def landing(context: dg.SensorEvaluationContext, project: ProjectResource) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One ingestion a site for the files that the lake has not seen."""
    is_quiet = True
    refused = {item["source_sha256"] for item in project.quarantine.items() if item["kind"] == "file"}
    for site_id in sorted(project.sites):
        fresh: dict[str, str] = {}
        for path in landing_files(project.project.landing_dir / site_id):
            key = content_key(path)
            if key not in refused and project.lake.known_batch(site_id, key) is None:
                fresh[key] = str(path)
            if len(fresh) >= MAX_FILES_PER_TICK:
                break
        if fresh:
            is_quiet = False
            run_key = hashlib.sha256("".join([site_id, *sorted(fresh)]).encode()).hexdigest()
            config = {"site": site_id, "files": list(fresh.values())}
            yield dg.RunRequest(
                run_key=f"ingest:{run_key}",
                run_config={"ops": {"raw_landing__15min_readings": {"config": config}}},
            )
    if is_quiet:
        yield dg.SkipReason("no file that the lake has not seen")
