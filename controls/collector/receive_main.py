"""The process behind the door for machines: `python -m controls.collector.receive_main --project DIR`."""

import ipaddress
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from assets.sites.load_sites import load_people
from assets.stores.transactions import connect_store
from controls.collector.pushed_files import clear_unfinished
from controls.collector.receive import Door
from controls.gateways.access.own_process import own_parser, run_to_end
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import Project, PushSettings, load_project
from data_quality.contracts.time import Clock, SystemClock

# Connections at once; one more is told to come again.
CONNECTIONS = 64
logger = logging.getLogger("meterloom.push")


def serve_door(project: Project, clock: Clock) -> None:
    """Take readings until SIGINT or SIGTERM. Raises BadInput, Unreachable, OSError."""
    settings = project.settings.push
    _check(settings)
    cleared = clear_unfinished(project.landing_dir)
    if cleared:
        logger.info("%d bodies that were not acknowledged are gone", cleared)
    # Who owns a key must be known; without people nobody does.
    store = connect_store(project.store_url, load_people(project.people_file).public_keys)
    try:
        config = uvicorn.Config(
            Door(project, store, clock).app(),
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
        uvicorn.Server(config).run()
    finally:
        store.close()


def _check(settings: PushSettings) -> None:
    """Raises BadInput for an address at which keys would be read by others."""
    try:
        is_loopback = ipaddress.ip_address(settings.host).is_loopback
    except ValueError:
        is_loopback = settings.host == "localhost"
    for name in ("certificate_file", "key_file"):
        named = getattr(settings, name)
        if named and not Path(named).is_file():
            raise BadInput(f"push.{name}: no such file {named}", reason="no_certificate")
        if not named and (not is_loopback or settings.certificate_file or settings.key_file):
            raise BadInput(
                f"push.host {settings.host} is reached with a certificate and its key alone: push.{name} is missing",
                reason="no_certificate",
                mend="name certificate_file and key_file under push in meterloom.yaml, or leave the host at 127.0.0.1",
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the store or the port cannot be had."""
    options = own_parser("meterloom-receive", "Takes readings that machines push").parse_args(arguments)
    return run_to_end(
        lambda: serve_door(load_project(options.project, os.environ), SystemClock()), logger, world=(OSError,)
    )


if __name__ == "__main__":
    sys.exit(main())
