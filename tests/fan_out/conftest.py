"""A Dask cluster of two worker processes over TLS, as `meterloom up --workers 2` starts it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from data_quality.contracts.settings import WorkSettings, load_project
from orchestration.supervised.children import Children
from orchestration.workers.dask_process import cluster_commands, own_cluster

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Cluster:
    """A cluster's settings and its processes: the scheduler first."""

    work: WorkSettings
    children: Children

    def worker_pids(self) -> list[int]:
        """The processes that compute: each a child of a nanny, which starts a new one when it dies."""
        from tests.fan_out.test_pool import workers_of

        return [pid for child in list(self.children)[1:] for pid in workers_of(child.process.pid)]

    def stop(self) -> None:
        """All of it."""
        self.children.__exit__()


def start_one(folder: Path, count: int, environment: dict[str, str] | None = None) -> Cluster:
    """A cluster of so many workers, ready for work."""
    project = load_project(folder, {})
    work = own_cluster(project)
    given = {"PYTHONPATH": str(ROOT), **(environment or {})}
    made = Cluster(work, Children(folder / "logs").__enter__())
    for name, words in cluster_commands(project, work, count).items():
        made.children.start(name, words, environment=given, is_needed=False)
    deadline_s = time.monotonic() + 60
    while len(made.worker_pids()) < count and time.monotonic() < deadline_s:
        time.sleep(0.2)
    return made


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Shared by tests that leave two workers behind."""
    pytest.importorskip("distributed", reason="extra scale is not installed")
    made = start_one(tmp_path_factory.mktemp("cluster"), 2)
    yield made
    made.stop()
