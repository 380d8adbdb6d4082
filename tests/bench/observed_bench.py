"""Cost of being watched: CPU of ingest and of the live collector with JSON logs and a scrape of /metrics every 15 s.

Run: `.venv/bin/python -m tests.bench.observed_bench`. Each pair is the same work without and with, in turns (ABBA), so
that a neighbour's load falls on both. Compared are CPU seconds, of each side the median. Beside the pairs stands what
one scrape costs by itself, of some hundred in a row: a share of a few thousandths is below what pairs can tell apart.
"""

import argparse
import contextlib
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from assets.stores.transactions import probe
from controls.gateways.access.loopback_port import Metrics
from controls.gateways.ports import free_port
from data_quality.contracts.log import FORMAT_VARIABLE, start_log
from orchestration.environment import environment
from orchestration.open_project import OpenProject
from orchestration.web.api.health import add_project_metrics
from tests.bench import ingest_bench
from tests.bench.live_bench import measure
from tests.bench.measure import measured

EVERY_S = 15.0
# Of a scrape by itself.
TIMES = 300


def plain(source: str) -> float:
    """The file into an empty lake, unseen. Returns its kWh."""
    with tempfile.TemporaryDirectory() as folder, open_project(folder):
        logging.disable(logging.CRITICAL)
        return ingest_bench.ours(source)


def observed(source: str) -> float:
    """The same with a log of JSON lines, while somebody asks for the project's metrics. Returns its kWh."""
    with (
        tempfile.TemporaryDirectory() as folder,
        environment({FORMAT_VARIABLE: "json"}),
        open_project(folder) as project,
    ):
        start_log("ingest")
        with scraping(lambda: page_of(project)):
            return ingest_bench.ours(source)


def warm(work: Callable[[str], float]) -> None:
    """The same work on a small file."""
    with tempfile.TemporaryDirectory() as folder:
        ingest_bench._write(source := Path(folder) / "readings.csv", 1000 * ingest_bench.METERS)
        work(str(source))


@contextmanager
def open_project(folder: str) -> Iterator[OpenProject]:
    """An empty project, or the one that stands there."""
    if not (Path(folder) / "meterloom.yaml").exists():
        (Path(folder) / "meterloom.yaml").write_text("{}")
        (Path(folder) / "people.yaml").write_text("people: []\n")
        for name in ("sites", "var"):
            (Path(folder) / name).mkdir()
    project = OpenProject(folder)
    try:
        # Its tables are made, of which the other side makes its own.
        project.store.rows(probe())
        yield project
    finally:
        project.close()


def page_of(project: OpenProject) -> str:
    """Metrics page of a scrape of the project."""
    page = Metrics("meterloom_")
    add_project_metrics(page, project, datetime.now(tz=UTC))
    return page.text()


@contextmanager
def scraping(scrape: Callable[[], object]) -> Iterator[None]:
    """At once, and every fifteen seconds as long as the block lasts."""
    is_over = threading.Event()

    def run() -> None:
        while True:
            with contextlib.suppress(OSError):
                scrape()
            if is_over.wait(EVERY_S):
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def in_turns(without: Callable[[], float], with_it: Callable[[], float], pairs: int) -> tuple[list[float], list[float]]:
    """CPU of both sides, each as often."""
    found: tuple[list[float], list[float]] = ([], [])
    for number in range(pairs):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            found[side].append((without, with_it)[side]())
    return found


def ingest(rows: int, pairs: int) -> dict[str, Any]:
    """CPU seconds of the ingestion bench."""
    with tempfile.TemporaryDirectory() as folder:
        ingest_bench._write(source := Path(folder) / "readings.csv", rows)
        sides = [
            lambda name=name: measured(f"tests.bench.observed_bench:{name}", source).cpu_s  # type: ignore[misc]
            for name in ("plain", "observed")
        ]
        return compared("ingest", *in_turns(sides[0], sides[1], pairs))


def live(per_s: float, seconds: float, pairs: int) -> dict[str, Any]:
    """CPU of the collector, microseconds a message; and of one scrape of its own port."""
    port, scrapes = free_port(), list[float]()

    def scrape_page() -> bytes:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return bytes(answer.read())

    def run(**more: Any) -> float:
        return float(measure(per_s=per_s, seconds=seconds, is_one_core=True, **more)["cpu_us"])

    given = {FORMAT_VARIABLE: "json", "METERLOOM_SERVER__COLLECTOR_PORT": str(port)}
    found = in_turns(run, lambda: run(environment=given, beside=lambda: scraping(scrape_page)), pairs)

    @contextmanager
    def many() -> Iterator[None]:
        begun_s = time.monotonic()
        for _ in range(TIMES):
            scrape_page()
        scrapes.append(time.monotonic() - begun_s)
        yield

    # Nearly without a message to keep: what it does is answer.
    few = {"per_s": 50.0, "seconds": max(seconds, 20.0), "is_one_core": True, "environment": given}
    scrape_ms = (measure(**few, beside=many)["cpu_s"] - measure(**few)["cpu_s"]) / TIMES * 1000
    return compared(f"live {per_s:g}", *found) | {"scrape_ms": round(scrape_ms, 2)}


def compared(name: str, without: Sequence[float], with_it: Sequence[float]) -> dict[str, Any]:
    """Medians, their ratio, and how far the ratios of single pairs lie apart."""
    ratios = sorted(b / a for a, b in zip(without, with_it, strict=True))
    before, after = statistics.median(without), statistics.median(with_it)
    return {
        "name": name, "without": round(before, 3), "with": round(after, 3), "ratio": round(after / before, 4),
        "least": round(min(with_it) / min(without), 4), "pairs": [round(each, 3) for each in ratios],
    }  # fmt: skip


def page_ms(folder: str) -> float:
    """CPU milliseconds of one scrape of a project's pages, of many in a row."""
    with open_project(folder) as project:
        page_of(project)
        begun_s = time.process_time()
        for _ in range(TIMES // 10):
            page_of(project)
        return (time.process_time() - begun_s) / (TIMES // 10) * 1000


def log_us() -> tuple[float, float]:
    """CPU microseconds of a line of the log, as text and as JSON."""
    found = []
    for form in ("text", "json"):
        script = (
            "import logging, sys, time; from data_quality.contracts.log import start_log; start_log('bench')\n"
            "begun_s = time.process_time()\n"
            "for number in range(20000): logging.getLogger('meterloom').info('%s: %d kept', 'plant', number)\n"
            "print((time.process_time() - begun_s) / 20000 * 1e6)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], env=os.environ | {FORMAT_VARIABLE: form}, capture_output=True, check=True
        )
        found.append(float(done.stdout))
    return found[0], found[1]


def bench(rows: int = 10_000_000, seconds: float = 60.0, pairs: int = 4, folder: str = "") -> None:
    """A line for ingest and each rate of live readings, and what a scrape and a line of log cost by themselves."""
    text, line = log_us()
    sys.stdout.write(f"observed line of log {text:.0f} us as text, {line:.0f} us as JSON\n")
    for work in (
        lambda: ingest(rows, pairs),
        lambda: live(500.0, seconds, pairs),
        lambda: live(5000.0, seconds, pairs),
    ):
        found = work()
        sys.stdout.write(
            f"observed {found['name']:10} without {found['without']} with {found['with']}: ratio {found['ratio']} of "
            f"medians, {found['least']} of the least, pairs {found['pairs']}"
        )
        sys.stdout.write(f", one scrape {found['scrape_ms']} ms\n" if "scrape_ms" in found else "\n")
        sys.stdout.flush()
    if folder:
        cost_ms = page_ms(folder)
        share = cost_ms / 1000 / EVERY_S
        sys.stdout.write(f"observed scrape of the pages {cost_ms:.1f} ms, {share:.2%} of a core every {EVERY_S:g} s\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--project", default="", help="also what a scrape of its pages costs")
    chosen = parser.parse_args()
    bench(chosen.rows, chosen.seconds, chosen.pairs, chosen.project)


if __name__ == "__main__":
    main()
