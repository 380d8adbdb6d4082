"""A whole `meterloom up`: a second one is refused, what dies comes back beside the agent, nothing outlives it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from assets.stores.transactions import open_store
from assets.stores.web.preferences import PreferenceStore
from controls.gateways.ports import free_port
from controls.ledger.chain import verify_chain
from controls.ledger.device_lease import leases
from data_quality.contracts.settings import Project, load_project
from ml.anomaly_scoring.live_limits import keep_limits
from orchestration.doctor.role_files import roles, roles_dir
from orchestration.doctor.role_health import health_of
from tests.conftest import ROOT
from tests.controls.collector.pushing import SITE
from tests.controls.conftest import need_mosquitto
from tests.e2e.conftest import call_here
from tests.orchestration.live_scoring.test_scorer import LIMITS
from tests.orchestration.test_children import is_running, until

pytestmark = pytest.mark.real
DEMO = ROOT / "assets" / "sites" / "demo"
UP = [sys.executable, "-c", "from orchestration.cli.main import main; main()", "up", "--project"]
# A process of each part, by a word of its arguments.
PARTS = {"agent": "controls.agent.main", "broker": "mosquitto.conf", "collector": "controls.collector.main"}
PARTS |= {"daemon": "dagster-daemon", "mlflow": "mlflow server", "web": "orchestration.web.serve"}


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
        line = " ".join(process.info["cmdline"] or ())
        is_ours = str(folder) in line or str(folder) in (process.info["environ"] or {}).get("DAGSTER_HOME", "")
        found |= {name: process.pid for name, word in PARTS.items() if is_ours and word in line}
    return found


def up_log(folder: Path) -> str:
    return (folder / "up.log").read_text()


def test_what_dies_comes_back_beside_the_agent_and_nothing_outlives_its_owner(
    folder: Path, up: subprocess.Popen[bytes]
) -> None:
    assert until(lambda: "stop with Ctrl-C" in up_log(folder), 240), up_log(folder)
    second = subprocess.run([*UP, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (second.returncode, f"process {up.pid}" in second.stderr) == (2, True), second.stderr
    assert until(lambda: parts_of(folder).keys() == PARTS.keys(), 120), parts_of(folder)
    before = parts_of(folder)
    for name in ("web", "mlflow", "broker", "daemon"):
        os.kill(before[name], signal.SIGKILL)
    assert until(lambda: up_log(folder).count("is started again in") >= 4, 120), up_log(folder)

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


RESTART_S = 60.0


@pytest.fixture
def everything(folder: Path) -> Project:
    """The project wants every role that has a reason to run: a door for what is pushed, notices, live limits."""
    (folder / "sites" / "works.yaml").write_text(SITE)
    (folder / "meterloom.yaml").write_text(f"push: {{port: {free_port()}}}\n")
    project = load_project(folder, {})
    keep_limits(project.limits_dir, LIMITS.model_copy(update={"site_id": "factory"}))
    with closing(open_store(project.store_url)) as store:
        ways = {"ways": [{"channel": "folder", "address": "carla"}]}
        PreferenceStore(store).put("carla", "notices", ways)
    return project


def process_of(project: Project, role: str) -> int:
    """Number of a role's process; 0 where there is none just now."""
    return next((each.pid for each in roles(roles_dir(project)) if each.name == role and each.is_alive), 0)


def seconds_until(happened: Callable[[], object], within_s: float, begun_s: float) -> float:
    assert until(happened, within_s)
    return time.monotonic() - begun_s


def kill(project: Project, role: str) -> tuple[float, float]:
    """SIGKILL one. Returns the seconds until its process is there again, and until it does its work."""
    before, begun_s = process_of(project, role), time.monotonic()
    os.kill(before, signal.SIGKILL)
    there_s = seconds_until(lambda: process_of(project, role) not in (0, before), 240, begun_s)
    return there_s, seconds_until(lambda: health_of(project, role)[0].ready, 240, begun_s)


def command_of(project: Project) -> dict[str, Any]:
    """The battery is set by hand for an hour, and the device has proven it."""
    acts = ("--site", "home", "--project", str(project.root), "--as", "carla", "--reason", "test")
    code, _, error = call_here("dispatch", "mode", "PARTIAL", *acts)
    assert code == 0, error
    code, found, error = call_here("dispatch", "set", "--device", "battery", "--value", "1", "--for", "1h", *acts)
    assert code == 0, error
    return dict(found["commands"][0])


def holder_of(project: Project) -> str:
    with closing(open_store(project.store_url)) as store:
        return next(each.holder for each in leases(store) if each.site_id == "home")


def run_keys(project: Project) -> Counter[tuple[str, str]]:
    """Runs started by Dagster's daemon: tick of a schedule or key of a sensor, and how often."""
    import dagster as dg

    with dg.DagsterInstance.from_config(str(project.data_dir / "dagster")) as instance:
        tags = [run.tags for run in instance.get_runs()]
    named = ("dagster/run_key", "dagster/scheduled_execution_time")
    return Counter((name, tag[name]) for tag in tags for name in named if name in tag)


def moves_of(project: Project, command_id: str) -> list[str]:
    from assets.stores.schema.tables_control import command_events

    with closing(open_store(project.store_url)) as store:
        statement = command_events.select().where(command_events.c.command_id == command_id)
        return [row["to_state"] for row in store.rows(statement.order_by(command_events.c.position))]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_each_role_that_is_killed_is_there_again_within_a_minute_and_nothing_is_done_twice(
    everything: Project, up: subprocess.Popen[bytes]
) -> None:
    project, folder = everything, everything.root
    assert until(lambda: "stop with Ctrl-C" in up_log(folder), 240), up_log(folder)
    names = {"agent-home", "broker", "code", "collector", "daemon", "mlflow", "notices", "receive", "scorer", "web"}
    names |= {"webserver"}
    assert until(lambda: names <= {each.name for each in health_of(project) if each.ready}, 240), health_of(project)
    found = command_of(project)
    assert until(lambda: "VERIFIED" in moves_of(project, found["id"]), 60), moves_of(project, found["id"])
    for role in sorted(names - {"agent-home"}):
        agent = process_of(project, "agent-home")
        there_s, ready_s = kill(project, role)
        sys.stdout.write(f"kill -9 {role}: its process is there after {there_s:.1f} s, ready after {ready_s:.1f} s\n")
        assert there_s <= RESTART_S, role
        assert (process_of(project, "agent-home"), health_of(project, "agent-home")[0].live) == (agent, True), role
    # The last one of all: what the agent had in hand it finds in the ledger, and sends no second time.
    there_s, ready_s = kill(project, "agent-home")
    sys.stdout.write(f"kill -9 agent-home: its process is there after {there_s:.1f} s, ready after {ready_s:.1f} s\n")
    assert there_s <= RESTART_S
    assert until(lambda: holder_of(project).startswith(f"{process_of(project, 'agent-home')}-"), 60)
    time.sleep(10)
    moves = Counter(moves_of(project, found["id"]))
    assert {moves[state] for state in ("PROPOSED", "RELEASED", "PENDING", "ISSUED", "ACKED")} == {1}, moves
    with closing(open_store(project.store_url)) as store:
        # Rows and chain are two questions, and the agent may write between them.
        assert until(lambda: verify_chain(store, "home") == [], 20)
    keys = run_keys(project)
    sys.stdout.write(f"{len(keys)} ticks and keys of runs, the agent's command by state: {dict(moves)}\n")
    assert keys
    assert [key for key, count in keys.items() if count > 1] == [], keys
