"""The record of how long tests take: whole enough to order by, and what is set up for many is no test's own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import execnet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.internal.conjecture.engine import MAX_SHRINKING_SECONDS

from tests import seconds
from tests.parts import IMPORTED_S, FileRecord, Record, chosen_for, every_key, unit_of
from tests.seconds import ROOT, SHARED, LongestFirst, kept, made_by_first, record_of, written

# Files that nobody measured yet run in `make fast`, so only few may be.
LEAST_KNOWN = 0.8


def test_the_record_knows_nearly_every_file_that_there_is() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    known = len(files & set(kept().files)) / len(files)
    assert known >= LEAST_KNOWN, f"{known:.0%} known: run `make test`, then `python -m tests.seconds keep`"


def test_a_record_that_is_written_is_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record({"b.py": FileRecord(3.5, 4, {"test_x": (3.0, 1)}), "a.py": FileRecord(0.1, 2)}, {"b.py": 7.0})
    monkeypatch.setattr(seconds, "KEPT", tmp_path / "kept.json")
    for each in (record, Record({})):
        seconds.KEPT.write_text(written(each))
        assert kept() == replace(each, imported_s=IMPORTED_S)


def plugin_of(config: pytest.Config, record: Record, part: str | None) -> LongestFirst:
    plugin = LongestFirst(config)
    plugin.record, plugin.part = record, part
    plugin.chosen = chosen_for(part, record) if part else every_key(record)
    return plugin


def order(config: pytest.Config, record: Record, part: str | None, names: list[str]) -> tuple[list[str], list[str]]:
    """Names that a part runs, in its order, and those that it reports as left out."""
    left: list[str] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(item.nodeid for item in items))
    items = [SimpleNamespace(nodeid=name) for name in names]
    plugin = plugin_of(config, record, part)
    plugin.pytest_collection_modifyitems(SimpleNamespace(hook=hook), items)  # type: ignore[arg-type]
    return [item.nodeid for item in items], left


def test_the_longest_unit_begins_and_a_room_that_shares_its_set_up_stays_together(
    pytestconfig: pytest.Config,
) -> None:
    known = {
        "tests/a/test_long.py": FileRecord(50.0, 1),
        "tests/dbt/test_one.py": FileRecord(20.0, 1),
        "tests/dbt/test_two.py": FileRecord(30.0, 1),
    }
    names = [
        "tests/a/test_new.py::a",
        "tests/a/test_long.py::b",
        "tests/dbt/test_one.py::c",
        "tests/dbt/test_two.py::d",
    ]
    in_order, left = order(pytestconfig, Record(known, {"tests/dbt/": 10.0}), None, names)
    assert [name[-1] for name in in_order] == ["c", "d", "b", "a"]
    assert left == []
    assert unit_of(names[2]) == unit_of(names[3])
    assert unit_of(names[1]) == "tests/a/test_long.py"


DEAR = Record(
    {"tests/test_a.py": FileRecord(9000.5, 4, {"test_dear": (9000.0, 2)}), "tests/test_b.py": FileRecord(2, 2)}
)
CASES = [f"tests/test_{name}" for name in ("a.py::test_dear[x::y]", "a.py::test_x", "b.py::test_z", "new.py::test_w")]


def test_a_part_leaves_functions_out_and_says_so_and_what_it_begins_with_is_its_own_longest(
    pytestconfig: pytest.Config,
) -> None:
    assert order(pytestconfig, DEAR, "core", CASES) == ([CASES[2], CASES[1], CASES[3]], [CASES[0]])
    assert order(pytestconfig, DEAR, "long", CASES) == ([CASES[0]], CASES[1:])
    assert order(pytestconfig, DEAR, None, CASES) == (CASES[:2] + CASES[2:], [])


def test_against_a_limit_the_cheapest_begin_and_what_comes_too_late_is_skipped_with_its_reason(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pytestconfig.option, "within_s", 60.0)
    assert order(pytestconfig, DEAR, None, CASES)[0] == [CASES[3], CASES[2], CASES[0], CASES[1]]
    plugin = plugin_of(pytestconfig, DEAR, "long")
    plugin.pytest_runtest_setup()
    plugin.begun -= 61.0
    with pytest.raises(pytest.skip.Exception, match="not reached within 60 s"):
        plugin.pytest_runtest_setup()


def test_a_file_of_which_nothing_is_chosen_is_not_imported(pytestconfig: pytest.Config) -> None:
    files = ("a", "b", "new")

    def left(part: str | None) -> list[str]:
        plugin = plugin_of(pytestconfig, DEAR, part)
        return [name for name in files if plugin.pytest_ignore_collect(ROOT / "tests" / f"test_{name}.py")]

    assert left("core") == left("fast") == left(None) == []
    assert left("long") == ["b", "new"]
    assert plugin_of(pytestconfig, DEAR, "long").pytest_ignore_collect(ROOT / "tests" / "dbt") is None


def reports(nodeid: str, setup: float, call: float, **shared: float) -> Iterator[pytest.TestReport]:
    for when, duration in (("setup", setup), ("call", call)):
        made = {name.replace("_", " ", 1): each for name, each in shared.items()} if when == "setup" else {}
        yield SimpleNamespace(  # type: ignore[misc]
            nodeid=nodeid, when=when, duration=duration, user_properties=[("other", 1), (SHARED, made)]
        )


def test_what_is_set_up_for_many_is_counted_for_their_file_or_their_room(pytestconfig: pytest.Config) -> None:
    plugin = LongestFirst(pytestconfig)
    given = [
        *reports("tests/dbt/test_a.py::test_first", 31.0, 1.0, session_world=20.0, module_small=10.0),
        *reports("tests/dbt/test_a.py::test_second", 0.5, 2.0),
    ]
    for report in given:
        plugin.pytest_runtest_logreport(report)
    assert plugin.shared == {"tests/dbt/": {"session world": 20.0}, "tests/dbt/test_a.py": {"module small": 10.0}}
    assert plugin.seconds == {"tests/dbt/test_a.py::test_first": 2.0, "tests/dbt/test_a.py::test_second": 2.5}


def test_what_a_worker_timed_is_read_by_the_process_that_it_reports_to(pytestconfig: pytest.Config) -> None:
    name, hook = "tests/a.py::test_x", pytestconfig.hook
    made = [(SHARED, {"module m": 2.0})]
    report = pytest.TestReport(name, ("tests/a.py", 0, "test_x"), {}, "passed", None, "setup", (), 3.0, 0, 0, made)
    data = execnet.dumps(hook.pytest_report_to_serializable(config=pytestconfig, report=report))
    plugin = LongestFirst(pytestconfig)
    plugin.pytest_runtest_logreport(hook.pytest_report_from_serializable(config=pytestconfig, data=execnet.loads(data)))
    assert (plugin.seconds, plugin.shared) == ({name: 1.0}, {"tests/a.py": {"module m": 2.0}})


@pytest.fixture(scope="module")
def for_many() -> None:
    """Something that is set up once."""


def test_this_process_times_what_is_set_up_once(request: pytest.FixtureRequest) -> None:
    plugin: LongestFirst = request.config.pluginmanager.get_plugin("longest-first")  # type: ignore[assignment]
    request.getfixturevalue("for_many")
    assert "module for_many" in plugin._made
    request.getfixturevalue("tmp_path")
    assert "function tmp_path" not in plugin._made


def test_a_first_test_that_bears_far_more_than_those_beside_it_made_something_for_them() -> None:
    alike = {f"a.py::test_x[{case}]": 0.2 for case in range(3)}
    assert made_by_first({"a.py::test_x[first]": 9.2, **alike}) == {"a.py": ("a.py::test_x[first]", 9.0)}
    assert made_by_first({"a.py::test_x[first]": 0.9, **alike}) == {}
    # Its own cases are more like it than others are.
    assert made_by_first({"a.py::test_y[0]": 9.2, "a.py::test_y[1]": 9.1, **alike}) == {}
    assert made_by_first({"a.py::test_alone": 9.0}) == {}


def test_the_record_names_dear_functions_alone_and_keeps_what_is_shared_apart() -> None:
    took = {
        "tests/a.py::test_many[0]": 9.0,
        "tests/a.py::test_many[1]": 0.01,
        "tests/a.py::test_many[2]": 0.01,
        "tests/a.py::test_dear": 0.6,
        "tests/a.py::test_dear_together[0]": 1.1,
        "tests/a.py::test_dear_together[1]": 1.1,
        "tests/dbt/b.py::test_one": 3.0,
    }
    record = record_of(took, {})
    assert record.fixed == {"tests/a.py": 8.99}
    assert record.files["tests/a.py"] == FileRecord(2.83, 6, {"test_dear": (0.6, 1), "test_dear_together": (2.2, 2)})
    # Alone in its file a function is the file.
    assert record.files["tests/dbt/b.py"] == FileRecord(3.0, 1)
    timed = record_of(
        took, {"tests/a.py": {}, "tests/dbt/": {"session world": 5.0}, "tests/gone.py": {"module x": 9.0}}
    )
    assert timed.fixed == {"tests/dbt/": 5.0}
    assert timed.files["tests/a.py"].dear["test_many"] == (9.02, 3)


@given(nothing=st.none())
def test_a_property_that_fails_has_the_time_to_become_small(request: pytest.FixtureRequest, nothing: None) -> None:
    marker = request.node.get_closest_marker("timeout")
    assert marker is not None
    assert marker.args[0] > 2 * MAX_SHRINKING_SECONDS
