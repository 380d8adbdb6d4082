"""Jobs of the port's tests: top-level functions that a process of its own finds by name."""

import os
import signal
import time
from pathlib import Path

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.settings import WorkSettings
from data_quality.contracts.work.work_port import task_finding
from orchestration.workers.fan_out import fan_out


class Job(Model):
    """number: what is computed; for_s: how long it takes; file: what it needs or leaves."""

    number: int
    for_s: float = 0.0
    file: str = ""


def jobs(count: int, *, for_s: float = 0.0, file: str = "") -> list[Job]:
    """So many, from 0 on."""
    return [Job(number=number, for_s=for_s, file=file) for number in range(count)]


def square(job: Job) -> int:
    """Its square; a file that is named is added to by a line a job that was begun."""
    time.sleep(job.for_s)
    if job.file:
        with Path(job.file).open("a") as file:
            file.write(f"{job.number}\n")
    return job.number**2


def first_is_last(job: Job) -> int:
    """The first is done when all others are: each leaves a file in the folder `file`, which the first waits for."""
    folder = Path(job.file)
    (folder / f"{job.number}").touch()
    deadline_s = time.monotonic() + 60
    # for_s: how many there are.
    while job.number == 0 and len(list(folder.iterdir())) < job.for_s and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return job.number


def others_never(job: Job) -> int:
    """The first is done at once, the others not before their worker ends."""
    while job.number:
        time.sleep(60)
    return job.number


def expect_order(settings: WorkSettings, folder: Path) -> None:
    """Five of them come in their order, though the first ends last."""
    found = [each.answer for each in fan_out(first_is_last, jobs(5, for_s=5, file=str(folder)), settings=settings)]
    assert len(list(folder.iterdir())) == 5
    assert found == [0, 1, 2, 3, 4]


def even_alone(job: Job) -> int | Finding:
    """A finding for odd ones."""
    return task_finding("odd", f"{job.number} is odd") if job.number % 2 else job.number


def length(job: Job) -> int:
    """Bytes of its file; a gone file is the world's fault."""
    try:
        return len(Path(job.file).read_bytes()) + job.number
    except FileNotFoundError as error:
        raise BadInput(f"no file {job.file}", reason="no_file") from error


class OddError(Exception):
    """An error that cannot be recomputed from its text, as libraries have them."""

    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")


def breaks(job: Job) -> int:
    """A bug of ours in one of them."""
    if job.number == 2:
        raise OddError(code=7)
    return job.number


def kills_itself(job: Job) -> int:
    """One of them ends its process whenever it is tried, as memory that runs out does."""
    if job.number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number


def pid(job: Job) -> int:
    """Id of the process that ran the job."""
    time.sleep(job.for_s)
    return os.getpid()


def threads(job: Job) -> str:
    """Number of threads that polars may take there."""
    return os.environ.get("POLARS_MAX_THREADS", "")
