"""Shared parts of tests of devices: a hand-moved monotonic clock, commands, and any template served for real."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controls.gateways.capabilities import DeviceWriter
from controls.gateways.foreign.foreign_mqtt import TopicsDevice
from controls.gateways.foreign.serve_foreign import ServedTopics
from controls.gateways.modbus import ModbusDevice
from controls.gateways.mqtt import MqttDevice
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.serve_mqtt import MqttServedDevice, ServedOnLine
from controls.gateways.served_unit import ModbusUnit, scale_power
from controls.templates.load_templates import Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.time import Clock

# A device that is to answer is waited for however long a machine stands still; the short wait is for one that will not.
TIMEOUT_S, SILENT_S = 10.0, 0.3


class HandClock:
    """Monotonic seconds that move only by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def command(
    clock: Clock,
    *,
    device_id: str,
    capability: str,
    value: float,
    seq: int = 1,
    epoch: int = 1,
    ttl_s: float = 30.0,
    window_s: float = 900.0,
    unit: str = "kw",
) -> Command:
    """A command whose window is open now."""
    now_utc = clock.now_utc()
    return Command(
        command_id=f"{device_id}-{epoch}-{seq}",
        idempotency_key=f"plan:{device_id}:{capability}:{seq}",
        plan_id="plan",
        plan_hash="0",
        site_id="home",
        device_id=device_id,
        capability=capability,
        value=value,
        unit=unit,
        seq=seq,
        epoch=epoch,
        valid_from_utc=now_utc,
        valid_until_utc=now_utc + timedelta(seconds=window_s),
        ttl_s=ttl_s,
    )


class Counting(ServedOnLine):
    """A device on the broker that counts the messages that it has done with: what a test waits for, not for time."""

    received = 0

    def _received(self, *message: Any) -> None:
        super()._received(*message)
        self.received += 1


class CountingDevice(Counting, MqttServedDevice):
    """One of ours."""


class CountingTopics(Counting, ServedTopics):
    """One that does not know us."""


@dataclass
class Served:
    """A template's device on a real wire, both ends."""

    device: DeviceWriter
    served: ModbusUnit | CountingDevice
    hand: HandClock


def measured(template: Template) -> dict[str, float]:
    """A value for everything that the template measures, on the grid of its registers."""
    known = {name: template.capabilities[name] for name in template.readable}
    return {
        name: round(min(7 * one.scale * 10.0 ** scale_power(one), 7.0 if one.max is None else one.max), 10)
        for name, one in known.items()
    }


@contextmanager
def serving_modbus(template: Template, clock: Clock) -> Iterator[Served]:
    """The template on a real Modbus server, and a client to it."""
    hand = HandClock()
    unit = ModbusUnit(template, measure=lambda: measured(template), monotonic=hand)
    server = ModbusServer([unit]).start()
    device = ModbusDevice(
        template, host="127.0.0.1", port=server.port, clock=clock, timeout_s=TIMEOUT_S, device_id="device"
    )
    try:
        yield Served(device, unit, hand)
    finally:
        device.close()
        server.stop()


@contextmanager
def serving_mqtt(template: Template, clock: Clock, address: BrokerAddress) -> Iterator[Served]:
    """The template on the broker, and a client to it."""
    hand = HandClock()
    served = CountingDevice(
        template,
        address=address,
        site_id="home",
        device_id="device",
        measure=lambda: measured(template),
        clock=clock,
        monotonic=hand,
        tick_s=0.05,
    ).start()
    device = MqttDevice(
        template, address=address, site_id="home", device_id="device", epoch=1, clock=clock, timeout_s=TIMEOUT_S
    )
    try:
        yield Served(device, served, hand)
    finally:
        device.close()
        served.stop()


@dataclass
class Pair:
    """Both ends of one device that does not know us."""

    device: TopicsDevice
    served: CountingTopics
    hand: HandClock


@contextmanager
def serving_topics(template: Template, clock: Clock, address: BrokerAddress, name: str = "device") -> Iterator[Pair]:
    """The template of protocol mqtt_topics on the broker, and a client to it."""
    hand = HandClock()
    served = CountingTopics(
        template, address=address, name=name, measure=lambda: measured(template), monotonic=hand, tick_s=0.05
    ).start()
    device = TopicsDevice(
        template, address=address, site_id="home", device_id=name, epoch=1, clock=clock, timeout_s=TIMEOUT_S
    )
    try:
        yield Pair(device, served, hand)
    finally:
        device.close()
        served.stop()


def vanish(served: ServedTopics) -> None:
    """Let it lose the connection without a word, for good: only the will speaks."""
    served._end()
    if (line := served._line) is not None:
        # As a lost supply does: the socket is gone, and nobody says goodbye.
        line._client._sock_close()
        line.close()
        served._line = None
