"""The runbook is followed to the letter: its commands run in their order, its backup is taken, and put back."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.stores.transactions import site_transaction
from controls.agent.main import STOP_FILE
from controls.gateways.ports import free_port
from controls.ledger.device_faults import latch_fault, open_faults
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import SystemClock
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from tests.controls.planning.examples import HOME

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ems" / "dispatch_runbook.md").read_text("utf-8")
PEOPLE = {"carla": ["engineer", "operator"], "eve": ["engineer"], "olaf": ["operator"]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with three people; its ports are nobody's."""
    folder = tmp_path / "var_lib"
    (folder / "sites").mkdir(parents=True)
    (folder / "sites" / "home.yaml").write_text(json.dumps(HOME.model_dump(mode="json", exclude_unset=True)))
    people = [{"person_id": name, "name": name.title(), "roles": roles} for name, roles in PEOPLE.items()]
    (folder / "people.yaml").write_text(json.dumps({"people": people}))
    (folder / "meterloom.yaml").write_text("{}")
    for name in ("MQTT__PORT", "SERVER__DAGSTER_PORT", "SERVER__MLFLOW_PORT", "SERVER__MODBUS_PORT"):
        monkeypatch.setenv(f"METERLOOM_{name}", str(free_port()))
    return folder


def steps() -> list[str]:
    """Commands of the program, and those that keep or bring back its folder, in the order of the page."""
    blocks = re.findall(r"^ *```(console|sh)\n(.*?)^ *```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for _, block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith(("$ ", "tar ", "find /var/lib/meterloom"))]


def test_the_runbook_runs_from_the_first_look_to_the_way_back(project: Path, tmp_path: Path) -> None:
    modes, backup = [], tmp_path / "meterloom.tar.gz"
    for line in steps():
        opened = OpenProject(str(project))
        if line.startswith("meterloom"):
            words = shlex.split(line)[1:]
            if words[:2] == ["dispatch", "ack"]:
                _latch(opened)
                assert open_faults(opened.store, "home")
            done = CliRunner().invoke(build_app((words[0],)), [*words, "--project", str(project)])
            assert done.exit_code == 0, (line, done.output)
            now = SystemClock().now_utc()
            modes.append(current_mode(opened.store, "home", now_utc=now))
            if words[:2] == ["dispatch", "stop"]:
                assert modes[-1] is Mode.SIMULATION
            if words[:2] == ["dispatch", "ack"]:
                assert not open_faults(opened.store, "home")
        else:
            here = line.replace("/var/backups/meterloom.tar.gz", str(backup)).replace(
                "/var/lib/meterloom", str(project)
            )
            subprocess.run(shlex.split(here), check=True, capture_output=True)
        opened.close()
    assert backup.stat().st_size > 1000
    assert {Mode.SIMULATION, Mode.ADVISORY, Mode.PARTIAL} <= set(modes)
    assert modes[-1] is Mode.SIMULATION


def _latch(project: OpenProject) -> None:
    now = SystemClock().now_utc()
    with site_transaction(project.store, "home") as connection:
        latch_fault(connection, "home", "battery", reason="no read-back", command_id=None, at_utc=now)


def test_units_and_folders_of_the_runbook_are_those_of_the_units() -> None:
    for unit in ("meterloom.service", "meterloom-agent@.service"):
        text = (ROOT / "deploy" / "systemd" / unit).read_text("utf-8")
        for place in ("/var/lib/meterloom", "/opt/meterloom", "/etc/meterloom/secrets.env"):
            assert place in text
            assert place in PAGE
    assert "meterloom-agent@home.service" in PAGE
    # Where the agent looks for them.
    assert f"/var/lib/meterloom/{STOP_FILE}\n" in PAGE
    assert "/var/lib/meterloom/var/agent-home.token" in PAGE
    assert shutil.which("tar")
