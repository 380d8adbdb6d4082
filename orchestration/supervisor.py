"""Long-running processes around the graph: broker, simulated site, agent, collector, MLflow and Dagster; started as
children, watched, and stopped in reverse order.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen
from zoneinfo import ZoneInfo

from controls.gateways.access.broker_rights import Client, site_client
from controls.gateways.access.demo_certificate import certificate_in
from controls.gateways.broker import Broker, free_port, start_broker
from controls.simulator.simulated_files import write_site
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.settings import Project, ServerSettings
from data_quality.contracts.site_file.live_source import MqttSource, is_listened_to
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from orchestration.doctor.ports import Listener
from orchestration.instance.databases import prepare_databases
from orchestration.instance.first_month import FROM_READINGS
from orchestration.instance.start_lock import free, take
from orchestration.instance.write import instance_environment
from orchestration.open_project import OpenProject
from orchestration.web.people.invite import first_invited, invitation_link

Say = Callable[[str], None]
STOP_S = 10.0
# Dagster loads the graph, and at its first start lets dbt parse its models, on cores that MLflow starts on too.
READY_S = 120.0
# The pages start in three seconds; nothing else waits for them.
PAGES_S = 20.0
# A child that is started again whenever it ends is so after this pause.
AGAIN_S = 5.0
# How often the simulated home sends its meter file while everything is up.
DELIVERY_S = 900.0


@dataclass
class Child:
    """One process of ours and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    is_told: bool = False
    again: Callable[[], subprocess.Popen[bytes]] | None = None
    ended_s: float | None = None

    def is_alive(self) -> bool:
        """True where it runs, or will again: one that others do not need is started anew after a pause."""
        if self.process.poll() is None or self.again is None:
            return self.process.poll() is None
        self.ended_s = self.ended_s or time.monotonic()
        if time.monotonic() - self.ended_s >= AGAIN_S:
            self.process, self.ended_s = self.again(), None
        return True

    def stop(self) -> None:
        """Ask it to end as Ctrl-C would, insist after a while, and take along whatever it started."""
        if self.process.poll() is None:
            # A second SIGINT would break off the end that the first one began.
            if not self.is_told:
                self.process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        for number in (signal.SIGTERM, signal.SIGKILL):
            # It leads a session of its own; run workers outlive a code server that was told to stop.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
                time.sleep(0.5)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_S)


@dataclass
class Live:
    """Where the live parts of a project answer."""

    environment: dict[str, str]
    broker_kind: str = ""
    broker_note: str = ""
    children: list[Child] = field(default_factory=list)


def has_devices(site: Site) -> bool:
    """True where a device of the site can be reached: one of its assets names a control template."""
    return any(asset.template for asset in site.assets)


def deliver_home(project: Project, site: Site, *, now_utc: datetime, days: int) -> None:
    """The simulated home's meter files up to now, with tomorrow's prices, as a real meter operator would send them."""
    today = now_utc.astimezone(ZoneInfo(site.time_zone)).date()
    folder = project.landing_dir / site.site_id
    write_site(folder, site, start=today - timedelta(days=days), end=today + timedelta(days=1), until_utc=now_utc)


def start(
    name: str, arguments: list[str], *, environment: Mapping[str, str], logs: Path, is_revived: bool = False
) -> Child:
    """Start a child that does not see our terminal's Ctrl-C; its output goes to a log file.

    is_revived: its end is not the end of the others; it is started anew.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{name}.log"

    def run() -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return subprocess.Popen(
                arguments, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
            )

    return Child(name, run(), log, again=run if is_revived else None)


@contextmanager
def live_sites(project: Project, sites: Mapping[str, Site], *, say: Say, allow_fallback: bool) -> Iterator[Live]:
    """Broker, for each simulated site its devices and its agent, and the collector; everything ends with the block."""
    simulated = [site for site in sites.values() if site.is_simulated and has_devices(site)]
    # Their meters are served by the first home, whose Modbus port they share.
    plants = [site for site in sites.values() if site.is_simulated and site.sources and not has_devices(site)]
    prepare_databases(project)
    with ExitStack() as stack:
        clients = _clients(simulated, plants)
        broker = stack.enter_context(_broker(project, tuple(clients.values()), allow_fallback=allow_fallback))
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
            broker_kind=broker.kind,
            broker_note=broker.note,
        )
        logs = project.data_dir / "logs"
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
                child = start(f"{module.split('.')[1]}-{site.site_id}", arguments, environment=environment, logs=logs)
                stack.callback(child.stop)
                live.children.append(child)
                # Who asks devices that are not there yet fills its log with what is no fault.
                wait_for_port(modbus_port, live.children)
        if any(is_listened_to(site) for site in sites.values()):
            child = _collector(project, broker.address.version, environment=live.environment, logs=logs)
            stack.callback(child.stop)
            live.children.append(child)
        tls = f" over TLS ({broker.address.ca_file})" if broker.address.ca_file else ""
        say(f"{broker.kind} broker on port {broker.address.port}{tls}, Modbus on port {modbus_port}")
        if broker.note:
            say(broker.note)
        yield live


def _collector(project: Project, mqtt_version: str, *, environment: Mapping[str, str], logs: Path) -> Child:
    """Behind the devices, whose last words it keeps; a spool that its disk failed begins a new process."""
    arguments = [sys.executable, "-m", "controls.collector.main", "--project", str(project.root)]
    arguments += ["--mqtt-version", mqtt_version]
    return start("collector", arguments, environment=environment, logs=logs, is_revived=True)


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
            says=topics if site is simulated[0] else (),
        )
        for site in simulated
    }


def serve(project: Project, *, sites: Mapping[str, Site], say: Say) -> None:
    """Run everything until SIGINT or SIGTERM. Raises Unreachable where a part does not come up, BadInput where the
    project is served already: by another one of this, or by a daemon that outlived its own.
    """
    release = take(project, "up")
    try:
        free(project, "daemon")
        _serve(project, sites=sites, say=say)
    finally:
        release()


def _serve(project: Project, *, sites: Mapping[str, Site], say: Say) -> None:
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    dagster_port, mlflow_port, web_port = (
        port_of(project.settings.server, name, say) for name in ("dagster", "mlflow", "web")
    )
    is_pushed = any(source.kind == "push" for site in sites.values() for source in site.sources)
    if is_pushed and not _is_free(push_port := project.settings.push.port):
        # Machines know no other address: nothing is served elsewhere in its place.
        raise _port_taken(push_port, "push", "METERLOOM_PUSH__PORT")
    workspace = Path(__file__).resolve().parent.parent / "workspace.yaml"
    logs = project.data_dir / "logs"
    with ExitStack() as stack:
        live = stack.enter_context(live_sites(project, sites, say=say, allow_fallback=True))
        children = list(live.children)
        parts = [("dagster", _dagster(dagster_port, workspace)), ("mlflow", _mlflow(project, mlflow_port))]
        if is_pushed:
            module = "controls.collector.receive_main"
            parts.append(("receive", [sys.executable, "-m", module, "--project", str(project.root)]))
        for name, arguments in parts:
            # In its environment: arguments are read by everybody on this machine, and the URL may hold a password.
            variables = {**live.environment, "MLFLOW_BACKEND_STORE_URI": project.mlflow_uri}
            variables |= {"MLFLOW_DISABLE_TELEMETRY": "true", FROM_READINGS: "true"}
            # The door for machines is needed by nobody here: the others go on while it is started anew.
            child = start(name, arguments, environment=variables, logs=logs, is_revived=name == "receive")
            stack.callback(child.stop)
            children.append(child)
        # Nothing else needs the pages: where they end, the agent works on and they are started anew.
        web = start_pages(project, web_port, environment=live.environment, logs=logs)
        stack.callback(web.stop)
        children.append(web)
        dagster_url, mlflow_url = f"http://127.0.0.1:{dagster_port}", f"http://127.0.0.1:{mlflow_port}"
        wait_for_url(f"{dagster_url}/server_info", children, stopped)
        wait_for_url(f"{mlflow_url}/health", children, stopped)
        if not stopped.is_set():
            say_pages(project, web_port, web.log, say)
            say(f"Dagster  {dagster_url}")
            # Its own first page is about language models.
            say(f"MLflow   {mlflow_url}/#/experiments?workflowType=machine_learning")
            if is_pushed:
                say(f"readings are pushed to {project.settings.push.url}")
            say("stop with Ctrl-C")
        _watch(project, sites, children, stopped)
        say("stopping …")
        for child in children[len(live.children) :]:
            # Both at once; the agent and its devices follow in order when the block ends.
            child.process.send_signal(signal.SIGINT)
            child.is_told = True


def start_pages(project: Project, port: int, *, environment: Mapping[str, str], logs: Path) -> Child:
    """Start the process behind the pages, which is started anew whenever it ends."""
    arguments = [sys.executable, "-m", "orchestration.web.serve", "--project", str(project.root)]
    variables = {**environment, "METERLOOM_SERVER__WEB_PORT": str(port)}
    return start("web", arguments, environment=variables, logs=logs, is_revived=True)


def say_pages(project: Project, port: int, log: Path, say: Say) -> None:
    """Where the pages are; and where nobody has a password yet, one invitation."""
    server = project.settings.server.model_copy(update={"web_port": port})
    try:
        wait_for_port(port, [], within_s=PAGES_S)
    except Unreachable:
        say(f"the pages do not answer yet, they are tried again; see {log}")
        return
    say(f"Pages    {server.web_url}")
    opened = OpenProject(str(project.root))
    try:
        person = first_invited(opened)
        if person is not None:
            link, _ = invitation_link(opened, person, SystemClock(), base_url=server.web_url)
            say(f"  {person.name} sets a password there, once and within 15 minutes: {link}")
            say("  others, or later: meterloom web invite PERSON")
    finally:
        opened.close()


def _watch(project: Project, sites: Mapping[str, Site], children: list[Child], stopped: threading.Event) -> None:
    """Deliver the simulated homes' files now and from time to time. Raises Unreachable where a child ends."""
    due_s = time.monotonic()
    while not stopped.wait(1.0):
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + DELIVERY_S
            for site in sites.values():
                if site.is_simulated and has_devices(site):
                    deliver_home(project, site, now_utc=SystemClock().now_utc(), days=2)
        _all_alive(children)


def _dagster(port: int, workspace: Path) -> list[str]:
    return [
        str(Path(sys.executable).parent / "dagster"),
        "dev",
        "--workspace",
        str(workspace),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
    ]


def _mlflow(project: Project, port: int) -> list[str]:
    return [
        str(Path(sys.executable).parent / "mlflow"),
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        # MLflow starts several by default, each with all its libraries in memory.
        "--workers",
        "1",
        "--default-artifact-root",
        str(project.mlflow_artifacts_dir),
    ]


def port_of(server: ServerSettings, name: str, say: Say) -> int:
    """The port of a part, or a free one where nobody named one and another program holds the usual one.

    Raises BadInput where a port that somebody named is held: whoever named it looks for the part there.
    """
    port: int = getattr(server, f"{name}_port")
    if not port or _is_free(port):
        return port or free_port()
    taken = _port_taken(port, name, f"METERLOOM_SERVER__{name.upper()}_PORT")
    if f"{name}_port" in server.model_fields_set:
        raise taken
    say(f"{taken.message}: a free one is used")
    return free_port()


def _port_taken(port: int, name: str, variable: str) -> BadInput:
    who = str(Listener(port))
    said = f"port {port}, for {name}, is taken{f' by {who}' if who else ''}"
    return BadInput(said, reason="port_taken", mend=f"end that program, or name another port with {variable}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Or a port that was just closed would count as taken for another minute.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_for_port(port: int, children: list[Child], *, within_s: float = 30.0) -> None:
    """Wait until something listens. Raises Unreachable where a child ends or the time runs out."""
    deadline_s = time.monotonic() + within_s
    while time.monotonic() < deadline_s:
        _all_alive(children)
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise Unreachable(f"nothing answers on port {port} after {within_s:g} s")


def wait_for_url(url: str, children: list[Child], stopped: threading.Event) -> None:
    """Wait until an address answers. Raises Unreachable where a child ends or the time runs out."""
    deadline_s = time.monotonic() + READY_S
    while time.monotonic() < deadline_s and not stopped.is_set():
        _all_alive(children)
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - our own loopback address
                return
        except (URLError, OSError):
            stopped.wait(0.25)
    if not stopped.is_set():
        raise Unreachable(f"{url} does not answer after {READY_S:g} s")


def _all_alive(children: list[Child]) -> None:
    for child in children:
        if not child.is_alive():
            raise Unreachable(f"{child.name} ended with code {child.process.returncode}; see {child.log}")
