"""The process around the loop: what it loads, how it ends, what it says."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from assets.stores.transactions import open_store
from controls.agent.loop import Agent
from controls.agent.main import main, run_agent
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.site_file.find_site import find_site
from tests.controls.agent.plant import HOME, Plant, Time, World
from tests.controls.ledger.rows_of import add_plan, command

HEAVY = ("dagster", "dbt", "mlflow", "duckdb", "polars", "pandas", "numpy", "pyarrow")
ROOT = Path(__file__).resolve().parents[3]


def test_the_agent_loads_nothing_heavy() -> None:
    code = f"import sys, controls.agent.main; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = load_project(tmp_path, {})
    open_store(made.store_url).close()
    return made


def test_it_runs_until_it_is_stopped_and_puts_the_devices_back(project: Project) -> None:
    store = open_store(project.store_url)
    world = World(store)
    world.set_mode(Mode.PARTIAL)
    add_plan(store, command())
    world.release()
    stop = threading.Event()
    seen: list[S] = []

    def beat(_agent: Agent) -> None:
        seen.append(read_commands(store, "home")[0].state)
        world.time.pass_(0.0)
        if seen[-1] is S.VERIFIED or len(seen) > 200:
            stop.set()

    run_agent(project, HOME, stop=stop, clock=world.time, transports=world.plant, poll_s=0.01, beat=beat)
    assert seen[-1] is S.VERIFIED
    assert world.plant.battery.value == 0.0
    assert read_commands(store, "home")[0].state is S.REVERTED
    store.close()


def test_a_fault_of_ours_puts_the_devices_back_before_it_is_raised(project: Project) -> None:
    store = open_store(project.store_url)
    world = World(store)
    world.set_mode(Mode.PARTIAL)
    add_plan(store, command())
    world.release()

    def beat(_agent: Agent) -> None:
        if read_commands(store, "home")[0].state is S.VERIFIED:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_agent(
            project, HOME, stop=threading.Event(), clock=world.time, transports=world.plant, poll_s=0.01, beat=beat
        )
    assert world.plant.battery.value == 0.0
    store.close()


def test_trouble_is_logged_once_not_every_cycle(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(project.store_url)
    World(store).agent.cycle()
    stop = threading.Event()
    cycles: list[str] = []

    def beat(agent: Agent) -> None:
        cycles.append(agent.trouble)
        if len(cycles) == 5:
            stop.set()

    time = Time()
    run_agent(project, HOME, stop=stop, clock=time, transports=Plant(time), poll_s=0.01, beat=beat)
    assert cycles == ["another agent holds the lease of this site"] * 5
    assert [record.message for record in caplog.records].count(cycles[0]) == 1
    store.close()


def test_an_unknown_site_is_one_sentence_and_exit_code_2(
    project: Project, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BadInput, match="unknown site 'attic'; the project has none"):
        find_site(project, "attic")
    assert main(["--project", str(project.root), "--site", "attic"]) == 2
