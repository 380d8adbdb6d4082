"""A whole `meterloom up`: a second one is refused, what dies comes back beside the agent, nothing outlives it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from controls.gateways.broker import free_port
from tests.conftest import ROOT
from tests.controls.conftest import need_mosquitto
from tests.orchestration.test_children import is_running, until

pytestmark = pytest.mark.real
DEMO = ROOT / "assets" / "sites" / "demo"
UP = [sys.executable, "-c", "from orchestration.cli.main import main; main()", "up", "--project"]
# A process of each part, by a word of its arguments.
PARTS = {"agent": "controls.agent.main", "broker": "mosquitto.conf", "collector": "controls.collector.main"}
PARTS |= {"daemon": "dagster._daemon", "mlflow": "mlflow server", "web": "orchestration.web.serve"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with the demo's home and factory."""
    need_mosquitto()
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").touch()
    for name in ("sites/home.yaml", "sites/factory.yaml", "people.yaml"):
        shutil.copy(DEMO / Path(name).name, tmp_path / name)
    return tmp_path


@pytest.fixture
def up(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """It serves; killed at the end, however the test ended."""
    ports = {f"METERLOOM_SERVER__{name}_PORT": str(free_port()) for name in ("DAGSTER", "MLFLOW", "MODBUS", "WEB")}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([*UP, str(folder)], cwd=ROOT, env=os.environ | ports, stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()


def parts_of(folder: Path) -> dict[str, int]:
    """Part -> its process, of those that stand in this project."""
    found = {}
    for process in psutil.process_iter(["pid", "cmdline", "environ"]):
        words = " ".join(process.info["cmdline"] or ())
        is_ours = str(folder) in words or str(folder) in (process.info["environ"] or {}).get("DAGSTER_HOME", "")
        found |= {name: process.pid for name, word in PARTS.items() if is_ours and word in words}
    return found


def said(folder: Path) -> str:
    return (folder / "up.log").read_text()


def test_what_dies_comes_back_beside_the_agent_and_nothing_outlives_its_owner(
    folder: Path, up: subprocess.Popen[bytes]
) -> None:
    assert until(lambda: "stop with Ctrl-C" in said(folder), 240), said(folder)
    second = subprocess.run([*UP, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (second.returncode, f"process {up.pid}" in second.stderr) == (2, True), second.stderr
    assert until(lambda: parts_of(folder).keys() == PARTS.keys(), 120), parts_of(folder)
    before = parts_of(folder)
    for name in ("web", "mlflow", "broker", "daemon"):
        os.kill(before[name], signal.SIGKILL)
    assert until(lambda: said(folder).count("is started again in") >= 4, 120), said(folder)

    def is_back() -> bool:
        now = parts_of(folder)
        return now.keys() == PARTS.keys() and all(now[each] != before[each] for each in ("web", "mlflow", "broker"))

    assert until(is_back, 240), (before, parts_of(folder))
    now = parts_of(folder)
    assert (now["agent"], now["collector"]) == (before["agent"], before["collector"])
    assert now["daemon"] != before["daemon"]
    family = [each.pid for each in psutil.Process(up.pid).children(recursive=True)]
    assert len(family) > len(PARTS)
    up.kill()
    up.wait()
    assert until(lambda: not any(is_running(pid) for pid in family), 120), [each for each in family if is_running(each)]
