"""Fits and backtests by one process and by two: wall seconds of both, the ratio, and whether the answers are the same.

Run: python -m tests.bench.fan_out_bench [--meters 40]; on two idle cores, else the ratio says nothing.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from data_quality.contracts.settings import WorkSettings
from ml.baselines.life.fit_site import fit_uses
from ml.forecasts.training_task import try_targets
from orchestration.workers.fan_out import fan_out
from tests.fan_out.small_world import made_world, said


def timed(function: Callable[[Any], Any], tasks: Sequence[Any], work: WorkSettings) -> tuple[float, list[str]]:
    """Wall seconds, the start of the processes among them, and what was said."""
    started_s = time.perf_counter()
    found = said(fan_out(function, tasks, settings=work))
    return time.perf_counter() - started_s, found


def bench(meters: int) -> None:
    """Print a line each for fits and backtests."""
    # As the processes of the pool: otherwise one process would use both cores for some of it.
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with tempfile.TemporaryDirectory() as folder, made_world(Path(folder), meters=meters, targets=8) as world:
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
    options.add_argument("--meters", type=int, default=40)
    bench(options.parse_args().meters)
