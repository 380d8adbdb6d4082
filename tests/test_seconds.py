"""The record of how long tests take: whole enough to order by, and what `make fast` takes of it fits."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.internal.conjecture.engine import MAX_SHRINKING_SECONDS

from tests.seconds import ALWAYS, CORE_S, FAST_S, ROOT, LongestFirst, core_files, fast_files, kept, left_out, unit_of

# Files that nobody measured yet run in `make fast`, so only few may be.
LEAST_KNOWN = 0.8
# Twelve minutes stay twelve while the house grows, so the share that fits them falls; below this, tests are too slow.
MOST = 0.8


def test_the_record_knows_nearly_every_file_that_there_is() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    known = len(files & set(kept())) / len(files)
    assert known >= LEAST_KNOWN, f"{known:.0%} known: run `make test`, then `python -m tests.seconds keep`"


def test_what_is_fast_fits_and_holds_most_of_the_tests() -> None:
    known = kept()
    chosen = fast_files(known)
    assert sum(known[name][0] for name in chosen) <= FAST_S
    assert sum(known[name][1] for name in chosen) > 0.5 * sum(count for _, count in known.values())


def test_make_test_fits_holds_what_is_always_wanted_and_with_the_long_part_every_file() -> None:
    known = kept()
    core = core_files(known)
    assert sum(known[name][0] for name in core) <= CORE_S
    assert set(ALWAYS) <= core
    assert sum(known[name][1] for name in core) > MOST * sum(count for _, count in known.values())
    run = {part: known.keys() - left_out(part, known) for part in ("core", "long")}
    assert run["core"] | run["long"] == known.keys()
    assert not run["core"] & run["long"]
    assert left_out(None, known) == set()


def test_files_that_give_many_tests_for_their_seconds_come_before_others() -> None:
    known = {"slow.py": (100.0, 2), "many.py": (90.0, 900), "few.py": (50.0, 10), "none.py": (1.0, 1)}
    assert fast_files(known, within_s=150) == {"many.py", "none.py", "few.py"} - {"slow.py"}
    assert fast_files(known, within_s=95) == {"many.py", "none.py"}


def test_the_longest_unit_begins_and_a_room_that_shares_its_set_up_stays_together(
    pytestconfig: pytest.Config,
) -> None:
    plugin = LongestFirst(pytestconfig)
    plugin.known = {
        "tests/a/test_long.py": (50.0, 1),
        "tests/dbt/test_one.py": (30.0, 1),
        "tests/dbt/test_two.py": (30.0, 1),
    }
    names = [
        "tests/a/test_new.py::a",
        "tests/a/test_long.py::b",
        "tests/dbt/test_one.py::c",
        "tests/dbt/test_two.py::d",
    ]
    items = [SimpleNamespace(nodeid=name) for name in names]
    plugin.pytest_collection_modifyitems(items)  # type: ignore[arg-type]
    assert [item.nodeid[-1] for item in items] == ["c", "d", "b", "a"]
    assert unit_of(names[2]) == unit_of(names[3])
    assert unit_of(names[1]) == "tests/a/test_long.py"


@given(nothing=st.none())
def test_a_property_that_fails_has_the_time_to_become_small(request: pytest.FixtureRequest, nothing: None) -> None:
    marker = request.node.get_closest_marker("timeout")
    assert marker is not None
    assert marker.args[0] > 2 * MAX_SHRINKING_SECONDS
