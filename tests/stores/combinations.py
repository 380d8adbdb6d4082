"""Store, lake, anchors and settings taken from different times and projects: no file is lost in any combination, and
each is refused by name, adopted by name, or one that belongs together.

`python -m tests.stores.combinations --count 50 --seed 1` prints what became of them. What ought to be is decided here
by project and time alone, without a look at what the program reads.
"""

import argparse
import hashlib
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from controls.ledger.modes import current_mode, set_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import SystemClock
from orchestration.open_project import OpenProject, cache_of
from tests.controls.ledger.rows_of import CARLA
from tests.e2e.conftest import call_here

SITE = "site_id: home\nname: Home\ntime_zone: {zone}\ncurrency: EUR\ncountry: DE\nmeters: [{{meter_id: {meter}}}]\n"
SITES = {"a": SITE.format(zone="UTC", meter="m1"), "b": SITE.format(zone="Europe/Berlin", meter="m2")}
PEOPLE = "people:\n  - {person_id: carla, name: Carla, roles: [engineer, operator]}\n"
ADOPT = "'meterloom lake adopt'"


class Taken(NamedTuple):
    """A part of a project as it was then; time 0: there was none. is_old: a lake as an earlier version left it."""

    project: str
    time: int
    is_old: bool = False

    def holds(self, other: "Taken") -> bool:
        """This is a store that has come as far as the other part."""
        return not other.time or (self.project == other.project and self.time >= other.time)

    def __str__(self) -> str:
        return f"{self.project}{self.time}{' without its ledger' if self.is_old else ''}" if self.time else "none"


class Combination(NamedTuple):
    """Parts put together. also: the second place of anchors; is_left: a stopped writer left a file; settings: whose
    site file and folders, which say nothing of whose the readings are.
    """

    store: Taken
    lake: Taken
    anchors: Taken
    also: Taken
    is_left: bool
    settings: str

    @property
    def is_known(self) -> bool:
        """No anchor knows more than the store."""
        return self.store.holds(self.anchors) and self.store.holds(self.also)

    @property
    def fits(self) -> bool:
        """They belong together: whoever writes may."""
        lake, store = self.lake, self.store
        if lake.time and not lake.is_old:
            return self.is_known and store.holds(lake)
        # Without its ledger: every file that the store names is there, and it names any where there are some.
        if not store.time:
            return self.is_known and not lake.time and not self.is_left
        return self.is_known and lake.project == store.project and lake.time >= store.time

    def __str__(self) -> str:
        rest = f"settings of {self.settings}{', a leftover' if self.is_left else ''}"
        return f"store {self.store}, lake {self.lake}, anchors {self.anchors} and {self.also}, {rest}"

    @property
    def data(self) -> str:
        """The folder of its data, by its settings."""
        return "var" if self.settings == "a" else "data/of b"


@dataclass
class Found:
    """Outcomes of combinations. wrong: a sentence for each that was not as it ought to be."""

    outcomes: Counter[str] = field(default_factory=Counter)
    files: int = 0
    wrong: list[str] = field(default_factory=list)


def make_parts(folder: Path) -> dict[str, int]:
    """Two projects, kept as they were at several times: FOLDER/kept/PROJECT/TIME. Returns the last time of each."""
    times = {"a": 5, "b": 3}
    for name, last in times.items():
        project = folder / name
        (site := folder / "home.yaml").write_text(SITES[name])
        _do("init", str(project), "--site", str(site))
        for number in range(1, last + 1):
            if number == 4:
                _do("lake", "compact", "--project", str(project))
            for part in range(2):
                _ingest(project, f"{name}{number}{part}")
            if number in (2, 5):
                _set_mode(project, Mode.PARTIAL if number == 2 else Mode.SIMULATION)
            kept = folder / "kept" / name / str(number)
            shutil.copytree(project / "var", kept, ignore=shutil.ignore_patterns("store.db*"))
            copied(project / "var" / "store.db", kept / "store.db")
    return times


def copied(store: Path, to: Path) -> Path:
    """A SQLite store as it is now."""
    with closing(sqlite3.connect(store)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
    return to


def _set_mode(project: Path, mode: Mode) -> None:
    opened = OpenProject(str(project))
    set_mode(opened.store, "home", mode=mode, person=CARLA, reason="test", clock=SystemClock())
    opened.close()


def _mode(project: Path) -> Mode:
    opened = OpenProject(str(project))
    found = current_mode(opened.store, "home")
    opened.close()
    return found


def _ingest(project: Path, name: str) -> tuple[int, Any, str]:
    day = 1 + int(hashlib.sha256(name.encode()).hexdigest(), 16) % 28
    file = project / f"{name}.csv"
    value = int(hashlib.sha256(name.encode()).hexdigest()[:4], 16) / 10000
    file.write_text(f"timestamp,kwh\n2025-01-{day:02}T00:00:00Z,{value}\n2025-01-{day:02}T00:15:00Z,{value}\n")
    return _do("ingest", str(file), "--site", "home", "--project", str(project), is_any=True)


def _do(*words: str, is_any: bool = False) -> tuple[int, Any, str]:
    # As a process does that starts.
    cache_of.cache_clear()
    code, answer, error = call_here(*words)
    assert is_any or code == 0, f"{words}: {error}"
    return code, answer, error


def draw(dice: random.Random, times: dict[str, int]) -> Combination:
    """One at random; half of them of one project, where one is only older than another."""
    names = list(times) if dice.random() < 0.5 else [dice.choice(list(times))]

    def part(none: float, *, old: float = 0.0) -> Taken:
        name = dice.choice(names)
        number = 0 if dice.random() < none else dice.randint(1, times[name])
        return Taken(name, number, is_old=bool(number) and dice.random() < old)

    parts = part(0.15), part(0.1, old=0.3), part(0.4), part(0.7)
    return Combination(*parts, dice.random() < 0.3, dice.choice(names))


def put_together(folder: Path, kept: Path, given: Combination) -> Path:
    """The project folder of a combination."""
    var = folder / given.data
    var.mkdir(parents=True)
    (folder / "sites").mkdir()
    (folder / "sites" / "home.yaml").write_text(SITES[given.settings])
    (folder / "people.yaml").write_text(PEOPLE)
    (folder / "meterloom.yaml").write_text(f"paths: {{data: {given.data}, anchors_also: elsewhere}}\n")

    def taken(each: Taken, name: str, to: Path) -> None:
        source = kept / each.project / str(each.time) / name
        if source.is_dir():
            shutil.copytree(source, to)
        elif source.exists():
            shutil.copy(source, to)

    taken(given.store, "store.db", var / "store.db")
    taken(given.lake, "lake", var / "lake")
    taken(given.anchors, "anchors", var / "anchors")
    taken(given.also, "anchors", folder / "elsewhere")
    if given.lake.is_old:
        (var / "lake" / "ledger.json").unlink()
    if given.is_left:
        left = var / "lake" / "readings" / "site=home" / "m=2025-01" / "part-left.parquet"
        left.parent.mkdir(parents=True, exist_ok=True)
        left.write_bytes(b"left")
        os.utime(left, (0, 0))
    return folder


def contents(folder: Path) -> Counter[str]:
    """Every file of readings by its content, wherever it is kept."""
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.parquet"))


def look(folder: Path, kept: Path, given: Combination, found: Found) -> None:
    """Try the program on one combination."""
    project = put_together(folder, kept, given)
    before, words = contents(project), ("--project", str(project))
    found.files += before.total()

    def expect(is_right: bool, what: str) -> None:
        if not is_right:
            found.wrong.append(f"{given}: {what}")
        if lost := before - contents(project):
            found.wrong.append(f"{given}: {lost.total()} of {before.total()} files lost, then: {what}")

    if not given.is_known:
        expect(_mode(project) is Mode.SIMULATION, "a mode is valid that a later anchor knows nothing of")
    checks = {each["name"]: each for each in _do("doctor", *words, is_any=True)[1]["checks"]}
    failed = {name for name, each in checks.items() if each["status"] == "fail"}
    # A project without a store has none to look at; the first command makes it.
    damaged = {"lake"} if given.lake.time < given.store.time else set()
    wanted = damaged if given.fits else {"lake ledger"} | ({"ledger/trust"} if not given.is_known else set())
    expect(failed <= damaged if given.fits else wanted == failed, f"doctor fails at {failed}, not {wanted}")
    acts = [lambda: _do("lake", "sweep", *words, is_any=True), lambda: _ingest(project, "new")]
    for act in acts:
        code, _, message = act()
        # A lake that is older than its store lacks files: which, is named, and their sources bring them again.
        lacks = given.fits and given.lake.time < given.store.time and "is missing, and no figure" in message
        expect(lacks or code == (0 if given.fits else 3), f"exit code {code}: {message}")
        expect(given.fits or (ADOPT in message and message.count("\n") <= 3), f"refused without a name: {message}")
    found.outcomes["fits" if given.fits else "refused"] += 1
    if given.fits:
        return
    code, answer, message = _do("lake", "adopt", *words, is_any=True)
    expect(code == bool(answer["missing"]), f"not adopted: {message}")
    found.outcomes["adopted"] += 1
    code, _, message = _ingest(project, "new")
    lacks = bool(answer["missing"]) and "is missing, and no figure" in message
    expect(code == 0 or lacks, f"refused after adoption: {message}")
    expect(_do("lake", "sweep", *words, is_any=True)[0] == 0, "no sweep after adoption")
    if given.lake.time and given.lake == given.store._replace(is_old=given.lake.is_old):
        return
    # The lake's own store comes back, and each of its files gets its place back.
    if given.lake.time:
        for old in (project / given.data).glob("store.db*"):
            old.unlink()
        shutil.copy(kept / given.lake.project / str(given.lake.time) / "store.db", project / given.data / "store.db")
        code, answer, message = _do("lake", "adopt", *words, is_any=True)
        expect(code == 0 and answer["missing"] == [], f"files did not come back: {message} {answer}")
        found.outcomes["given back"] += code == 0


def campaign(folder: Path, count: int, seed: int) -> Found:
    """So many combinations."""
    times, dice, found = make_parts(folder), random.Random(seed), Found()
    for number in range(count):
        look(folder / f"combination-{number}", folder / "kept", draw(dice, times), found)
    return found


def main() -> int:
    """Exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.stores.combinations", description=__doc__)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen, began = parser.parse_args(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(Path(folder), chosen.count, chosen.seed)
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(found.outcomes.items()))
    sys.stdout.write("".join(f"{each}\n" for each in found.wrong))
    sys.stdout.write(
        f"seed {chosen.seed}: {chosen.count} combinations of store, lake, anchors and settings, {found.files} files: "
        f"{outcomes}; {len(found.wrong)} wrong; {time.monotonic() - began:.0f} s\n"
    )
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
