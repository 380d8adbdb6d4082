"""Tasks in processes of this machine. One that is killed takes no result with it: its task is done again."""

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from data_quality.contracts.model import Model
from data_quality.contracts.work.work_port import Result, task_finding
from orchestration.workers.worker_side import begin, code_fingerprint, run

# What libraries keep for themselves goes with the process. Not by max_tasks_per_child, which hangs on Python 3.11 to
# 3.13 as soon as a process is replaced (CPython gh-115634): the whole pool is made anew instead.
TASKS_PER_PROCESS = 64
# As Dask counts: killed so often, a task is what kills.
KILLS = 3


def in_pool(name: str, tasks: Sequence[Model], *, workers: int) -> Iterator[tuple[int, Result[Any]]]:
    """Place and result of each task as it is done. workers: processes; 0: one a core."""
    return _Pool(name, tasks, workers or os.cpu_count() or 1).results()


class _Pool:
    """One call's tasks. kills: how often a task's process ended under it."""

    def __init__(self, name: str, tasks: Sequence[Model], workers: int) -> None:
        self.name, self.tasks, self.workers = name, tasks, min(workers, len(tasks))
        self.fingerprint = code_fingerprint()
        self.kills: Counter[int] = Counter()

    def results(self) -> Iterator[tuple[int, Result[Any]]]:
        """See `in_pool`."""
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
