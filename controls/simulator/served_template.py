"""Any template served on a wire of its own, and the client that would speak to it: a Modbus server, or a broker."""

import math
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from controls.gateways.broker import start_broker
from controls.gateways.capabilities import DeviceWriter
from controls.gateways.foreign.foreign_mqtt import TopicsDevice
from controls.gateways.foreign.serve_foreign import ServedTopics
from controls.gateways.modbus import ModbusDevice
from controls.gateways.mqtt import MqttDevice
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.served_unit import RATING, ModbusUnit
from controls.templates.load_templates import Capability, Template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

SITE_ID, DEVICE_ID = "trial", "device"
# Time on the wire is the test's own; what passes between is only how soon a device notices.
_TICK_S = 0.05
POWER, SOC_PERCENT = "read_power_kw", 50.0
# A device that settles within settle_s has come within two percent of the value after four time constants.
_CONSTANTS = 4.0
# How much a device that is only limited would give or take: of what it can.
_UNLIMITED_SHARE = 0.6
# Default where a template gives none, by unit.
_RESTING = {"v": 230.0, "hz": 50.0, "percent": SOC_PERCENT, "degc": 20.0, "state": 1.0}


class TemplatePhysics:
    """Measured values of a device. `value_of(capability)`: the set-point it follows now; monotonic: seconds."""

    def __init__(
        self, template: Template, *, monotonic: Callable[[], float], seed: int = 0, noise_share: float = 0.0
    ) -> None:
        self._template, self._monotonic = template, monotonic
        self._random, self._noise_share = random.Random(seed), noise_share
        self._power_kw, self._at_s = 0.0, monotonic()
        self.value_of: Callable[[str], float] = lambda name: template.safe_default[name]

    def measure(self) -> dict[str, float]:
        """Every value that the template reads, each within its bounds."""
        return {name: self._bounded(name, self._template.capability(name)) for name in self._template.readable}

    def _bounded(self, name: str, place: Capability) -> float:
        value = self._power() if name == POWER else _RESTING.get(place.unit, 0.0)
        low, high = place.min, place.max
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)

    def _power(self) -> float:
        """The first-order answer to the set-point, at this moment, kW."""
        now_s = self._monotonic()
        passed_s, self._at_s = now_s - self._at_s, now_s
        for name in self._template.settable:
            place = self._template.capability(name)
            if place.unit != "kw" or place.effect == "none":
                continue
            most_kw = min(self._template.limits(name)[1], RATING)
            wanted_kw = min(self.value_of(name), most_kw)
            if place.effect == "limit":
                wanted_kw = min(wanted_kw, _UNLIMITED_SHARE * most_kw)
            share = 1.0 - math.exp(-_CONSTANTS * passed_s / place.settle_s)
            self._power_kw += share * (wanted_kw - self._power_kw)
            return self._power_kw + self._random.gauss(0.0, self._noise_share * most_kw)
        return self._power_kw


def simulated_unit(
    template: Template, *, monotonic: Callable[[], float], seed: int = 0, noise_share: float = 0.0
) -> ModbusUnit:
    """A unit of the template, with physics of its own."""
    physics = TemplatePhysics(template, monotonic=monotonic, seed=seed, noise_share=noise_share)
    unit = ModbusUnit(template, measure=physics.measure, monotonic=monotonic)
    physics.value_of = unit.value_of
    return unit


@contextmanager
def served_template(template: Template, *, clock: Clock, monotonic: Callable[[], float]) -> Iterator[DeviceWriter]:
    """A device made from the template, and its client. monotonic: the device's seconds.

    Raises BadInput (a protocol without a server here), Unreachable (no Mosquitto for a device on a broker).
    """
    serve = _modbus if template.protocol == "modbus_tcp" else _mqtt
    with serve(template, clock, monotonic) as device:
        yield device


@contextmanager
def _modbus(template: Template, clock: Clock, monotonic: Callable[[], float]) -> Iterator[DeviceWriter]:
    server = ModbusServer([simulated_unit(template, monotonic=monotonic)]).start()
    device = ModbusDevice(template, host=server.host, port=server.port, clock=clock, device_id=DEVICE_ID)
    try:
        yield device
    finally:
        device.close()
        server.stop()


@contextmanager
def _mqtt(template: Template, clock: Clock, monotonic: Callable[[], float]) -> Iterator[DeviceWriter]:
    if template.protocol not in ("mqtt5", "mqtt_topics"):
        raise BadInput(
            f"template {template.template!r} speaks {template.protocol}, which has no simulator of its own here: "
            "name a device of a site with --site",
            reason="not_simulated",
        )
    physics = TemplatePhysics(template, monotonic=monotonic)
    with tempfile.TemporaryDirectory() as folder, start_broker(Path(folder)) as broker:
        served: MqttServedDevice | ServedTopics
        device: DeviceWriter
        address = broker.address
        if template.protocol == "mqtt5":
            served = MqttServedDevice(
                template,
                address=address,
                site_id=SITE_ID,
                device_id=DEVICE_ID,
                measure=physics.measure,
                clock=clock,
                monotonic=monotonic,
                tick_s=_TICK_S,
            )
            device = MqttDevice(template, address=address, site_id=SITE_ID, device_id=DEVICE_ID, epoch=1, clock=clock)
        else:
            served = ServedTopics(
                template, address=address, name=DEVICE_ID, measure=physics.measure, monotonic=monotonic, tick_s=_TICK_S
            )
            device = TopicsDevice(template, address=address, site_id=SITE_ID, device_id=DEVICE_ID, epoch=1, clock=clock)
        physics.value_of = served.value_of
        served.start()
        try:
            yield device
        finally:
            device.close()
            served.stop()
