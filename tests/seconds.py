"""Seconds of the tests: they begin longest first, `--part` runs those that fit, `make house` names the slowest.

Which tests are of which part is said by `parts.py` from `seconds.json`, what a whole run took on two cores:
`make test test-long`, then `python -m tests.seconds keep`. Without a part, pytest runs what it is told.

`python -m tests.seconds` prints the slowest tests of the last runs in this checkout, `python -m tests.seconds parts`
what each part holds by the record.
"""

import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Generator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.parts import IMPORTED_S, PARTS, FileRecord, Record, chosen_for, cost, every_key, function_of, runs, unit_of

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_name("seconds.json")
CACHE = "meterloom/seconds"
# File or room -> fixture -> seconds of what was set up there once for many tests.
SHARED_CACHE = "meterloom/shared_seconds"
SHARED = "shared_seconds"
SLOWEST = 20
# A function that takes more, a case or together, has an entry of its own in the record.
DEAR_CASE_S, DEAR_S = 0.5, 2.0
# A first test that bears so much more than is usual beside it has made something for the others.
MADE_S, MADE_TIMES = 0.5, 5.0

Shared = dict[str, dict[str, float]]


def kept() -> Record:
    """The record as it is kept."""
    found = json.loads(KEPT.read_text())
    files = {}
    for name, (seconds, tests, *more) in found["files"].items():
        dear = {function: (float(each[0]), int(each[1])) for function, each in (more[0] if more else {}).items()}
        files[name] = FileRecord(float(seconds), int(tests), dear)
    return Record(files, found["fixed"], IMPORTED_S)


class LongestFirst:
    """The plugin: longest first, or cheapest first against a limit.

    Durations are kept beside pytest's own cache by the process that the workers report to.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.record = config, kept()
        self.part: str | None = config.getoption("--part")
        self.chosen = chosen_for(self.part, self.record) if self.part else every_key(self.record)
        self.within_s: float | None = config.getoption("--within-s")
        self.begun = time.monotonic()
        self.seconds: dict[str, float] = defaultdict(float)
        self.set_up: dict[str, float] = {}
        self.shared: Shared = defaultdict(lambda: defaultdict(float))
        self._made: dict[str, float] = {}
        self._is_making = False

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """A file of which nothing is of the part is not even imported; a new one is being written, and is not long."""
        if not self.part or not collection_path.name.startswith("test_") or not collection_path.is_relative_to(ROOT):
            return None
        name = collection_path.relative_to(ROOT).as_posix()
        file = self.record.files.get(name)
        if file is None:
            return True if self.part == "long" else None
        return None if self.chosen.intersection((name, *(f"{name}::{each}" for each in file.dear))) else True

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Only the functions of the part; longest unit first, so that no worker is left alone with one at the end."""
        of_part: list[pytest.Item] = []
        left: list[pytest.Item] = []
        for item in items:
            (of_part if runs(self.part, self.record, self.chosen, item.nodeid) else left).append(item)
        if left:
            config.hook.pytest_deselected(items=left)
        total = {unit: cost(self.record, keys)[0] for unit, keys in self._keys_of(of_part).items()}
        cheapest_first = self.within_s is not None
        items[:] = sorted(of_part, key=lambda item: total[unit_of(item.nodeid)], reverse=not cheapest_first)

    def pytest_runtest_setup(self) -> None:
        """A test that comes too late says so: better than a run that is broken off and says nothing."""
        if self.within_s is not None and time.monotonic() - self.begun > self.within_s:
            pytest.skip(f"not reached within {self.within_s:.0f} s: `make test-long` without WITHIN_S runs it")

    def _keys_of(self, items: list[pytest.Item]) -> dict[str, set[str]]:
        """Unit -> what of it is run, by the record."""
        found: dict[str, set[str]] = defaultdict(set)
        for item in items:
            key = self.record.key(item.nodeid)
            found[unit_of(item.nodeid)] |= set() if key is None else {key}
        return found

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Files, and rooms that stay together."""
        from xdist.scheduler import LoadFileScheduling

        scheduler = LoadFileScheduling(config, log)
        scheduler._split_scope = unit_of
        return scheduler

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Time a shared set-up by itself: any of its tests may be the first."""
        if fixturedef.scope == "function" or self._is_making:
            return (yield)
        self._is_making, begun = True, time.perf_counter()
        try:
            return (yield)
        finally:
            self._is_making = False
            name = f"{fixturedef.scope} {fixturedef.argname}"
            self._made[name] = self._made.get(name, 0.0) + time.perf_counter() - begun

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """The workers send it with the report."""
        report = yield
        report.user_properties.append((SHARED, {name: each for name, each in self._made.items() if each >= 0.01}))
        self._made = {}
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set-up, call and tear-down of a test, less what it made for others too."""
        own = report.duration
        for name, each in _shared_of(report).items():
            file, _ = function_of(report.nodeid)
            self.shared[unit_of(file) if name.startswith("session ") else file][name] += each
            own -= each
        self.seconds[report.nodeid] += own
        if report.when == "setup":
            self.set_up[report.nodeid] = own

    def pytest_sessionfinish(self) -> None:
        """Beside what earlier runs recorded; a function that ran again counts as it ran now. Not against a limit."""
        cache = getattr(self.config, "cache", None)
        if hasattr(self.config, "workerinput") or cache is None or self.within_s is not None:
            return
        for file, (name, made) in made_by_first(self.set_up).items():
            self.shared[file]["by the first test"] = made
            self.seconds[name] -= made
        functions = {function_of(name) for name in self.seconds}
        old = {name: each for name, each in cache.get(CACHE, {}).items() if function_of(name) not in functions}
        cache.set(CACHE, old | {name: round(each, 3) for name, each in self.seconds.items()})
        shared: Shared = cache.get(SHARED_CACHE, {})
        for place in {place for file, _ in functions for place in (file, unit_of(file))}:
            now = {name: round(each, 3) for name, each in self.shared.get(place, {}).items()}
            shared[place] = shared.get(place, {}) | now
        cache.set(SHARED_CACHE, shared)


def _shared_of(report: pytest.TestReport) -> dict[str, float]:
    found: Any = dict(report.user_properties).get(SHARED, {})
    return dict(found)


def made_by_first(seconds: Mapping[str, float]) -> dict[str, tuple[str, float]]:
    """File -> its first test and what this bore beyond what is usual beside it, where that is far more."""
    files: dict[str, dict[str, float]] = defaultdict(dict)
    for name, each in seconds.items():
        files[function_of(name)[0]][name] = each
    found = {}
    for file, took in files.items():
        first, *others = took
        alike = [name for name in others if function_of(name) == function_of(first)] or others
        usual = median(took[name] for name in alike) if alike else took[first]
        if took[first] > max(MADE_TIMES * usual, usual + MADE_S):
            found[file] = first, took[first] - usual
    return found


def record_of(seconds: Mapping[str, float], shared: Mapping[str, Mapping[str, float]]) -> Record:
    """The record of what was run. What tests share is taken from what their first one bore, where it was not timed."""
    fixed = {unit: sum(each.values()) for unit, each in shared.items()}
    own = dict(seconds)
    for file, (name, made) in made_by_first({k: v for k, v in own.items() if function_of(k)[0] not in shared}).items():
        fixed[file] = made
        own[name] -= made
    functions: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, each in own.items():
        file, function = function_of(name)
        functions[file][function].append(each)
    files = {}
    for file, found in functions.items():
        took = {function: (round(sum(each), 3), len(each)) for function, each in found.items()}
        dear = {name: each for name, each in took.items() if each[0] > min(DEAR_S, DEAR_CASE_S * each[1])}
        total = round(sum(each for each, _ in took.values()), 3), sum(count for _, count in took.values())
        files[file] = FileRecord(*total, dear if len(took) > 1 else {})
    places = {place for file in files for place in (file, unit_of(file))}
    return Record(files, {name: round(each, 3) for name, each in fixed.items() if name in places and each >= MADE_S})


def written(record: Record) -> str:
    """The record as `seconds.json` holds it: a line a file and a line a fixed cost."""
    files = []
    for name, file in sorted(record.files.items()):
        dear = [{each: list(file.dear[each]) for each in sorted(file.dear)}] if file.dear else []
        files.append(f"{json.dumps(name)}: {json.dumps([file.seconds, file.tests, *dear])}")
    fixed = [f"{json.dumps(unit)}: {each}" for unit, each in sorted(record.fixed.items())]
    parts = [f'"fixed": {{\n{_lines(fixed)}}}', f'"files": {{\n{_lines(files)}}}']
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _lines(lines: list[str]) -> str:
    return ",\n".join(lines) + "\n" if lines else ""


def _cached(name: str) -> dict[str, Any]:
    path = ROOT / ".pytest_cache" / "v" / name
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def recorded_here() -> dict[str, float]:
    """Seconds of each test of the last runs in this checkout that there still is; nothing where none was run."""
    named = {path: set(re.findall(r"\btest_\w+", path.read_text())) for path in (ROOT / "tests").rglob("test_*.py")}
    found: dict[str, float] = _cached(CACHE)
    return {name: each for name, each in found.items() if _is_there(name, named)}


def _is_there(nodeid: str, named: Mapping[Path, set[str]]) -> bool:
    file, function = function_of(nodeid)
    return function.rsplit("::", 1)[-1] in named.get(ROOT / file, set())


def slowest() -> list[tuple[str, float]]:
    """The slowest tests of the last runs, with their seconds."""
    return sorted(recorded_here().items(), key=lambda item: -item[1])[:SLOWEST]


def part_lines() -> list[str]:
    """Content of each part by the record: tests, their share, and seconds of one worker."""
    record = kept()
    whole = cost(record, every_key(record))
    lines = []
    for part in PARTS:
        seconds, tests = cost(record, chosen_for(part, record))
        lines.append(f"{part:5} {tests:6} tests {tests / whole[1]:6.1%} {seconds:7.0f} s of one worker\n")
    return [*lines, f"all   {whole[1]:6} tests        {whole[0]:7.0f} s of one worker\n"]


def main(arguments: list[str]) -> None:
    """Print the slowest tests of the last runs or what the parts hold, or keep what the tests took."""
    if arguments == ["keep"]:
        KEPT.write_text(written(record_of(recorded_here(), _cached(SHARED_CACHE))))
    elif arguments == ["parts"]:
        sys.stdout.writelines(part_lines())
    else:
        sys.stdout.writelines(f"{seconds:8.2f} s  {name}\n" for name, seconds in slowest())


if __name__ == "__main__":
    main(sys.argv[1:])
