"""How long the test files take: they begin longest first, `--part` runs those that fit, `make house` names the slowest.

Three parts, by what each file gives for its seconds: `fast` while writing, `core` for `make test`, and `long`, which is
all that `core` is not: `make test-long`. CI runs both. Without a part, pytest runs what it is told.

`seconds.json` is what a whole run took on two cores: `make test test-long`, then `python -m tests.seconds keep`.
`python -m tests.seconds` prints the slowest tests of the last runs in this checkout.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_name("seconds.json")
CACHE = "meterloom/seconds"
# Two workers for two minutes, less what they take to start, to collect, and what child processes take beside them.
FAST_S = 150.0
# Two workers for eleven of twelve minutes, with room for files that the record does not know yet.
CORE_S = 1200.0
# Wanted in `make test` whatever they take: the main job, what dispatch promises under faults, what old versions made.
ALWAYS = (
    "tests/e2e/test_demo.py",
    "tests/control_faults/test_storm.py",
    "tests/control_faults/test_crash_points.py",
    "tests/stores/test_migrations.py",
    "tests/stores/test_old_projects.py",
)
PARTS = ("fast", "core", "long")
SLOWEST = 20
# Tests that share one long set-up (a warehouse on two engines, the demo): two workers would both make it.
TOGETHER = ("tests/dbt/", "tests/e2e/test_demo")


def kept() -> dict[str, tuple[float, int]]:
    """File -> seconds and number of its tests, as recorded."""
    return {name: (found[0], int(found[1])) for name, found in json.loads(KEPT.read_text()).items()}


def fast_files(known: Mapping[str, tuple[float, int]], within_s: float = FAST_S) -> set[str]:
    """The files that give most tests for their seconds, as many as fit."""
    chosen, total = set(), 0.0
    for name, (seconds, _) in sorted(known.items(), key=lambda item: (item[1][0] / item[1][1], item[0])):
        total += seconds
        if total > within_s:
            break
        chosen.add(name)
    return chosen


def core_files(known: Mapping[str, tuple[float, int]]) -> set[str]:
    """What `make test` runs of the files that are known; one that is new is run too."""
    always = {name for name in ALWAYS if name in known}
    rest = {name: each for name, each in known.items() if name not in always}
    return always | fast_files(rest, CORE_S - sum(known[name][0] for name in always))


def left_out(part: str | None, known: Mapping[str, tuple[float, int]]) -> set[str]:
    """The known files that a part does not run; none without a part."""
    if part is None:
        return set()
    chosen = fast_files(known) if part == "fast" else core_files(known)
    return chosen if part == "long" else known.keys() - chosen


def unit_of(nodeid: str) -> str:
    """What one worker takes as a whole: a file, or a room that shares its set-up."""
    return next((room for room in TOGETHER if nodeid.startswith(room)), nodeid.split("::", 1)[0])


class LongestFirst:
    """The plugin. Durations are kept beside pytest's own cache by the process that the workers report to."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.known = config, kept()
        self.seconds: dict[str, float] = defaultdict(float)
        part = config.getoption("--part")
        self.left_out = left_out(part, self.known)
        self.is_long = part == "long"

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """What is not of the part is not even imported; a new file is what is being written, and is not long."""
        name = collection_path.relative_to(ROOT).as_posix() if collection_path.is_relative_to(ROOT) else ""
        is_new = self.is_long and collection_path.name.startswith("test_") and name not in self.known
        return True if name in self.left_out or is_new else None

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Longest unit first, so that no worker is left alone with one at the end; inside a unit as found."""
        total: dict[str, float] = defaultdict(float)
        for name, (seconds, _) in self.known.items():
            total[unit_of(name)] += seconds
        items.sort(key=lambda item: -total[unit_of(item.nodeid)])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Files, and rooms that stay together."""
        from xdist.scheduler import LoadFileScheduling

        scheduler = LoadFileScheduling(config, log)
        scheduler._split_scope = unit_of
        return scheduler

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set-up, call and tear-down of a test."""
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Beside what earlier runs recorded; a file that ran again counts as it ran now."""
        cache = getattr(self.config, "cache", None)
        if hasattr(self.config, "workerinput") or cache is None:
            return
        files = {name.split("::", 1)[0] for name in self.seconds}
        before = cache.get(CACHE, {})
        old = {name: each for name, each in before.items() if name.split("::", 1)[0] not in files}
        cache.set(CACHE, old | {name: round(each, 3) for name, each in self.seconds.items()})


def recorded_here() -> dict[str, float]:
    """Seconds of each test of the last runs in this checkout; nothing where none was run."""
    path = ROOT / ".pytest_cache" / "v" / CACHE
    found: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    return found


def slowest() -> list[tuple[str, float]]:
    """The slowest tests of the last runs, with their seconds."""
    return sorted(recorded_here().items(), key=lambda item: -item[1])[:SLOWEST]


def main(arguments: list[str]) -> None:
    """Print the slowest tests of the last runs, or keep what the files took."""
    if arguments != ["keep"]:
        sys.stdout.writelines(f"{seconds:8.2f} s  {name}\n" for name, seconds in slowest())
        return
    recorded = recorded_here()
    found: dict[str, list[float]] = {}
    for name, seconds in sorted(recorded.items()):
        file = found.setdefault(name.split("::", 1)[0], [0.0, 0])
        file[0], file[1] = round(file[0] + seconds, 3), file[1] + 1
    lines = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in found.items() if (ROOT / name).is_file()]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
