"""Every fault of files and payloads has a test, and the page of faults says no more than a run has shown."""

from pathlib import Path

from tests.faults_table import FAULTS, PAGE, RECORDS, _long_runs, files_with_faults, ids_of, page


def test_every_fault_has_a_test_of_its_name() -> None:
    names = [line.split("(")[0] for file in files_with_faults() for line in open_lines(file)]
    tested = {fault for name in names for fault in ids_of(f"x::{name.strip().removeprefix('def ')}_")}
    assert sorted(set(FAULTS) - tested) == []
    assert sorted(tested - set(FAULTS)) == [], "tested, and on no page"


def open_lines(file: str) -> list[str]:
    return [line for line in Path(file).read_text("utf-8").splitlines() if line.startswith("def test_fault_f")]


def test_a_name_may_carry_several_faults() -> None:
    assert ids_of("a.py::test_fault_f14_f15_names_do_nothing") == ["F14", "F15"]
    assert ids_of("a.py::test_names_do_nothing") == []


def test_the_page_tells_a_failure_a_skip_and_a_gap() -> None:
    outcomes = {
        "a.py::test_fault_f01_x_y": "passed",
        "b.py::test_fault_f01_z": "failed",
        "a.py::test_fault_f02_q": "skipped",
    }
    shown = page(outcomes, {"a.py::test_fault_f01_x_y": 3})
    assert "| F01 | A truncated table, mid-row or mid-number | **failed** | 3 | `a.py`: x y<br>`b.py`: z |" in shown
    assert "| not shown: skipped here |" in shown
    assert shown.count("| no test |") == len(FAULTS) - 2


def test_the_page_says_what_the_last_long_runs_came_to(tmp_path: Path) -> None:
    assert _long_runs(tmp_path) == []
    soaked = '{"seed": 1, "schedules": 5000, "seconds": 90.0, "violations": 0, "on": "2026-11-21"}'
    (tmp_path / "soak.json").write_text(soaked)
    assert _long_runs(tmp_path)[-1] == (
        "| `make soak` | 2026-11-21 | 2 min | 5,000 random schedules of faults with seed 1; 0 broken promises |"
    )


def test_what_the_kept_records_say_stands_in_the_docs() -> None:
    """A long run that was made anew and not told is as wrong as one that was told and not made."""
    assert "\n".join(_long_runs()) in PAGE.read_text("utf-8")
    assert "kills.json" in {path.name for path in RECORDS.glob("*.json")}


def test_the_page_in_the_docs_lists_every_fault_and_no_gap() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"| {fault} |" in text for fault in FAULTS)
    assert "| no test |" not in text
