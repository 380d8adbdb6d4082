"""The real collector with the numbered wire as its only source: `python -m tests.live.collector_under_test DIR PORT`.

Everything but the adapter is the product's: process, spool, board, live store, port, signals; without a port that too.
A third word is a clock (fast_clock.py).
"""

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from controls.collector.main import run_collector, sites_with_sources
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from tests.live.fast_clock import FastClock
from tests.live.numbered import Wire


def main(folder: str, port: str, clock_text: str = "") -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    project, clock = load_project(Path(folder), os.environ), FastClock.of(clock_text) if clock_text else SystemClock()
    run_collector(
        project,
        sites_with_sources(project, []),
        stop=stop,
        clock=clock,
        open_adapter=(lambda _, source: Wire(source.source_id, int(port), clock=clock)) if port else None,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
