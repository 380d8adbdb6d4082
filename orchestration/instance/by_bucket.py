"""Whether months stand in the graph by site or by bucket of sites: decided when `meterloom up` starts, once and for
good.

Dagster's pages list every key of an asset: 5,000 sites times ten years are 600,000, 200 buckets times ten years 24,000.
"""

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project, load_project

MOST_SITES = 1000
FILE = "months_by_bucket"


def is_by_bucket(environ: Mapping[str, str] = os.environ) -> bool:
    """Of the project that this process works in.

    A file and no row: every process that loads the graph asks, and must not wait for a database.
    """
    try:
        project = load_project(Path(environ.get("METERLOOM_PROJECT") or "."), environ)
    except BadInput:
        # Whoever needs this project says what is wrong with it; a command may be about another.
        return False
    return (project.data_dir / FILE).exists()


def decide(
    project: Project,
    sites: int,
    *,
    now_utc: datetime,
    most: int = MOST_SITES,
    at_turn: Callable[[], object] | None = None,
) -> bool:
    """From now on by bucket where the project has more than `most` sites; it stays so with fewer. Returns which.

    at_turn: called once, before it is so; where it fails, or this process ends within it, the turn is another time's.
    Asked while no process of Dagster's serves the project: runs and sensors must read one and the same answer.
    """
    path = project.data_dir / FILE
    if sites > most and not path.exists():
        if at_turn is not None:
            at_turn()
        write_whole(path, f"since {now_utc:%Y-%m-%dT%H:%MZ}, with {sites} sites\n".encode())
    return path.exists()
