"""The agent's process: `python -m controls.agent.main --project DIR --site home`. Loads nothing heavy."""

import argparse
import functools
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from typing import Literal
from uuid import uuid4

from assets.stores.live.live_store import LiveReader
from assets.stores.transactions import connect_store
from controls.agent.emergency_stop import EmergencyStop, watch
from controls.agent.loop import BROKEN, Agent
from controls.agent.parts import Bench, Lanes, Transports, devices_of
from controls.agent.site_values import SiteValues, store_clock
from controls.agent.status_port import serve_status, token_in
from controls.agent.watchdog import heartbeat
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput, Unreachable, WorldFault
from data_quality.contracts.people import People
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, SystemClock
from data_quality.contracts.yaml_file import load_model

# A released command waits a quarter second at most, and four small reads a second cost the ledger little.
POLL_S = 0.25
# In the project folder: as long as it is there, no agent of the project commands anything.
STOP_FILE = "STOP"
# While devices are being asked: answers are gathered for so long, then looked for as soon as one comes.
BUSY_S = 0.05
# So many devices are named in the log at the start.
NAMED = 10
# Five hundred devices that answer in milliseconds keep a few of them busy; the rest are for slow ones, and a thread
# that was never needed is never made.
HEALTHY_THREADS, SILENT_THREADS = 48, 16
logger = logging.getLogger("meterloom.agent")


def run_agent(
    project: Project,
    site: Site,
    *,
    stop: threading.Event,
    clock: Clock | None = None,
    transports: Transports | None = None,
    poll_s: float = POLL_S,
    beat: Callable[[Agent], None] | None = None,
    emergency: EmergencyStop | None = None,
) -> None:
    """Run the agent of a site until `stop` is set; then put every device back and give the lease up.

    beat: called after each full cycle, for a supervisor. emergency: None: the file STOP in the project's folder. Raises
    BadInput (unknown template). Whatever else is raised puts the devices to their safe default first.
    """
    clock = clock or SystemClock()
    # Five hundred devices are of a few templates, and each is a file to be read.
    load = functools.cache(load_template)
    within_s = project.settings.database.agent_within_s
    store = connect_store(project.store_url, public_keys_of(project), within_s=within_s)
    values = SiteValues(site, load, reference=store_clock(store), board=LiveReader(project.live_dir))
    bench = Bench(
        store=store,
        site_id=site.site_id,
        # Process ids come round again; a restarted agent must never pass for the one before it.
        holder=f"{os.getpid()}-{uuid4().hex[:12]}",
        clock=clock,
        monotonic=time.monotonic,
        transports=transports or gateways(site, project, clock),
        site=values,
        proofs=values.proofs,
        emergency=(emergency := emergency or EmergencyStop(project.root / STOP_FILE)).reason,
    )
    agent = Agent(bench, devices_of(site, load))
    threads = ThreadPoolExecutor(HEALTHY_THREADS, "wire"), ThreadPoolExecutor(SILENT_THREADS, "silent")
    bench.lanes = lanes = Lanes(*threads)
    logger.info("agent of %s: %s", site.site_id, _names(agent))
    ended = threading.Event()
    watch(emergency, agent.obey_stop, ended)
    status = _status(agent, project, site, emergency, clock)
    try:
        _run(agent, stop, poll_s=poll_s, beat=beat)
        agent.stop()
    # Interrupts and exits too: whatever ends the process, the devices go home first.
    except BaseException:
        agent.safe_default()
        raise
    finally:
        ended.set()
        _close_port(status)
        lanes.close()
        values.close()
        store.close()


def _run(agent: Agent, stop: threading.Event, *, poll_s: float, beat: Callable[[Agent], None] | None) -> None:
    """Whole cycles as often as poll_s says; between them only what devices answered is looked at."""
    told, due_s = "", 0.0
    while not stop.wait(min(BUSY_S, poll_s) if agent.is_waiting else poll_s):
        agent.rounds.rest(BUSY_S)
        is_cycle = time.monotonic() >= due_s
        if is_cycle:
            agent.cycle()
            due_s = time.monotonic() + poll_s
        else:
            agent.go_on()
        told = _tell(agent.trouble, told)
        if is_cycle and beat is not None:
            beat(agent)


def _tell(trouble: str, told: str) -> str:
    # Once, and again only after something else: a store that is away for a day must not fill the disk.
    if trouble and trouble != told:
        logger.warning("%s", trouble)
    if BROKEN in trouble:
        # What such a disk still holds is known to a new process only, which reads it anew.
        raise Unreachable(trouble)
    return trouble


def _names(agent: Agent) -> str:
    names = [device.device_id for device in agent.devices]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(names[:NAMED]) or "no device") + more


def _close_port(status: ThreadingHTTPServer | None) -> None:
    if status is not None:
        status.shutdown()
        status.server_close()


def _status(
    agent: Agent, project: Project, site: Site, emergency: EmergencyStop, clock: Clock
) -> ThreadingHTTPServer | None:
    """The agent's port on the loopback; None, and a line in the log, where it cannot be had: devices come first."""
    try:
        token = token_in(project.data_dir / f"agent-{site.site_id}.token")
        server = serve_status(
            agent,
            lambda by: emergency.pull(by, clock.now_utc()),
            token=token,
            port=project.settings.server.agent_port,
        )
    except OSError as error:
        logger.warning("no port for /healthz, /metrics and /stop: %s", error)
        return None
    logger.info("http://127.0.0.1:%d/healthz, /metrics and POST /stop", server.server_address[1])
    return server


def gateways(site: Site, project: Project, clock: Clock, mqtt_version: Literal["5", "3.1.1"] = "5") -> Transports:
    """Devices over the real gateways, by the project's settings."""
    # Only here: an agent with other transports must not load the libraries of the wire.
    from controls.gateways.open import Gateways

    keys = project.keys_dir / "devices" / site.site_id
    return Gateways(site.site_id, project.settings, clock, mqtt_version, keys, root=project.root)


def public_keys_of(project: Project) -> dict[str, str] | None:
    """Public keys by person_id, of the people file; None where the project has none. Raises BadInput."""
    return load_model(project.people_file, People).public_keys if project.people_file.is_file() else None


def with_ports(project: Project, *, mqtt_port: int | None, modbus_port: int | None) -> Project:
    """The project with other ports than its settings name."""
    settings = project.settings
    if mqtt_port is not None:
        settings = settings.model_copy(update={"mqtt": settings.mqtt.model_copy(update={"port": mqtt_port})})
    if modbus_port is not None:
        server = settings.server.model_copy(update={"modbus_port": modbus_port})
        settings = settings.model_copy(update={"server": server})
    return project.model_copy(update={"settings": settings})


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the store cannot be opened."""
    parser = argparse.ArgumentParser(prog="meterloom-agent", description="Brings released commands to the devices")
    parser.add_argument("--project", type=Path, default=Path(os.environ.get("METERLOOM_PROJECT", ".")))
    parser.add_argument("--site", required=True)
    parser.add_argument("--mqtt-port", type=int)
    parser.add_argument("--modbus-port", type=int)
    parser.add_argument("--mqtt-version", choices=["5", "3.1.1"], default="5", help="3.1.1: the demo's fallback only")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    stop = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    def stop_all(_number: int, _frame: FrameType | None) -> None:
        emergency.pull("SIGUSR1", SystemClock().now_utc())

    emergency = EmergencyStop(options.project / STOP_FILE)
    signal.signal(signal.SIGUSR1, stop_all)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        project = load_project(options.project, os.environ)
        project = with_ports(project, mqtt_port=options.mqtt_port, modbus_port=options.modbus_port)
        site, clock = find_site(project, options.site), SystemClock()
        transports = gateways(site, project, clock, options.mqtt_version)
        run_agent(
            project,
            site,
            stop=stop,
            clock=clock,
            transports=transports,
            beat=heartbeat(os.environ),
            emergency=emergency,
        )
    except BadInput as fault:
        logger.error("%s", fault)
        return 2
    except WorldFault as fault:
        logger.error("%s", fault)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
