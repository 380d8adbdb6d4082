"""First partition of a running Dagster: the quarter of the project's first readings.

Read from the lake's folders, one a month: every process that loads the graph asks, and must not wait for a database.
"""

import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from data_quality.contracts.settings import load_project

# Older readings have no partition: a meter whose clock was reset writes of 1970.
EARLIEST = date(2015, 1, 1)
# Set by `meterloom up` for Dagster's own processes, which serve one project and are looked at. Others keep EARLIEST:
# a command may be asked for another project than the one whose folder it was started in.
FROM_READINGS = "METERLOOM_PARTITIONS_FROM_READINGS"


def partitions_begin(environ: Mapping[str, str] = os.environ) -> date:
    """The first partition of this process. Raises BadConfiguration."""
    if not environ.get(FROM_READINGS):
        return EARLIEST
    project = load_project(Path(environ.get("METERLOOM_PROJECT") or "."), environ)
    # Of a bucket the folder holds what was read here, and the first month may not be among it.
    return EARLIEST if project.settings.paths.lake else first_month(project.lake_dir)


def first_month(lake_dir: Path) -> date:
    """First day of a quarter at or before the first reading of any site, by the clock of any zone; EARLIEST without."""
    months = [path.name.removeprefix("m=") for path in lake_dir.glob("readings/site=*/m=*")]
    if not months:
        return EARLIEST
    year, month = (int(part) for part in min(months).split("-"))
    # Folders are UTC's: west of it the first hours of a month are the last ones of the month before.
    before = year * 12 + month - 2
    return max(date(before // 12, before % 12 // 3 * 3 + 1, 1), EARLIEST)
