"""F22 and F23: what a device or a stranger puts on the wire is a value, or nothing; it never stops us."""

import json
import math
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.gateways.broker import Broker
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.modbus import ModbusReader
from controls.gateways.mqtt import MqttDevice
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.register_words import NOT_IMPLEMENTED, decode, encode, value_of
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.gateways.topics import MAX_PAYLOAD_BYTES, Topics, loads
from controls.templates.load_templates import Place, Template, load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from tests.controls.devices import TIMEOUT_S, HandClock, command, measured, serving_mqtt

pytestmark = pytest.mark.real
LIMIT = "set_power_limit_kw"

HOSTILE = {
    "not utf-8": b"\xff\xfe\x00\x80" * 10,
    "lone surrogate": b'{"request_id": "\xed\xa0\x80"}',
    "binary": bytes(range(256)) * 100,
    "100 000 levels of lists": b"[" * 100_000,
    "40 000 levels of objects": b'{"a":' * 40_000,
    "infinite": b'{"power_kw": Infinity}',
    "beyond a double": b'{"power_kw": 1e999}',
    "400 digits": b'{"power_kw": ' + b"9" * 400 + b"}",
    "nothing": b"",
    "a list": b"[1, 2]",
    "200 kB": b'{"request_id": "' + b"x" * 200_000 + b'"}',
}


# F22


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_fault_f22_no_payload_stops_a_reader_or_a_device(kind: str, clock: FixedClock, broker: Broker) -> None:
    inverter = load_template("sim_pv_inverter")
    with serving_mqtt(inverter, clock, broker.address) as served:
        topics = Topics(site_id="home", device_id="device")
        # The first question opens the connection on which the stranger's words then arrive.
        assert served.device.read("read_power_kw") == 7.0
        stranger = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
        for topic in (topics.state, topics.ack, topics.command, topics.get, topics.telemetry):
            stranger.publish(topic, HOSTILE[kind])
        stranger.close()
        threads = threading.active_count()
        assert served.device.read("read_power_kw") == 7.0
        assert served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0)).code == "applied"
        assert threading.active_count() == threads


def test_fault_f22_the_broker_refuses_what_no_device_says(broker: Broker, clock: FixedClock) -> None:
    """message_size_limit: 300 kB here, as 256 MB would be; the sender is cut off and every other client lives on."""
    inverter = load_template("sim_pv_inverter")
    with serving_mqtt(inverter, clock, broker.address) as served:
        assert served.device.read("read_power_kw") == 7.0
        stranger = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
        with pytest.raises((DeviceSilent, DeviceRefused)):
            stranger.publish("state/home/device", b"x" * 300_000)
        stranger.close()
        assert broker.is_running
        assert served.device.read("read_power_kw") == 7.0


def test_fault_f22_a_client_asks_its_broker_for_short_packets_only(broker: Broker) -> None:
    line = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
    size = line._client._connect_properties.MaximumPacketSize
    line.close()
    assert size < 2 * MAX_PAYLOAD_BYTES


@pytest.mark.parametrize("payload", [*HOSTILE.values(), b"{}" + b" " * MAX_PAYLOAD_BYTES])
def test_fault_f22_what_is_decoded_is_an_object_of_finite_numbers(payload: bytes) -> None:
    document = loads(payload)
    assert document is None or set(document) == {"request_id"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(power=json_values, order=json_values, limit=json_values)
def test_fault_f22_any_answer_is_a_value_or_a_fault_of_the_device(power: Any, order: Any, limit: Any) -> None:
    """Whatever stands in the fields that we read: a ReadBack of finite numbers, or DeviceRefused."""
    payload = json.dumps({"power_kw": power, "order": {LIMIT: order}, "power_limit_kw": limit}).encode()
    for body in (payload, json.dumps({"order": order, "power_limit_kw": limit}).encode()):
        document = loads(body)
        if document is None:
            continue
        device = _Answering(document)
        # Any other exception than a refusal fails this test.
        with suppress(DeviceRefused):
            assert math.isfinite(device.read_back(LIMIT).value)
        with suppress(DeviceRefused):
            assert math.isfinite(device.read("read_power_kw"))


class _Answering(MqttDevice):
    """A device whose answers are given: what stands behind the wire is the code that runs in production."""

    def __init__(self, document: dict[str, Any]) -> None:
        clock = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
        super().__init__(
            load_template("sim_pv_inverter"),
            address=BrokerAddress(port=1),
            site_id="home",
            device_id="device",
            epoch=1,
            clock=clock,
        )
        self._document = document

    def _state(self) -> tuple[dict[str, Any], str]:
        return self._document, ""

    def _exchange(self, *_args: Any, **_options: Any) -> tuple[dict[str, Any], str]:
        return self._document, ""


def test_fault_f17_a_devices_words_are_one_short_line(clock: FixedClock) -> None:
    for reported in ("no\n\x1b[31mERROR root logged in", "x" * 100_000, ["a"] * 1000, None):
        device = _Answering({"result": reported})
        with pytest.raises(DeviceRefused) as fault:
            device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
        assert str(fault.value).isprintable()
        assert len(str(fault.value)) < 200
        assert len(str(fault.value.code)) <= 60


# F23


def served_unit(template: Template, value: dict[str, float]) -> tuple[ModbusServer, ModbusUnit]:
    unit = ModbusUnit(template, measure=lambda: measured(template) | value, monotonic=HandClock())
    return ModbusServer([unit]).start(), unit


@pytest.mark.parametrize(
    ("template", "name", "value"),
    [
        ("sim_battery_10kwh", "read_power_kw", -327.68),
        ("sim_battery_10kwh", "read_soc_percent", 6553.5),
        ("sim_grid_meter", "read_power_kw", -2147483.648),
    ],
    ids=["0x8000", "0xffff", "0x80000000"],
)
def test_fault_f23_a_register_that_is_not_implemented_has_no_value(
    template: str, name: str, value: float, clock: FixedClock
) -> None:
    kind = load_template(template)
    server, _ = served_unit(kind, {name: value})
    reader = ModbusReader(kind, host="127.0.0.1", port=server.port, clock=clock, timeout_s=TIMEOUT_S)
    try:
        with pytest.raises(DeviceRefused, match="states no value for") as fault:
            reader.read(name)
        assert fault.value.code == "not_implemented"
    finally:
        reader.close()
        server.stop()


def test_fault_f23_both_words_of_a_value_come_in_one_request(clock: FixedClock) -> None:
    """A meter that counts on between two requests: 65535 -> 65536 W, whose words must never mix."""
    kind = load_template("sim_grid_meter")
    flips = iter([65.535, 65.536] * 200)
    unit = ModbusUnit(kind, measure=lambda: {"read_power_kw": next(flips)}, monotonic=HandClock())
    server = ModbusServer([unit]).start()
    reader = ModbusReader(kind, host="127.0.0.1", port=server.port, clock=clock, timeout_s=TIMEOUT_S)
    try:
        seen = {reader.read("read_power_kw") for _ in range(50)}
        assert seen <= {65.535, 65.536}
        assert unit.reads == 50
    finally:
        reader.close()
        server.stop()


def changed(template: Template, name: str, **changes: object) -> Template:
    place = template.capabilities[name].model_copy(update=changes)
    return template.model_copy(update={"capabilities": template.capabilities | {name: place}})


def test_fault_f23_swapped_words_are_declared_or_not_plausible(clock: FixedClock) -> None:
    kind = load_template("sim_grid_meter")
    low_first = changed(kind, "read_power_kw", word_order="low_first")
    server, _ = served_unit(low_first, {"read_power_kw": 1.5})
    bounded = changed(kind, "read_power_kw", min=-100.0, max=100.0)
    try:
        for template, value in ((low_first, 1.5), (bounded, None), (kind, 98304.0)):
            reader = ModbusReader(template, host="127.0.0.1", port=server.port, clock=clock, timeout_s=TIMEOUT_S)
            if value is None:
                with pytest.raises(DeviceRefused, match=r"states 98304.0 for read_power_kw, outside -100.0..100.0 kw"):
                    reader.read("read_power_kw")
            else:
                assert reader.read("read_power_kw") == value
            reader.close()
    finally:
        server.stop()


def test_fault_f23_a_wrong_scale_factor_is_not_plausible(clock: FixedClock) -> None:
    kind = load_template("sim_battery_10kwh")
    server, _ = served_unit(kind, {"read_soc_percent": 55.0})
    wrong = changed(kind, "read_soc_percent", scale=1.0, min=0.0, max=100.0)
    reader = ModbusReader(wrong, host="127.0.0.1", port=server.port, clock=clock, timeout_s=TIMEOUT_S)
    start = time.perf_counter()
    try:
        with pytest.raises(DeviceRefused, match=r"states 550\.0 for read_soc_percent") as fault:
            reader.read("read_soc_percent")
        assert fault.value.code == "implausible"
        assert time.perf_counter() - start < TIMEOUT_S
    finally:
        reader.close()
        server.stop()


def test_fault_f23_an_mqtt_value_beyond_its_bounds_is_refused(clock: FixedClock, broker: Broker) -> None:
    inverter = changed(load_template("sim_pv_inverter"), "read_power_kw", min=0.0, max=8.0)
    with serving_mqtt(inverter, clock, broker.address) as served:
        served.served._measure = lambda: {"read_power_kw": 8000.0}
        with pytest.raises(DeviceRefused, match=r"states 8000\.0"):
            served.device.read("read_power_kw")


def test_fault_f23_every_types_sentinel_is_no_value_unless_the_template_counts_through_it() -> None:
    for kind, raw in NOT_IMPLEMENTED.items():
        place = Place.model_validate({"register": 1, "type": kind, "scale": 0.5})
        assert decode(encode(raw, kind), kind) == raw
        assert value_of(raw, place) is None
        assert value_of(raw + (1 if raw < 0 else -1), place) is not None
        assert value_of(raw, place.model_copy(update={"has_sentinel": False})) == raw * 0.5


def test_bounds_of_a_measured_value_make_it_no_set_point() -> None:
    bounded = changed(load_template("sim_grid_meter"), "read_power_kw", min=0.0, max=1.0)
    with pytest.raises(BadInput, match="takes no value"):
        bounded.limits("read_power_kw")
