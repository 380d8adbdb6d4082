"""Any template served on a wire of its own, and the client that would speak to it: a Modbus server, or a broker."""

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
from controls.simulator.template_device import TemplatePhysics, simulated_unit
from controls.templates.load_templates import Template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

SITE_ID, DEVICE_ID = "trial", "device"
# Time on the wire is the test's own; what passes between is only how soon a device notices.
_TICK_S = 0.05


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
    measure = TemplatePhysics(template, monotonic=monotonic).measure
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
                measure=measure,
                clock=clock,
                monotonic=monotonic,
                tick_s=_TICK_S,
            )
            device = MqttDevice(template, address=address, site_id=SITE_ID, device_id=DEVICE_ID, epoch=1, clock=clock)
        else:
            served = ServedTopics(
                template, address=address, name=DEVICE_ID, measure=measure, monotonic=monotonic, tick_s=_TICK_S
            )
            device = TopicsDevice(template, address=address, site_id=SITE_ID, device_id=DEVICE_ID, epoch=1, clock=clock)
        served.start()
        try:
            yield device
        finally:
            device.close()
            served.stop()
