"""Rights on the broker: one name a device, its own topics and nothing else.

A broker grants a subscription that it then filters, without a word (MQTT 3.1.1 and 5 alike), so that rights hold is
proven when it starts and not read from its answers.
"""

import secrets
import threading
from collections.abc import Sequence

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.topics import Topics
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.model import Model

PROBES = ("probe-a", "probe-b")
_ARRIVES_S = 5.0


class Client(Model):
    """One name on the broker with its password, the topics that it may publish on, and those that it may hear."""

    username: str
    password: str
    publishes: tuple[str, ...]
    subscribes: tuple[str, ...]


def device_client(site_id: str, device_id: str) -> Client:
    """The rights of a device that keeps our contract, with a random password."""
    topics = Topics(site_id=site_id, device_id=device_id)
    return Client(
        username=f"dev-{site_id}-{device_id}",
        password=secrets.token_urlsafe(24),
        publishes=(topics.ack, topics.state, topics.telemetry, topics.status),
        subscribes=(topics.command, topics.get),
    )


def site_client(site_id: str, device_ids: Sequence[str], *, publishes: Sequence[str] = ()) -> Client:
    """The rights of one process that serves several devices of a site, as the simulator. publishes: further topics."""
    each = [device_client(site_id, device_id) for device_id in device_ids]
    return Client(
        username=f"devices-{site_id}",
        password=secrets.token_urlsafe(24),
        publishes=(*(topic for one in each for topic in one.publishes), *publishes),
        subscribes=tuple(topic for one in each for topic in one.subscribes),
    )


def rights_lines(clients: Sequence[Client], *, everything: str) -> list[str]:
    """The lines of Mosquitto's acl_file. everything: the one name that publishes and receives all, for the agent."""
    lines = [f"user {everything}", "topic readwrite #"]
    for client in clients:
        lines += [f"user {client.username}"]
        lines += [f"topic write {topic}" for topic in client.publishes]
        lines += [f"topic read {topic}" for topic in client.subscribes]
    return lines


def probe_clients() -> tuple[Client, Client]:
    """Two devices that do not exist, with which the broker is tried."""
    first, second = (device_client("probe", name) for name in ("a", "b"))
    return (
        first.model_copy(update={"username": PROBES[0]}),
        second.model_copy(update={"username": PROBES[1]}),
    )


def prove_rights(address: BrokerAddress, probes: tuple[Client, Client]) -> None:
    """Try what must not work: to enter without a name, to speak as another device, to hear what is another's.

    Raises Unreachable with the first that did work.
    """
    first, second = probes
    for who, change in (("nobody", {"username": "", "password": ""}), ("a wrong password", {"password": "wrong"})):
        if _enters(address.model_copy(update=change)):
            raise Unreachable(f"the broker lets {who} in")
    received: list[str] = []
    arrived = threading.Event()

    def hear(topic: str, payload: bytes, _properties: object) -> None:
        received.append(topic)
        if payload == b"last":
            arrived.set()

    ours = MqttLine(address, client_id="", subscriptions=(), on_message=lambda *_: None)
    speaker = MqttLine(_as(address, first), client_id="", subscriptions=(), on_message=lambda *_: None)
    # With wildcards, as a curious device would.
    listener = MqttLine(_as(address, second), client_id="", subscriptions=("#", "+/probe/+"), on_message=hear)
    try:
        for topic in (*second.subscribes, *second.publishes, "cmd/other/device"):
            if _passes(speaker, topic):
                raise Unreachable(f"the broker lets one device speak on {topic}, which is another's")
        if not _passes(speaker, first.publishes[0]):
            raise Unreachable(f"the broker does not let a device speak on {first.publishes[0]}, which is its own")
        for topic, payload in ((first.subscribes[0], b"first"), (second.subscribes[0], b"last")):
            ours.publish(topic, payload)
        if not arrived.wait(_ARRIVES_S):
            raise Unreachable(f"the broker does not let a device hear {second.subscribes[0]}, which is its own")
    finally:
        for line in (ours, speaker, listener):
            line.close()
    foreign = sorted(set(received) - set(second.subscribes))
    if foreign:
        raise Unreachable(f"the broker lets one device hear {', '.join(foreign)}, which is another's")


def _as(address: BrokerAddress, client: Client) -> BrokerAddress:
    return address.model_copy(update={"username": client.username, "password": client.password})


def _enters(address: BrokerAddress) -> bool:
    try:
        MqttLine(address, client_id="", subscriptions=(), on_message=lambda *_: None).close()
    except (DeviceRefused, DeviceSilent):
        return False
    return True


def _passes(line: MqttLine, topic: str) -> bool:
    try:
        line.publish(topic, b"probe")
    except DeviceRefused:
        return False
    return True
