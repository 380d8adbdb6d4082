"""Two schedulers of one project: the second refuses to start; forced, killed or without memory, effects stay single."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

import orchestration
from assets.stores.schema.tables_control import command_events, commands
from assets.stores.transactions import Store, connect_store, open_store
from controls.ledger.chain import verify_chain
from controls.ledger.modes import set_mode
from controls.ledger.outbox import ledger_id, release
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.time import FixedClock
from orchestration import jobs
from orchestration.cli.main import build_app
from orchestration.environment import environment as variables
from orchestration.instance import start_lock
from orchestration.instance.one_scheduler import OneScheduler, is_daemon, need_gate
from orchestration.instance.start_lock import free, take
from orchestration.instance.write import instance_environment
from orchestration.resources import ProjectResource
from orchestration.sensors.dispatch import dispatch_slots
from orchestration.supervised import supervisor
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command
from tests.controls.planning.examples import HOME, plan

# Dagster announces what is in beta.
pytestmark = pytest.mark.filterwarnings("ignore")
HOLDER = """
import sys, time
from pathlib import Path
from data_quality.contracts.settings import load_project
from orchestration.instance.start_lock import take
kept = take(load_project(Path(sys.argv[1]), __import__("os").environ), sys.argv[2])
print("held", flush=True)
time.sleep(600)
"""
POSTGRES = "METERLOOM_DATABASE__URL"


@contextmanager
def holder(project: Project, part: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started on the project."""
    words = [sys.executable, "-c", HOLDER, str(project.root), part]
    process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def freed(project: Project, part: Any, within_s: float = 5.0) -> bool:
    """Whether the lock is there again; a database notices a dead session a moment later."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        try:
            free(project, part)
        except BadInput:
            time.sleep(0.02)
        else:
            return True
    return False


@pytest.mark.parametrize("kind", ["files", "postgres"])
def test_fault_f43_a_second_start_is_refused_at_once_by_a_sentence_that_names_the_first(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = {POSTGRES: request.getfixturevalue("postgres_url")} if kind == "postgres" else {}
    project = load_project(tmp_path, environment)
    with holder(project, "up", **environment) as first:
        began_s = time.monotonic()
        with pytest.raises(BadInput, match=rf"'meterloom up', process {first.pid} on ") as refused:
            supervisor.serve(project, sites={}, say=lambda _: None)
        assert time.monotonic() - began_s < 10
        assert refused.value.reason == "already_running"
        # Another part is another lock.
        free(project, "daemon")
        first.send_signal(signal.SIGKILL)
        first.wait(10)
        assert freed(project, "up")


def test_the_command_ends_with_the_sentence_and_a_code_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    release = take(load_project(tmp_path, {}), "up")
    done = CliRunner().invoke(build_app(("up",)), ["up", "--project", str(tmp_path)])
    assert (done.exit_code, f"process {os.getpid()} on" in done.stderr) == (2, True)
    release()


def test_a_daemon_that_outlived_its_supervisor_keeps_a_new_one_from_starting(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    with holder(project, "daemon") as first, pytest.raises(BadInput, match=f"Dagster's daemon, process {first.pid}"):
        supervisor.serve(project, sites={}, say=lambda _: None)
    # What was refused has left nothing behind that would refuse the next.
    free(project, "up")


def test_fault_f43_dagsters_own_daemon_refuses_to_be_the_second(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    with holder(project, "daemon") as first:
        done = subprocess.run(
            # As `dagster dev` starts it; the code location is never asked for.
            [sys.executable, "-m", "dagster._daemon", "run", "--empty-workspace"],
            env={**os.environ, **instance_environment(project)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    (said,) = [line for line in done.stderr.splitlines() if "meterloom:" in line]
    assert f"Dagster's daemon, process {first.pid} on " in said
    assert "Traceback" not in done.stderr


def test_a_code_server_of_another_instance_loads_no_graph_since_its_webserver_has_no_gate(tmp_path: Path) -> None:
    project, words = load_project(tmp_path, {}), [sys.executable, "-m", "dagster", "api", "grpc"]
    words += ["--python-file", str(Path(orchestration.__file__).with_name("definitions.py")), "--socket", "s"]
    given = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    given |= {"METERLOOM_PROJECT": str(tmp_path)}
    done = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "DAGSTER_HOME is not set" in done.stdout + done.stderr
    # Every other process loads it, and so does the code server of the project's own instance.
    with variables(instance_environment(project)):
        need_gate(["/lib/dagster/__main__.py", "api", "grpc"])
        need_gate(["/lib/dagster/__main__.py", "api", "execute_run"])


def test_only_the_daemon_asks_for_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_daemon(["/venv/bin/dagster-daemon", "run", "-w", "workspace.yaml"])
    assert is_daemon(["/lib/dagster/_daemon/__main__.py", "run"])
    assert not is_daemon(["/venv/bin/dagster-daemon", "liveness-check"])
    assert not is_daemon(["/venv/bin/dagster-webserver"])
    project = load_project(tmp_path, {})
    for name, value in instance_environment(project).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance, OneScheduler)
        assert "SENSOR" in instance.get_required_daemon_types()
        monkeypatch.setattr(sys, "argv", ["/venv/bin/dagster-daemon", "run"])
        # Asked again and again while it runs.
        assert instance.get_required_daemon_types() == instance.get_required_daemon_types()
        with pytest.raises(BadInput, match=f"process {os.getpid()} "):
            take(project, "daemon")


def test_many_that_cannot_be_seen_are_not_called_by_the_name_of_who_was_alone_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = load_project(tmp_path, {})
    take(project, "project")()
    release = take(project, "project", is_shared=True)
    # As for processes of another container, which the list of locks leaves out.
    monkeypatch.setattr(start_lock, "_sharing", lambda _: [])
    with pytest.raises(BadInput, match="runs on this project: a command;"):
        take(project, "project")
    release()


def test_the_server_lets_go_of_a_machine_that_lost_its_power_and_of_no_session_that_is_only_silent(
    tmp_path: Path, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        name = sql.Identifier(admin.info.dbname)
        admin.execute(sql.SQL("alter database {} set idle_session_timeout = '300ms'").format(name))
        project = load_project(tmp_path, {POSTGRES: postgres_url})
        release = take(project, "up")
        time.sleep(1)
        with pytest.raises(BadInput):
            take(project, "up")
        release()


def test_a_lock_belongs_to_the_owner_of_the_folder_whoever_asks_first(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    project.data_dir.mkdir()
    if os.geteuid() == 0:
        os.chown(project.data_dir, 10001, 10001)
    free(project, "project", is_shared=True)
    assert (project.data_dir / "project.lock").stat().st_uid == project.data_dir.stat().st_uid


@pytest.mark.slow
def test_nobody_waits_for_a_server_that_takes_the_call_and_says_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began_s = time.monotonic()
        with pytest.raises(Unreachable):
            take(load_project(tmp_path, {POSTGRES: f"postgresql://127.0.0.1:{silent.getsockname()[1]}/none"}), "up")
        assert time.monotonic() - began_s < 40


def test_a_database_that_is_away_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        take(load_project(tmp_path, {POSTGRES: "postgresql://127.0.0.1:9/none?connect_timeout=1"}), "up")


@pytest.mark.parametrize("kind", ["files", "postgres"])
def test_fault_f42_f43_two_forced_daemons_and_a_retried_run_release_each_command_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://")
    url = url if kind == "postgres" else f"sqlite:///{tmp_path / 'store.db'}"
    store = open_store(url)
    set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))
    add_plan(store, *(command(f"c{n}", device_id=f"d{n}") for n in range(8)))
    told: list[str] = []

    def daemon() -> None:
        # A process of its own has connections of its own.
        other = connect_store(url)
        for _ in range(3):
            told.extend(released(other))
        other.close()

    threads = [threading.Thread(target=daemon) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(told) == [f"c{n}" for n in range(8)]
    events = [row["command_id"] for row in store.rows(command_events.select()) if row["to_state"] == "RELEASED"]
    assert sorted(events) == sorted(told)
    assert verify_chain(store, "home") == []
    store.close()


def released(store: Store) -> tuple[str, ...]:
    """Commands released by one dispatch run of plan p1."""
    report = release(store, "home", "p1", clock=FixedClock(NOW), check=lambda _command, _mode: None)
    return report.released


def test_fault_f42_a_zombie_run_ends_by_its_longest_time_and_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dagster._core.storage.dagster_run import RunsFilter
    from dagster._daemon.monitoring import run_monitoring

    for name, value in instance_environment(load_project(tmp_path, {})).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        settings = instance.get_settings("run_monitoring"), instance.get_settings("run_retries")
        assert settings[0]["enabled"] is True
        assert 0 < settings[0]["max_runtime_seconds"] <= 3600
        assert settings[1]["enabled"] is False
        assert not instance.run_retries_enabled
        run = dg.DagsterRun(
            job_name="dispatch", status=dg.DagsterRunStatus.STARTED, tags=dict(jobs.dispatch.tags or {})
        )
        instance.add_run(run)
        instance.report_engine_event("its worker and its host died here", run)
        (record,) = instance.get_run_records(RunsFilter(run_ids=[run.run_id]))
        begun_s = record.create_timestamp.timestamp()
        record = record._replace(start_time=begun_s)
        for seconds, status in ((299.0, dg.DagsterRunStatus.STARTED), (301.0, dg.DagsterRunStatus.FAILURE)):
            monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda late=seconds: begun_s + late)
            run_monitoring.check_run_timeout(instance, record, logging.getLogger("test"), 3600.0)
            found = instance.get_run_by_id(run.run_id)
            assert found is not None
            assert found.status is status


def test_no_job_that_releases_commands_is_ever_tried_again_and_each_has_an_end() -> None:
    from orchestration.definitions import defs

    releasing = [
        job
        for job in defs.get_repository_def().get_all_jobs()
        if not job.name.startswith("__") and "core_site__released_commands" in {node.name for node in job.nodes}
    ]
    assert [job.name for job in releasing] == ["dispatch"]
    for job in releasing:
        assert job.tags["dagster/max_retries"] == "0"
        assert 0 < float(job.tags["dagster/max_runtime"]) <= 300
        assert all(getattr(node.definition, "_retry_policy", "unknown") is None for node in job.nodes)


def test_fault_f44_a_sensor_without_its_cursor_asks_for_the_same_runs_and_they_act_once(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "home.yaml").write_text(json.dumps(HOME.model_dump(mode="json", exclude_unset=True)))
    project = ProjectResource(root=str(tmp_path))
    made = plan()
    project.plans.add_with_commands(made, [], FixedClock(made.created_at_utc))
    asked = []
    for minutes in (1, 2):
        clock = FixedClock(made.steps[0].start_utc + timedelta(minutes=minutes))
        # Each with an instance that never saw the one before: no cursor, and no run of any key.
        given: dict[str, Any] = {"project": project, "clock": clock}
        with dg.build_sensor_context(dg.DagsterInstance.ephemeral(), resources=given) as context:
            told: Any = dispatch_slots(context)
            answers = list(told)
            assert context.cursor is None
        asked.append([each.run_key for each in answers if isinstance(each, dg.RunRequest)])
    late: dict[str, Any] = {"project": project, "clock": FixedClock(made.steps[-1].end_utc)}
    with dg.build_sensor_context(dg.DagsterInstance.ephemeral(), resources=late) as context:
        (told,) = list(dispatch_slots(context))  # type: ignore[arg-type]
        assert "home: plan 1 of 2026-01-01 10:07Z sets no device since" in str(told.skip_message)
    content = f"{made.plan_id}:{made.steps[0].start_utc:%Y-%m-%dT%H:%MZ}:{ledger_id(project.store)}"
    assert asked == [[f"dispatch:{content}"]] * 2
    set_mode(project.store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))
    add_plan(project.store, command(), version=2)
    # The run that is then started twice all the same finds nothing left to do.
    assert (released(project.store), released(project.store)) == (("c1",), ())
    (row,) = project.store.rows(commands.select())
    assert row["state"] == CommandState.RELEASED
    project.close()
