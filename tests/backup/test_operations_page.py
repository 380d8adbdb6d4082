"""The page on operations is followed to the letter: its commands run in their order, on folders of the test."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.e2e.conftest import call_here

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "ems" / "operations.md").read_text("utf-8")
pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_commands_of_the_page_run_and_the_drill_ends_in_simulation(works: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    assert len(lines) >= 6
    people = works / "people.yaml"
    people.write_text(f"{people.read_text()}  - {{person_id: hana, name: Hana, roles: [admin]}}\n")
    assert call_here("keys", "new", "hana", "--project", str(works))[0] == 0
    text = ""
    for line in lines:
        words = shlex.split(line.replace("/var/backups", str(tmp_path)).replace("/srv", str(tmp_path / "srv")))[1:]
        named = [] if "--project" in words or words[0] == "restore" else ["--project", str(works)]
        done = CliRunner().invoke(build_app((words[0],)), [*words, *named])
        # Of doctor, what belongs to a machine that runs the project is not this test's.
        assert done.exit_code == 0 or words[0] == "doctor", (line, done.output)
        if words[0] == "doctor":
            kept = [each for each in done.output.splitlines() if re.search(r"ledger/|lake|reports|store ", each)]
            assert [each for each in kept if each.startswith("FAIL")] == []
        text = done.output
    assert "mode SIMULATION" in text
