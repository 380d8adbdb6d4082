"""The agent's process: `python -m controls.agent.main --project DIR --site home`. Loads nothing heavy."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from http.server import ThreadingHTTPServer
from typing import Literal
from uuid import uuid4

from assets.stores.anchors import ThreadedAnchors
from assets.stores.live.live_store import LiveReader
from assets.stores.transactions import connect_store
from controls.agent.context import AgentContext, DeviceThreads, Transports, devices_of
from controls.agent.emergency_stop import EmergencyStop, watch
from controls.agent.loop import BROKEN, Agent
from controls.agent.site_values import SiteValues, store_clock
from controls.agent.status_port import serve_status
from controls.agent.watchdog import heartbeat
from controls.gateways.access.loopback_port import token_in
from controls.gateways.access.own_process import own_parser, own_port, run_to_end, stop_signal
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import Unreachable
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
# While queries to devices are open: answers are gathered for so long, then looked for as soon as one comes.
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
    load = cache(load_template)
    within_s = project.settings.database.agent_within_s
    store = connect_store(project.store_url, public_keys_of(project), within_s=within_s)
    store.anchors = ThreadedAnchors(store, project.anchors_dirs)
    values = SiteValues(site, load, reference=store_clock(store), board=LiveReader(project.live_dir))
    context = AgentContext(
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
    agent = Agent(context, devices_of(site, load))
    threads = ThreadPoolExecutor(HEALTHY_THREADS, "wire"), ThreadPoolExecutor(SILENT_THREADS, "silent")
    context.lanes = lanes = DeviceThreads(*threads)
    logger.info("agent of %s: %s", site.site_id, _names(agent))
    ended = threading.Event()
    watch(emergency, agent.obey_stop, ended)
    try:
        with own_port(partial(_serve, agent, project, site, emergency, clock), logger):
            try:
                _run(agent, stop, poll_s=poll_s, beat=beat)
                agent.stop()
            # Interrupts and exits too: whatever ends the process, the devices go home first.
            except BaseException:
                agent.safe_default()
                raise
    finally:
        ended.set()
        lanes.close()
        values.close()
        store.close()


def _run(agent: Agent, stop: threading.Event, *, poll_s: float, beat: Callable[[Agent], None] | None) -> None:
    """Whole cycles every poll_s; between them only the devices' answers are handled."""
    reported, due_s = "", 0.0
    while not stop.wait(min(BUSY_S, poll_s) if agent.is_waiting else poll_s):
        agent.rounds.rest(BUSY_S)
        is_cycle = time.monotonic() >= due_s
        if is_cycle:
            agent.cycle()
            due_s = time.monotonic() + poll_s
        else:
            agent.go_on()
        reported = _log(agent.trouble, reported)
        if is_cycle and beat is not None:
            beat(agent)


def _log(trouble: str, reported: str) -> str:
    # Once, and again only after something else: a store that is away for a day must not fill the disk.
    if trouble and trouble != reported:
        logger.warning("%s", trouble)
    if BROKEN in trouble:
        # What such a disk still holds is known to a new process only, which reads it anew.
        raise Unreachable(trouble)
    return trouble


def _names(agent: Agent) -> str:
    names = [device.device_id for device in agent.devices]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(names[:NAMED]) or "no device") + more


def _serve(agent: Agent, project: Project, site: Site, stop: EmergencyStop, clock: Clock) -> ThreadingHTTPServer:
    """The agent's port on the loopback. Raises OSError."""
    token, port = token_in(project.data_dir / f"agent-{site.site_id}.token"), project.settings.server.agent_port
    return serve_status(agent, lambda by: stop.pull(by, clock.now_utc()), token=token, port=port)


def gateways(site: Site, project: Project, clock: Clock, mqtt_version: Literal["5", "3.1.1"] = "5") -> Transports:
    """Devices over the real gateways, by the project's settings."""
    # Only here: an agent with other transports must not load the libraries of the wire.
    from controls.gateways.open import Gateways

    keys = project.keys_dir / "devices" / site.site_id
    return Gateways(site.site_id, project.settings, clock, mqtt_version, keys, root=project.root)


def public_keys_of(project: Project) -> dict[str, str] | None:
    """Public keys by person_id, of the people file; None where the project has none. Raises BadInput."""
    return load_model(project.people_file, People).public_keys if project.people_file.is_file() else None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 after a clean stop, 2 for wrong input, 3 where the store cannot be opened."""
    parser = own_parser("meterloom-agent", "Brings released commands to the devices")
    parser.add_argument("--site", required=True)
    parser.add_argument("--mqtt-version", choices=["5", "3.1.1"], default="5", help="3.1.1: the demo's fallback only")
    options = parser.parse_args(arguments)
    stop, clock, emergency = stop_signal(), SystemClock(), EmergencyStop(options.project / STOP_FILE)
    signal.signal(signal.SIGUSR1, lambda *_: emergency.pull("SIGUSR1", clock.now_utc()))

    def work() -> None:
        project = load_project(options.project, os.environ)
        site = find_site(project, options.site)
        hands = gateways(site, project, clock, options.mqtt_version)
        beat = heartbeat(os.environ)
        run_agent(project, site, stop=stop, clock=clock, transports=hands, beat=beat, emergency=emergency)

    return run_to_end(work, logger)


if __name__ == "__main__":
    sys.exit(main())
