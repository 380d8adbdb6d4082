"""`meterloom quarantine`: a refused file is shown with what would mend it, and read again."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app

RUNNER = CliRunner()


def run(folder: Path, *words: str) -> tuple[int, Any]:
    """Exit code and JSON."""
    app = build_app(("init", "ingest", "quarantine"))
    result = RUNNER.invoke(app, [*words, "--json", "--project", str(folder)])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("name", [b"l\xe4rm.csv", "lärm.csv".encode()], ids=["latin-1", "utf-8"])
def test_a_file_whose_name_is_no_text_on_this_machine_is_ingested_and_refused_by_a_readable_name(
    name: bytes, tmp_path: Path
) -> None:
    project = tmp_path / "p"
    assert RUNNER.invoke(build_app(("init",)), ["init", str(project)]).exit_code == 0
    # As Python names it where the locale is not UTF-8, and on every machine where the name is not.
    path = tmp_path / name.decode("ascii", "surrogateescape")
    path.write_text(
        "meter,timestamp,kwh\nmain,2025-01-01T00:00Z,1\nmain,2025-01-01T00:15Z,1\nmain,2025-01-01T00:30Z,x\n"
    )
    code, found = run(project, "ingest", str(path), "--site", "my_site")
    assert (code, found["files"][0]["new_rows"], found["files"][0]["path"]) == (0, 2, str(tmp_path / "lärm.csv"))
    path.write_text("no table at all")
    assert run(project, "ingest", str(path), "--site", "my_site")[0] == 2
    items = run(project, "quarantine", "list")[1]["items"]
    assert {(item["kind"], item["source_name"]) for item in items} == {
        ("row", "lärm.csv"), ("file", "lärm.csv"),
    }  # fmt: skip
    shown = [RUNNER.invoke(build_app(("quarantine",)), ["quarantine", "list", "--project", str(project)]).stdout]
    shown.append(RUNNER.invoke(build_app(("sniff",)), ["sniff", str(path)]).stdout)
    assert all("lärm.csv" in each and "\\u" not in each for each in shown)


def test_a_foreign_table_in_quarantine_is_shown_with_the_map_that_reads_it(tmp_path: Path) -> None:
    path, mapping, project = tmp_path / "lastgang.csv", tmp_path / "map.yaml", tmp_path / "p"
    assert RUNNER.invoke(build_app(("init",)), ["init", str(project)]).exit_code == 0
    path.write_text(
        "Kunde;Muster AG\n\nDatum;Uhrzeit;Wert\n13.01.2024;00:00;1,5\n13.01.2024;00:15;2,5\n13.01.2024;00:30;4,0\n"
    )
    assert run(project, "ingest", str(path), "--site", "my_site")[0] == 2
    items = run(project, "quarantine", "list")[1]["items"]
    item_id = next(item["item_id"] for item in items if item["source_name"] == "lastgang.csv")
    proposal = run(project, "quarantine", "show", item_id)[1]["proposal_yaml"]
    assert "header_line: 3" in proposal
    assert "zone: Europe/London" in proposal
    assert '# "Wert": kwh' in proposal
    proposal = proposal.replace('# "Wert": kwh', '"Wert": kwh').replace("# units:", "units:")
    mapping.write_text(proposal)
    code, found = run(project, "quarantine", "retry", item_id, "--map", str(mapping))
    assert code == 0
    assert found["items"][0]["resolved_at_utc"] is not None
    assert item_id not in [item["item_id"] for item in run(project, "quarantine", "list")[1]["items"]]


def test_a_file_that_the_site_file_now_reads_no_longer_waits_in_quarantine(tmp_path: Path) -> None:
    path, project = tmp_path / "lastgang.csv", tmp_path / "p"
    assert RUNNER.invoke(build_app(("init",)), ["init", str(project)]).exit_code == 0
    path.write_text("Zeit;Wert\n13.01.2024 00:00;1,5\n13.01.2024 00:15;2,5\n13.01.2024 00:30;4,0\n")
    assert run(project, "ingest", str(path), "--site", "my_site")[0] == 2
    assert [item["kind"] for item in run(project, "quarantine", "list")[1]["items"]] == ["file"]
    site = project / "sites" / "my_site.yaml"
    values = "values: {Wert: main}, units: {Wert: kwh}, decimal: ',', zone: Europe/London"
    maps = f"  - {{match: lastgang.csv, timestamp: Zeit, date_format: '%d.%m.%Y %H:%M', {values}}}\n"
    site.write_text(f"{site.read_text('utf-8')}\ncolumn_maps:\n{maps}", "utf-8")
    code, found = run(project, "ingest", str(path), "--site", "my_site")
    assert code == 0, found
    assert run(project, "quarantine", "list")[1]["items"] == []
