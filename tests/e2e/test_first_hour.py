"""The first hour of a new user, from four ordinary files to a pack that verifies, led by `meterloom next` alone.

Whoever walks it reads no source code: they edit what `next` tells them to edit, and run what it tells them to run.
"""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.frame import PROJECT_VARIABLE
from orchestration.cli.main import build_app
from tests.e2e.own_files import ZONE, write_own_files

EDITOR = "${EDITOR:-vi} "
FACTOR = """
factors:
  - {factor_id: grid, kgco2e_per_kwh: 0.363, valid_from: 2024-01-01, valid_to: 2026-01-01, source: UBA}
"""
MOST_STEPS = 20


class Newcomer:
    """Somebody at a terminal: runs what they are told, and edits with their own hands."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def run(self, command: str, *more: str) -> str:
        """One command as it is written; what it printed. It must succeed."""
        words = shlex.split(command)
        assert words[0] == "meterloom"
        result = CliRunner().invoke(build_app((words[1],)), [*words[1:], *more], catch_exceptions=False)
        assert result.exit_code == 0, f"{command}\n{result.stderr}\n{result.stdout}"
        self.said.append(command)
        return result.stdout

    def steps(self) -> list[dict[str, Any]]:
        """Steps still missing by now."""
        found: list[dict[str, Any]] = json.loads(self.run("meterloom next --project werk --json"))["steps"]
        return found

    def edit(self, step: dict[str, Any]) -> None:
        """Edit the file as a person does in the editor that opens."""
        path = Path(shlex.split(step["command"].removeprefix(EDITOR))[-1])
        text = path.read_text(encoding="utf-8")
        if "emission factor" in step["what"]:
            text += FACTOR
        else:
            # They know their site: its name, its area, and that the hall and the compressor hang below the main meter.
            text = text.replace("Your ", "Frau ").replace('name: "Werk"', 'name: "Werk Nord"')
            text = re.sub(r"# (floor_area_m2:) …", r"\1 4200", text).replace("# floor_area_def", "floor_area_def")
            text = re.sub(r"(?m)^( +)- (meter_id: (?!haupt).*)$", r"\1- \2\n\1  parent: hauptzaehler", text)
            text = text.replace("PLACEHOLDER", "done")
        path.write_text(text, encoding="utf-8")


# Notices of libraries, as a user's Python treats them; tests of the rooms make each an error.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("in_folder")
def test_next_leads_from_four_ordinary_files_to_a_published_report_and_a_pack_that_verifies() -> None:
    files, somebody = write_own_files(Path("files")), Newcomer()
    somebody.run(f"meterloom init werk --from {shlex.join(map(str, files))} --tz {ZONE}")
    for _ in range(MOST_STEPS):
        steps = somebody.steps()
        if not steps:
            break
        step = steps[0]
        if step["command"].startswith(EDITOR):
            somebody.edit(step)
        else:
            somebody.run(step["command"])
    assert not steps, somebody.said
    assert "nothing is missing: enpi_quarter/werk/2025-Q1 is published and packed" in somebody.run(
        "meterloom next --project werk"
    )
    (pack,) = Path("werk/reports/packs").glob("*.zip")
    told = json.loads(somebody.run(f"meterloom verify {pack} --people werk/people.yaml --json"))
    assert (told["verified"], told["problems"]) == (True, [])
    assert Path("werk/reports/published/enpi_quarter_werk_2025-Q1_r1.pdf").read_bytes()[:4] == b"%PDF"
    kpis = json.loads(somebody.run("meterloom kpis --site werk --period 2025-Q1 --project werk --json"))["rows"]
    whole = {row["kpi"]: row["value"] for row in kpis if row["scope"] == "site:werk"}
    assert whole["cost"] == pytest.approx(whole["consumption_kwh"] * 0.1987, rel=1e-6)
    assert whole["emission_kgco2e"] == pytest.approx(whole["consumption_kwh"] * 0.363, rel=1e-6)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one's own, and no project named by the environment."""
    monkeypatch.chdir(tmp_path)
    # A run in this process names its project there: set first, so that it is as before after the test.
    monkeypatch.setenv(PROJECT_VARIABLE, "")
    monkeypatch.delenv(PROJECT_VARIABLE)
