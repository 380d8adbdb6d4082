"""Tutorials are followed from top to end: their files, their commands, and the lines that they say are printed."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.doc_sessions import followed
from tests.e2e.test_first_hour import in_folder

__all__ = ["in_folder"]
GAPS = "disclosure gaps gri_2016 --site plant --period 2025 --project plant --json"
LEDGER = "dispatch ledger --site home --project house --json"
PAGES = Path(__file__).parents[2] / "docs" / "ems"
# Libraries have notices of their own, as a user's Python treats them.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("in_folder"), pytest.mark.timeout(900)]


def follow(name: str) -> list[str]:
    """The commands of the page, each followed."""
    return followed((PAGES / f"{name}.md").read_text(encoding="utf-8"), Path())


def test_the_first_file_becomes_a_report() -> None:
    assert follow("tutorial_report")[-1].startswith("meterloom report ")
    assert Path("plant/reports/executive_summary_plant_2025-01_r1.pdf").read_bytes()[:4] == b"%PDF"


def test_a_tariff_gives_a_bill_and_names_the_line_that_differs() -> None:
    assert len(follow("tutorial_bill")) == 6


def test_a_baseline_becomes_an_approved_saving_and_its_year_a_disclosure_pack() -> None:
    assert follow("tutorial_saving")[-1].startswith("meterloom reports review ")
    assert follow("tutorial_disclosure")[-1].startswith("meterloom report gri_2016 ")
    # Answered points are gaps no more.
    left = CliRunner().invoke(build_app(("disclosure",)), shlex.split(GAPS)).stdout
    gaps = {each["id"] for each in json.loads(left)["data"] if each["source"] == "missing"}
    assert "302-2-a" in gaps
    assert gaps.isdisjoint({"305-1-f", "302-1-c-ii"})
    for name in ("mv_project_plant_pumps_2025_r1.pdf", "gri_2016_plant_2025_r1.pdf"):
        assert Path(f"plant/reports/{name}").read_bytes()[:4] == b"%PDF"


@pytest.mark.real
def test_a_plan_becomes_a_command_that_is_read_back() -> None:
    assert follow("tutorial_command")[-1].startswith("meterloom dispatch verify ")
    answer = CliRunner().invoke(build_app(("dispatch",)), shlex.split(LEDGER))
    rows = json.loads(answer.stdout)["commands"]
    assert "READ_BACK" in {proof["means"] for row in rows for proof in row["evidence"] if proof["is_proof"]}


def test_the_summary_of_the_demo_says_what_the_demo_answers(demo: tuple[Path, dict[str, Any]]) -> None:
    Path("demo").symlink_to(demo[0])
    assert len(follow("demo_summary")) == 3


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```console\n$ meterloom tariff check nowhere.yaml\n```\n", "tariff check nowhere.yaml"),
        ("```console\n$ meterloom tariff --help\nanother line\n```\n", "another line"),
        ("```console\n$ meterloom tariff --help\n(exit code 1)\n```\n", "tariff --help"),
    ],
)
def test_a_page_that_says_what_is_not_so_is_noticed(page: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        followed(page, Path())
