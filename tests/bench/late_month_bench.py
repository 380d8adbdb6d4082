"""Cost of the KPIs of one late month beside many sites: python -m tests.bench.late_month_bench --sites 1,1000.

Sites of a meter and a month of quarter hours, their marts made; then a reading of one of them changes, and a process of
its own makes what is stale: the median of several copies of the project. Wanted: at a thousand sites no more than 1.2
times that at one. Processor seconds; the world of a thousand sites costs some minutes to make.
"""

import argparse
import json
import logging
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from statistics import median
from typing import Any

from assets.readings.ingest.ingest_file import ingest_file
from data_quality.contracts.time import SystemClock
from orchestration.resources import ProjectResource
from orchestration.warehouse.fresh import freshen_marts
from tests.bench.scale_world import FIRST, month_files, site_text


def world(folder: Path, sites: int) -> None:
    """A project of so many sites with a month of readings, and marts as new as they are."""
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "sites").mkdir()
    text = re.sub(r"site_id: \S+", "site_id: SITE", site_text(1, 1), count=1)
    names = [f"s{number:05d}" for number in range(sites)]
    for name in names:
        (folder / "sites" / f"{name}.yaml").write_text(text.replace("SITE", name))
    project = ProjectResource(root=str(folder))
    given, known = list(month_files(folder, 1, FIRST, 1)), project.sites
    for place, name in enumerate(names, 1):
        for path in given:
            ingest_file(path, site=known[name], lake=project.lake, quarantine=project.quarantine, clock=SystemClock())
        if place % 100 == 0:
            sys.stderr.write(f"{place} of {sites} sites read\n")
    freshen_marts(project, clock=SystemClock(), doing=lambda text, *_, **__: sys.stderr.write(f"{text}\n") and None)
    project.close()


def late(folder: Path) -> None:
    """An hour of the first site, other than it was."""
    path = folder / "late.csv"
    path.write_text(
        "meter,timestamp,kwh\n" + "".join(f"m00000,2025-01-15T10:{m:02d}:00Z,7.5\n" for m in range(0, 60, 15))
    )
    project = ProjectResource(root=str(folder))
    site = project.site("s00000")
    ingest_file(path, site=site, lake=project.lake, quarantine=project.quarantine, clock=SystemClock())
    project.close()


def refresh(folder: Path) -> None:
    """Work of the measured process: it prints its own cost."""
    project = ProjectResource(root=str(folder))
    lines = list[str]()
    freshen_marts(project, clock=SystemClock(), doing=lambda text, *_, **__: lines.append(text))
    project.close()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cost = {"cpu_s": sum(each.ru_utime + each.ru_stime for each in used), "mib": max(u.ru_maxrss for u in used) // 1024}
    sys.stdout.write(json.dumps({**cost, "said": sorted(set(lines))}))


def measured(kept: Path) -> dict[str, Any]:
    """Cost of a copy of the project after a late reading, in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(kept, name, dirs_exist_ok=True)
        late(Path(name))
        command = [sys.executable, "-m", "tests.bench.late_month_bench", "--refresh", name]
        found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return found


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description="What the KPIs of one late month cost beside many sites.")
    options.add_argument("--sites", default="1,1000", help="counts, the first is what the others are held against")
    options.add_argument("--times", type=int, default=5)
    options.add_argument("--folder", type=Path, help="where the projects stay, so that they are made once")
    options.add_argument("--refresh", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if chosen.refresh:
        refresh(chosen.refresh)
        return
    first = 0.0
    with tempfile.TemporaryDirectory() as rest:
        for sites in map(int, chosen.sites.split(",")):
            kept = (chosen.folder or Path(rest)) / str(sites)
            if not kept.is_dir():
                kept.mkdir(parents=True)
                world(kept, sites)
            found = [measured(kept) for _ in range(chosen.times)]
            cpu_s = median(each["cpu_s"] for each in found)
            first = first or cpu_s
            sys.stdout.write(
                f"late month beside {sites:,} sites: {cpu_s:.2f} CPU s, {max(each['mib'] for each in found)} MiB, "
                f"{cpu_s / first:.2f} x the first, load {os.getloadavg()[0]:.1f}; {'; '.join(found[0]['said'])}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
