"""The process behind the door for machines: `python -m controls.collector.receive_main --project DIR`."""

import logging
import os
import sys
from collections.abc import Sequence
from functools import partial

import uvicorn

from assets.stores.anchors import Anchors
from assets.stores.transactions import connect_store
from controls.collector.pushed_files import clear_unfinished
from controls.collector.receive import Door
from controls.gateways.access.loopback_port import serve_loopback
from controls.gateways.access.own_process import own_parser, own_port, run_to_end
from data_quality.contracts.settings import Project, check_bind, load_project
from data_quality.contracts.time import Clock, SystemClock

# Connections at once; one more is told to come again.
CONNECTIONS = 64
logger = logging.getLogger("meterloom.push")


def serve_door(project: Project, clock: Clock) -> None:
    """Take readings until SIGINT or SIGTERM. Raises BadInput, Unreachable, OSError."""
    settings = project.settings.push
    check_bind("push", settings.host, settings.certificate_file, settings.key_file)
    cleared = clear_unfinished(project.landing_dir)
    if cleared:
        logger.info("%d bodies that were not acknowledged are gone", cleared)
    # Who owns a key must be known: the door reads it, and again when it changes.
    store = connect_store(project.store_url, {})
    store.anchors = Anchors(store, project.anchors_dirs)
    door, port = Door(project, store, clock), project.settings.server.receive_port
    if fault := door.people.told():
        logger.warning("%s", fault)
    try:
        config = uvicorn.Config(
            door.app(),
            host=settings.host,
            port=settings.port,
            log_config=None,
            # An address may hold what somebody put there by mistake.
            access_log=False,
            server_header=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_graceful_shutdown=10,
            ssl_certfile=settings.certificate_file or None,
            ssl_keyfile=settings.key_file or None,
        )
        logger.info("%s takes readings", settings.url)
        serve = partial(serve_loopback, "door", health=door.health, metrics=door.metrics, posts={}, port=port)
        with own_port(serve, logger):
            uvicorn.Server(config).run()
    finally:
        door.board.close()
        store.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the store or the port cannot be had."""
    options = own_parser("meterloom-receive", "Takes readings that machines push").parse_args(arguments)
    return run_to_end(
        lambda: serve_door(load_project(options.project, os.environ), SystemClock()), logger, world=(OSError,)
    )


if __name__ == "__main__":
    sys.exit(main())
