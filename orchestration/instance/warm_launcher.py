"""Runs of dispatch and plan start as forks of a process that has the graph loaded: at once instead of in seconds.

Dagster's daemon keeps that process, the fork server of multiprocessing; its graph is that of the daemon's start. All
other runs start as Dagster's own launcher starts them.
"""

import multiprocessing
import queue
import sys
from multiprocessing import forkserver
from multiprocessing.synchronize import Event
from threading import Thread

from dagster import DagsterInstance, DagsterRunStatus, DefaultRunLauncher
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext

from orchestration.instance.run_queue import BULK, lane_of

WARM_TAG = "meterloom/warm"
# How often a run looks whether somebody ended it, seconds.
LOOK_S = 1.0
ENDED = {DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE}
_FORKS = multiprocessing.get_context("forkserver")


def warm_up() -> None:
    """Begin to load the graph in the process that runs are forked from; returns at once."""
    _FORKS.set_forkserver_preload(["dagster._grpc.impl", "orchestration.definitions"])
    forkserver.ensure_running()


class WarmLauncher(DefaultRunLauncher):
    """As Dagster's own, but for runs of dispatch and plan."""

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start a run."""
        run = context.dagster_run
        if lane_of(run) == BULK:
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
