"""The port by which rooms hand out work, with the back end that the settings name."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.settings import WorkSettings
from data_quality.contracts.work.work_port import FanOut, Result, TaskT, ValueT, attempt
from orchestration.workers.worker_side import name_of

Progress = Callable[[str], None]


def fan_out(
    function: Callable[[TaskT], ValueT | Finding],
    tasks: Sequence[TaskT],
    /,
    *,
    settings: WorkSettings,
    what: str = "tasks",
    progress: Progress = lambda _: None,
) -> Iterator[Result[ValueT]]:
    """`FanOut` by the back end of the settings. progress: called after each task, whatever its place."""
    found: dict[int, Result[Any]] = {}
    place, total = 0, len(tasks)
    for count, (done, result) in enumerate(_unordered(function, tasks, settings), start=1):
        found[done] = result
        progress(f"{what}: {count} of {total}")
        while place in found:
            yield found.pop(place)
            place += 1


def port(settings: WorkSettings, progress: Progress = lambda _: None) -> FanOut:
    """`fan_out` as a room is given it."""
    return functools.partial(fan_out, settings=settings, progress=progress)


def _unordered(
    function: Callable[[Any], Any], tasks: Sequence[Model], settings: WorkSettings
) -> Iterator[tuple[int, Result[Any]]]:
    # Asked of every back end: what only works in one process would fail on the day of the second machine.
    name = name_of(function)
    for task in tasks:
        if not isinstance(task, Model):
            raise OurFault(f"a task of {name} is no model but {type(task).__name__}")
    if settings.backend == "serial" or len(tasks) < 2:
        return enumerate(attempt(function, task) for task in tasks)
    if settings.backend == "pool":
        from orchestration.workers.in_pool import in_pool

        return in_pool(name, tasks, workers=settings.workers)
    from orchestration.workers.on_dask import on_dask

    return on_dask(name, tasks, settings=settings)
