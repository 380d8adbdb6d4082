"""Ports of a project and who answers there: its own parts, nobody, another program, or a broker that is dead.

A part is believed by its own words, an open port says nothing: Dagster and MLflow by their health pages, the broker by
its answer to MQTT CONNECT. Where the operating system names the process that listens, its project is compared too.
"""

import http.client
import json
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from controls.gateways.access.broker_of_up import broker_of_up
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, MqttLine, Version
from controls.gateways.open import broker_address
from data_quality.contracts.settings import Project

State = Literal["ours", "free", "other", "dead"]
# A part on this machine answers in milliseconds; two protocol versions of MQTT are tried, so a dead broker costs twice.
TIMEOUT_S = 2.0
# The demo's fallback broker speaks 3.1.1 only.
_VERSIONS: tuple[Version, ...] = ("5", "3.1.1")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Whoever holds the port may send a page without end.
_LONGEST_ANSWER = 4096
_PROJECT_VARIABLE = "METERLOOM_PROJECT"


@dataclass(frozen=True)
class Port:
    """One address of the project and who answers there. mend: empty where nothing is wrong."""

    name: str
    state: State
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Listener:
    """The process that listens on a port of this machine, as far as the operating system tells it."""

    port: int

    @cached_property
    def _process(self) -> tuple[int, str, list[str], dict[str, str] | None] | None:
        import psutil

        # Systems that hide the sockets of others (macOS) name nobody; that is no fault.
        with suppress(psutil.Error, OSError):
            for each in psutil.net_connections(kind="tcp"):
                if each.status == psutil.CONN_LISTEN and each.laddr.port == self.port and each.pid:
                    process = psutil.Process(each.pid)
                    variables = None
                    with suppress(psutil.Error):
                        variables = process.environ()
                    return each.pid, process.name(), process.cmdline(), variables
        return None

    def __str__(self) -> str:
        """`name, pid 4711`, or nothing."""
        return f"{self._process[1]}, pid {self._process[0]}" if self._process else ""

    @property
    def project(self) -> str | None:
        """The project folder that it was started for, empty for none; None where that cannot be seen."""
        variables = self._process[3] if self._process else None
        return None if variables is None else variables.get(_PROJECT_VARIABLE, "")

    @property
    def is_mosquitto(self) -> bool:
        """It is that broker."""
        return self._process is not None and "mosquitto" in self._process[1]

    def was_given(self, file: Path) -> bool:
        """Its command line names the file."""
        return self._process is not None and str(file) in self._process[2]


def look(project: Project) -> list[Port]:
    """Broker, Dagster, MLflow and the simulated devices' port, in this order; at most some seconds each."""
    server = project.settings.server
    return [
        broker(project),
        _page("dagster", server.dagster_port, project.root, _is_dagster),
        _page("mlflow", server.mlflow_port, project.root, _is_mlflow),
        # Modbus names no maker: what the process was started for must do.
        _page("modbus", server.modbus_port, project.root, None),
    ]


def broker(project: Project, *, timeout_s: float = TIMEOUT_S) -> Port:
    """The broker that `meterloom up` started, on whichever port, else that of the settings.

    A broker that refuses our user lives, and is not this project's.
    """
    own = broker_of_up(project)
    # What a killed `meterloom up` left behind names a port that may be anybody's by now.
    if own is not None and Listener(own.port).was_given(project.data_dir / "broker" / "mosquitto.conf"):
        return _broker_at(own, timeout_s)
    return _broker_at(broker_address(project.settings), timeout_s)


def _broker_at(address: BrokerAddress, timeout_s: float) -> Port:
    where = f"{address.host}:{address.port}"
    # Of another machine the system tells nothing: port 0 is nobody's.
    listener = Listener(address.port if address.host in _LOOPBACK else 0)
    if not _accepts(address.host, address.port):
        return Port("broker", "free", f"nothing answers at {where}", "start it with 'meterloom up'")
    choose = "choose another port with METERLOOM_MQTT__PORT"
    try:
        is_live = any(_answers(address.model_copy(update={"version": each}), timeout_s) for each in _VERSIONS)
    except DeviceRefused as fault:
        mend = f"METERLOOM_MQTT__USERNAME and METERLOOM_MQTT__PASSWORD of that broker, or {choose}"
        return Port("broker", "other", f"a broker lives at {where} and refuses this project's user: {fault}", mend)
    if is_live:
        return Port("broker", "ours", f"the broker at {where} takes the connection")
    silent = f"it accepts connections and does not answer MQTT within {timeout_s:g} s"
    if str(listener) and not listener.is_mosquitto:
        return _other("broker", address.port, str(listener), choose, f", no live broker: {silent}")
    owner = f" ({listener})" if str(listener) else ""
    return Port(
        "broker", "dead", f"the broker at {where}{owner} is dead: {silent}", f"end it and start again, or {choose}"
    )


def _answers(address: BrokerAddress, timeout_s: float) -> bool:
    """Raises DeviceRefused."""
    try:
        line = MqttLine(address, client_id="", subscriptions=(), on_message=lambda *_: None, timeout_s=timeout_s)
    except DeviceSilent:
        return False
    line.close()
    return True


def _page(name: str, port: int, root: Path, is_it: Callable[[int], str] | None) -> Port:
    where = f"127.0.0.1:{port}"
    if not _accepts("127.0.0.1", port):
        return Port(name, "free", f"nothing answers at {where}", "start it with 'meterloom up'")
    choose = f"choose another port with METERLOOM_SERVER__{name.upper()}_PORT"
    listener = Listener(port)
    answer = is_it(port) if is_it is not None else "" if listener.project == "" else name
    if not answer:
        return _other(name, port, str(listener), choose)
    if listener.project is not None and (not listener.project or Path(listener.project).resolve() != root.resolve()):
        whose = f"another project, {listener.project}," if listener.project else "no project of Meterloom"
        return Port(name, "other", f"{answer} of {whose} answers at {where} ({listener})", choose)
    return Port(name, "ours", f"{answer} answers at {where}")


def _other(name: str, port: int, owner: str, choose: str, more: str = "") -> Port:
    named = f" ({owner})" if owner else ""
    return Port(name, "other", f"port {port} is used by another program{named}{more}", choose)


def _is_dagster(port: int) -> str:
    with suppress(ValueError, TypeError, KeyError):
        return f"Dagster {json.loads(_get(port, '/server_info'))['dagster_webserver_version']}"
    return ""


def _is_mlflow(port: int) -> str:
    version = _get(port, "/version").strip()
    is_it = _get(port, "/health").strip() == "OK" and version[:1].isdigit()
    return f"MLflow {version}" if is_it else ""


def _get(port: int, path: str) -> str:
    """The first part of a page of this machine; empty where it is none, or comes too late."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        line.request("GET", path)
        answer = line.getresponse()
        return answer.read(_LONGEST_ANSWER).decode("utf-8", "replace") if answer.status == http.client.OK else ""
    except (OSError, http.client.HTTPException):
        return ""
    finally:
        line.close()


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT_S):
            return True
    except OSError:
        return False
