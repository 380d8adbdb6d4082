"""Dagster's instance: one daemon a project, and a webserver that answers through the gate alone, however started.

Dagster's daemon keeps that process, the fork server of multiprocessing; its graph is that of the daemon's start. All
other runs start as Dagster's own launcher starts them.
Each run has a lane: dispatch, plan, or bulk for all others. common.yaml limits each of them, all together to fewer than
may run at once. The lane is set here and not in the jobs: what the UI materialises has none of our jobs.

Two Dagster daemons on one instance start runs twice, and only log that they do. The lock is for starting alone: it goes
with its process however that ends, but a process that is stopped (SIGSTOP) keeps it. What may act on a device is
decided by leases with an expiry and by the ledger, which has one row a key however many ask.
"""

import fcntl
import multiprocessing
import os
import queue
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.synchronize import Event
from pathlib import Path
from threading import Thread
from typing import Any, Literal

import dagster as dg
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, DefaultRunLauncher
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext
from dagster._core.storage.tags import PRIORITY_TAG

from data_quality.contracts.errors import BadInput, MeterloomError
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.time import SystemClock

Part = Literal["up", "daemon"]
# The second key of an advisory lock, and what the part is called.
PARTS: dict[Part, tuple[int, str]] = {"up": (1, "'meterloom up'"), "daemon": (2, "Dagster's daemon")}
_LONGEST_NAME = 200
Release = Callable[[], None]


def take(project: Project, part: Part) -> Release:
    """Be the only one until the answer is called or this process ends: by the database where one is set, else by file.

    Raises BadInput naming the holder, Unreachable where the database does not answer.
    """
    number, called = PARTS[part]
    who = f"{called}, process {os.getpid()} on {socket.gethostname()}, since {SystemClock().now_utc():%Y-%m-%d %H:%M}Z"
    if url := project.settings.database.of("store"):
        from assets.stores.postgres import hold

        held = hold(url, number, who)
    else:
        held = _hold_file(project, part, who)
    if isinstance(held, str):
        raise BadInput(
            f"another one runs on this project: {held or called}; two would start every run twice",
            reason="already_running",
            mend="end that one first; its lock goes with it",
        )
    return held


def free(project: Project, part: Part) -> None:
    """Nobody holds it at this moment. Raises as `take`."""
    take(project, part)()


def _hold_file(project: Project, part: Part, who: str) -> Release | str:
    project.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Never removed: two that each lock a file of the same name that is another file would both hold it.
    held = os.open(project.data_dir / f"{part}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        name = os.pread(held, _LONGEST_NAME, 0).decode("utf-8", "replace")
        os.close(held)
        return name
    os.ftruncate(held, 0)
    os.pwrite(held, who.encode()[:_LONGEST_NAME], 0)
    return lambda: os.close(held)


class OneScheduler(dg.DagsterInstance):
    """As Dagster's own. Every process opens one; only what is started as the daemon asks for the lock."""

    _held: Release | None = None

    @classmethod
    def config_schema(cls) -> Mapping[str, Any]:
        """Dagster's hook: nothing more to configure."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, Any]:
        """Dagster's hook: where nothing is configured, as in its own."""
        return InstanceRef.config_defaults(base_dir)

    def get_required_daemon_types(self) -> Sequence[str]:
        """The daemon asks this first of all, before any of its threads. Exits with one sentence where another runs."""
        if self._held is None and is_daemon(sys.argv):
            try:
                self._held = take(_project(), "daemon")
            except MeterloomError as fault:
                raise SystemExit(f"meterloom: {fault}") from None
            warm_up()
        return super().get_required_daemon_types()

    def optimize_for_webserver(self, *arguments: Any, **named: Any) -> None:
        """Every webserver of the instance asks this before it makes its application, `dagster dev`'s as well."""
        put_behind_gate()
        super().optimize_for_webserver(*arguments, **named)


def put_behind_gate() -> None:
    """From now on the application of this process's webserver stands behind the gate (docs/adr/0034)."""
    from dagster_webserver.webserver import DagsterWebserver

    from orchestration.web.tools.gate import Gate

    make: Any = DagsterWebserver.create_asgi_app

    def make_behind_gate(self: DagsterWebserver, **options: Any) -> Gate:
        return Gate(make(self, **options), _project(), SystemClock(), health=("/server_info",))

    DagsterWebserver.create_asgi_app = make_behind_gate  # type: ignore[method-assign, assignment]


def need_gate(arguments: Sequence[str]) -> None:
    """Raises BadInput in a code server of another instance than the project's: its webserver would have no gate."""
    if tuple(arguments[1:3]) not in (("api", "grpc"), ("code-server", "start")):
        return
    home, own = os.environ.get("DAGSTER_HOME", ""), _project().data_dir / "dagster"
    if not home or Path(home).resolve() != own.resolve():
        raise BadInput(
            f"DAGSTER_HOME is {home or 'not set'} and not {own}: whoever opens that Dagster would need no sign-in",
            reason="another_instance",
            mend="start it with 'meterloom up', or set DAGSTER_HOME and METERLOOM_PROJECT as that does",
        )


def is_daemon(arguments: Sequence[str]) -> bool:
    """True of `dagster-daemon run` and of `python -m dagster._daemon run`, which `dagster dev` starts."""
    program = Path(arguments[0])
    return "run" in arguments[1:2] and (program.name == "dagster-daemon" or program.parent.name == "_daemon")


def _project() -> Project:
    """The one that the sensors serve, whichever folder Dagster's own files lie in. Light: every process opens this."""
    return load_project(Path(os.environ.get("METERLOOM_PROJECT") or "."), os.environ)


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


LANE_TAG = "meterloom/lane"
BULK = "bulk"
# By job and by the asset of each: the lane of a run, and its place in the queue; bulk runs have 0.
PRIORITIES = {"dispatch": 20, "plan": 10}
ASSETS = {"core_site__released_commands": "dispatch", "core_site__plan": "plan"}


class ControlFirst(QueuedRunCoordinator):
    """As Dagster's own; each run is given its lane and its priority as it is queued."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Queue a run."""
        run = context.dagster_run
        lane = lane_of(run)
        tags = {LANE_TAG: lane} | ({PRIORITY_TAG: str(PRIORITIES[lane])} if lane in PRIORITIES else {})
        # Before it is queued: the daemon may take it up at once.
        self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


def lane_of(run: DagsterRun) -> str:
    """dispatch, plan or bulk: by its job, or where the UI materialises assets without one, by these."""
    if run.job_name in PRIORITIES:
        return run.job_name
    lanes = {ASSETS.get(key.to_user_string(), BULK) for key in run.asset_selection or ()}
    return lanes.pop() if len(lanes) == 1 else BULK
