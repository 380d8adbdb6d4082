"""Tasks of a room done one after the other, in processes of this machine, or on Dask, as the settings say."""

import functools
import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.settings import WorkSettings
from data_quality.contracts.work.work_port import FanOut, Result, TaskT, ValueT, attempt, task_finding
from orchestration.workers.worker_side import begin, code_fingerprint, name_of, run

Progress = Callable[[str], None]
# What libraries keep for themselves goes with the process. Not by max_tasks_per_child, which hangs on Python 3.11 to
# 3.13 as soon as a process is replaced (CPython gh-115634): the whole pool is made anew instead.
TASKS_PER_PROCESS = 64
# As Dask counts: killed so often, a task is what kills.
KILLS = 3


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
        return _Pool(name, tasks, settings.workers or os.cpu_count() or 1).results()
    from orchestration.workers.on_dask import on_dask

    return on_dask(name, tasks, settings=settings)


class _Pool:
    """One call's tasks in processes of this machine; the task of one that is killed is done again.

    kills: how often a task's process ended under it.
    """

    def __init__(self, name: str, tasks: Sequence[Model], workers: int) -> None:
        self.name, self.tasks, self.workers = name, tasks, min(workers, len(tasks))
        self.fingerprint = code_fingerprint()
        self.kills: Counter[int] = Counter()

    def results(self) -> Iterator[tuple[int, Result[Any]]]:
        """Place and result of each task as it is done."""
        left = dict.fromkeys(range(len(self.tasks)))
        while left:
            # Who was there when a process ended is tried alone: so nobody is blamed for its neighbour.
            suspects = [place for place in left if self.kills[place]]
            workers = 1 if suspects else self.workers
            places = suspects or list(left)[: workers * TASKS_PER_PROCESS]
            for place, result in self._generation(places, workers, ahead=0 if suspects else workers):
                del left[place]
                yield place, result
            for place in [each for each in left if self.kills[each] >= KILLS]:
                del left[place]
                message = f"its process was killed {KILLS} times; is there enough memory?"
                yield place, Result(task_finding("worker_killed", message))

    def _generation(self, places: Sequence[int], workers: int, *, ahead: int) -> Iterator[tuple[int, Result[Any]]]:
        """Until these are done or a process ends. ahead: tasks that wait at the pool while the caller writes."""
        waiting, flying = deque(places), dict[Future[Result[Any]], int]()
        threads = max(1, (os.cpu_count() or 1) // workers)
        spawn = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(workers, mp_context=spawn, initializer=begin, initargs=(threads,))
        try:
            while waiting or flying:
                while waiting and len(flying) < workers + ahead:
                    future = executor.submit(run, self.name, self.tasks[waiting[0]], self.fingerprint)
                    flying[future] = waiting.popleft()
                done = wait(flying, return_when=FIRST_COMPLETED).done
                for future in done:
                    if not isinstance(future.exception(), BrokenProcessPool):
                        yield flying.pop(future), future.result()
                if done & flying.keys():
                    raise BrokenProcessPool
        except BrokenProcessPool:
            self.kills.update(flying.values())
        finally:
            # The caller may have gone in the middle: nobody waits for what nobody wants.
            for process in list((executor._processes or {}).values()) if flying else []:
                process.kill()
            executor.shutdown(cancel_futures=True)
