"""Dagster's own overhead per step of the quick demo, and the demo's peak memory: `python -m tests.bench.overhead`.

Overhead is the event log's step time minus the time inside the asset's function. dbt's start-up happens inside the
function of its two steps and is shown beside them.
"""

import inspect
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")


def main() -> int:
    """Run the quick demo in this process and print the overhead of each step."""
    from dagster._core.execution.plan import compute_generator

    from controls.simulator.worlds.anchor import ANCHOR
    from data_quality.contracts.time import SystemClock
    from orchestration.demonstration.demo_job import run_demo

    inside: list[float] = []
    original = compute_generator.invoke_compute_fn

    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        answer = original(*arguments, **named)
        if inspect.isgenerator(answer):
            return _drained(answer, inside)
        inside.append(time.perf_counter() - started)
        return answer

    compute_generator.invoke_compute_fn = timed
    folder = Path(tempfile.mkdtemp()) / "demo"

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    answer = run_demo(folder, until=ANCHOR, say=say, clock=SystemClock(), quick=True)
    steps = _steps(folder, [run["run_id"] for run in answer["runs"]])
    overheads = [(took - within, name, within) for (name, took), within in zip(steps, inside, strict=True)]
    for overhead_s, name, within_s in sorted(overheads, reverse=True)[:8]:
        print(f"{name:50} {overhead_s * 1000:8.0f} ms overhead, {within_s:6.2f} s inside")
    values = [overhead_s * 1000 for overhead_s, _, _ in overheads]
    print(f"steps {len(values)}, median {statistics.median(values):.0f} ms, largest {max(values):.0f} ms")
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    children_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory {peak_mib:.0f} MiB, largest child {children_mib:.0f} MiB")
    return 0


def _drained(generator: Iterator[Any], inside: list[float]) -> Iterator[Any]:
    # Time outside the generator, while Dagster handles what it yielded, is not the asset's.
    spent = 0.0
    while True:
        started = time.perf_counter()
        try:
            item = next(generator)
        except StopIteration:
            inside.append(spent + time.perf_counter() - started)
            return
        spent += time.perf_counter() - started
        yield item


def _steps(folder: Path, run_ids: list[str]) -> list[tuple[str, float]]:
    """Step key and seconds of every executed step, in order of start."""
    import dagster as dg

    found = []
    with dg.DagsterInstance.from_config(str(folder / "var" / "dagster")) as instance:
        for run_id in run_ids:
            stats = instance.get_run_step_stats(run_id)
            done = [step for step in stats if step.start_time is not None and step.end_time is not None]
            found += [
                (step.step_key, step.end_time - step.start_time) for step in sorted(done, key=lambda s: s.start_time)
            ]
    return found


if __name__ == "__main__":
    sys.exit(main())
