"""Services of `meterloom up` (broker, simulated sites, agents, collector, MLflow, Dagster, pages), and their places."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.request import urlopen

from controls.gateways.access.broker_of_up import broker_file, listener_of
from controls.gateways.access.broker_rights import Client, site_client
from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.access.http_server import PortInUse
from controls.gateways.broker import Broker, start_broker
from controls.gateways.ports import free_port
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project, ServerSettings
from data_quality.contracts.site_file.live_source import MqttSource, is_listened_to
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from orchestration.doctor.ports import Listener
from orchestration.doctor.role_files import health_port, roles_dir
from orchestration.instance.by_bucket import FROM_READINGS, decide
from orchestration.instance.repartition import prepare_databases, record_materialisations
from orchestration.instance.start_lock import free, take
from orchestration.instance.write import instance_environment
from orchestration.supervised.children import READY_S, Child, Children, Say
from orchestration.supervised.deliveries import deliver, has_devices
from orchestration.supervised.parts import (
    OnDemandProcess,
    at_ports,
    on_demand_processes,
    report_address,
    start_pages,
    start_signals,
)
from orchestration.supervised.serve_role import mlflow_environment, service
from orchestration.web.tools.passes import Passes

# How often simulated sites send their meter files while everything is up.
DELIVERY_S = 900.0


@dataclass
class Live:
    """Broker, environment and child processes of a project's live sites."""

    environment: dict[str, str]
    mqtt_version: str
    children: Children


@contextmanager
def live_sites(project: Project, sites: Mapping[str, Site], *, say: Say, allow_fallback: bool) -> Iterator[Live]:
    """Broker, for each simulated site its devices and its agent, and the collector; everything ends with the block."""
    simulated = [site for site in sites.values() if site.is_simulated and has_devices(site)]
    # Their meters are served by the first home, whose Modbus port they share.
    plants = [site for site in sites.values() if site.is_simulated and site.sources and not has_devices(site)]
    prepare_databases(project)
    clients, listener = _clients(simulated, plants), listener_of(sites.values())
    with (
        _broker(project, (*clients.values(), listener), allow_fallback=allow_fallback) as broker,
        broker_file(project, broker.address, listener),
        Children(project.data_dir / "logs", roles_dir(project)) as children,
    ):
        if broker.pid:
            # First, so that it ends last: the agent brings its devices home over it.
            at = f"tcp://{broker.address.host}:{broker.address.port}"
            children.keep(Child("broker", broker.log, broker.restart, broker.process, health=at))
        modbus_port = port_of(project.settings.server, "modbus", say)
        live = Live(
            environment={
                **instance_environment(project),
                "METERLOOM_MQTT__HOST": broker.address.host,
                "METERLOOM_MQTT__PORT": str(broker.address.port),
                "METERLOOM_MQTT__USERNAME": broker.address.username,
                "METERLOOM_MQTT__PASSWORD": broker.address.password,
                # Empty too: who vouches for another broker of the settings says nothing of this one.
                "METERLOOM_MQTT__CA_FILE": broker.address.ca_file,
                "METERLOOM_SERVER__MODBUS_PORT": str(modbus_port),
            },
            mqtt_version=broker.address.version,
            children=children,
        )
        for site in simulated:
            # Devices first, so that they end last: the agent brings them home at its own end.
            for module in ("controls.simulator.site_process", "controls.agent.main"):
                arguments = [sys.executable, "-m", module, "--project", str(project.root), "--site", site.site_id]
                arguments += ["--mqtt-version", broker.address.version]
                own = clients[site.site_id] if module == "controls.simulator.site_process" else None
                if own is not None and site is simulated[0]:
                    arguments += [word for plant in plants for word in ("--plant", plant.site_id)]
                environment = live.environment if own is None else live.environment | {
                    "METERLOOM_MQTT__USERNAME": own.username, "METERLOOM_MQTT__PASSWORD": own.password,
                }  # fmt: skip
                port, health = ({}, "") if own is not None else health_port(project.settings.server, "agent")
                name = f"{module.split('.')[1]}-{site.site_id}"
                children.start(name, arguments, environment=environment | port, health=health)
                # Who asks devices that are not there yet fills its log with what is no fault.
                children.wait_for_port(modbus_port)
        if any(is_listened_to(site) for site in sites.values()):
            _collect(project, broker.address.version, children, environment=live.environment)
        start_signals(project, [*sites.values()], children, live.environment, can_notify=broker.pid > 0)
        tls = f" over TLS ({broker.address.ca_file})" if broker.address.ca_file else ""
        say(f"{broker.kind} broker on port {broker.address.port}{tls}, Modbus on port {modbus_port}")
        if broker.note:
            say(broker.note)
        yield live


def _collect(project: Project, mqtt_version: str, children: Children, *, environment: Mapping[str, str]) -> None:
    """Behind the devices, whose last words it keeps; a spool that its disk failed begins a new process."""
    arguments = [sys.executable, "-m", "controls.collector.main", "--project", str(project.root)]
    arguments += ["--mqtt-version", mqtt_version]
    port, health = health_port(project.settings.server, "collector")
    children.start("collector", arguments, environment={**environment, **port}, is_needed=False, health=health)


def _broker(project: Project, clients: tuple[Client, ...], *, allow_fallback: bool) -> Broker:
    mqtt, folder = project.settings.mqtt, project.data_dir / "broker"
    return start_broker(
        folder,
        # Nobody has to know it: where none is set, a random one reaches the children by their environment.
        password=mqtt.password,
        allow_fallback=allow_fallback,
        clients=clients,
        certificate=certificate_in(folder / "tls") if mqtt.tls else None,
    )


def _clients(simulated: Sequence[Site], plants: Sequence[Site]) -> dict[str, Client]:
    """By site: the devices speak for themselves only; what else they could say, the agent would believe."""
    sources = [source for plant in plants for source in plant.sources if isinstance(source, MqttSource)]
    topics = tuple(dict.fromkeys(point.topic for source in sources for point in source.points))
    return {
        site.site_id: site_client(
            site.site_id,
            [each.asset_id for each in site.assets if each.template],
            publishes=topics if site is simulated[0] else (),
        )
        for site in simulated
    }


def serve(project: Project, *, sites: Mapping[str, Site], say: Say, workers: int = 0) -> None:
    """Run everything until SIGINT or SIGTERM. Raises Unreachable where a part does not come up, BadInput where the
    project is served already: by another one of this, or by a daemon that outlived its own. workers: of a Dask cluster.
    """
    release = take(project, "up")
    try:
        free(project, "daemon")
        # While nobody reads it: every process that is started from here on goes by the same keys.
        now_utc = SystemClock().now_utc()
        if decide(project, len(sites), now_utc=now_utc, at_turn=lambda: record_materialisations(project, sites)):
            say("months stand by bucket of sites: this project has or had more than a thousand")
        _serve(project, sites=sites, say=say, workers=workers)
    finally:
        release()


def _serve(project: Project, *, sites: Mapping[str, Site], say: Say, workers: int) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    dagster_port, mlflow_port, web_port, code_port = (
        port_of(project.settings.server, name, say) for name in ("dagster", "mlflow", "web", "code")
    )
    passes = Passes(project)
    # Before there are two that would make it.
    passes.token()
    is_pushed = any(source.kind == "push" for site in sites.values() for source in site.sources)
    if is_pushed and not _is_free(push_port := project.settings.push.port):
        # Machines know no other address: nothing is served elsewhere in its place.
        raise PortInUse(push_port, "push", "METERLOOM_PUSH__PORT", str(Listener(push_port)))
    with live_sites(project, sites, say=say, allow_fallback=True) as live:
        children, behind = live.children, len(live.children)
        if workers:
            live.environment |= _workers(project, workers, children, say, environment=live.environment)
        dagster_url, mlflow_url = f"http://127.0.0.1:{dagster_port}", f"http://127.0.0.1:{mlflow_port}"
        variables = {**live.environment, **mlflow_environment(project), FROM_READINGS: "true"}
        served = at_ports(project, dagster_port=dagster_port, mlflow_port=mlflow_port, code_port=code_port)
        pushed = ("receive",) if is_pushed else ()
        code, mlflow = _start(served, ("code", "mlflow", *pushed), children, variables)[:2]
        pages = start_pages(project, web_port, children, environment=live.environment)
        # Both ask it for the graph; who finds nobody there says so to people until it is asked again.
        children.wait_for(code, stopped)
        webserver, _ = _start(served, ("webserver", "daemon"), children, variables)
        for health in (webserver, mlflow):
            children.wait_for(health, stopped)
        if not stopped.is_set():
            for url in (dagster_url, mlflow_url):
                need_sign_in(url)
            report_address(project, web_port, pages.log, say)
            passes.note_dagster_url(dagster_url)
            say(f"Dagster  {passes.link(SystemClock().now_utc())}")
            # Its own first page is about language models.
            say(f"MLflow   {mlflow_url}/#/experiments?workflowType=machine_learning")
            say("  Dagster's link signs in to both, once and within 15 minutes; another one: meterloom web tools")
            if is_pushed:
                say(f"readings are pushed to {project.settings.push.url}")
            say("stop with Ctrl-C")
        later = on_demand_processes(project, [*sites.values()], children, live.environment, live.mqtt_version)
        _watch(project, sites, children, stopped, say, later)
        say("stopping …")
        # All of these at once; the agent and its devices follow in order when the block ends.
        children.request_stop(behind)


def _start(project: Project, roles: Sequence[str], children: Children, environment: Mapping[str, str]) -> list[str]:
    """Start services as `meterloom serve` does, each a child of its own. Returns where each is asked for its health."""
    found = [service(project, role, "") for role in roles]
    for name, each in found:
        variables = {**environment, **each.environment}
        # Without the door for what is pushed all the others have their work.
        children.start(name, each.words, environment=variables, is_needed=name != "receive", health=each.health)
    return [each.health for _, each in found]


def need_sign_in(url: str) -> None:
    """Raises Unreachable where a page answers somebody who has not signed in: then another version has no gate."""
    try:
        with urlopen(url, timeout=READY_S) as answer:  # noqa: S310 - our own loopback address
            status = answer.status
    except HTTPError as refused:
        with refused:
            status = refused.code
    except OSError as fault:
        raise Unreachable(f"{url} does not say whether it needs a sign-in: {fault}") from fault
    if status != HTTPStatus.UNAUTHORIZED:
        raise Unreachable(f"{url} answers {status} without a sign-in: it is not served (docs/adr/0034)")


def _workers(
    project: Project, count: int, children: Children, say: Say, *, environment: Mapping[str, str]
) -> dict[str, str]:
    """A Dask cluster of this machine, which those that are started after it find in their environment."""
    from orchestration.workers.dask_process import cluster_commands, environment_of, own_cluster

    work = own_cluster(project)
    for name, arguments in cluster_commands(project, work, count).items():
        children.start(name, arguments, environment=environment, is_needed=False)
    say(f"{count} workers at {work.address}")
    return environment_of(work)


def _watch(
    project: Project,
    sites: Mapping[str, Site],
    children: Children,
    stopped: threading.Event,
    say: Say,
    later: Sequence[OnDemandProcess] = (),
) -> None:
    """Keep the children up, and deliver the simulated sites' files now and from time to time.

    later: begun once they are wanted; asked each second.
    """
    due_s, delivered = time.monotonic(), dict[str, date]()
    while not stopped.wait(1.0):
        for each in later:
            each.begin()
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + DELIVERY_S
            deliver(project, sites.values(), now_utc=SystemClock().now_utc(), delivered=delivered)
        children.keep_up(say, time.monotonic())


def port_of(server: ServerSettings, name: str, say: Say) -> int:
    """The port of a part, or a free one where nobody named one and another program holds the usual one.

    Raises Unreachable where a port that somebody named is held: whoever named it looks for the part there.
    """
    port: int = getattr(server, f"{name}_port")
    if not port or _is_free(port):
        return port or free_port()
    taken = PortInUse(port, name, f"METERLOOM_SERVER__{name.upper()}_PORT", str(Listener(port)))
    if f"{name}_port" in server.model_fields_set:
        raise taken
    say(f"{taken.taken}: a free one is used")
    return free_port()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Or a port that was just closed would count as taken for another minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
