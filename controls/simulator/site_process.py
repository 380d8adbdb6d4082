"""The simulated home as a process: `python -m controls.simulator.site_process --site home --plant factory`.

The meters of plants are served beside it, on the same Modbus port and broker. It writes one JSON line when it is ready
(`{"ready": true, "modbus_port": …}`), serves until SIGTERM or SIGINT, and leaves quietly. Broker and ports come from
the project's settings and the environment; passwords only from there.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from assets.sites.load_sites import load_site
from controls.gateways.access.own_process import own_parser, run_to_end, stop_signal
from controls.gateways.open import broker_address
from controls.simulator.live_home import LiveHome
from controls.simulator.live_plant import LivePlant
from controls.simulator.worlds.generate import SEED
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock

DEMO_SITES = Path("assets") / "sites" / "demo"
logger = logging.getLogger("meterloom.site_process")


def parser() -> argparse.ArgumentParser:
    """The options of the process."""
    options = own_parser("site_process", "Serve a simulated home on Modbus and MQTT.")
    options.add_argument("--site", default="home", help="site id; the demo's home unless --site-file is given")
    options.add_argument("--site-file", type=Path, default=None)
    options.add_argument("--plant", action="append", default=[], help="site id of a plant whose live meters are served")
    options.add_argument("--mqtt-port", type=int, default=None)
    options.add_argument("--modbus-port", type=int, default=None, help="0 takes a free one")
    options.add_argument("--mqtt-version", choices=["5", "3.1.1"], default="5", help="3.1.1: the demo's fallback")
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--tick-s", type=float, default=1.0, help="pace of telemetry")
    return options


def make_sites(arguments: argparse.Namespace, env: Mapping[str, str]) -> tuple[LiveHome, list[LivePlant]]:
    """The home and the plants that the options and the settings describe. Raises BadInput."""
    project = load_project(arguments.project, env)
    settings = project.settings
    path = arguments.site_file or _site_file(project.sites_dir, arguments.site)
    address = broker_address(settings, arguments.mqtt_version)
    if arguments.mqtt_port is not None:
        address = address.model_copy(update={"port": arguments.mqtt_port})
    clock = SystemClock()
    plants = [
        LivePlant(
            _simulated(_site_file(project.sites_dir, name)),
            address=address,
            clock=clock,
            monotonic=time.monotonic,
            seed=arguments.seed,
        )
        for name in arguments.plant
    ]
    home = LiveHome(
        _simulated(path),
        address=address,
        modbus_port=settings.server.modbus_port if arguments.modbus_port is None else arguments.modbus_port,
        clock=clock,
        monotonic=time.monotonic,
        seed=arguments.seed,
        tick_s=arguments.tick_s,
        others=[unit for plant in plants for unit in plant.units],
    )
    return home, plants


def _simulated(path: Path) -> Site:
    site = load_site(path)
    if not site.is_simulated:
        raise BadInput(f"site {site.site_id!r} is not simulated; is_simulated: true is needed", file=str(path))
    return site


def _site_file(sites_dir: Path, site_id: str) -> Path:
    own = sites_dir / f"{site_id}.yaml"
    return own if own.exists() else Path(__file__).resolve().parents[2] / DEMO_SITES / f"{site_id}.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until asked to stop: 0, or 2 for a wrong input, 3 for a port or broker that cannot be had."""
    options, stop = parser().parse_args(arguments), stop_signal()

    def work() -> None:
        served, plants = make_sites(options, os.environ)
        with served as home, ExitStack() as stack:
            for plant in plants:
                stack.callback(plant.start().stop)
            ready = {"ready": True, "modbus_port": home.modbus_port, "is_synthetic": True}
            sys.stdout.write(json.dumps(ready) + "\n")
            # Whoever started this waits for the line, and a pipe is written only when it is full.
            sys.stdout.flush()
            while not stop.wait(0.5):
                # Steps the physics also when nobody reads, so that no step is longer than this half second.
                home.state()

    return run_to_end(work, logger)


if __name__ == "__main__":
    sys.exit(main())
