"""Months of the graph: the first of them, and whether they stand by site or by bucket of sites, which is decided when
`meterloom up` starts, once and for good.

Dagster's pages list every key of an asset: 5,000 sites times ten years are 600,000, 200 buckets times ten years 24,000.
"""

import os
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path

from assets.stores.whole_file import write_whole
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project, load_project

MOST_SITES = 1000
FILE = "months_by_bucket"
# Older readings have no partition: a meter whose clock was reset writes of 1970.
EARLIEST = date(2015, 1, 1)
# Set by `meterloom up` for Dagster's own processes, which serve one project and are looked at. Others keep EARLIEST:
# a command may be asked for another project than the one whose folder it was started in.
FROM_READINGS = "METERLOOM_PARTITIONS_FROM_READINGS"


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


def partitions_begin(environ: Mapping[str, str] = os.environ) -> date:
    """The first partition of this process. Raises BadConfiguration."""
    if not environ.get(FROM_READINGS):
        return EARLIEST
    project = load_project(Path(environ.get("METERLOOM_PROJECT") or "."), environ)
    # Of a bucket the folder holds what was read here, and the first month may not be among it.
    return EARLIEST if project.settings.paths.lake else first_month(project.lake_dir)


def first_month(lake_dir: Path) -> date:
    """First day of a quarter at or before the first reading of any site, by the clock of any zone; EARLIEST without.

    Read from the lake's folders, one a month: who loads the graph asks, and must not wait for a database.
    """
    months = [path.name.removeprefix("m=") for path in lake_dir.glob("readings/site=*/m=*")]
    if not months:
        return EARLIEST
    year, month = (int(part) for part in min(months).split("-"))
    # Folders are UTC's: west of it the first hours of a month are the last ones of the month before.
    before = year * 12 + month - 2
    return max(date(before // 12, before % 12 // 3 * 3 + 1, 1), EARLIEST)
