"""Lines, imports and circles of the code outside tests, read from the files themselves."""

import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from tests.syntax import parsed

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("assets", "controls", "data_quality", "dbt_project", "ml", "orchestration", "reports")
# What is read as code; pages in place of pictures will be counted when there are some.
COUNTED = (".py", ".sql", ".css", ".js", ".html")

# Lines of Python and SQL that each room may hold. Who brings a capability raises its rooms in the same commit by what
# it brought; who simplifies lowers them. Aims: 10.6k, 46k, 2.4k, 16k, 33k, 15k, 17k in this order, 140k in all.
BUDGETS = {
    "data_quality": 15_566,
    "assets": 62_007,
    "dbt_project": 2_332,
    "ml": 23_277,
    "controls": 38_560,
    "reports": 33_796,
    "orchestration": 48_361,
}
# A room that has become smaller gives the rest back.
SLACK = 400


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists())


def lines_by_room(suffixes: tuple[str, ...] = COUNTED) -> Counter[str]:
    """Lines outside tests, by the first folder; files of the root together."""
    found: Counter[str] = Counter()
    for path in tracked():
        place = path.relative_to(ROOT).parts
        if place[0] != "tests" and path.suffix in suffixes:
            found[place[0] if len(place) > 1 else "."] += len(path.read_text(encoding="utf-8").splitlines())
    return found


def over_budget(rooms: Mapping[str, int]) -> list[str]:
    """Sentences for rooms that hold more lines than their budget, or so many fewer that it should be lowered."""
    return [
        f"{room} holds {rooms.get(room, 0):,} lines of Python and SQL, its budget is {budget:,}"
        for room, budget in BUDGETS.items()
        if not budget - SLACK <= rooms.get(room, 0) <= budget
    ]


@cache
def modules() -> Mapping[str, Path]:
    """Dotted name -> file, of the rooms' Python modules."""
    rooms = [path.relative_to(ROOT) for path in tracked() if path.suffix == ".py"]
    return {
        ".".join(place.with_suffix("").parts): ROOT / place
        for place in rooms
        if place.parts[0] in ROOMS and place.name != "__init__.py"
    }


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """Module -> modules of ours that it imports, lazily or not."""
    return {name: frozenset(_imported(path)) - {name} for name, path in modules().items()}


def _imported(path: Path) -> Iterable[str]:
    for node in ast.walk(parsed(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = [f"{node.module}.{each.name}" for each in node.names]
            yield from (name for name in inside if name in modules())
            if node.module in modules():
                yield node.module


def broad(limit: int = 25) -> dict[str, int]:
    """Modules with more imports of ours than the limit."""
    return {name: len(each) for name, each in imports().items() if len(each) > limit}


def circles_of_files() -> list[list[str]]:
    """Modules that import each other, lazily or not, by way of any others."""
    return [each for each in components(imports()) if len(each) > 1]


def circles_of_folders() -> list[str]:
    """Folders that import each other by way of any others; shells left out, and a folder and those inside of it."""
    between: dict[str, dict[str, str]] = defaultdict(dict)
    for name, each in imports().items():
        mine = name.rpartition(".")[0]
        for other in (one for one in each if not name.endswith(".defs") and not one.endswith(".defs")):
            theirs = other.rpartition(".")[0]
            if theirs != mine and not theirs.startswith(f"{mine}.") and not mine.startswith(f"{theirs}."):
                between[mine].setdefault(theirs, f"{name} > {other}")
    graph = {name: set(between[name]) for name in list(between)}
    graph |= {name: set() for each in list(graph.values()) for name in each if name not in graph}
    circles = [set(each) for each in components(graph) if len(each) > 1]
    return [
        f"{mine} and {theirs}: {between[mine][theirs]}"
        for circle in circles
        for mine in sorted(circle)
        for theirs in sorted(circle & graph[mine])
    ]


def components(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Strongly connected components (Tarjan), without recursion."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in graph:
        work = [] if root in index else [(root, iter(graph[root]))]
        while work:
            node, rest = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
            for other in rest:
                if other not in index:
                    work.append((other, iter(graph[other])))
                    break
                if other in stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    place = stack.index(node)
                    found.append(sorted(stack[place:]))
                    del stack[place:]
    return found


def comment_share() -> float:
    """Lines that are comments, of all Python lines of the rooms."""
    lines = [line.strip() for path in modules().values() for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(line.startswith("#") for line in lines) / len(lines)
