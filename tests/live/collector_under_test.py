"""The real collector with the numbered wire as its only source: `python -m tests.live.collector_under_test DIR PORT N`.

Everything but the adapter is the product's: process, spool, board, live store, port, signals.
"""

import logging
import signal
import sys
import threading
from pathlib import Path

from controls.collector.main import run_collector
from data_quality.contracts.settings import LiveSettings, Project, Settings
from tests.live.live_sites import site_of
from tests.live.numbered import Wire


def main(folder: str, port: str, meters: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    settings = Settings(live=LiveSettings(keep_free_mb=0))
    run_collector(
        Project(root=Path(folder), settings=settings),
        [site_of(int(meters))],
        stop=stop,
        open_adapter=lambda _, source: Wire(source.source_id, int(port)),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
