"""Parts of the house's run and their tests: pure, by the seconds recorded in `tests/seconds.json`.

Three parts: `fast` while writing, `core` for `make test`, and `long`, which is all that `core` is not:
`make test-long`. CI runs both. The unit of the choice is a test function with all its cases. A function that is dear
stands in the record by its name; all others of a file are its rest, and go together. The rest of a file is in a part
before any dear function of it, so a function that is new is where the rest is.

What is set up once for many tests (a warehouse, the demo) is paid as long as one of them remains: it is the fixed cost
of a file, or of a room that one worker takes as a whole, and no test's own.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

PARTS = ("fast", "core", "long")
# Two workers for two minutes, less twenty seconds each to start and to collect what all share, and a tenth to be sure.
FAST_S = 180.0
# Two workers for eight minutes, less as much.
CORE_S = 815.0
# What two workers take to import a file: 584 files more were collected in 16.1 s of a processor which was slower than
# that of the record by 2.14, as two files of web tests ran on it.
IMPORTED_S = 0.026
# Wanted in `make test` whatever they take: the main job, what dispatch promises under faults, what old versions made.
# A file is wanted whole; of a file whose functions are named, these and what is not dear: one case a kind.
ALWAYS = (
    "tests/e2e/test_demo.py",
    "tests/control_faults/test_storm.py::test_fault_f30_f43_f65_f73_no_schedule_of_faults_breaks_a_promise",
    "tests/control_faults/test_crash_points.py::test_fault_f30_f66_a_kill_at_any_point_breaks_no_promise",
    "tests/control_faults/test_crash_points.py"
    "::test_fault_f30_f42_a_planner_killed_anywhere_leaves_all_or_nothing_and_a_retry_adds_nothing",
    "tests/stores/test_migrations.py",
    "tests/stores/test_old_projects.py",
)
# Tests that share one long set-up (a warehouse on two engines, the demo): two workers would both make it.
TOGETHER = ("tests/dbt/", "tests/e2e/test_demo")


@dataclass(frozen=True)
class FileRecord:
    """Seconds and number of all tests of a file, without the fixed cost; function -> the same, where it is dear."""

    seconds: float
    tests: int
    dear: Mapping[str, tuple[float, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """Seconds of the tests: file -> its record; file or room -> the seconds that it takes whatever remains of it.

    imported_s is what every file takes beside, since every worker imports it.
    """

    files: Mapping[str, FileRecord]
    fixed: Mapping[str, float] = field(default_factory=dict)
    imported_s: float = 0.0

    def fixed_s(self, place: str) -> float:
        """Seconds of a file or a room as long as anything of it is run."""
        return self.fixed.get(place, 0.0) + (self.imported_s if place in self.files else 0.0)

    def key(self, nodeid: str) -> str | None:
        """Unit of choice of a test: its function where that is dear, else its file; None in a new file."""
        file, function = function_of(nodeid)
        if file not in self.files:
            return None
        return f"{file}::{function}" if function in self.files[file].dear else file


@dataclass(frozen=True)
class Group:
    """Unit of choice: the rest of a file, a dear function, or what only together is worth its fixed cost."""

    keys: tuple[str, ...]
    seconds: float
    tests: int
    least: float = 0.0

    @property
    def per_test(self) -> float:
        """Seconds a test, and no less than those of what must come before."""
        return max(self.seconds / max(self.tests, 1), self.least)


def function_of(nodeid: str) -> tuple[str, str]:
    """File and function (with its class) of a test, without its parameters."""
    file, _, function = nodeid.split("[", 1)[0].partition("::")
    return file, function


def unit_of(nodeid: str) -> str:
    """Unit of one worker: a file, or a room that shares its set-up."""
    return next((room for room in TOGETHER if nodeid.startswith(room)), nodeid.split("::", 1)[0])


def groups_of(name: str, file: FileRecord) -> list[Group]:
    """The rest of a file, then its dear functions. Where there is no rest, what is new goes with the cheapest."""
    dear = sorted((Group((f"{name}::{each}",), *took) for each, took in file.dear.items()), key=_worth)
    seconds = file.seconds - sum(each.seconds for each in dear)
    rest = Group((name,), max(seconds, 0.0), file.tests - sum(each.tests for each in dear))
    if dear and rest.tests <= 0:
        rest = Group((name, *dear[0].keys), dear[0].seconds, dear[0].tests)
        del dear[0]
    return [rest, *(Group(each.keys, each.seconds, each.tests, rest.per_test) for each in dear)]


def every_group(record: Record) -> dict[str, list[Group]]:
    """File -> its groups."""
    return {name: groups_of(name, file) for name, file in sorted(record.files.items())}


def every_key(record: Record) -> set[str]:
    """All that can be chosen."""
    return {key for groups in every_group(record).values() for group in groups for key in group.keys}


def wanted(record: Record, always: Iterable[str]) -> set[str]:
    """The keys of files that are named, and of functions together with the rest of their files."""
    found: set[str] = set()
    for name in always:
        file, function = function_of(name)
        for group in groups_of(file, record.files[file]) if file in record.files else []:
            if not function or file in group.keys or name in group.keys:
                found |= set(group.keys)
    return found


def cost(record: Record, keys: Set[str]) -> tuple[float, int]:
    """Seconds, fixed costs among them, and number of tests of what was chosen."""
    seconds, tests, places = 0.0, 0, set()
    for file in sorted(record.files.keys() & {function_of(key)[0] for key in keys}):
        chosen = [group for group in groups_of(file, record.files[file]) if keys >= set(group.keys)]
        seconds += sum(group.seconds for group in chosen)
        tests += sum(group.tests for group in chosen)
        places |= {file, unit_of(file)} if chosen else set()
    return seconds + sum(record.fixed_s(place) for place in places), tests


def cheapest(record: Record, within_s: float, already: Set[str] = frozenset()) -> set[str]:
    """Keys chosen already, and those that give most tests for their seconds, as much as fits."""
    chosen, total, left = set(already), cost(record, already)[0], set[str]()
    for step in sorted(_steps(record, already), key=_worth):
        units = {unit_of(key) for key in step.keys}
        # Of a file or room of which a step was too much none of the later ones: they stand on it.
        if units & left or total + step.seconds > within_s:
            left |= units
            continue
        total += step.seconds
        chosen |= set(step.keys)
    return chosen


def chosen_for(part: str, record: Record) -> set[str]:
    """The keys that a part runs; `long` is exactly what `core` leaves."""
    if part == "fast":
        return cheapest(record, FAST_S)
    core = cheapest(record, CORE_S, wanted(record, ALWAYS))
    return core if part == "core" else every_key(record) - core


def runs(part: str | None, record: Record, chosen: Set[str], nodeid: str) -> bool:
    """Whether a part runs a test; what is of a file that nobody measured yet is run, and is not long."""
    if part is None:
        return True
    key = record.key(nodeid)
    return part != "long" if key is None else key in chosen


def _steps(record: Record, already: Set[str]) -> list[Group]:
    """Steps of the choice in order: of a file, and of a room, first as much as makes its fixed cost cheapest."""
    rooms: dict[str, list[Group]] = defaultdict(list)
    paid = {place for key in already for place in (function_of(key)[0], unit_of(key))}
    for file, groups in every_group(record).items():
        left = [group for group in groups if not already >= set(group.keys)]
        rooms[unit_of(file)] += _worth_it(left, 0.0 if file in paid else record.fixed_s(file))
    found = []
    for unit, steps in rooms.items():
        is_room = unit not in record.files and unit not in paid
        found += _worth_it(steps, record.fixed_s(unit) if is_room else 0.0)
    return found


def _worth_it(groups: list[Group], fixed: float) -> list[Group]:
    """As many of the cheapest as together make the fixed cost cheapest a test, as one; then each of the others."""
    groups = sorted(groups, key=_worth)
    if not groups or not fixed:
        return groups
    counts = range(1, len(groups) + 1)
    count = min(counts, key=lambda each: (_together(groups[:each], fixed).per_test, -each))
    return [_together(groups[:count], fixed), *groups[count:]]


def _together(groups: list[Group], fixed: float) -> Group:
    keys = tuple(key for group in groups for key in group.keys)
    return Group(keys, fixed + sum(group.seconds for group in groups), sum(group.tests for group in groups))


def _worth(group: Group) -> tuple[float, str]:
    return group.per_test, group.keys[0]
