"""`meterloom quarantine`: a refused file is shown with what would mend it, and read again."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from orchestration.cli.main import build_app

RUNNER = CliRunner()


def run(folder: Path, *words: str) -> tuple[int, Any]:
    """Exit code and JSON."""
    app = build_app(("init", "ingest", "quarantine"))
    result = RUNNER.invoke(app, [*words, "--json", "--project", str(folder)])
    return result.exit_code, json.loads(result.stdout)


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
