"""A Dask scheduler or one worker, as a process of its own: `python -m orchestration.workers.dask_process --help`.

A worker is known to the scheduler by the code that it runs, and does one task at a time. `meterloom up --workers N`
starts one scheduler and N workers, seen by nobody else.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.ports import free_port
from data_quality.contracts.settings import Project, WorkSettings
from orchestration.workers.worker_side import THREADS, at_start, end_with

if TYPE_CHECKING:
    from distributed import Nanny, Scheduler


def own_cluster(project: Project) -> WorkSettings:
    """Settings of the cluster: as given, else a free port; over TLS, closed to other users of this machine."""
    given = project.settings.work
    if given.address:
        return given.model_copy(update={"backend": "dask"})
    made = certificate_in(project.data_dir / "work" / "tls")
    return WorkSettings(
        backend="dask",
        address=f"tls://127.0.0.1:{free_port()}",
        ca_file=str(made.certificate),
        certificate_file=str(made.certificate),
        key_file=str(made.key),
        wait_s=given.wait_s,
    )


def environment_of(work: WorkSettings) -> dict[str, str]:
    """Environment variables by which other processes of the project find the cluster."""
    return {f"METERLOOM_WORK__{name.upper()}": str(value) for name, value in work.model_dump().items()}


def cluster_commands(project: Project, work: WorkSettings, count: int) -> dict[str, list[str]]:
    """Name and command of the scheduler and of each worker; none outlives this process."""
    scratch = project.data_dir / "work" / "scratch"
    given = [
        f"--{name.replace('_', '-')}={getattr(work, name)}" for name in ("ca_file", "certificate_file", "key_file")
    ]
    given += [f"--scratch={scratch}", f"--parent={os.getpid()}"]
    given += [f"--threads={max(1, (os.cpu_count() or 1) // count)}"]
    parts = {"work-scheduler": "scheduler"} | {f"work-{number}": "worker" for number in range(1, count + 1)}
    module = "orchestration.workers.dask_process"
    return {name: [sys.executable, "-m", module, part, work.address, *given] for name, part in parts.items()}


# Nobody else is told how we stand: no dashboard, and its server on the loopback.
_QUIET = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
# Left alone it shows tasks, logs and call stacks to whoever finds its port.
_ROUTES = {f"distributed.{part}.http.routes": ["distributed.http.health"] for part in ("scheduler", "worker")}


def main(argv: Sequence[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM, or until the process that is to be outlived by nobody is gone."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.workers.dask_process")
    parser.add_argument("part", choices=("scheduler", "worker"))
    parser.add_argument("address", help="of the scheduler: tls://HOST:PORT, or tcp:// on this machine")
    parser.add_argument("--ca-file", default="")
    parser.add_argument("--certificate-file", default="")
    parser.add_argument("--key-file", default="")
    parser.add_argument("--scratch", type=Path, default=None, help="folder for what does not fit into memory")
    parser.add_argument("--threads", type=int, default=0, help="of the libraries of one worker; 0: as many as cores")
    parser.add_argument("--parent", type=int, default=0, help="end with this process, which started us")
    given = parser.parse_args(argv)
    if given.parent:
        end_with(lambda: _wait_for(given.parent))
    if given.threads:
        os.environ.update(dict.fromkeys(THREADS, str(given.threads)))
    settings = WorkSettings(
        address=given.address,
        ca_file=given.ca_file,
        certificate_file=given.certificate_file,
        key_file=given.key_file,
    )
    at_start()
    asyncio.run(_serve(given.part, settings, given.scratch))


def _wait_for(parent: int) -> None:
    # Whoever lost its parent belongs to another one, in the same moment.
    while os.getppid() == parent:
        time.sleep(0.5)


async def _serve(part: str, settings: WorkSettings, scratch: Path | None) -> None:
    import signal

    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with _server(part, settings, scratch) as server:
        done = asyncio.create_task(server.finished())
        await asyncio.wait([done, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)


def _server(part: str, settings: WorkSettings, scratch: Path | None) -> "Scheduler | Nanny":
    import dask
    from distributed import Nanny, Scheduler

    from orchestration.workers.on_dask import resource_of, security_of

    dask.config.set(_ROUTES)
    security = security_of(settings)
    scheme, _, rest = settings.address.rpartition("://")
    host, _, port = rest.rpartition(":")
    if part == "scheduler":
        return Scheduler(host=host, port=int(port), protocol=scheme, security=security, **_QUIET)
    return Nanny(
        settings.address,
        nthreads=1,
        resources={resource_of(at_start()): 1},
        security=security,
        local_directory=None if scratch is None else str(scratch),
        # Whose scheduler is gone for good computes for nobody.
        death_timeout=60,
        **_QUIET,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
