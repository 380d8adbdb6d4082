"""`meterloom disclosure`: packs, gaps, and answers that fit or are refused in one sentence."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_quality.contracts.reporting.disclosure import DisclosureFile
from data_quality.contracts.yaml_file import load_model
from orchestration.cli.main import build_app
from reports.content.templates import packs_of

PEOPLE = """people:
  - {person_id: ben, name: Ben, roles: [analyst]}
  - {person_id: dirk, name: Dirk, roles: [publisher]}
"""
PACK, POINT = "gri_2016", "305-1-a/other"


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and error."""
    project = [] if arguments[0] == "init" else ["--project", str(folder)]
    result = CliRunner().invoke(build_app(("init", "disclosure")), [*arguments, *project])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(tmp_path, "init", str(tmp_path / "mine"))[0] == 0
    (tmp_path / "mine" / "people.yaml").write_text(PEOPLE)
    return tmp_path / "mine"


def answered(folder: Path, *more: str, person: str = "ben", site: str = "my_site") -> tuple[int, str, str]:
    words = ("disclosure", "answer", POINT, "--pack", PACK, "--site", site, "--year", "2025", "--as", person, "--json")
    return run(folder, *words, *more)


def test_packs_are_listed_with_their_dates_and_how_many_data_points_they_have(folder: Path) -> None:
    code, out, error = run(folder, "disclosure", "list", "--json")
    assert code == 0, error
    found = {each["name"]: each for each in json.loads(out)["packs"]}
    assert set(found) == set(packs_of())
    assert (found[PACK]["framework"], found[PACK]["until"], found[PACK]["data"]) == ("GRI", "2027-01-01", 68)


def test_an_answer_is_added_and_the_one_before_stays(folder: Path) -> None:
    assert answered(folder, "--value", "12.4", "--unit", "t")[0] == 0
    code, out, error = answered(folder, "--value", "12.50", "--unit", "t")
    assert code == 0, error
    assert [(each["value"], each["author"]) for each in json.loads(out)["answers"]] == [
        (12.4, "ben"),
        (12.5, "ben"),
    ]
    assert len(load_model(folder / "disclosure.yaml", DisclosureFile).answers) == 2


@pytest.mark.parametrize(
    ("more", "who", "words"),
    [
        (("--value", "12", "--unit", "kg"), "ben", "is answered in t, got 'kg'"),
        (("--text", "some"), "ben", "is a number in t, not words"),
        ((), "ben", "give one of"),
        (("--value", "12", "--unit", "t", "--evidence", "../x"), "ben", "below the project's folder"),
        (("--value", "12", "--unit", "t"), "dirk", "has not the role 'analyst'"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_and_writes_nothing(
    folder: Path, more: tuple[str, ...], who: str, words: str
) -> None:
    code, _, error = answered(folder, *more, person=who)
    assert code == 2
    assert words in error
    assert not (folder / "disclosure.yaml").exists()


def test_gaps_of_what_is_no_pack_are_refused(folder: Path) -> None:
    code, _, error = run(folder, "disclosure", "gaps", "ghg_inventory", "--site", "my_site", "--period", "2025")
    assert code == 2
    assert "is no pack of data points" in error
