"""A run of dispatch as the daemon starts it, ended while it waits for its proof: -m tests.orchestration.warm_run.

In the project of the environment, in a process of its own: a fork server lasts as long as its process. Prints JSON: the
seconds from the launch to the release and from the request to end it to its end, and the status then.
"""

import json
import sys
import time
from collections.abc import Callable

import dagster as dg
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import LaunchRunContext
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState
from orchestration.instance.warm_launcher import warm_up
from orchestration.open_project import OpenProject


def launch(instance: dg.DagsterInstance) -> str:
    """Start a run of dispatch at the home, as the daemon does once it is its turn. Its id."""
    from orchestration.definitions import defs

    server = GrpcServerCodeLocationOrigin(host="localhost", port=1)
    code = RepositoryPythonOrigin(sys.executable, ModuleCodePointer("orchestration.definitions", "defs", None))
    run = instance.create_run_for_job(
        defs.resolve_job_def("dispatch"),
        tags={"dagster/partition": "home"},
        status=dg.DagsterRunStatus.STARTING,
        remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(server, "__repository__"), "dispatch"),
        job_code_origin=JobPythonOrigin("dispatch", code),
    )
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    return run.run_id


def seconds_until(what: Callable[[], object]) -> float:
    """Seconds until it is true. Raises TimeoutError."""
    began_s = time.monotonic()
    while not what():
        if time.monotonic() - began_s > 90:
            raise TimeoutError
        time.sleep(0.05)
    return time.monotonic() - began_s


def main() -> None:
    """The process."""
    warm_up()
    project = OpenProject()
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("sites", ["home"])
        run_id = launch(instance)

        def run() -> dg.DagsterRun:
            """As its record is now."""
            found = instance.get_run_by_id(run_id)
            assert found is not None
            return found

        released_s = seconds_until(lambda: read_commands(project.store, "home", states=[CommandState.RELEASED]))
        assert not run().is_finished
        assert instance.run_launcher.terminate(run_id)
        ended_s = seconds_until(lambda: run().is_finished)
        sys.stdout.write(json.dumps({"released_s": released_s, "ended_s": ended_s, "status": run().status.value}))
    project.close()


if __name__ == "__main__":
    main()
