"""A Dask cluster of this machine for `meterloom up --workers N`: a scheduler and N workers, seen by nobody else."""

import os
import sys

from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.broker import free_port
from data_quality.contracts.settings import Project, WorkSettings


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
