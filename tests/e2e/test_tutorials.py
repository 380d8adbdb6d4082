"""Tutorials are followed from top to end: their files, their commands, and the lines that they say are printed."""

from pathlib import Path

import pytest

from tests.doc_sessions import followed
from tests.e2e.test_first_hour import in_folder

__all__ = ["in_folder"]
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
