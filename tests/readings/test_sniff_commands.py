"""`sniff` with a site proposes its whole map and writes it on request; `ingest` points there and then just works."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.readings.test_ordinary_files import hours

SITE = """# Our works; keep this line.
site_id: werk   # and this one
name: Werk
time_zone: Europe/Berlin
currency: EUR
country: DE
meters:
  - {meter_id: z1, name: Zähler 1, registers: [{register_id: import}]}
  - {meter_id: z2, name: Zähler 2}
{maps}
seus: []   # none yet
# The end.
"""
WIDE = "Lastgang\nZeitstempel;Zähler 1 [kWh];Zähler 2 [kWh]\n" + hours("{t};{n},5;{n},25", month=3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of one site, and a wide German export across the change to summer time."""
    (tmp_path / "werk.yaml").write_text(SITE.replace("{maps}", ""))
    run("init", tmp_path / "p", "--site", tmp_path / "werk.yaml")
    (tmp_path / "export_2025-03.csv").write_bytes(WIDE.encode("cp1252"))
    return tmp_path


def run(*words: object) -> Any:
    app = build_app(("init", "sniff", "ingest", "check"))
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_refused_file_is_told_once_with_its_name_and_the_command_that_proposes_its_map(folder: Path) -> None:
    path = folder / "export_2025-03.csv"
    result = run("ingest", path, "--site", "werk", "--project", folder / "p")
    assert result.exit_code == 2
    assert result.output.count("expected UTF-8 text") == 1
    assert result.stderr.startswith(str(path))
    assert f"meterloom sniff {path} --site werk --project {folder / 'p'}" in result.stderr
    looked = run("sniff", path)
    assert looked.output.count("expected UTF-8 text") == 1


def test_a_written_map_keeps_every_byte_of_the_site_file_and_ingest_then_just_works(folder: Path) -> None:
    path, site = folder / "export_2025-03.csv", folder / "p" / "sites" / "werk.yaml"
    before = site.read_text()
    words = ("sniff", path, "--site", "werk", "--project", folder / "p")
    seen = json.loads(run(*words, "--json").stdout)["files"][0]
    assert seen["confidence"] > 0.9
    assert seen["proposal"]["values"] == {"Zähler 1 [kWh]": "z1", "Zähler 2 [kWh]": "z2"}
    assert site.read_text() == before
    written = run(*words, "--write", "--json")
    assert written.exit_code == 0
    assert json.loads(written.stdout)["written"] == 1
    after = site.read_text()
    assert [line for line in after.splitlines() if line in before.splitlines()] == [
        *before.splitlines()[:-1],
        "",
        before.splitlines()[-1],
    ]
    stored = json.loads(run("ingest", path, "--site", "werk", "--project", folder / "p", "--json").stdout)
    assert stored["files"][0]["accepted_rows"] == 2 * 95
    assert stored["files"][0]["verdict"] == "accept"
    assert json.loads(run(*words, "--write", "--json").stdout)["written"] == 0
    assert site.read_text() == after


def test_a_map_with_open_questions_is_not_written_and_they_are_named(folder: Path) -> None:
    path, site = folder / "wert.csv", folder / "p" / "sites" / "werk.yaml"
    path.write_text("Zeit;Wert\n" + hours("{t};{n},5"))
    before = site.read_text()
    words = ("sniff", path, "--site", "werk", "--project", folder / "p", "--write")
    result = run(*words)
    assert result.exit_code == 2
    assert "wert.csv" in result.stderr
    assert "which meter or driver is this?" in result.stderr
    assert site.read_text() == before
    assert run(*words, "--meter", "z1", "--unit", "kw").exit_code == 0
    assert "unit: kw" not in before
    assert '"Wert": kw' in site.read_text()


def test_a_completed_map_is_written_too(folder: Path) -> None:
    path, completed = folder / "wert.csv", folder / "map.yaml"
    path.write_text("Zeit;Wert\n" + hours("{t};{n},5"))
    completed.write_text(
        "timestamp: Zeit\ndate_format: '%d.%m.%Y %H:%M'\nzone: Europe/Berlin\nvalues: {Wert: z2}\nunits: {Wert: kwh}\n"
    )
    words = ("sniff", path, "--site-file", folder / "werk.yaml", "--map", completed, "--write")
    assert run(*words).exit_code == 0
    assert '"Wert": z2' in (folder / "werk.yaml").read_text() or "Wert: z2" in (folder / "werk.yaml").read_text()
    assert "already" in run(*words).output


@pytest.mark.parametrize(
    "maps",
    [
        "column_maps: []",
        "column_maps:\n- match: other.csv\n  unit: kwh\n# behind it",
        "column_maps:\n    - {match: other.csv}",
    ],
    ids=["empty", "against the margin", "in braces"],
)
def test_a_map_finds_its_place_however_the_list_is_written(folder: Path, maps: str) -> None:
    site = folder / "werk.yaml"
    site.write_text(SITE.replace("{maps}", maps))
    words = ("sniff", folder / "export_2025-03.csv", "--site-file", site, "--write")
    assert run(*words).exit_code == 0
    assert site.read_text().endswith("seus: []   # none yet\n# The end.\n")


def test_a_list_without_a_place_for_it_is_left_alone(folder: Path) -> None:
    site = folder / "werk.yaml"
    site.write_text(SITE.replace("{maps}", "column_maps: [{match: other.csv}]"))
    before = site.read_text()
    result = run("sniff", folder / "export_2025-03.csv", "--site-file", site, "--write")
    assert result.exit_code == 2
    assert "by hand" in result.stderr
    assert site.read_text() == before


def test_ingest_takes_the_zone_of_a_file_that_names_none(folder: Path) -> None:
    path = folder / "plain.csv"
    path.write_text("timestamp,meter,kwh\n" + hours("{t},z1,{n}.5", "%Y-%m-%dT%H:%M", month=10))
    words = ("ingest", path, "--site", "werk", "--project", folder / "p", "--json")
    assert json.loads(run(*words).stdout)["files"][0]["reasons"] == {"no_zone": 1}
    found = json.loads(run(*words, "--tz", "Europe/Berlin").stdout)["files"][0]
    assert (found["verdict"], found["accepted_rows"]) == ("accept", 97)


def test_a_zone_given_for_the_writing_stands_in_the_map(folder: Path) -> None:
    path, site = folder / "plain.csv", folder / "p" / "sites" / "werk.yaml"
    path.write_text("timestamp,meter,kwh\n" + hours("{t},z1,{n}.5", "%Y-%m-%dT%H:%M", zone="Europe/Lisbon"))
    words = (path, "--site", "werk", "--project", folder / "p")
    assert run("sniff", *words, "--tz", "Europe/Lisbon", "--write").exit_code == 0
    assert "zone: Europe/Lisbon" in site.read_text()
    assert run("ingest", *words).exit_code == 0


@pytest.mark.parametrize(
    ("option", "value"), [("--tz", "Europe/Berlim"), ("--unit", "furlongs"), ("--meter", "z9"), ("--site", "werkk")]
)
def test_a_wrong_word_about_a_file_is_one_sentence(folder: Path, option: str, value: str) -> None:
    words = ["sniff", folder / "export_2025-03.csv", "--site", "werk", "--project", folder / "p"]
    result = run(*words, option, value)
    assert result.exit_code == 2
    assert value in result.stderr
