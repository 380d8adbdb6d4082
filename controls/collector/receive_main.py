"""The process behind the door for machines: `python -m controls.collector.receive_main --project DIR`."""

import logging
import os
import socket
import sys
from collections.abc import Sequence
from functools import partial

from assets.stores.anchors import Anchors
from assets.stores.transactions import connect_store
from controls.collector.pushed_files import cleared_before
from controls.collector.receive import PushReceiver
from controls.gateways.access.http_server import HttpServer, Limits, bound
from controls.gateways.access.loopback_port import serve_loopback
from controls.gateways.access.own_process import own_parser, own_port, run_to_end
from data_quality.contracts.settings import Project, check_bind, load_project
from data_quality.contracts.time import Clock, SystemClock

logger = logging.getLogger("meterloom.push")


def serve_receiver(project: Project, clock: Clock) -> None:
    """Take readings until SIGINT or SIGTERM. Raises BadInput, Unreachable, OSError."""
    settings = project.settings.push
    check_bind("push", settings.host, settings.certificate_file, settings.key_file)
    sockets = bound(settings.host, settings.port, what="push", setting="METERLOOM_PUSH__PORT")
    with cleared_before(project.landing_dir, project.data_dir / "push.lock") as cleared:
        if cleared:
            logger.info("%d bodies that were not acknowledged are gone", cleared)
        # Who owns a key must be known: the door reads it, and again when it changes.
        store = connect_store(project.store_url, {})
        store.anchors = Anchors(store, project.anchors_dirs)
        door = PushReceiver(project, store, clock)
        try:
            _serve(door, sockets)
        finally:
            door.board.close()
            store.close()


def _serve(door: PushReceiver, sockets: Sequence[socket.socket]) -> None:
    settings, server = door.project.settings.push, door.project.settings.server
    if fault := door.people.current_fault():
        logger.warning("%s", fault)
    http = HttpServer(
        door.app(),
        sockets,
        Limits(patience_s=server.patience_s, trusted=settings.trusted_proxies),
        on_ready=lambda: logger.info("%s takes readings", settings.url),
        lifespan="off",
        ssl_certfile=settings.certificate_file or None,
        ssl_keyfile=settings.key_file or None,
    )
    port = server.receive_port
    with own_port(
        partial(serve_loopback, "door", health=door.health, metrics=door.metrics, posts={}, port=port), logger
    ):
        http.run()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the store or the port cannot be had."""
    options = own_parser("meterloom-receive", "Takes readings that machines push").parse_args(arguments)
    return run_to_end(
        lambda: serve_receiver(load_project(options.project, os.environ), SystemClock()), logger, world=(OSError,)
    )


if __name__ == "__main__":
    sys.exit(main())
