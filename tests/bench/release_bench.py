"""From a stored plan to released commands, quiet and under ten reports: python -m tests.bench.release_bench.

Everything is real: `meterloom up` on a copy of a demo project, its daemon, its agent, its simulated home. Each try
stores a new plan of the home, whose commands of this quarter hour the sensor finds; with --by-hand it also launches the
job dispatch, as a person does in Dagster. Meanwhile the agent's lease is read four times a second. Wanted: quiet at
most 10 s, under ten reports at most 30 s, and no lease missed. Takes ten minutes, on a machine that does nothing else.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from assets.stores.schema.tables_control import command_events, device_leases
from assets.stores.transactions import Store
from controls.ledger.device_lease import LEASE_S, STOP_S
from controls.optimiser.case import case_of
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, make_plan
from data_quality.contracts.time import SystemClock
from orchestration.open_project import OpenProject
from tests.e2e.dagster_ui import Dagster, everything_up

SITE = "home"
REPORTS = 10
QUIET_S, LOADED_S = 10.0, 30.0
LONGEST_S = 300.0
SETTLED_S = 90.0
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
QUARTERS = [("enpi_report", f"2025-10-01|{site}") for site in ("factory", "tower")]
MONTHS = [("month_reports", f"2025-{month:02d}-01|{site}") for month in (12, 11, 10) for site in ("factory", "tower")]


@dataclass
class Leases:
    """Record of the agent's lease: its least remaining time [s], and how often it was lost."""

    least_s: float = LEASE_S
    looks: int = 0
    epochs: set[int] = field(default_factory=set)

    @property
    def missed(self) -> int:
        """Number of leases that the agent gave up or lost. An agent stops STOP_S after a renewal."""
        return max(len(self.epochs) - 1, 0) + (self.least_s <= LEASE_S - STOP_S)


@contextmanager
def watched(store: Store) -> Iterator[Leases]:
    """The lease of the site's agent, looked at four times a second until the block ends."""
    seen, ended = Leases(), threading.Event()

    def look() -> None:
        while not ended.wait(0.25):
            for row in store.rows(device_leases.select().where(device_leases.c.site_id == SITE)):
                seen.least_s = min(seen.least_s, (row["expires_utc"] - datetime.now(UTC)).total_seconds())
                seen.epochs.add(row["epoch"])
                seen.looks += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def store_plan(project: OpenProject, label: str) -> str:
    """The newest plan once more, as another one: what a planner would store at this moment. Its id."""
    last = project.plans.latest(SITE)
    assert last is not None
    clock = SystemClock()
    request = last.request.model_copy(update={"inputs": last.request.inputs | {"bench": label}})
    solution = solve(case_of(request), time_zone=project.site(SITE).time_zone)
    assert isinstance(solution, Solution)
    version = project.plans.next_version(SITE)
    plan = make_plan(request, solution, created_at_utc=clock.now_utc(), version=version, asked_because="bench")
    return project.plans.add_with_commands(plan, commands_of(plan, project.site(SITE), epoch=0), clock).plan.plan_id


def released_at(store: Store, since_utc: datetime) -> datetime | None:
    """Release time of the first command after that time."""
    query = sa.select(command_events.c.at_utc).where(
        command_events.c.site_id == SITE,
        command_events.c.to_state == "RELEASED",
        command_events.c.at_utc >= since_utc,
    )
    return min((row["at_utc"] for row in store.rows(query)), default=None)


def unfinished(dagster: Dagster) -> list[str]:
    """Statuses of the report runs that have not ended."""
    names = {"enpi_report", "month_reports"}
    return [run["status"] for run in dagster.runs() if run["jobName"] in names and run["status"] not in ENDED]


def keep_busy(dagster: Dagster) -> str:
    """Ten reports queued or running, others in the place of those that ended. Says how many are which."""
    missing = REPORTS - len(unfinished(dagster))
    for job, key in ((QUARTERS + MONTHS) * 2)[: max(missing, 0)]:
        dagster.launch(job, {"dagster/partition": key})
    found = unfinished(dagster)
    return ", ".join(f"{found.count(status)} {status.lower()}" for status in dict.fromkeys(sorted(found)))


def one_try(project: OpenProject, dagster: Dagster, label: str, *, by_hand: bool) -> float:
    """Seconds from the request to the first released command."""
    store_plan(project, label)
    began = datetime.now(UTC)
    if by_hand:
        dagster.launch("dispatch", {"dagster/partition": SITE})
    while (datetime.now(UTC) - began).total_seconds() < LONGEST_S:
        time.sleep(0.1)
        if (at := released_at(project.store, began)) is not None:
            return (at - began).total_seconds()
    return float("inf")


def line(name: str, seconds: list[float], wanted_s: float, leases: Leases) -> str:
    """One line of the answer."""
    every = ", ".join(f"{each:.1f}" for each in seconds)
    is_met = max(seconds) <= wanted_s and not leases.missed
    return (
        f"{name}: {every} s; median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s "
        f"(wanted {wanted_s:g}); lease never below {leases.least_s:.1f} s of {LEASE_S:g} in {leases.looks} looks, "
        f"missed {leases.missed}; load {os.getloadavg()[0]:.1f}: {'met' if is_met else 'NOT MET'}\n"
    )


def tries_of(project: OpenProject, dagster: Dagster, count: int, *, is_busy: bool, by_hand: bool) -> None:
    """Print a line each try, and one of them all."""
    name, wanted_s = (f"under {REPORTS} reports", LOADED_S) if is_busy else ("quiet", QUIET_S)
    name += ", by hand" if by_hand else ", by the sensor"
    seconds = []
    with watched(project.store) as leases:
        for number in range(count):
            busy = keep_busy(dagster) if is_busy else "quiet"
            # So that a try falls on another moment of every interval.
            time.sleep(10 + 1.7 * number)
            busy = keep_busy(dagster) if is_busy else busy
            seconds.append(one_try(project, dagster, f"{name} {number}", by_hand=by_hand))
            sys.stdout.write(f"  {busy}: {seconds[-1]:.1f} s\n")
            sys.stdout.flush()
    sys.stdout.write(line(f"release, {name}", seconds, wanted_s, leases))


def bench(demo: Path | None, tries: int, *, by_hand: bool = False) -> None:
    """Print both lines."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "project"
        if demo is None:
            program = Path(sys.executable).with_name("meterloom")
            subprocess.run(
                [program, "demo", "--quick", "--until", "2026-01-01", "--out", root], check=True, capture_output=True
            )
        else:
            shutil.copytree(demo, root, symlinks=True)
        with everything_up(root) as dagster:
            project = OpenProject(str(root))
            # What a start has to catch up with: files that were delivered, forecasts, the first plan.
            time.sleep(SETTLED_S)
            for is_busy in (False, True):
                tries_of(project, dagster, tries, is_busy=is_busy, by_hand=by_hand)
            project.close()


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description="From a stored plan to released commands.")
    options.add_argument("--demo", type=Path, help="a project made by 'meterloom demo --quick'; none: it is made first")
    options.add_argument("--tries", type=int, default=5)
    options.add_argument("--by-hand", action="store_true", help="launched in Dagster instead of by the sensor")
    chosen = options.parse_args()
    bench(chosen.demo, chosen.tries, by_hand=chosen.by_hand)


if __name__ == "__main__":
    main()
