"""Rooms keep to their budgets of lines; modules import few others and never in a circle (ADR 0036)."""

import ast
import re

from data_quality.contracts.time import parse_period
from tests.house import measures
from tests.house.walk import climbs, walked
from tests.syntax import parsed


def test_no_room_holds_more_lines_than_its_budget_nor_keeps_what_it_gave_up() -> None:
    assert measures.over_budget(measures.lines_by_room((".py", ".sql"))) == []
    assert set(measures.BUDGETS) == set(measures.ROOMS)


def test_a_room_over_its_budget_and_one_far_below_are_named() -> None:
    within = dict(measures.BUDGETS)
    [more] = measures.over_budget(within | {"ml": within["ml"] + 1})
    [less] = measures.over_budget(within | {"ml": within["ml"] - measures.SLACK - 1})
    assert more == f"ml holds {within['ml'] + 1:,} lines of Python and SQL, its budget is {within['ml']:,}"
    assert less.startswith("ml holds")


def test_no_module_imports_more_than_twenty_five_of_ours() -> None:
    assert measures.broad(25) == {}


def test_no_modules_import_each_other_by_way_of_any_others() -> None:
    assert measures.circles_of_files() == []


def test_no_folders_import_each_other_by_way_of_any_others() -> None:
    assert measures.circles_of_folders() == []


def test_a_circle_is_found_over_any_number_of_steps_and_a_tree_has_none() -> None:
    circle = {"a": ["b", "e"], "b": ["c"], "c": ["a"], "d": ["a"], "e": []}
    assert [each for each in measures.components(circle) if len(each) > 1] == [["a", "b", "c"]]
    assert all(len(each) == 1 for each in measures.components(circle | {"c": []}))


def test_a_climb_is_a_step_into_a_folder_that_was_left_before() -> None:
    assert climbs(("a/one.py", "a/two.py", "b/one.py", "b/c/one.py")) == 0
    assert climbs(("a/one.py", "b/one.py", "a/two.py", "a/three.py", "b/two.py")) == 2


def test_a_walk_names_the_files_of_ours_that_one_call_runs_through() -> None:
    found = walked(lambda: parse_period("2025-11", "Europe/Berlin").days == 30)
    assert found.is_answered
    assert found.files == ("data_quality/contracts/time.py",)


KEPT = re.compile(r"(functools\.)?(lru_)?cache\b")
OF_A_PROJECT = re.compile(r"\b(Path|Project|OpenProject|Store|Lake|Site|Ask)\b")
# What a module may hold for its process and why.
HELD = {
    "assets/stores/warehouse/warehouse.py:_HELD": "an open connection a file, let go by its holder",
    "controls/planning/replay/policies.py:POLICIES": "a register, filled at import",
    "orchestration/operations/operation.py:OPERATIONS": "a register, filled at import",
}


def unbounded(name: str, source: str) -> list[str]:
    """Containers of a module that begin empty and have no bound, and names that a function makes global."""
    tree = parsed(source)
    found = []
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        is_call = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and not value.args
        is_empty = is_call and value.func.id in ("dict", "set", "list", "OrderedDict", "defaultdict", "Counter")
        if is_empty or (isinstance(value, ast.Dict | ast.List) and not ast.unparse(value).strip("[]{}")):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found.append(f"{name}:{ast.unparse(target)}")
    return found + [f"{name}:{each}" for node in ast.walk(tree) if isinstance(node, ast.Global) for each in node.names]


def test_what_a_module_keeps_has_a_bound() -> None:
    found = [
        each
        for path in measures.modules().values()
        for each in unbounded(path.relative_to(measures.ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    # The switch of the process that has to stay small.
    assert set(found) == {*HELD, "data_quality/contracts/work/offload.py:_given_to"}


def test_an_unbounded_memory_is_seen() -> None:
    source = "a: dict[str, int] = {}\nb = set()\nc = {1: 2}\nd = Place(3)\ndef f():\n    global e\n    e = 1\n"
    assert unbounded("m.py", source) == ["m.py:a", "m.py:b", "m.py:e"]


# Functions over paths and places outside of a project's cache that hold nothing of a project, and why.
OF_THE_PROGRAM = {
    "assets/sites/calendar.py:_HASHES": "a pure function of country, zone and days, which a site carries",
    "assets/stores/audit.py:_made": "the tables that the migrations of the program make",
    "controls/templates/load_templates.py:_parsed": "device templates of the program, by path and text",
    "orchestration/open_project.py:cache_of": "the one place at the top: caches by root",
    "orchestration/warehouse/dbt.py:_definition_of": "the dbt project of the program as dbt compiles it",
    "orchestration/warehouse/dbt.py:_fingerprint": "the dbt project of the program",
    "reports/content/templates.py:_read": "report templates by path, time and size, most of them the program's own",
}


def outside(name: str, source: str) -> list[str]:
    """Places that a module holds itself, and kept functions whose answers rest on a path, a project or a store."""
    found = []
    for node in parsed(source).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            found += [f"{name}:{ast.unparse(target)}"] * (ast.unparse(node.value.func) in ("Place", "ProjectCache"))
        if isinstance(node, ast.FunctionDef) and any(KEPT.match(ast.unparse(each)) for each in node.decorator_list):
            kinds = " ".join(ast.unparse(each.annotation) for each in node.args.args if each.annotation is not None)
            found += [f"{name}:{node.name}"] * bool(OF_A_PROJECT.search(kinds))
    return found


def test_what_is_kept_of_a_project_is_kept_in_its_cache() -> None:
    found = [
        each
        for path in measures.modules().values()
        for each in outside(path.relative_to(measures.ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert set(found) == set(OF_THE_PROGRAM)


def test_a_memory_outside_of_the_cache_is_seen() -> None:
    source = """a: Place[str, int] = Place(3)
@lru_cache(maxsize=8)
def of_folder(folder: Path, name: str) -> int: ...
@functools.cache
def of_store(store: "Store | None") -> int: ...
@lru_cache
def pure(name: str, year: int) -> int: ...
def not_kept(folder: Path) -> int: ...
"""
    assert outside("m.py", source) == ["m.py:a", "m.py:of_folder", "m.py:of_store"]
