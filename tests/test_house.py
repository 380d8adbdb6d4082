"""Rooms keep to their budgets of lines; modules import few others and never in a circle (ADR 0036)."""

from data_quality.contracts.time import parse_period
from tests.house import measures
from tests.house.walk import climbs, walked


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
