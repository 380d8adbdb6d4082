"""`meterloom readings`: a person with a role and a reason, or nothing happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app

RUNNER = CliRunner()
REGISTER = """    registers: [{register_id: import, kind: cumulative, digits: 5}]
    connected_load_kw: 10
"""
READS = "timestamp,kwh\n2025-01-01T00:00Z,500\n2025-01-01T01:00Z,505\n2025-01-01T02:00Z,3\n2025-01-01T03:00Z,8\n"


def run(folder: Path, *words: str) -> tuple[int, Any, str]:
    """Exit code, JSON (or None) and standard error."""
    result = RUNNER.invoke(build_app(("init", "ingest", "readings")), [*words, "--json", "--project", str(folder)])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose main meter counts, with four reads in the lake."""
    folder = tmp_path_factory.mktemp("cli") / "p"
    result = RUNNER.invoke(build_app(("init",)), ["init", str(folder)])
    assert result.exit_code == 0, result.stderr
    site = folder / "sites" / "my_site.yaml"
    text = site.read_text()
    assert "    carrier: electricity" in text
    line = next(line for line in text.splitlines() if line.startswith("    carrier: electricity"))
    site.write_text(text.replace(line, f"    carrier: electricity\n{REGISTER.rstrip()}"))
    table = folder / "reads.csv"
    table.write_text(READS)
    code, answer, error = run(folder, "ingest", str(table), "--site", "my_site")
    assert code == 0, error
    assert answer["files"][0]["reasons"] == {"register_decrease": 1}
    return folder


EDIT = ("readings", "edit", "--site", "my_site", "--meter", "main", "--value", "1.5")
AT = ("--at", "2025-01-01T00:00")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((*EDIT, *AT, "--reason", "read again"), "add --as PERSON"),
        ((*EDIT, *AT, "--reason", "read again", "--as", "nobody"), "unknown person 'nobody'"),
        ((*EDIT, *AT, "--reason", "read again", "--as", "publisher"), "has not the role 'engineer'"),
        ((*EDIT, *AT, "--reason", " ", "--as", "colleague"), "reason: expected a text of 3 or more characters"),
        ((*EDIT, "--reason", "read again", "--as", "colleague"), "give --at, or --from and --to"),
        (
            (*EDIT, "--from", "2025-01-01T00:00", "--reason", "read again", "--as", "colleague"),
            "give --at, or --from and --to",
        ),
        ((*EDIT[:-1], "much", *AT, "--reason", "read again", "--as", "colleague"), "expected a number, got 'much'"),
        ((*EDIT[:-1], "inf", *AT, "--reason", "read again", "--as", "colleague"), "expected a finite number"),
        ((*EDIT, "--at", "noon", "--reason", "read again", "--as", "colleague"), "cannot read time 'noon'"),
    ],
)
def test_an_edit_that_may_not_be_is_one_sentence(project: Path, words: tuple[str, ...], sentence: str) -> None:
    code, answer, error = run(project, *words)
    assert (code, answer) == (2, None)
    assert sentence in error
    assert "Traceback" not in error
    assert len(error.strip().splitlines()) == 1


def test_an_edit_by_a_person_with_role_and_reason_is_told_and_listed(project: Path) -> None:
    code, answer, error = run(project, *EDIT, *AT, "--reason", "read again", "--as", "colleague")
    assert (code, error) == (0, "")
    (edit,) = answer["edits"]
    assert (edit["before"], edit["after"], edit["unit"], edit["corrected_rows"]) == (1.25, 1.5, "kwh", 1)
    code, answer, _ = run(project, "readings", "edits", "--site", "my_site")
    (listed,) = answer["edits"]
    assert (listed["person_id"], listed["reason"]) == ("colleague", "read again")
    code, answer, _ = run(project, "readings", "edits", "--site", "my_site", "--as-of", "2020-01-01T00:00Z")
    assert (code, answer["edits"]) == (0, [])


def test_an_event_is_recorded_applied_listed_and_withdrawn(project: Path) -> None:
    event = (
        *("readings", "event", "--site", "my_site", "--meter", "main", "--kind", "reset"),
        *("--at", "2025-01-01T01:30", "--final", "507", "--reason", "display was cleared"),
    )
    code, _, error = run(project, *event)
    assert (code, "add --as PERSON" in error) == (2, True)
    code, answer, _ = run(project, *event, "--as", "colleague", "--dry-run")
    assert (code, answer["registers"]) == (0, [])
    code, answer, error = run(project, *event, "--as", "colleague")
    assert code == 0, error
    (register,) = answer["registers"]
    assert (register["new_rows"], register["kept_edits"]) == (4, 1)
    code, answer, _ = run(project, "readings", "events", "--site", "my_site")
    (listed,) = answer["events"]
    assert (listed["at_utc"], listed["origin"], listed["event"]["person"]) == (
        "2025-01-01T01:30:00Z",
        "person",
        "colleague",
    )
    gone = ("readings", "withdraw", listed["event_id"], "--site", "my_site", "--reason", "wrong meter")
    code, answer, _ = run(project, *gone, "--as", "colleague")
    (register,) = answer["registers"]
    assert (code, register["questionable_rows"]) == (0, 4)
    code, answer, _ = run(project, "readings", "recompute", "--site", "my_site", "--dry-run")
    assert (code, answer["registers"][0]["corrected_rows"]) == (0, 0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--kind", "multiplier_change", "--at", "2025-01-01T01:30"), "needs multiplier_old and multiplier_new"),
        (("--kind", "exchange", "--at", "2025-03-30T01:30"), "Europe/London has that time not at all"),
        (("--kind", "exchange", "--at", "2025-01-01T01:30", "--final", "-5"), "final_read: expected 0 or more"),
        (("--kind", "exchange", "--at", "2025-01-01T01:30", "--multiplier", "20"), "expected a number, got ''"),
        (("--kind", "exchange", "--at", "2025-01-01T01:30", "--meter", "outdoor_degc"), "events happen to meters"),
    ],
)
def test_an_event_that_cannot_be_is_one_sentence(project: Path, words: tuple[str, ...], sentence: str) -> None:
    base = ("readings", "event", "--site", "my_site", "--meter", "main", "--reason", "work order", "--as", "colleague")
    code, answer, error = run(project, *base, *words)
    assert (code, answer) == (2, None)
    assert sentence in error
