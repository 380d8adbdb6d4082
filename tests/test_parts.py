"""The parts of the tests: together every case and each once, within their budgets, whatever the record says."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.parts import (
    ALWAYS,
    CORE_S,
    FAST_S,
    PARTS,
    FileRecord,
    Record,
    cheapest,
    chosen_for,
    cost,
    every_key,
    function_of,
    runs,
    unit_of,
    wanted,
)
from tests.seconds import ROOT, kept

# Of all cases, what `make test` must hold: below this, tests are too slow.
MOST = 0.9
FILES = [
    *(name.split("::", 1)[0] for name in ALWAYS[:2]),
    "tests/dbt/test_a.py",
    "tests/dbt/test_b.py",
    "tests/test_c.py",
]
Choose = Callable[[str, Record], set[str]]
took = st.tuples(st.floats(0, 400), st.integers(1, 50))


@st.composite
def records(draw: st.DrawFn) -> Record:
    """Any record: files with and without a rest, dear functions, fixed costs of files and of a room."""
    files = {}
    for name in draw(st.lists(st.sampled_from(FILES), unique=True, min_size=1)):
        dear = {f"test_{each}": draw(took) for each in range(draw(st.integers(0, 3)))}
        rest_s, rest = draw(st.one_of(st.just((0.0, 0)), took)) if dear else draw(took)
        seconds = rest_s + sum(each for each, _ in dear.values())
        files[name] = FileRecord(seconds, rest + sum(count for _, count in dear.values()), dear)
    places = [place for name in files for place in (name, unit_of(name))]
    return Record(files, draw(st.dictionaries(st.sampled_from(places), st.floats(0, 300))), draw(st.floats(0, 1)))


def cases_of(record: Record) -> list[str]:
    """A node of each function that the record knows, of one that it does not, and of a file that it does not."""
    found = ["tests/test_new.py::test_x[a::b-1]"]
    for name, file in record.files.items():
        found += [f"{name}::{function}[{case}]" for function in file.dear for case in ("a", "b::c")]
        found += [f"{name}::test_cheap", f"{name}::TestRoom::test_inside[1]"]
    return found


def run_by(part: str | None, record: Record, choose: Choose = chosen_for) -> list[str]:
    chosen = choose(part, record) if part else every_key(record)
    return [case for case in cases_of(record) if runs(part, record, chosen, case)]


def parted_wrongly(record: Record, choose: Choose = chosen_for) -> list[str]:
    """Cases that are not in exactly one of core and long."""
    core, long = run_by("core", record, choose), run_by("long", record, choose)
    return [case for case in cases_of(record) if (case in core) + (case in long) != 1]


@given(record=records())
def test_make_test_and_the_long_part_together_hold_every_case_once(record: Record) -> None:
    assert parted_wrongly(record) == []
    assert run_by(None, record) == cases_of(record)


def test_of_the_house_too() -> None:
    record = kept()
    assert parted_wrongly(record) == []
    core, long = (cost(record, chosen_for(part, record))[1] for part in PARTS[1:])
    assert core + long == sum(file.tests for file in record.files.values())


def test_a_case_that_is_lost_or_doubled_is_seen() -> None:
    record = Record({"tests/test_c.py": FileRecord(9.0 + CORE_S, 4, {"test_1": (9.0, 2), "test_2": (CORE_S, 1)})})
    lost, doubled = {"tests/test_c.py::test_1"}, {"tests/test_c.py::test_2"}
    assert parted_wrongly(record) == []
    assert parted_wrongly(record, lambda part, known: chosen_for(part, known) - lost) == [
        f"tests/test_c.py::test_1[{case}]" for case in ("a", "b::c")
    ]
    assert parted_wrongly(record, lambda part, known: chosen_for(part, known) | doubled) == [
        f"tests/test_c.py::test_2[{case}]" for case in ("a", "b::c")
    ]


@given(record=records())
def test_what_is_new_is_in_make_test_unless_nothing_of_its_file_is(record: Record) -> None:
    core = run_by("core", record)
    assert "tests/test_new.py::test_x[a::b-1]" in core
    assert "tests/test_new.py::test_x[a::b-1]" in run_by("fast", record)
    for name in record.files:
        has_any = any(case.startswith(f"{name}::") for case in core)
        assert (f"{name}::test_cheap" in core) == has_any


@given(record=records(), within_s=st.floats(0, 500))
def test_what_is_chosen_fits_with_what_must_be_set_up_for_it(record: Record, within_s: float) -> None:
    assert cost(record, cheapest(record, within_s))[0] <= within_s + 1e-6
    always = wanted(record, ALWAYS)
    assert cost(record, chosen_for("core", record))[0] <= max(CORE_S, cost(record, always)[0]) + 1e-6
    assert always <= chosen_for("core", record)


def test_functions_that_give_many_tests_for_their_seconds_come_before_others() -> None:
    files = {
        "slow.py": FileRecord(100.0, 2),
        "many.py": FileRecord(90.0, 900),
        "mixed.py": FileRecord(61.0, 12, {"test_dear": (60.0, 2)}),
        "none.py": FileRecord(1.0, 1),
    }
    assert cheapest(Record(files), within_s=95) == {"many.py", "none.py", "mixed.py"}
    assert cheapest(Record(files), within_s=160) == {"many.py", "none.py", "mixed.py", "mixed.py::test_dear"}


def test_a_file_whose_set_up_is_too_dear_for_its_cheap_tests_is_left_whole() -> None:
    files = {"a.py": FileRecord(1.0, 10), "b.py": FileRecord(20.0, 40, {"test_dear": (19.0, 20)})}
    assert cheapest(Record(files, {"a.py": 50.0}), within_s=30) == every_key(Record(files)) - {"a.py"}
    # Its set-up is paid once, so what alone is not worth it is taken together.
    assert cheapest(Record(files, {"b.py": 10.0}), within_s=31) == every_key(Record(files))


def test_a_room_pays_its_set_up_once_and_a_file_its_own() -> None:
    record = Record(
        {"tests/dbt/test_a.py": FileRecord(1.0, 10), "tests/dbt/test_b.py": FileRecord(2.0, 10)},
        {"tests/dbt/": 20.0, "tests/dbt/test_b.py": 5.0},
    )
    assert cost(record, {"tests/dbt/test_a.py"}) == (21.0, 10)
    assert cost(record, every_key(record)) == (28.0, 20)
    assert cheapest(record, within_s=27) == set()
    assert cheapest(record, within_s=27, already={"tests/dbt/test_b.py"}) == {"tests/dbt/test_b.py"}
    assert cheapest(record, within_s=28) == every_key(record)


def test_of_a_file_whose_functions_are_wanted_the_others_are_not() -> None:
    record = Record({"a.py": FileRecord(30.0, 9, {"test_one": (10.0, 2), "test_two": (10.0, 2)})})
    assert wanted(record, ["a.py::test_one", "gone.py"]) == {"a.py", "a.py::test_one"}
    assert wanted(record, ["a.py"]) == every_key(record)


def test_the_parts_of_the_house_fit_and_hold_what_they_should() -> None:
    record = kept()
    whole = cost(record, every_key(record))[1]
    fast, core = chosen_for("fast", record), chosen_for("core", record)
    assert cost(record, fast)[0] <= FAST_S
    assert cost(record, core)[0] <= CORE_S
    assert cost(record, fast)[1] > 0.5 * whole
    assert cost(record, core)[1] >= MOST * whole
    assert fast <= core
    assert wanted(record, ALWAYS) <= core
    smaller = replace(record, fixed={**record.fixed, ALWAYS[0]: CORE_S})
    assert cost(smaller, chosen_for("core", smaller))[1] < MOST * whole


def test_what_is_always_wanted_is_there() -> None:
    for name in ALWAYS:
        file, function = function_of(name)
        assert not function or f"def {function}(" in (ROOT / file).read_text()
