"""`meterloom report`: it lists what can be made, and says what is missing in one sentence."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from reports.content.templates import template_files
from tests.reports.test_templates import GOOD


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and error."""
    project = [] if arguments[0] == "init" else ["--project", str(folder)]
    result = CliRunner().invoke(build_app(("init", "ingest", "report")), [*arguments, *project])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    assert run(tmp_path, "init", str(tmp_path / "mine"))[0] == 0
    return tmp_path / "mine"


def test_templates_are_listed_without_a_project(tmp_path: Path) -> None:
    code, out, error = run(tmp_path, "report", "templates", "--json")
    assert code == 0, error
    found = {each["name"]: each for each in json.loads(out)["templates"]}
    assert set(found) == {*template_files(), "enpi_quarter"}
    assert found["seu_savings"]["subject"] == "seu"
    assert found["enpi_year"]["periods"] == ["year"]


def test_a_projects_own_template_is_listed_and_a_broken_one_is_named(folder: Path) -> None:
    place = folder / "reports" / "templates"
    place.mkdir(parents=True)
    (place / "mine.yaml").write_text(GOOD)
    assert "My report" in run(folder, "report", "templates", "--json")[1]
    (place / "mine.yaml").write_text(GOOD.replace("version: 1", "version: 1\nverson: 2"))
    code, _, error = run(folder, "report", "templates")
    assert code == 2
    assert "mine.yaml, line 3" in error
    assert "did you mean 'version'?" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["executive_summary"], "a report needs --site and --period"),
        (["executive_summary", "--site", "my_site", "--period", "2999"], "2999 is of the future: the period begins on"),
        (["enpi_quarter", "--site", "my_site", "--period", "2999-Q1"], "2999-Q1 is of the future"),
        (["executive_summary", "--site", "nowhere", "--period", "2025"], "unknown site 'nowhere'"),
    ],
)
def test_what_is_missing_is_one_sentence(folder: Path, arguments: list[str], words: str) -> None:
    code, _, error = run(folder, "report", *arguments)
    assert code == 2
    assert words in error


def test_a_project_report_without_a_period_names_the_dates_of_the_project(tmp_path: Path) -> None:
    # It was "of works, None".
    folder, file = tmp_path / "works", tmp_path / "main.csv"
    dates = {"installation_start": "2025-01-15", "installation_end": "2025-01-15", "reporting_end": "2025-02-01"}
    drive = {
        "project_id": "drive",
        "name": "Drive",
        "boundary": "The drive",
        "option": "B",
        "meters": ["main"],
        **dates,
    }
    works = {"site_id": "works", "name": "Works", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
    run(tmp_path, "init", str(folder))
    (folder / "sites" / "my_site.yaml").unlink()
    (folder / "sites" / "works.yaml").write_text(
        json.dumps({**works, "meters": [{"meter_id": "main"}], "projects": [drive]})
    )
    hours = (datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(24 * 40))
    file.write_text("\n".join(["meter,timestamp,kwh", *(f"main,{at:%Y-%m-%dT%H:%M:%SZ},20" for at in hours)]) + "\n")
    assert run(folder, "ingest", str(file), "--site", "works")[0] == 0
    code, _, error = run(folder, "report", "mv_project", "--site", "works", "--mv-project", "drive")
    assert code == 0, error
    assert "making the report mv_project of works, 2025-01-15/2025-02-01\n" in error
