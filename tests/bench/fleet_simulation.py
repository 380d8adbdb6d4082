"""Cost of a fleet of small sites: python -m tests.bench.fleet_simulation --sites 10000 --meters 10 --docs.

The planner of work is the real one: which months share a build, which uses share a task, how many runs a look of a
sensor asks for. What a piece of it costs is a straight line through the sizes that the bench of scale measured, beyond
them at least in proportion; nothing is computed. Steps that were not measured are named and left out of the sums.
"""

import argparse
import heapq
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from assets.sites.load_sites import load_site
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_files import LakeFile
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, months_after
from ml.baselines.lifecycle.uses_task import tasks_of
from orchestration.instance.by_bucket import MOST_SITES
from orchestration.month_keys import BUCKETS, bucket_of
from orchestration.partitions import MONTHS
from orchestration.warehouse.fresh import builds_of
from tests.bench.scale_bench import FLEET, PAGE, RECORD, STEPS
from tests.bench.scale_world import FIRST, site_text

CORES, MACHINES, WITHIN_H = 16, (1, 2, 4, 8), 3.0
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
# One process writes a DuckDB file at a time.
SERIAL, AGAIN = "kpis", "enpis"
# By bucket a run takes the sites that share one: one start of a process, and of dbt, for all of them. Reports too, but
# what was measured of one report is mostly its own.
BY_BUCKET = ("quality", SERIAL, "expected")
# As many keys as Dagster was seen to list in some seconds and less than a gigabyte.
MOST_KEYS = 700_000


@dataclass(frozen=True)
class Cost:
    """CPU seconds of a process whatever it does, and of each meter; most: meters of the largest size measured."""

    start_s: float
    meter_s: float
    most: int

    def of(self, meters: int) -> float:
        """Beyond what was measured no less than in proportion."""
        return (self.start_s + self.meter_s * min(meters, self.most)) * max(1.0, meters / self.most)


class _NoFiles:
    """A lake as far as the planner asks it."""

    def parts(self, *_: object, **__: object) -> tuple[LakeFile, ...]:
        return ()

    def digest(self, *_: object, **__: object) -> str:
        return ""


def costs_of(record: dict[str, Any]) -> dict[str, Cost]:
    """Step -> the line through its sizes, least squares; no part of it below zero."""
    found: dict[str, Cost] = {}
    for step in STEPS:
        # After the first night there are baselines: what KPIs cost then is what `enpis` was measured at.
        measured = AGAIN if step == SERIAL and all(AGAIN in one for one in record["sizes"].values()) else step
        known = {int(size): one[measured] for size, one in record["sizes"].items() if step in one and step != AGAIN}
        points = [(size, one["cpu_s"]) for size, one in sorted(known.items()) if one["exit"] in (0, 1)]
        if len(points) < 2:
            continue
        mean, mean_s = (sum(values) / len(points) for values in zip(*points, strict=True))
        spread = sum((size - mean) ** 2 for size, _ in points)
        slope = max(sum((size - mean) * (cost - mean_s) for size, cost in points) / spread, 0.0)
        found[step] = Cost(max(mean_s - slope * mean, 0.0), slope, points[-1][0])
    return found


def fleet(sites: int, meters: int) -> dict[str, Site]:
    """So many sites of so many meters, from the text of the bench's own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(site_text(meters, 1))
        one = load_site(path)
    return {name: one.model_copy(update={"site_id": name}) for name in (f"s{number:05d}" for number in range(sites))}


def shared(sites: Mapping[str, Site]) -> dict[str, list[Site]]:
    """The sites of each bucket."""
    found: dict[str, list[Site]] = {}
    for site_id, site in sites.items():
        found.setdefault(bucket_of(site_id), []).append(site)
    return found


def pieces_of(sites: dict[str, Site], costs: dict[str, Cost]) -> dict[str, list[float]]:
    """Step -> CPU seconds of each piece of its work, one month of readings of every site."""
    found: dict[str, list[float]] = {}
    period = (FIRST, months_after(FIRST, 1))
    for step, cost in costs.items():
        pieces = []
        if step in BY_BUCKET and len(sites) > MOST_SITES:
            pieces = [cost.of(sum(len(site.meters) for site in own)) for own in shared(sites).values()]
        elif step == SERIAL:
            for build in builds_of((f"{name}|{FIRST:%Y-%m}" for name in sites), sites):
                counts = (len(sites[first.partition("|")[2]].meters) for first, _ in build)
                pieces.append(cost.of(sum(counts)))
        elif step in ("fit", "monitor"):
            for site in sites.values():
                tasks = tasks_of(site, {period: site.seus}, lake=cast(Lake, _NoFiles()), clock=FixedClock(NOW))
                # The run that hands out starts once; the first task stands for it.
                own = [cost.meter_s * len(task.seu_ids) for task in tasks]
                pieces += [own[0] + cost.start_s, *own[1:]]
        else:
            pieces = [cost.of(len(site.meters)) for site in sites.values()]
        found[step] = pieces
    return found


def hours(pieces: Sequence[float], cores: int) -> float:
    """Hours for which so many cores are busy with pieces in seconds, the longest piece first."""
    ends = [0.0] * min(cores, max(len(pieces), 1))
    for piece in sorted(pieces, reverse=True):
        heapq.heapreplace(ends, ends[0] + piece)
    return max(ends) / 3600


def limits(sites: int, meters: int, costs: dict[str, Cost], pieces: dict[str, list[float]]) -> list[tuple[int, str]]:
    """Limits that would break, each with the number of meters from which on it does, the lowest first."""
    months = len(MONTHS.get_partition_keys())
    places = min(sites, len(BUCKETS)) if sites > MOST_SITES else sites
    reported = (
        f"partition keys: {places * months:,} of month and {'bucket' if places < sites else 'site'}, {sites:,} of sites"
    )
    found = [(MOST_KEYS * meters, reported)]
    cores = CORES * MACHINES[-2]
    start_s = sum(cost.start_s for step, cost in costs.items() if places == sites or step not in BY_BUCKET)
    needed_h = start_s * sites / cores / 3600
    most = int(WITHIN_H * 3600 * cores / start_s) * meters if start_s else sys.maxsize
    reported = ", ".join(step for step in costs if places == sites or step not in BY_BUCKET)
    found.append((most, f"a process a site for {reported}: {needed_h:.1f} h on {cores} cores before any is done"))
    if SERIAL in pieces:
        serial_h = hours(pieces[SERIAL], 1)
        reported = f"builds, one behind the other in one DuckDB file: {len(pieces[SERIAL]):,}, {serial_h:.1f} h"
        found.append((int(sites * meters * WITHIN_H / serial_h) if serial_h else sys.maxsize, reported))
    return sorted(found)


def section(sites: int, meters: int, record: dict[str, Any]) -> str:
    """The part of the page, from a record of the bench."""
    costs, every_site = costs_of(record), fleet(sites, meters)
    pieces = pieces_of(every_site, costs)
    builds = builds_of((f"{name}|{FIRST:%Y-%m}" for name in every_site), every_site)
    by_bucket = shared(every_site)
    largest = max(map(len, by_bucket.values()))
    months = record["months"]
    head = " | ".join(f"{count} × {CORES} cores" for count in MACHINES)
    lines = [
        f"{FLEET}\n## {sites * meters:,} meters: {sites:,} sites of {meters}",
        f"Planned by the planner that runs, not run: {months} month{'s' if months > 1 else ''} of readings of every "
        f"site, each step once, costs from the table above ({record['machine']}). Not measured and not in the sums: "
        f"{', '.join(step for step in STEPS if step not in (*costs, AGAIN)) or 'nothing'}. The KPIs of all are "
        f"{len(by_bucket):,} runs of at most {largest} sites, one a bucket, where sensors ask for them, and "
        f"{len(builds):,} builds of at most {max(map(len, builds))} by `meterloom kpis`.",
        "",
        f"| Step | Pieces | CPU | {head} |",
        f"|---|---|---|{'---|' * len(MACHINES)}",
    ]
    total = [0.0] * len(MACHINES)
    for step, own in pieces.items():
        spans = [hours(own, 1 if step == SERIAL else CORES * count) for count in MACHINES]
        total = [sum(pair) for pair in zip(total, spans, strict=True)]
        lines.append(f"| {step} | {len(own):,} | {sum(own) / 3600:.1f} h | {' | '.join(f'{h:.2f} h' for h in spans)} |")
    every = sum(sum(own) for own in pieces.values()) / 3600
    lines.append(f"| together | | {every:.1f} h | {' | '.join(f'{each:.2f} h' for each in total)} |")
    # Of a small site most of a file is its frame: the smallest measured one says most of it.
    size, least = min((int(size), one["ingest"]) for size, one in record["sizes"].items() if "ingest" in one)
    lake = least["bytes"] * sites * meters / size
    lines += [
        "",
        f"Lake: {least['files'] * sites:,} files, {lake / 1e9:.1f} GB. What would break, and from how many meters on "
        f"(sites of {meters}, {WITHIN_H:.0f} h a night, {MACHINES[-2]} machines):",
        "",
        *(
            f"{place}. {reported} – from {most:,}"
            for place, (most, reported) in enumerate(limits(sites, meters, costs, pieces), 1)
        ),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Print the table; put it into the page where asked."""
    options = argparse.ArgumentParser(description="What a fleet of small sites would cost.")
    options.add_argument("--sites", type=int, default=10_000)
    options.add_argument("--meters", type=int, default=10)
    options.add_argument("--record", type=Path, default=RECORD)
    options.add_argument("--docs", action="store_true", help="into docs/ems/capacity.md")
    chosen = options.parse_args()
    text = section(chosen.sites, chosen.meters, json.loads(chosen.record.read_text()))
    sys.stdout.write(text)
    if chosen.docs:
        PAGE.write_text(f"{PAGE.read_text('utf-8').partition(FLEET)[0].rstrip()}\n\n{text}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
