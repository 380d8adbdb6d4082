"""A broker of our own: the system's Mosquitto in a private folder on the loopback, or the fallback for the demo.

Mosquitto drops its rights when root starts it and then cannot read a private folder, so the configuration says
`user root` there. The fallback speaks MQTT 3.1.1 only, which hides refusals: nothing but the demo may use it.
"""

import asyncio
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from controls.gateways.access.broker_rights import Client, probe_clients, prove_rights, rights_lines
from controls.gateways.access.demo_certificate import Certificate
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.ports import free_port, is_listening
from data_quality.contracts.errors import Unreachable

USERNAME = "meterloom"
_SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/sbin")
# Mosquitto starts in milliseconds; ten seconds are for a machine that is busy with something else.
_START_S = 10.0
_STOP_S = 5.0
# Telemetry is dropped silently above the queue length, so it is long and bounded by memory instead.
_LIMITS = ("max_queued_messages 100000", "memory_limit 268435456", "message_size_limit 262144")


def find_mosquitto(name: str = "mosquitto") -> Path | None:
    """The system's Mosquitto, also where the sbin folders are not on the path; None where there is none."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS])
    found = shutil.which(name, path=path)
    return Path(found) if found else None


class Broker:
    """A running broker. Use it in `with`, or call `stop`."""

    def __init__(
        self,
        *,
        address: BrokerAddress,
        kind: str,
        note: str,
        begin: Callable[[], Any],
        clients: Sequence[Client] = (),
        log: Path = Path(),
    ) -> None:
        self.address, self.log, self._begin = address, log, begin
        self._clients = {client.username: client for client in clients}
        self.kind = kind
        self.note = note
        self.process = begin()

    def __enter__(self) -> "Broker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def address_of(self, username: str) -> BrokerAddress:
        """The broker as one of its clients is to enter it."""
        client = self._clients[username]
        return self.address.model_copy(update={"username": client.username, "password": client.password})

    @property
    def pid(self) -> int:
        """Its process, where it is one; the leader of a session."""
        return int(getattr(self.process, "pid", 0))

    @property
    def is_running(self) -> bool:
        """True while the broker lives."""
        return bool(self.process.poll() is None)

    def restart(self) -> Any:
        """Start it anew at its address, where its process has ended."""
        self.process = self._begin()
        return self.process

    def stop(self) -> None:
        """Ask it to end, and insist; safe to call twice."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_S)


def start_broker(
    folder: Path,
    *,
    port: int = 0,
    username: str = USERNAME,
    password: str = "",
    allow_fallback: bool = False,
    clients: Sequence[Client] = (),
    certificate: Certificate | None = None,
) -> Broker:
    """Start a broker on the loopback and wait until it answers. Port 0 takes a free one.

    An empty password is replaced by a random one. clients: devices with a name and topics of their own; with them, the
    broker is tried before it is handed out. certificate: TLS on the port, and no other port. Raises Unreachable: no
    Mosquitto (unless the fallback is allowed), port taken, no answer, or rights that do not hold.
    """
    password = password or secrets.token_urlsafe(24)
    port = port or free_port()
    # Asked first: Mosquitto would say it in its log only.
    if is_listening(port):
        raise Unreachable(f"port {port} on 127.0.0.1 is taken; set another with METERLOOM_MQTT__PORT")
    if find_mosquitto() is not None:
        ca_file = str(certificate.certificate) if certificate is not None else ""
        address = BrokerAddress(port=port, username=username, password=password, ca_file=ca_file)
        probes = probe_clients() if clients else ()
        broker = _start_mosquitto(folder, address, clients=(*clients, *probes), certificate=certificate)
        if probes:
            _prove(broker, probes)
        return broker
    # The fallback has no TLS, and nobody who asked for it may get less.
    if not allow_fallback or certificate is not None:
        raise Unreachable("no Mosquitto on this machine; install it: apt-get install -y mosquitto")

    address = BrokerAddress(port=port, version="3.1.1")
    note = (
        "no Mosquitto here: the demo uses a small broker inside this process, MQTT 3.1.1, without passwords; "
        "what is said while the collector is away is lost"
    )
    return Broker(address=address, kind="fallback", note=note, begin=lambda: FallbackBroker(address).start())


def _prove(broker: Broker, probes: tuple[Client, Client]) -> None:
    try:
        prove_rights(broker.address, probes)
    # Whatever it is: a broker whose rights are not proven serves nobody.
    except BaseException:
        broker.stop()
        raise


def _start_mosquitto(
    folder: Path, address: BrokerAddress, *, clients: Sequence[Client] = (), certificate: Certificate | None = None
) -> Broker:
    executable = find_mosquitto()
    hasher = find_mosquitto("mosquitto_passwd")
    if executable is None or hasher is None:
        raise Unreachable("Mosquitto is here without mosquitto_passwd; install the whole package")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    passwords = folder / "passwords"
    # Made private before anything is in it: the password is in plain text until it is hashed.
    passwords.touch(mode=0o600)
    names = [(address.username, address.password), *((each.username, each.password) for each in clients)]
    passwords.write_text("".join(f"{username}:{password}\n" for username, password in names), encoding="utf-8")
    # Hashed in place by its own tool: the format differs between releases of Mosquitto.
    subprocess.run([str(hasher), "-U", str(passwords)], check=True, capture_output=True)
    configuration = folder / "mosquitto.conf"
    rights = folder / "rights" if clients else None
    if rights is not None:
        rights.write_text("\n".join(rights_lines(clients, everything=address.username)) + "\n", encoding="utf-8")
    lines = mosquitto_lines(address, passwords, is_root=os.geteuid() == 0, rights=rights, certificate=certificate)
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    log = folder / "mosquitto.log"

    def begin() -> subprocess.Popen[bytes]:
        # A file and not a pipe: nobody reads a pipe, and a full one would stop the broker. A session of its own: the
        # Ctrl-C of a terminal must not end it before the devices that speak over it.
        with log.open("ab") as output:
            return subprocess.Popen(
                [str(executable), "-c", str(configuration)], stdout=output, stderr=output, start_new_session=True
            )

    broker = Broker(address=address, kind="mosquitto", note="", begin=begin, clients=clients, log=log)
    deadline = time.monotonic() + _START_S
    while not is_listening(address.port):
        if not broker.is_running or time.monotonic() > deadline:
            broker.process.kill()
            broker.process.wait()
            raise Unreachable(f"Mosquitto did not start on port {address.port}; its log is {log}")
        time.sleep(0.02)
    return broker


def mosquitto_lines(
    address: BrokerAddress,
    passwords: Path,
    *,
    is_root: bool,
    rights: Path | None = None,
    certificate: Certificate | None = None,
) -> list[str]:
    """The lines of our Mosquitto's configuration: loopback only, password only, nothing kept over a restart.

    One listener: with a certificate there is no plain port beside it.
    """
    tls = [] if certificate is None else [
        f"certfile {certificate.certificate}", f"keyfile {certificate.key}", "tls_version tlsv1.2",
    ]  # fmt: skip
    return [
        f"listener {address.port} {address.host}",
        *tls,
        *([f"acl_file {rights}"] if rights is not None else []),
        "allow_anonymous false",
        f"password_file {passwords}",
        "persistence false",
        *_LIMITS,
        "log_dest stderr",
        *(["user root"] if is_root else []),
    ]


class FallbackBroker:
    """Runs in a thread of its own and ends like a process does: poll, terminate, wait, kill."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._is_up = threading.Event()
        self._end: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="broker", daemon=True)

    def start(self) -> "FallbackBroker":
        """Listen. Raises Unreachable."""
        self._thread.start()
        if not self._is_up.wait(_START_S):
            raise Unreachable(f"the fallback broker did not start on port {self._address.port}")
        return self

    def poll(self) -> int | None:
        """None while it runs, else 0."""
        return None if self._thread.is_alive() else 0

    def terminate(self) -> None:
        """Ask it to end."""
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)

    # A thread cannot be killed; asking twice is all there is.
    kill = terminate

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired("fallback broker", timeout or 0.0)
        return 0

    async def _serve(self) -> None:
        # Only here: where Mosquitto is installed nobody needs the library.
        from amqtt.broker import Broker

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        configuration: dict[str, Any] = {
            "listeners": {"default": {"type": "tcp", "bind": f"{self._address.host}:{self._address.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        broker = Broker(configuration)
        await broker.start()
        self._is_up.set()
        await self._end.wait()
        await broker.shutdown()
