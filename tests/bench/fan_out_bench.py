"""Fits and backtests by one process and by two, each of one thread: wall seconds, their ratio, whether all is equal.

Run: python -m tests.bench.fan_out_bench [--meters 1000] [--targets 40]; on two idle cores, else the ratio says nothing.
Of few meters it says what starting two processes costs, not what they do. A process that is not kept to one thread has
a fifth of a fit done by its second core, so the pool gains less over it.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from orchestration.workers.worker_side import THREADS

# As the processes of the pool, and before polars and numpy are loaded, which read it once.
os.environ.update(dict.fromkeys(THREADS, "1"))

from data_quality.contracts.settings import WorkSettings
from ml.baselines.lifecycle.fit_site import fit_uses
from ml.forecasts.site_forecast import try_targets
from orchestration.workers.fan_out import fan_out
from tests.fan_out.small_world import answer_texts, made_world


def timed(function: Callable[[Any], Any], tasks: Sequence[Any], work: WorkSettings) -> tuple[float, list[str]]:
    """Wall seconds, the start of the processes and their imports among them, and what was said."""
    started_s = time.perf_counter()
    found = list(fan_out(function, tasks, settings=work))
    taken_s = time.perf_counter() - started_s
    return taken_s, answer_texts(found)


def bench(meters: int = 1000, targets: int = 40) -> None:
    """Print a line each for fits and backtests."""
    with tempfile.TemporaryDirectory() as folder, made_world(Path(folder), meters=meters, targets=targets) as world:
        for name, function, tasks in (
            ("fits", fit_uses, world.fits()),
            ("backtests", try_targets, world.trainings(days=28, folds=2)),
        ):
            alone_s, here = timed(function, tasks, WorkSettings())
            two_s, there = timed(function, tasks, WorkSettings(backend="pool", workers=2))
            print(
                f"{name:10}{len(tasks):>4} tasks  one process {alone_s:7.1f} s  two {two_s:7.1f} s  "
                f"speed-up {alone_s / two_s:4.2f}  same bytes: {here == there}  load {os.getloadavg()[0]:.1f}"
            )


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Speed-up of the fan-out port.")
    options.add_argument("--meters", type=int, default=1000)
    options.add_argument("--targets", type=int, default=40)
    bench(**vars(options.parse_args()))
