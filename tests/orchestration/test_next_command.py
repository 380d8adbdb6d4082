"""`meterloom next` on real folders: what a fresh project lacks, what a broken file holds up, how fast it starts."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.sites.load_sites import load_site
from orchestration.cli.main import build_app


def run(*words: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(build_app((words[0],)), [*words])
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project made by `meterloom init`, in a folder whose name has to be quoted."""
    assert run("init", str(tmp_path / "my plant"))[0] == 0
    return tmp_path / "my plant"


def test_a_fresh_project_is_asked_for_its_values_and_readings(project: Path) -> None:
    code, out, error = run("next", "--project", str(project), "--json")
    assert code == 0, error
    steps = json.loads(out)["steps"]
    assert all({"what", "why", "command"} <= set(step) for step in steps)
    site = project / "sites" / "my_site.yaml"
    assert steps[0]["command"] == f"${{EDITOR:-vi}} +3 {shlex.quote(str(site))}"
    assert [step["what"] for step in steps[1:]] == ["readings of meter main", "readings of driver outdoor_degc"]
    assert steps[1]["command"] == f"meterloom ingest FILE --site my_site --project {shlex.quote(str(project))}"
    # A file that waits in the landing folder is named instead.
    landed = project / "landing" / "my_site" / "a.csv"
    landed.write_text("timestamp,kwh\n2025-01-01T00:00:00Z,1.5\n2025-01-01T00:15:00Z,2.5\n")
    code, out, _ = run("next", "--project", str(project))
    words = shlex.split(next(line for line in out.splitlines() if " ingest " in line).strip())
    assert words[:3] == ["meterloom", "ingest", str(landed)]
    code, out, error = run(*words[1:])
    assert code == 0, error
    assert f"what comes next: meterloom next --site my_site --project {shlex.quote(str(project))}" in out
    assert "12 whole months" in run("next", "--project", str(project))[1]


def test_a_site_file_with_a_mistake_holds_up_everything(project: Path) -> None:
    site = project / "sites" / "my_site.yaml"
    site.write_text(site.read_text().replace("currency: GBP", "curency: GBP"))
    code, out, _ = run("next", "--project", str(project), "--json")
    (step,) = json.loads(out)["steps"]
    assert (code, step["command"]) == (0, f"meterloom check --project {shlex.quote(str(project))}")
    assert "did you mean 'currency'?" in step["what"]


def test_an_unknown_site_is_one_sentence(project: Path) -> None:
    code, out, error = run("next", "--site", "my_sight", "--project", str(project))
    assert (code, out) == (2, "")
    assert "unknown site 'my_sight'; this project has my_site" in error
    assert "did you mean 'my_site'?" in error


def test_a_training_period_is_written_into_the_site_file_once_and_comments_stay(project: Path) -> None:
    site, words = project / "sites" / "my_site.yaml", ("--site", "my_site", "--as", "me", "--project", str(project))
    before = site.read_text()
    # Written before anything is fitted; there are no readings, so no baseline comes of it.
    run("baseline", "fit", "--train", "2024-01-01/2025-01-01", *words)
    assert site.read_text().replace("    baseline: {start: 2024-01-01, end: 2025-01-01}\n", "", 1) == before
    period = load_site(site).seus[0].baseline
    assert period is not None
    assert str(period.end) == "2025-01-01"
    code, _, error = run("baseline", "fit", "--train", "2023-01-01/2024-01-01", *words)
    assert (code, "--train says 2023-01-01/2024-01-01" in error) == (2, True)
    code, _, error = run("baseline", "fit", "--model", "hourly", *words)
    assert (code, "--site goes with --seu and --train alone" in error) == (2, True)


def test_next_runs_without_dbt() -> None:
    program = "import sys, orchestration.views.next_facts, orchestration.operations.project.next\n"
    program += "sys.exit(any(name.split('.')[0] in ('dbt', 'dagster_dbt', 'mlflow') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
