"""Process frame of agent, collector, door and simulated site: project, log and end. Loads nothing heavy."""

import argparse
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.log import start_log


def own_parser(prog: str, description: str) -> argparse.ArgumentParser:
    """A command line that names the project, or has it from the environment."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--project", type=Path, default=Path(os.environ.get("METERLOOM_PROJECT", ".")))
    return parser


def stop_signal() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def own_port(serve: Callable[[], ThreadingHTTPServer], logger: logging.Logger) -> Iterator[None]:
    """The process's port of its own inside the block; a line in the log where it cannot be had: its work comes first.

    serve: starts it. Raises BadInput where it does.
    """
    try:
        server = serve()
    except OSError as error:
        logger.warning("no port for what it says of itself: %s", error)
        yield
        return
    logger.info("http://127.0.0.1:%d/healthz and /metrics", server.server_address[1])
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def run_to_end(work: Callable[[], None], logger: logging.Logger, *, world: tuple[type[Exception], ...] = ()) -> int:
    """The exit code: 0 after a clean end, 2 for wrong input, 3 for a fault of the world, `world` among them.

    Whoever started the process starts it anew after a 3. Whatever else is raised is a fault of ours.
    """
    start_log(logger.name.rpartition(".")[2])
    of_the_world: tuple[type[Exception], ...] = (WorldFault, *world)
    try:
        work()
    except BadInput as fault:
        logger.error("%s", fault)
        return 2
    except of_the_world as fault:
        logger.error("%s", fault)
        return 3
    return 0
