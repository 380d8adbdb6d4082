"""The run queue: dispatch and plan have room of their own, however many reports run or wait."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from data_quality.contracts.settings import load_project
from orchestration.instance.write import instance_environment
from orchestration.jobs import dispatch, plan
from orchestration.sensors.dispatch import dispatch_slots

pytestmark = pytest.mark.filterwarnings("ignore")
REPOSITORY = RemoteRepositoryOrigin(GrpcServerCodeLocationOrigin(host="localhost", port=1), "__repository__")
NICE = """
import os
import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.executor.init import InitExecutorContext
from orchestration.definitions import defs

job = defs.resolve_job_def("kpi")
config = {"max_concurrent": 2, "retries": {"enabled": {}}}
before = os.nice(0)
job.executor_def.executor_creation_fn(
    InitExecutorContext(InMemoryJob(job), job.executor_def, config, dg.DagsterInstance.ephemeral())
)
print(os.nice(0) - before)
"""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The project's own instance, as `meterloom up` writes it."""
    for name, value in instance_environment(load_project(tmp_path, {})).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as made:
        yield made


def submit(instance: dg.DagsterInstance, job: str, *assets: str, started: bool = False) -> str:
    """Queue a run as a sensor or a person does; started: it was taken already. Its id."""
    selection = frozenset(dg.AssetKey(name) for name in assets) or None
    run = dg.DagsterRun(
        job_name=job,
        status=dg.DagsterRunStatus.NOT_STARTED,
        asset_selection=selection,
        remote_job_origin=RemoteJobOrigin(REPOSITORY, job),
    )
    instance.add_run(run)
    instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]
    if started:
        instance.report_engine_event("started", run)
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job_name=job)
        instance.report_dagster_event(event, run.run_id)
    return run.run_id


def taken_next(instance: dg.DagsterInstance) -> list[str]:
    """Jobs that Dagster's own daemon would start now, in order, by its own rules."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    runs = daemon._get_runs_to_dequeue(instance, instance.get_concurrency_config(), fixed_iteration_time=None)
    return [run.job_name for run in runs]


def test_with_the_queue_full_of_reports_a_dispatch_run_is_taken_next_and_a_plan_after_it(
    instance: dg.DagsterInstance,
) -> None:
    for number in range(10):
        submit(instance, "month_reports", started=number < 4)
        # Materialised in the UI, without a job of ours.
        submit(instance, "__ASSET_JOB", "out_site__month_reports")
    assert taken_next(instance) == []
    submit(instance, "plan")
    submit(instance, "dispatch")
    assert taken_next(instance) == ["dispatch", "plan"]


def test_reports_and_plans_leave_room_for_dispatch(instance: dg.DagsterInstance) -> None:
    for job in ("kpi", "enpi_report", "month_reports", "forecast", "plan", "plan", "plan", "__ASSET_JOB"):
        submit(instance, job)
    first = taken_next(instance)
    # Four of the bulk and two plans; those that wait longest.
    assert first == ["plan", "plan", "kpi", "enpi_report", "month_reports", "forecast"]
    limit = instance.get_concurrency_config().run_queue_config
    assert limit is not None
    # Commands run outside of the queue, and count as runs in progress.
    assert limit.max_concurrent_runs >= len(first) + 8


def test_a_release_materialised_in_the_ui_waits_no_longer_than_one_of_the_sensor(instance: dg.DagsterInstance) -> None:
    for _ in range(5):
        submit(instance, "kpi", started=True)
    submit(instance, "__ASSET_JOB", "core_site__released_commands")
    submit(instance, "__ASSET_JOB", "core_site__released_commands", "core_site__execution")
    assert taken_next(instance) == ["__ASSET_JOB"]


def test_no_sensor_and_no_start_of_a_report_holds_up_dispatch(instance: dg.DagsterInstance) -> None:
    assert instance.get_sensor_settings()["use_threads"] is True
    assert instance.run_coordinator.dequeue_use_threads is True  # type: ignore[attr-defined]
    assert instance.run_coordinator.dequeue_interval_seconds == 1  # type: ignore[attr-defined]
    # The daemon looks round every 5 s, and takes a sensor that is not due by a hair on its next round.
    assert (dispatch_slots.minimum_interval_seconds or 30) < 5
    # One process to start, and not another for its step.
    assert {dispatch.executor_def, plan.executor_def} == {dg.in_process_executor}


def test_steps_of_reports_run_at_low_priority() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", NICE], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 5
