"""A device as a source, against real servers: a steady beat, counted gaps, and silent devices that delay nobody."""

import itertools
import random
import threading
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from controls.gateways.access.broker_of_up import listener_of
from controls.gateways.access.broker_rights import site_client
from controls.gateways.broker import Broker, start_broker
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.modbus import ModbusReader
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.gateways.sources.open_source import open_source
from controls.gateways.sources.poll_device import DevicePoller
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import MqttSettings, ServerSettings, Settings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from tests.controls.conftest import need_mosquitto
from tests.controls.devices import measured, serving_mqtt, serving_topics
from tests.controls.gateways.sources.live_sink import ListSink, modbus_source, until

pytestmark = pytest.mark.real
CLOCK = SystemClock()
METER = load_template("meter_sdm630")
POWER = "read_power_kw"


def unit(unit_id: int = 1, **reported: float) -> ModbusUnit:
    values = dict.fromkeys(METER.readable, 1.0) | reported
    return ModbusUnit(METER, measure=lambda: values, monotonic=time.monotonic, unit_id=unit_id)


def poller(server: ModbusServer, *names: str, unit_id: int = 1, host: str = "127.0.0.1", **more: Any) -> DevicePoller:
    source = modbus_source(f"meter-{unit_id}", *names, **{"every_s": 0.1, "timeout_s": 0.3} | more)
    line: dict[str, Any] = {"host": host, "port": server.port, "unit_id": unit_id, "timeout_s": source.timeout_s}
    return DevicePoller(source, METER, ModbusReader(METER, **line, clock=CLOCK), clock=CLOCK)


def test_registers_side_by_side_are_asked_for_at_once() -> None:
    device = unit(read_power_kw=12.5, read_import_kwh=1000.25, read_voltage_l2_v=231.5)
    server = ModbusServer([device]).start()
    reader = ModbusReader(METER, host="127.0.0.1", port=server.port, clock=CLOCK)
    found = reader.read_many(METER.readable)
    # Volts, amperes and powers lie side by side; so do frequency and the two counters; the whole power lies alone.
    assert (len(found), device.reads) == (13, 3)
    assert (found[POWER], found["read_import_kwh"], found["read_voltage_l2_v"]) == (12.5, 1000.25, 231.5)
    reader.close()
    server.stop()


def test_what_the_device_refuses_together_is_asked_for_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    device = unit()
    server = ModbusServer([device]).start()
    whole = device.read
    monkeypatch.setattr(device, "read", lambda at, count, table: None if count > 2 else whole(at, count, table))
    reader = ModbusReader(METER, host="127.0.0.1", port=server.port, clock=CLOCK)
    assert set(reader.read_many(METER.readable).values()) == {1.0}
    reader.close()
    server.stop()


def test_values_come_in_a_beat() -> None:
    server, sink = ModbusServer([unit()]).start(), ListSink()
    one = poller(server, POWER, silent_after_s=5)
    assert [(sample.point, sample.value, sample.unit) for sample in one.test(1.0)] == [(POWER, 1.0, "kw")]
    points = [
        {"point": name, "stream": "m", "what": "live", "unit": "kw", "value_name": name}
        for name in (POWER, "read_power_l1_kw")
    ]
    one = poller(server, POWER, points=points)
    one.start(sink)
    until(lambda: len(sink.samples) >= 10)
    one.stop()
    state = one.state()
    assert (state.state, state.rejected, state.missing) == ("stopped", 0, 0)
    assert state.accepted == len(sink.samples)
    times = [sample.at_utc for sample in sink.samples if sample.point == POWER]
    steps = [(after - before).total_seconds() for before, after in itertools.pairwise(times)]
    assert 0.05 < median(steps) < 0.4
    server.stop()


def test_a_value_that_cannot_be_is_refused_and_the_others_stand() -> None:
    server, sink = ModbusServer([unit(read_import_kwh=float("nan"), read_power_kw=5000.0)]).start(), ListSink()
    points = [
        {"point": name, "stream": "m", "what": "live", "unit": "kwh" if "kwh" in name else "kw", "value_name": name}
        for name in (POWER, "read_import_kwh", "read_export_kwh")
    ]
    one = poller(server, POWER, points=points)
    with pytest.raises(DeviceRefused, match=r"point 'read_power_kw': .* states 5000\.0 for read_power_kw, outside"):
        one.test(1.0)
    one = poller(server, POWER, points=points)
    one.start(sink)
    until(lambda: len(sink.samples) >= 2)
    one.stop()
    assert {sample.point for sample in sink.samples} == {"read_export_kwh"}
    reasons = {refusal.point: refusal.reason for refusal in sink.refusals}
    assert "states no value for read_import_kwh" in reasons["read_import_kwh"]
    assert "outside -1000.0..1000.0 kw" in reasons[POWER]
    server.stop()


def test_a_device_that_falls_silent_is_a_gap_and_comes_back() -> None:
    device, sink = unit(), ListSink()
    server = ModbusServer([device]).start()
    one = poller(server, POWER)
    one.start(sink)
    until(lambda: one.state().state == "live")
    device.fault = "silent"
    until(lambda: one.state().state == "silent")
    assert "gives no answer" in one.state().sentence
    device.fault, had = "none", len(sink.samples)
    until(lambda: one.state().state == "live")
    until(lambda: len(sink.samples) > had + 3)
    # The beats of the pause are gaps as well.
    assert one.state().missing >= 2
    one.stop()
    server.stop()


@pytest.mark.parametrize(("fault", "state"), [("refuse", "refused"), ("wrong_id", "silent"), ("half_frame", "silent")])
def test_a_device_that_refuses_or_answers_for_another_is_told_apart(fault: Any, state: str) -> None:
    device, sink = unit(), ListSink()
    device.fault = fault
    server = ModbusServer([device]).start()
    one = poller(server, POWER)
    with pytest.raises((DeviceSilent, DeviceRefused)):
        one.test(1.0)
    one = poller(server, POWER)
    one.start(sink)
    until(lambda: one.state().state == state)
    one.stop()
    assert sink.samples == []
    server.stop()


def test_a_full_spool_is_told_and_nothing_is_counted_as_kept() -> None:
    server, sink = ModbusServer([unit()]).start(), ListSink("refuse")
    one = poller(server, POWER)
    one.start(sink)
    until(lambda: one.state().state == "behind")
    assert one.state().accepted == 0
    sink.answer = "keep"
    until(lambda: one.state().state == "live")
    one.stop()
    server.stop()


def test_a_source_is_opened_by_its_asset_or_by_its_address() -> None:
    server = ModbusServer([simulated_unit(load_template("sim_grid_meter"), monotonic=time.monotonic)]).start()
    settings = Settings(server=ServerSettings(modbus_port=server.port))
    asset = {"asset_id": "grid_meter", "kind": "grid_meter", "template": "sim_grid_meter"}
    by_asset = modbus_source("grid", POWER).model_copy(update={"asset": "grid_meter", "address": "", "template": ""})
    by_address = modbus_source("own", POWER, address="127.0.0.1/2")
    wrong = modbus_source("wrong", POWER, address="127.0.0.1/2")
    wrong = wrong.model_copy(update={"points": (wrong.points[0].model_copy(update={"unit": "kwh"}),)})
    document = {
        "site_id": "home", "name": "Home", "time_zone": "Europe/Prague", "currency": "CZK", "country": "CZ",
        "meters": [{"meter_id": "m"}], "assets": [asset],
    }  # fmt: skip
    site = Site.model_validate(document)
    for source in (by_asset, by_address):
        assert open_source(site, source, settings=settings, clock=CLOCK).test(1.0)[0].value == 0.0
    with pytest.raises(BadInput, match="read_power_kw of template 'sim_grid_meter' is in kw, and its point says kwh"):
        open_source(site, wrong, settings=settings, clock=CLOCK)
    server.stop()


def site_of(*sources: dict[str, Any]) -> Site:
    """A home with a battery and a PV inverter, each of which speaks another protocol, and with these sources."""
    assets = [
        {"asset_id": "battery", "kind": "battery", "template": "sim_battery_10kwh"},
        {"asset_id": "device", "kind": "pv", "template": "sim_pv_inverter"},
        {"asset_id": "plug", "kind": "room", "template": "tasmota_plug", "address": "boiler-plug"},
        {"asset_id": "car", "kind": "ev_charger", "template": "ocpp16_charger"},
    ]
    given = [{"kind": "device", "every_s": 0.1} | each for each in sources]
    return Site.model_validate({
        "site_id": "home", "name": "Home", "time_zone": "Europe/Prague", "currency": "CZK", "country": "CZ",
        "meters": [{"meter_id": "m"}], "assets": assets, "sources": given,
    })  # fmt: skip


def test_a_battery_tells_the_same_by_its_template_and_by_points_that_say_all() -> None:
    battery = load_template("sim_battery_10kwh")
    fields = {"read_power_kw": -1.25, "read_soc_percent": 47.5}
    server = ModbusServer([ModbusUnit(battery, measure=lambda: fields, monotonic=time.monotonic, unit_id=3)]).start()
    live = {"stream": "m", "what": "live"}
    short = [{"point": "power_kw"} | live, {"point": "soc_percent"} | live]
    whole = [
        {"point": "power_kw", "unit": "kw", "value_name": "read_power_kw"} | live,
        {"point": "soc_percent", "unit": "percent", "value_name": "read_soc_percent"} | live,
    ]
    place = {"address": f"127.0.0.1:{server.port}/3", "template": "sim_battery_10kwh"}
    site = site_of(
        {"source_id": "short", "points": short} | place,
        {"source_id": "whole", "kind": "modbus", "points": whole} | place,
    )
    found = []
    for source in site.sources:
        sink, one = ListSink(), open_source(site, source, settings=Settings(), clock=CLOCK)
        one.start(sink)
        until(lambda: len(sink.samples) >= 4)  # noqa: B023 - of this round
        one.stop()
        found.append([(sample.point, sample.value, sample.unit) for sample in sink.samples[:4]])
    assert found[0] == found[1] == 2 * [("power_kw", -1.25, "kw"), ("soc_percent", 47.5, "percent")]
    server.stop()


@pytest.mark.parametrize(("name", "place", "serve"), [
    ("sim_pv_inverter", {"asset": "device"}, serving_mqtt),
    ("sim_pv_inverter", {"address": "device", "template": "sim_pv_inverter"}, serving_mqtt),
    ("tasmota_plug", {"asset": "plug"}, partial(serving_topics, name="boiler-plug")),
])  # fmt: skip
def test_a_device_on_the_broker_is_asked_as_its_template_says(
    name: str, place: dict[str, str], serve: Any, broker: Broker
) -> None:
    template, address = load_template(name), broker.address
    mqtt = MqttSettings(host=address.host, port=address.port, username=address.username, password=address.password)
    points = [{"point": "power_kw", "stream": "m", "what": "live"}]
    site = site_of({"source_id": "power", "timeout_s": 3, "points": points} | place)
    sink, one = ListSink(), open_source(site, site.sources[0], settings=Settings(mqtt=mqtt), clock=CLOCK)
    with serve(template, CLOCK, broker.address):
        one.start(sink)
        until(lambda: len(sink.samples) >= 3)
        assert (one.state().state, one.state().rejected) == ("live", 0)
    assert {(each.point, each.value, each.unit) for each in sink.samples} == {
        ("power_kw", measured(template)[POWER], "kw")
    }
    until(lambda: one.state().state == "silent")
    one.stop()


def test_another_shell_asks_a_device_of_ours_by_the_name_that_commands_nothing(tmp_path: Path) -> None:
    need_mosquitto()
    points = [{"point": "power_kw", "stream": "m", "what": "live"}]
    pv = {"source_id": "pv", "asset": "device", "timeout_s": 3, "points": points}
    site = site_of(pv, {"source_id": "plug", "asset": "plug", "points": points})
    listener = listener_of([site])
    assert (listener.publishes, listener.subscribes) == (("get/home/device",), ("state/home/device", "ack/home/device"))
    clients = [site_client("home", ["device"]), listener]
    with start_broker(tmp_path, password="secret", clients=clients) as broker:
        mqtt = MqttSettings(port=broker.address.port, username=listener.username, password=listener.password)
        one = open_source(site, site.sources[0], settings=Settings(mqtt=mqtt), clock=CLOCK)
        with serving_mqtt(load_template("sim_pv_inverter"), CLOCK, broker.address):
            (sample,) = one.test(1.0)
    assert (sample.point, sample.unit) == ("power_kw", "kw")


def test_what_a_template_does_not_tell_is_one_sentence() -> None:
    points = [{"point": "powr_kw", "stream": "m", "what": "live"}]
    site = site_of(
        {"source_id": "a", "asset": "battery", "points": points},
        {"source_id": "b", "asset": "car", "points": [points[0] | {"point": "power_kw"}]},
    )
    with pytest.raises(
        BadInput, match=r"'sim_battery_10kwh' has no capability 'read_powr_kw'; it has .*read_power_kw"
    ) as no:
        open_source(site, site.sources[0], settings=Settings(), clock=CLOCK)
    assert str(no.value.mend) == "did you mean 'read_power_kw'?"
    with pytest.raises(BadInput, match="'ocpp16_charger' speaks ocpp16: the agent alone can ask a charger"):
        open_source(site, site.sources[1], settings=Settings(), clock=CLOCK)


# F117


def test_fault_f117_two_hundred_devices_and_a_tenth_of_them_silent() -> None:
    """Each asked every second for two values; the silent ones cost the others nothing: a cycle of 2 s at most (p99)."""
    count, every_s, seconds = 200, 1.0, 12.0
    silent = set(random.Random(117).sample(range(1, count + 1), count // 10))
    units = [unit(number) for number in range(1, count + 1)]
    for each in units:
        each.fault = "silent" if each.unit_id in silent else "none"
    # One address each, as two hundred devices have; one that all share would be one serial bridge.
    server = ModbusServer(units, host="0.0.0.0").start()  # noqa: S104 - 127.0.0.0/8 is reached, for twelve seconds
    sinks = {number: ListSink() for number in range(1, count + 1)}
    pollers = {
        number: poller(
            server, POWER, unit_id=number, host=f"127.0.1.{number}", every_s=every_s, timeout_s=1.0
        )
        for number in sinks
    }  # fmt: skip
    for number, one in pollers.items():
        one.start(sinks[number])
    time.sleep(seconds)
    stopping = [threading.Thread(target=one.stop) for one in pollers.values()]
    for each in stopping:
        each.start()
    for each in stopping:
        each.join()
    server.stop()
    cycles = sorted(
        (after.at_utc - before.at_utc).total_seconds()
        for number in sinks if number not in silent
        for before, after in zip(sinks[number].samples, sinks[number].samples[1:], strict=False)
    )  # fmt: skip
    assert len(cycles) >= 0.9 * (count - len(silent)) * (seconds / every_s - 2)
    p99_s = cycles[int(0.99 * len(cycles))]
    assert p99_s <= 2.0, f"p99 of {len(cycles)} cycles: {p99_s:.2f} s"
    for number in silent:
        assert sinks[number].samples == []
        assert pollers[number].state().missing >= 1
    healthy = [pollers[number].state() for number in sinks if number not in silent]
    assert sum(state.missing for state in healthy) <= 0.01 * len(cycles)
