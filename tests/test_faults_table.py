"""Every fault of files and payloads has a test, and the page of faults says no more than a run has shown."""

from pathlib import Path

import pytest

from tests.faults_table import FAULTS, PAGE, RECORDS, Results, _long_runs, files_with_faults, ids_of, page

pytest_plugins = ["pytester"]


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
    """A long run that was made anew and not reported is as wrong as one that was reported and not made."""
    assert "\n".join(_long_runs()) in PAGE.read_text("utf-8")
    assert "kills.json" in {path.name for path in RECORDS.glob("*.json")}


def test_the_page_in_the_docs_lists_every_fault_and_no_gap() -> None:
    text = PAGE.read_text("utf-8")
    assert all(f"| {fault} |" in text for fault in FAULTS)
    assert "| no test |" not in text


class Seen:
    """A plugin that notes what ran."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.names.append(nodeid.rpartition("::")[2])


def test_a_run_that_was_broken_off_goes_on_with_what_did_not_pass(pytester: pytest.Pytester) -> None:
    cases = {"test_fault_f01_x": "pass", "test_fault_f02_y": "assert {}", "test_z": "pass"}
    file = pytester.makepyfile("".join(f"def {name}():\n    {body}\n\n" for name, body in cases.items())).name

    def run(commit: str, select: str = "") -> tuple[Results, list[str]]:
        results = Results(pytester.path / "var" / "faults.json", commit)
        pytester.inline_run(f"--faults={select}", plugins=[results, seen := Seen()])
        return results, seen.names

    first, ran = run("one", "f01")
    assert (ran, first.left()) == (["test_fault_f01_x"], 1)
    second, ran = run("one")
    assert (ran, second.left()) == (["test_fault_f02_y"], 0)
    assert second.outcomes()[0] == {f"{file}::test_fault_f01_x": "passed", f"{file}::test_fault_f02_y": "failed"}
    assert run("one")[1] == ["test_fault_f02_y"], "what failed is tried again"
    assert len(run("two")[1]) == 2, "another commit is another run"
