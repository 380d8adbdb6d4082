"""A pack is checked with nothing but itself, and its KPIs by the very SQL that they were made by."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from assets.kpi.from_readings import keep_definition
from assets.stores.sign import new_key
from data_quality.contracts.reporting.figure import KpiDefinition
from reports.evidence.manifest import DEFINITIONS as FOLDER
from reports.evidence.manifest import FIGURES
from tests.definitions import DEFINITIONS, verify_pack
from tests.reports.evidence.conftest import Sealed
from tests.reports.evidence.test_pack import members_of, resealed, written


def test_a_pack_is_checked_without_project_lake_or_database(sealed: Sealed, tmp_path: Path) -> None:
    copy = tmp_path / "pack.zip"
    shutil.copyfile(sealed.made.path, copy)
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from pathlib import Path\n"
        "from data_quality.contracts.reporting.figure import KpiDefinition\n"
        "from reports.evidence.verify_pack import verify_here, verify_pack\n"
        "today = KpiDefinition.parse(Path(sys.argv[3]).read_text())\n"
        "found = verify_pack(Path(sys.argv[1]), definition=today)\n"
        "print(found.verified, found.recomputed, *found.problems)\n"
        "here = verify_here(sys.argv[1], sys.argv[2], sys.argv[3], 20, 1, None, None)\n"
        "print(here['verified'], here['recomputed'])\n"
    )
    folder = tmp_path / "laid out"
    folder.mkdir()
    definition = keep_definition(tmp_path / "definition", DEFINITIONS.current())
    root = Path(__file__).resolve().parents[3]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy), str(folder), str(definition)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["True", "20"] * 2, done.stderr
    shutil.rmtree(folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["definition", "pack.zip"]


def test_a_pack_holds_the_definition_that_its_traces_pin(sealed: Sealed) -> None:
    members = members_of(sealed.made.path)
    [name] = [each for each in members if each.startswith(FOLDER)]
    held = KpiDefinition.parse(members[name].decode())
    assert name == f"{FOLDER}{held.sha256}.sql"
    rows = [json.loads(line) for line in members[FIGURES].splitlines()]
    pinned = {each["sha256"] for row in rows for each in row["inputs"] if each["role"] == "definition"}
    assert pinned == {held.sha256}
    assert "energy_kwh" in members[name].decode()


def other_version() -> KpiDefinition:
    """Definition of a later version of today's figures."""
    first, *rest = DEFINITIONS.current().models
    return KpiDefinition(models=(first.model_copy(update={"sql": first.sql + "\n-- said in other words"}), *rest))


def test_a_later_version_runs_the_sql_of_then_and_says_so(sealed: Sealed) -> None:
    from reports.evidence.verify_pack import verify_pack as verify_by

    verdict = verify_by(sealed.made.path, definition=other_version())
    assert verdict.verified
    assert verdict.recomputed == 20
    assert any("not as here: its SQL was run" in finding for finding in verdict.findings)
    assert not any("not as here" in finding for finding in verify_pack(sealed.made.path).findings)


def test_sql_that_was_exchanged_in_a_pack_is_found_though_a_forger_seals_it_again(
    sealed: Sealed, tmp_path: Path
) -> None:
    members = members_of(sealed.made.path)
    [name] = [each for each in members if each.startswith(FOLDER)]
    text = members[name].decode()
    forged = text.replace("cast(energy_kwh as decimal(38, 15))", "cast(energy_kwh * 2 as decimal(38, 15))")
    assert forged != text
    altered = resealed({**members, name: forged.encode()}, new_key(tmp_path / "keys", "forger"))
    verdict = verify_pack(written(tmp_path / "forged.zip", altered), sample=None)
    assert (name, "is not the definition that its name says") in {(p.file, p.problem) for p in verdict.problems}
