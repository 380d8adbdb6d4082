"""The units of systemd: what they may, that systemd finds nothing against them, and that the agent says it lives."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from assets.stores.transactions import open_store
from controls.agent.watchdog import heartbeat
from data_quality.contracts.settings import load_project
from tests.controls.planning.examples import HOME

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
# What no part of ours needs, so that what takes one over gains nothing by it.
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "UMask": "0077",
}


def settings(unit: Path) -> dict[str, str]:
    """Keys of a unit; of one that is given twice the last."""
    return dict(re.findall(r"^([A-Za-z]+)=(.*)$", unit.read_text(), re.MULTILINE))


def test_there_are_units_for_the_platform_one_service_of_it_upkeep_and_each_agent() -> None:
    assert [unit.name for unit in UNITS] == [
        "meterloom-agent@.service",
        "meterloom-role@.service",
        "meterloom-upkeep@.service",
        "meterloom.service",
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_may_only_what_it_needs_and_names_no_secret(unit: Path) -> None:
    found = settings(unit)
    assert {name: found[name] for name in HARDENED} == HARDENED
    assert found["Restart"] in ("always", "on-failure")
    assert found["User"] != "root"
    assert re.fullmatch(r"\d+[MG]", found["MemoryMax"])
    assert "Environment" not in found


@pytest.mark.parametrize("timer", sorted(FOLDER.glob("*.timer")), ids=lambda timer: timer.stem)
def test_a_timer_starts_a_command_that_is_there_with_the_options_of_its_page(timer: Path) -> None:
    unit, work = re.fullmatch(r"(meterloom-upkeep@)(\w+)\.service", settings(timer)["Unit"]).groups()
    assert "meterloom %i $OPTIONS" in settings(FOLDER / f"{unit}.service")["ExecStart"]
    page = (FOLDER.parents[1] / "docs" / "ems" / "operations.md").read_text()
    (options,) = re.findall(rf"^# /etc/meterloom/upkeep-{work}\.env\nOPTIONS=(.*)$", page, re.MULTILINE)
    words = [work, *options.split()]
    known = (Path(__file__).parents[1] / "golden" / "commands.txt").read_text()
    names = " ".join(each for each in words if each.isalpha())
    (line,) = re.findall(rf"^meterloom {names}: (.*?) ;", known, re.MULTILINE)
    assert {each for each in words if each.startswith("--")} <= set(line.split())


def test_the_agent_is_watched_and_comes_back_within_what_a_lease_lasts() -> None:
    found = settings(FOLDER / "meterloom-agent@.service")
    assert (found["Type"], found["Restart"], found["StartLimitIntervalSec"]) == ("notify", "always", "0")
    assert float(found["WatchdogSec"]) + float(found["RestartSec"]) < 45


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze on this machine")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_finds_nothing_against_a_unit(unit: Path, tmp_path: Path) -> None:
    # Where it is installed is the reader's own: here it is this Python.
    text = re.sub(r"/opt/meterloom/\.venv/bin/\w+", sys.executable, unit.read_text())
    copy = tmp_path / unit.name
    copy.write_text(text)
    done = subprocess.run([str(ANALYZE), "verify", str(copy)], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if unit.stem.rstrip("@") in line]
    assert (done.returncode, said) == (0, [])


def test_the_service_manager_is_told_after_each_cycle_and_its_absence_stops_nothing(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(5)
        beat = heartbeat({"NOTIFY_SOCKET": str(tmp_path / "n")})
        beat(None)
        beat(None)
        assert [manager.recv(100) for _ in range(2)] == [b"READY=1\nWATCHDOG=1", b"WATCHDOG=1"]
    beat(None)
    heartbeat({"NOTIFY_SOCKET": "@nobody-is-there"})(None)
    heartbeat({})(None)


BROKEN = """
import signal, sys
sys.path.insert(0, sys.argv.pop(1))
try:
    import orchestration.definitions
except RuntimeError as fault:
    print(fault, file=sys.stderr)
from controls.agent.main import main
sys.exit(main())
"""


def test_fault_f45_a_platform_that_cannot_be_imported_stops_no_agent(tmp_path: Path) -> None:
    (tmp_path / "bad" / "orchestration").mkdir(parents=True)
    (tmp_path / "bad" / "orchestration" / "__init__.py").write_text("raise RuntimeError('a bad deploy')")
    project = tmp_path / "p"
    (project / "sites").mkdir(parents=True)
    (project / "sites" / "home.yaml").write_text(json.dumps(HOME.model_dump(mode="json", exclude_unset=True)))
    (project / "meterloom.yaml").write_text("{}")
    (project / "var").mkdir()
    open_store(load_project(project, {}).store_url).close()
    words = [sys.executable, "-c", BROKEN, str(tmp_path / "bad"), "--project", str(project), "--site", "home"]
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        subprocess.Popen(
            words, stderr=subprocess.PIPE, text=True, env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "n")}
        ) as agent,
    ):
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(60)
        assert agent.stderr is not None
        # It has whole cycles behind it: each reads, decides, and would bring a device home.
        said = [agent.stderr.readline(), agent.stderr.readline()]
        assert b"WATCHDOG=1" in manager.recv(100)
        assert b"WATCHDOG=1" in manager.recv(100)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(60) == 0
    assert "a bad deploy" in said[0]
    assert "agent of home: battery, pv" in said[1]
