"""Dispatch and plan wait for no report, whoever asked for either: Dagster's run queue with lanes, and a warm launcher.

Each run has a lane: dispatch, plan, or bulk for all others. common.yaml limits each of them, all together to fewer than
may run at once. The lane is set here and not in the jobs: what the UI materialises has none of our jobs.

Runs of dispatch and plan start as forks of a process that has the graph loaded: at once instead of in seconds.
Dagster's daemon keeps that process, the fork server of multiprocessing; its graph is that of the daemon's start. All
other runs start as Dagster's own launcher starts them.
"""

import multiprocessing
import queue
import sys
from multiprocessing import forkserver
from multiprocessing.synchronize import Event
from threading import Thread

from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG

LANE_TAG = "meterloom/lane"
BULK = "bulk"
# By job and by the asset of each: the lane of a run, and its place in the queue; bulk runs have 0.
PRIORITIES = {"dispatch": 20, "plan": 10}
ASSETS = {"core_site__released_commands": "dispatch", "core_site__plan": "plan"}
WARM_TAG = "meterloom/warm"
# How often a run looks whether somebody ended it, seconds.
LOOK_S = 1.0
ENDED = {DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE}
_FORKS = multiprocessing.get_context("forkserver")


class ControlFirst(QueuedRunCoordinator):
    """As Dagster's own; each run is given its lane and its priority as it is queued."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue a run."""
        run = context.dagster_run
        lane = queue_of(run)
        tags = {LANE_TAG: lane} | ({PRIORITY_TAG: str(PRIORITIES[lane])} if lane in PRIORITIES else {})
        # Before it is queued: the daemon may take it up at once.
        self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def queue_of(run: DagsterRun) -> str:
    """dispatch, plan or bulk: by its job, or where the UI materialises assets without one, by these."""
    if run.job_name in PRIORITIES:
        return run.job_name
    lanes = {ASSETS.get(key.to_user_string(), BULK) for key in run.asset_selection or ()}
    return lanes.pop() if len(lanes) == 1 else BULK


def warm_up() -> None:
    """Begin to load the graph in the process that runs are forked from; returns at once."""
    _FORKS.set_forkserver_preload(["dagster._grpc.impl", "orchestration.definitions"])
    forkserver.ensure_running()


class WarmLauncher(DefaultRunLauncher):
    """As Dagster's own, but for runs of dispatch and plan."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run."""
        run = context.dagster_run
        if queue_of(run) == BULK:
            super().launch_run(context)
            return
        self._instance.add_run_tags(run.run_id, {WARM_TAG: "true"})
        # Ends with the daemon, as the runs of its code server do.
        _FORKS.Process(target=execute, args=(self._instance.get_ref(), run.run_id), daemon=True).start()

    def terminate(self, run_id: str) -> bool:
        """End a run. A forked one sees in its record that it is to end: the caller may be another process."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or WARM_TAG not in run.tags:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)
        return True


def execute(reference: InstanceRef, run_id: str) -> None:
    """A run from its start to its end, in a process of its own, as Dagster's code server does it."""
    from dagster._core.remote_origin import RemoteJobOrigin
    from dagster._grpc.impl import start_run_in_subprocess
    from dagster._grpc.types import ExecuteExternalJobArgs
    from dagster._serdes import serialize_value
    from dagster._utils.hosted_user_process import recon_job_from_origin

    # The daemon's own words are no run's.
    sys.argv = sys.argv[:1]
    with DagsterInstance.from_ref(reference) as instance:
        run = instance.get_run_by_id(run_id)
    if run is None or run.job_code_origin is None or not isinstance(run.remote_job_origin, RemoteJobOrigin):
        return
    arguments = ExecuteExternalJobArgs(job_origin=run.remote_job_origin, run_id=run_id, instance_ref=reference)
    is_over = multiprocessing.Event()
    Thread(target=_end_where_asked, args=(reference, run_id, is_over), daemon=True).start()
    job = recon_job_from_origin(run.job_code_origin)
    start_run_in_subprocess(  # type: ignore[no-untyped-call]
        serialize_value(arguments), job, queue.SimpleQueue(), is_over
    )


def _end_where_asked(reference: InstanceRef, run_id: str, is_over: Event) -> None:
    """Set the event that interrupts the run where its record says that it is to end; Dagster sets it at its end."""
    with DagsterInstance.from_ref(reference) as instance:
        while not is_over.wait(LOOK_S):
            run = instance.get_run_by_id(run_id)
            if run is None or run.status in ENDED:
                is_over.set()
