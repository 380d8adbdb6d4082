"""Lines, folders, names, imports and circles of the code outside tests, read from the files themselves."""

import ast
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("assets", "controls", "data_quality", "dbt_project", "ml", "orchestration", "reports")
# What people write: code, SQL, settings, pages. Lock files, pictures and old projects are none of it.
COUNTED = (".py", ".sql", ".yml", ".yaml", ".toml", ".md", ".sh", ".csv", ".mako", ".css", ".js", ".html")
# One idea at several ranks has one name: a room's shell, and the command or sensor that is named for what it shows.
SHARED_BY_DESIGN = ("__init__", "defs")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )  # fmt: skip
    return tuple(ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).exists())


def lines_by_room() -> Counter[str]:
    """Lines outside tests, by the first folder; files of the root together."""
    found: Counter[str] = Counter()
    for path in tracked():
        place = path.relative_to(ROOT).parts
        if place[0] != "tests" and path.suffix in COUNTED:
            found[place[0] if len(place) > 1 else "."] += len(path.read_text(encoding="utf-8").splitlines())
    return found


@cache
def modules() -> Mapping[str, Path]:
    """Dotted name -> file, of the rooms' Python modules."""
    rooms = [path.relative_to(ROOT) for path in tracked() if path.suffix == ".py"]
    return {
        ".".join(place.with_suffix("").parts): ROOT / place
        for place in rooms
        if place.parts[0] in ROOMS and place.name != "__init__.py"
    }


def crowded(limit: int = 15) -> dict[str, int]:
    """Folders with more modules than the limit, subfolders left out."""
    found = Counter(name.rpartition(".")[0] for name in modules())
    return {folder: count for folder, count in sorted(found.items()) if count > limit}


def shared_names() -> dict[str, list[str]]:
    """Module names that more than one folder has."""
    found = defaultdict(list)
    for name in modules():
        found[name.rpartition(".")[2]].append(name)
    return {name: each for name, each in sorted(found.items()) if len(each) > 1 and name not in SHARED_BY_DESIGN}


@cache
def imports() -> Mapping[str, frozenset[str]]:
    """Module -> modules of ours that it imports, lazily or not."""
    return {name: frozenset(_imported(path)) - {name} for name, path in modules().items()}


def _imported(path: Path) -> Iterable[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


def circle_of_files() -> list[str]:
    """A circle of imports at load or call time, or nothing."""
    return _circle(imports())


def circles_of_folders() -> list[tuple[str, str]]:
    """Pairs of folders that import each other, a folder and those inside of it left out."""
    between: dict[tuple[str, str], str] = {}
    for name, each in imports().items():
        mine = name.rpartition(".")[0]
        for other in each:
            theirs = other.rpartition(".")[0]
            if theirs != mine and not theirs.startswith(f"{mine}.") and not mine.startswith(f"{theirs}."):
                between[mine, theirs] = f"{name} > {other}"
    return sorted((one, other) for one, other in between if one < other and (other, one) in between)


def _circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        return list(found.args[1])
    return []


def comment_share() -> float:
    """Lines that are comments, of all Python lines of the rooms."""
    lines = [line.strip() for path in modules().values() for line in path.read_text(encoding="utf-8").splitlines()]
    return sum(line.startswith("#") for line in lines) / len(lines)
