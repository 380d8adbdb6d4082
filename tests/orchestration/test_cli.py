"""The command line's contract: JSON alone on standard output, one sentence and an exit code for every fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.sites.load_sites import load_site
from orchestration.cli.main import build_app
from orchestration.operations.commands import MODULES

RUNNER = CliRunner()
CSV = "timestamp,kwh\n2025-01-01T00:00:00Z,1.5\n2025-01-01T00:15:00Z,2.5\n"


def run(*arguments: str, folder: Path | None = None) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    words = [*arguments, *(["--project", str(folder)] if folder else [])]
    result = RUNNER.invoke(build_app(), words)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project made by `meterloom init`."""
    code, _, error = run("init", str(tmp_path / "p"))
    assert code == 0, error
    return tmp_path / "p"


def test_every_command_has_help_with_an_example() -> None:
    app = build_app()
    for name in MODULES:
        result = RUNNER.invoke(app, [name, "--help"])
        assert result.exit_code == 0, name
        has_commands = "Commands:" in result.stdout
        assert has_commands or "Example: meterloom" in result.stdout, name


def test_a_fresh_project_has_no_problems(project: Path) -> None:
    code, out, _ = run("check", "--json", folder=project)
    found = json.loads(out)
    assert (code, found["problems"]) == (0, [])


def test_check_names_each_placeholder_of_the_template_and_nothing_rests_on_a_price_or_an_area(project: Path) -> None:
    path = project / "sites" / "my_site.yaml"
    waiting = json.loads(run("check", "--json", folder=project)[1])["placeholders"]
    marked = [n for n, line in enumerate(path.read_text().splitlines(), 1) if "PLACEHOLDER:" in line]
    assert [each["line"] for each in waiting if each["file"] == str(path)] == marked
    assert len([each for each in waiting if each["file"].endswith("people.yaml")]) == 3
    told = " ".join(each["message"] for each in waiting)
    assert "your price per kWh" in told
    assert "floor area in m2" in told
    site = load_site(path)
    assert (site.tariffs, site.floor_area_m2) == ((), None)
    path.write_text(path.read_text().replace("PLACEHOLDER:", ""))
    (project / "people.yaml").write_text((project / "people.yaml").read_text().replace("PLACEHOLDER:", ""))
    assert json.loads(run("check", "--json", folder=project)[1])["placeholders"] == []


def test_the_price_of_an_earlier_template_is_asked_about_and_a_true_one_is_left_alone(project: Path) -> None:
    path = project / "sites" / "my_site.yaml"
    old = """site_id: my_site
name: Mine
time_zone: Europe/London
currency: GBP
country: GB
floor_area_m2: 1200               # for kWh/m2; delete if unknown
floor_area_definition: GIA
meters: [{meter_id: main}]
tariffs:
  - tariff_id: flat
    valid_from: 2020-01-01
    valid_to: 2030-01-01
    periods:
      - {period_id: all, price_per_kwh: 0.25}
"""
    path.write_text(old)
    code, out, _ = run("check", folder=project)
    assert code == 0
    assert "my_site.yaml:6:1: as the template wrote it: is this the floor area of your site in m2?" in out
    assert "my_site.yaml:14:7: as the template wrote it: is this your price per kWh?" in out
    true = old.replace("# for kWh/m2; delete if unknown", "# survey 2024").replace("0.25}", "0.25}  # contract 17")
    path.write_text(true)
    assert "as the template" not in run("check", folder=project)[1]


def test_a_wrong_key_is_named_with_file_line_and_mend(project: Path) -> None:
    site = project / "sites" / "my_site.yaml"
    site.write_text(site.read_text().replace("currency: GBP", "curency: GBP"))
    code, out, _ = run("check", "--json", folder=project)
    problem = next(p for p in json.loads(out)["problems"] if "curency" in p["message"])
    assert code == 2
    assert (problem["file"], problem["line"], problem["mend"]) == (str(site), 5, "did you mean 'currency'?")


def test_a_wrong_setting_hides_no_mistake_of_another_file(project: Path) -> None:
    (project / "meterloom.yaml").write_text("mqtt:\n  prot: 1883\n")
    site, people = project / "sites" / "my_site.yaml", project / "people.yaml"
    site.write_text(site.read_text().replace("currency: GBP", "curency: GBP"))
    people.write_text(people.read_text().replace("people:", "poeple:"))
    problems = json.loads(run("check", "--json", folder=project)[1])["problems"]
    assert {Path(each["file"]).name for each in problems} == {"meterloom.yaml", "my_site.yaml", "people.yaml"}


def test_a_home_board_that_there_is_not_is_named_with_its_line_and_the_nearest(project: Path) -> None:
    people = project / "people.yaml"
    people.write_text("people:\n- {person_id: olga, name: Olga, roles: [operator]}\n")
    assert run("check", folder=project)[0] == 0
    people.write_text("people:\n- person_id: olga\n  name: Olga\n  roles: [operator]\n  home_board: opps\n")
    code, out, _ = run("check", "--json", folder=project)
    [problem] = json.loads(out)["problems"]
    assert (code, problem["file"], problem["line"], problem["mend"]) == (2, str(people), 5, "did you mean 'ops'?")
    assert problem["message"].endswith("there are home, ops, site, exec, audit")


def test_an_unknown_setting_is_refused_with_its_line(project: Path) -> None:
    (project / "meterloom.yaml").write_text("mqtt:\n  prot: 1883\n")
    code, out, _ = run("check", "--json", folder=project)
    assert code == 2
    assert json.loads(out)["problems"][0] | {"mend": ""} == {
        "file": str(project / "meterloom.yaml"),
        "line": 2,
        "column": 3,
        "message": "unknown key 'mqtt.prot'; allowed here: ca_file, host, password, port, tls, username",
        "mend": "",
    }


def test_no_project_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    code, out, error = run("quarantine", "list", folder=tmp_path)
    assert (code, out) == (2, "")
    assert error.count("\n") == 1
    assert "no Meterloom project" in error


def test_sniff_needs_no_project_and_says_what_is_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(CSV)
    code, out, _ = run("sniff", str(path), "--json")
    found = json.loads(out)["files"][0]
    assert code == 0
    assert (found["verdict"], found["accepted_rows"], found["rejected_rows"]) == ("accept", 2, 0)
    assert found["channels"][0]["sum_kwh"] == 4.0


def test_ingest_keeps_what_it_cannot_read_and_takes_the_rest(project: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "empty.csv"
    good.write_text(CSV)
    bad.write_text("")
    code, out, error = run("ingest", str(good), str(bad), str(tmp_path), "--site", "my_site", "--json", folder=project)
    files = json.loads(out)["files"]
    assert code == 2
    assert [f["verdict"] for f in files] == ["accept", "reject", "reject"]
    assert files[0]["new_rows"] == 2
    assert "empty.csv" in error
    code, out, _ = run("quarantine", "list", "--json", folder=project)
    assert {item["source_name"] for item in json.loads(out)["items"]} >= {"empty.csv"}


def test_the_same_file_twice_changes_nothing(project: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(CSV)
    run("ingest", str(path), "--site", "my_site", folder=project)
    code, out, _ = run("ingest", str(path), "--site", "my_site", "--json", folder=project)
    found = json.loads(out)["files"][0]
    assert (code, found["new_rows"], found["corrected_rows"], found["is_repeat"]) == (0, 0, 0, True)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["ingest", "x.csv", "--site", "nowhere"], "unknown site 'nowhere'"),
        (["kpis", "--site", "my_site", "--period", "2025-Q5"], "cannot read period"),
        (["kpis", "--site", "my_site", "--period", "2025", "--as-of", "2025-06-01T00:00Z"], "was known at 2025-06-01"),
        (
            ["reports", "diff", "enpi_quarter/my_site/2025-Q1@3"],
            "no revision 'enpi_quarter/my_site/2025-Q1@3'; there are none",
        ),
        (["trace", "0000000000000000"], "no figure"),
        (["baseline", "show", "a/b/enb"], "unknown baseline"),
        (["dispatch", "mode", "PARTIAL", "--site", "my_site", "--reason", "x"], "--as PERSON"),
        (["dispatch", "mode", "PARTIAL", "--site", "my_site", "--as", "publisher", "--reason", "x"], "role"),
        (["dispatch", "mode", "WILD", "--site", "my_site", "--as", "me"], "unknown mode"),
    ],
)
def test_a_wrong_request_is_one_sentence(project: Path, arguments: list[str], word: str) -> None:
    code, out, error = run(*arguments, folder=project)
    assert (code, out) == (2, "")
    assert word in error
    assert "Traceback" not in error


def test_the_mode_of_a_new_site_is_simulation(project: Path) -> None:
    code, out, _ = run("dispatch", "mode", "--site", "my_site", "--json", folder=project)
    assert (code, json.loads(out)["mode"]) == (0, "SIMULATION")


def test_doctor_gives_a_mend_for_everything_that_is_not_well(project: Path) -> None:
    code, out, _ = run("doctor", "--json", folder=project)
    checks = json.loads(out)["checks"]
    assert code in (0, 1)
    assert {"python", "packages", "mosquitto", "store"} <= {check["name"] for check in checks}
    assert all(check["mend"] for check in checks if check["status"] != "ok")


def test_a_stateless_command_starts_without_dagster() -> None:
    code = "import sys; from orchestration.cli.main import build_app; build_app(('sniff',)); "
    code += "print('dagster' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_a_sweep_lists_or_sets_aside_what_no_batch_names(project: Path) -> None:
    assert run("lake", "adopt", folder=project)[0] == 0
    left = project / "var" / "lake" / "readings" / "site=my_site" / "m=2025-01" / "part-left.parquet"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    for words, stands in ((["--dry-run"], True), ([], False), ([], False)):
        before = left.exists()
        code, out, error = run("lake", "sweep", *words, "--json", folder=project)
        assert code == 0, error
        assert json.loads(out)["bytes"] == 4 * before
        assert left.exists() == stands
    [kept] = (project / "var" / "lake" / "set-aside").rglob("part-left.parquet")
    assert kept.read_bytes() == b"half"
