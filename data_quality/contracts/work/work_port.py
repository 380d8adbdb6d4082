"""Work that is handed out: one function over many tasks, wherever it runs. The back ends are orchestration's.

A task names files and digests, never a frame or a connection; who works on it computes, and whoever handed it out
alone writes.
"""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from data_quality.contracts.errors import WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

TaskT = TypeVar("TaskT", bound=Model)
ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class Result(Generic[ValueT]):
    """Outcome of one task: its value, or the reason why there is none; wall seconds, and the machine's name."""

    answer: ValueT | Finding
    seconds: float = 0.0
    host: str = ""


class FanOut(Protocol):
    """Hands out tasks and gives their results in the order of the tasks, whatever finished first.

    function: a top-level name, so that another process finds it. what: told with the count of results as they come.
    A task that the world fails (its file is gone, its worker was killed again and again) has a Finding; the others go
    on. Raises OurFault where the function itself broke, Unreachable where nobody can be asked to work.
    """

    def __call__(
        self, function: Callable[[TaskT], ValueT | Finding], tasks: Sequence[TaskT], /, *, what: str
    ) -> Iterator[Result[ValueT]]:
        """See the class."""


def attempt(function: Callable[[TaskT], ValueT | Finding], task: TaskT) -> Result[ValueT]:
    """Do one task here. A fault of the world is its finding; one of ours is raised."""
    started_s = time.perf_counter()
    try:
        answer = function(task)
    except WorldFault as fault:
        answer = task_finding("task_failed", str(fault))
    return Result(answer, time.perf_counter() - started_s, socket.gethostname())


def in_order(
    function: Callable[[TaskT], ValueT | Finding],
    tasks: Sequence[TaskT],
    /,
    *,
    what: str,  # noqa: ARG001 - the port's; here nobody is told
) -> Iterator[Result[ValueT]]:
    """The port without a back end: one task behind the other, in this process."""
    return (attempt(function, task) for task in tasks)


def task_finding(code: str, message: str) -> Finding:
    """Why a task has no value."""
    return Finding(code=code, message=message, severity="blocking")
