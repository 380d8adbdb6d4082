"""Modules import few others and never in a circle, as `make house` prints it (ADR 0036)."""

from tests.house import measures


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
