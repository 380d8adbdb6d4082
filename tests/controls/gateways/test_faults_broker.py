"""F38, F39, F40 and F98: the broker dies, stalls, drops, or would let the wrong one speak."""

import json
import os
import secrets
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways import broker as broker_module
from controls.gateways import mqtt_line
from controls.gateways.access import broker_rights
from controls.gateways.access.broker_rights import Client, device_client
from controls.gateways.access.demo_certificate import new_certificate
from controls.gateways.broker import Broker, start_broker
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.foreign.foreign_mqtt import TopicsDevice
from controls.gateways.foreign.serve_foreign import ServedTopics
from controls.gateways.mqtt import MqttDevice
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.ports import free_port, is_listening
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.sources.listen_mqtt import Arrivals, MqttListener
from controls.templates.load_templates import Template, load_template
from controls.templates.mqtt_topics import filled
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.time import FixedClock, SystemClock
from tests.controls.conftest import need_mosquitto
from tests.controls.devices import TIMEOUT_S, HandClock, command, measured
from tests.controls.gateways.sources.live_sink import ListSink, mqtt_source, until

pytestmark = pytest.mark.real
LIMIT = "set_power_limit_kw"


def note(history: Path, **entry: Any) -> None:
    with history.open("a") as out:
        out.write(json.dumps(entry) + "\n")


def payload(seq: int) -> bytes:
    """A message as our devices send it."""
    return json.dumps({"at": SystemClock().now_utc().isoformat(), "seq": seq, "kw": 1.0}).encode()


def entries(history: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in history.read_text().splitlines()]


def served_on(address: BrokerAddress, clock: FixedClock, device_id: str = "device") -> MqttServedDevice:
    template = load_template("sim_pv_inverter")
    return MqttServedDevice(
        template, address=address, site_id="home", device_id=device_id, measure=lambda: measured(template),
        clock=clock, monotonic=HandClock(), tick_s=0.05,
    ).start()  # fmt: skip


def device_on(address: BrokerAddress, clock: FixedClock, device_id: str = "device") -> MqttDevice:
    return MqttDevice(
        load_template("sim_pv_inverter"), address=address, site_id="home", device_id=device_id, epoch=1, clock=clock,
        timeout_s=TIMEOUT_S,
    )  # fmt: skip


# F38


@pytest.mark.parametrize("when", ["after the device heard it", "before it heard it", "before it took it"])
def test_fault_f38_a_broker_killed_in_the_middle_of_a_command_sends_nothing_again(
    when: str, clock: FixedClock, tmp_path: Path
) -> None:
    """SIGKILL while the answer is awaited, its folder lost: unknown, then read, and never a second arrival."""
    need_mosquitto()
    port, password, history = free_port(), "secret", tmp_path / "history.jsonl"
    broker = start_broker(tmp_path / "one", port=port, password=password)
    served, device = served_on(broker.address, clock), device_on(broker.address, clock)
    device._timeout_s = 20.0
    assert device.read_back(LIMIT).value == 8.0
    served.fault, is_obeyed = "silent", when == "after the device heard it"
    if when == "before it took it":
        # It neither answers the message nor passes it on: that a busy machine stops it there is no other case.
        os.kill(broker.pid, signal.SIGSTOP)
    if is_obeyed:
        obey = served._obey

        def obey_and_die(document: dict[str, Any] | None) -> dict[str, Any]:
            done = obey(document)
            os.kill(broker.pid, signal.SIGKILL)
            return done

        served._obey, served.fault = obey_and_die, "none"  # type: ignore[method-assign]
    else:
        threading.Timer(0.2, lambda: os.kill(broker.pid, signal.SIGKILL)).start()
    sent = command(clock, device_id="device", capability=LIMIT, value=3.0)
    began = time.monotonic()
    with pytest.raises(DeviceSilent, match="connection"):
        device.write(sent)
    note(history, what="unknown", after_s=time.monotonic() - began)
    for _ in range(3):
        with pytest.raises(DeviceSilent):
            device.write(sent.model_copy(update={"seq": 2, "command_id": "again", "value": 2.0}))
    broker.stop()
    served.fault = "none"
    if is_obeyed:
        served._obey = obey  # type: ignore[method-assign]
    with start_broker(tmp_path / "two", port=port, password=password):
        deadline = time.monotonic() + 60
        while True:
            with suppress(DeviceSilent):
                held = device.read_back(LIMIT)
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        note(history, what="read", value=held.value, commands=served.commands)
        # Whatever a client had kept would come now.
        time.sleep(0.5)
        note(history, what="later", value=device.read_back(LIMIT).value, commands=served.commands)
        device.close()
        served.stop()
    unknown, read, later = entries(history)
    assert unknown["after_s"] < 10
    assert read["commands"] == later["commands"] == (1 if is_obeyed else 0)
    assert read["value"] == later["value"] == (3.0 if is_obeyed else 8.0)


# F39


def test_fault_f39_a_broker_that_stalls_is_noticed_while_something_is_asked(clock: FixedClock, tmp_path: Path) -> None:
    need_mosquitto()
    with start_broker(tmp_path / "one") as broker:
        served, device = served_on(broker.address, clock), device_on(broker.address, clock)
        assert device.read_back(LIMIT).value == 8.0
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(DeviceSilent):
                device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
            assert time.monotonic() - began < 15
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        # What was on its way when it stalled may arrive: the window is on the message, and a read says what stands.
        deadline = time.monotonic() + 60
        while True:
            with suppress(DeviceSilent):
                assert device.read_back(LIMIT).value in (3.0, 8.0)
                break
            assert time.monotonic() < deadline
        assert served.commands <= 1
        device.close()
        served.stop()


def test_fault_f39_a_broker_that_stalls_is_noticed_by_a_client_that_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice the keepalive and a second: with ours of five seconds eleven, of at most fifteen."""
    need_mosquitto()
    assert 2 * mqtt_line.KEEPALIVE_S + 1 <= 15
    monkeypatch.setattr(mqtt_line, "KEEPALIVE_S", 1)
    with start_broker(tmp_path / "one") as broker:
        lost = threading.Event()
        line = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None, lost=lost.set)
        os.kill(broker.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert lost.wait(15)
            assert time.monotonic() - began < 5
            assert not line.is_open
            # And nothing is published into the void.
            with pytest.raises(DeviceSilent, match="is not connected"):
                line.publish("cmd/home/device", b"{}")
        finally:
            os.kill(broker.pid, signal.SIGCONT)
        line.close()


# F40


def test_fault_f40_what_the_broker_drops_is_known_by_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short queue and a spool that is busy: every number that did not come is counted."""
    need_mosquitto()
    monkeypatch.setattr(broker_module, "_LIMITS", ("max_queued_messages 10", "message_size_limit 262144"))
    monkeypatch.setattr(mqtt_line, "_MAX_UNACKNOWLEDGED", 5)
    many, sink = 400, ListSink("hold")
    with start_broker(tmp_path / "one") as broker:
        listener = MqttListener(
            mqtt_source("tele/home/pv"), address=broker.address, client_id="busy", clock=SystemClock()
        )
        listener.start(sink)
        until(lambda: listener.state().sentence == "connected")
        sender = MqttLine(broker.address, client_id="", subscriptions=())
        for seq in range(1, many):
            sender.publish("tele/home/pv", payload(seq))
        sink.answer = "keep"
        for done in sink.waiting:
            done(True)
        deadline = time.monotonic() + 60
        while not any(sample.seq == many for sample in sink.samples):
            # The last one is sent until it comes: the queue may still be full.
            sender.publish("tele/home/pv", payload(many))
            assert time.monotonic() < deadline
            time.sleep(0.1)
        sender.close()
        listener.stop()
    came = {sample.seq for sample in sink.offered}
    assert len(came) < many, "nothing was dropped: the test shows nothing"
    assert listener.state().missing == many - len(came)


@given(lost=st.sets(st.integers(2, 40)), doubled=st.sets(st.integers(1, 40)))
def test_fault_f40_every_gap_is_counted_and_nothing_else(lost: set[int], doubled: set[int]) -> None:
    arrivals, sent = Arrivals(), [seq for seq in range(1, 41) if seq not in lost or seq == 40]
    for seq in sent:
        for _ in range(2 if seq in doubled else 1):
            arrivals = arrivals.after(seq)
    assert arrivals.missing == 40 - len(sent)
    assert arrivals.doubled == len(doubled & set(sent))
    assert arrivals.after(3).missing == arrivals.missing + 2
    assert arrivals.after(3).restarts == 1


def test_fault_f40_what_comes_again_is_no_restart_and_no_gap() -> None:
    """Five came and were not acknowledged: the broker sends them anew, and goes on."""
    arrivals = Arrivals()
    for seq in (1, 2, 3, 4, 5):
        arrivals = arrivals.after(seq)
    for seq in (3, 4, 5, 6):
        arrivals = arrivals.after(seq, is_redelivered=True)
    assert arrivals == Arrivals(last_seq=6, received=9, doubled=3)


def test_fault_f40_our_own_telemetry_is_counted_without_a_gap(clock: FixedClock, broker: Broker) -> None:
    served, sink = served_on(broker.address, clock, "counted"), ListSink()
    point = {"path": "power_kw"}
    source = mqtt_source("tele/home/counted")
    source = source.model_copy(update={"points": (source.points[0].model_copy(update=point),)})
    listener = MqttListener(source, address=broker.address, client_id="counts", clock=SystemClock())
    listener.start(sink)
    until(lambda: len(sink.samples) > 5)
    served.stop()
    listener.stop()
    assert listener.state().missing == 0
    assert listener.state().rejected == 0


# F98


def foreign_client(template: Template, name: str, password: str = "") -> Client:
    """The rights of a device that does not know us: topics that its template publishes and subscribes to."""
    assert template.mqtt is not None, "a template of protocol mqtt_topics"
    mqtt = template.mqtt
    message = [each.topic for each in mqtt.told.values()]
    message += [each.answer.topic for each in mqtt.send.values() if each.answer is not None]
    message += [mqtt.status.topic] if mqtt.status is not None else []
    hears = [each.topic for each in mqtt.send.values()]
    hears += [each.ask.topic for each in mqtt.told.values() if each.ask is not None]

    def own(topics: Sequence[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(filled(topic, {"name": name})) for topic in topics))

    return Client(
        username=f"dev-{name}",
        password=password or secrets.token_urlsafe(24),
        publishes=own(message),
        subscribes=own(hears),
    )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with rights, over TLS."""
    need_mosquitto()
    folder = tmp_path_factory.mktemp("guarded")
    clients = (
        device_client("home", "a"),
        device_client("home", "b"),
        foreign_client(load_template("tasmota_plug"), "plug"),
    )
    with start_broker(folder / "broker", clients=clients, certificate=new_certificate(folder / "tls")) as running:
        yield running


def test_fault_f98_devices_speak_and_hear_on_their_own_topics_only(
    guarded: Broker, clock: FixedClock, tmp_path: Path
) -> None:
    """Everybody at work, two of them curious: what each one heard is its own, and no foreign word was taken."""
    history, plug = tmp_path / "history.jsonl", load_template("tasmota_plug")
    spies = []
    for name in ("dev-home-a", "dev-home-b", "dev-plug"):

        def hear(topic: str, _payload: bytes, _properties: Any, who: str = name) -> None:
            note(history, who=who, heard=topic)

        spies.append(
            MqttLine(
                guarded.address_of(name), client_id="", on_message=hear,
                subscriptions=("#", "+/home/+", "cmd/home/b", "cmnd/#", "$SYS/#"),
            )
        )  # fmt: skip
    served = [served_on(guarded.address_of(f"dev-home-{each}"), clock, each) for each in ("a", "b")]
    foreign = ServedTopics(
        plug, address=guarded.address_of("dev-plug"), name="plug", measure=lambda: measured(plug),
        monotonic=HandClock(), tick_s=0.05,
    ).start()  # fmt: skip
    for each in ("a", "b"):
        device = device_on(guarded.address, clock, each)
        device.write(command(clock, device_id=each, capability=LIMIT, value=3.0))
        assert device.read_back(LIMIT).value == 3.0
        device.close()
    switch = TopicsDevice(plug, address=guarded.address, site_id="home", device_id="plug", epoch=1, clock=clock)
    switch.write(command(clock, device_id="plug", capability="set_switch_state", value=1, unit="state"))
    assert switch.read("read_power_kw") == measured(plug)["read_power_kw"]
    switch.close()
    for who, topic in (
        ("dev-home-a", "cmd/home/b"), ("dev-home-a", "cmd/home/a"), ("dev-home-a", "ack/home/b"),
        ("dev-home-a", "tele/home/b"), ("dev-home-b", "status/home/a"), ("dev-plug", "cmd/home/a"),
        ("dev-home-a", "cmnd/plug/Power"), ("dev-plug", "stat/other/RESULT"),
    ):  # fmt: skip
        intruder = MqttLine(guarded.address_of(who), client_id="", subscriptions=(), on_message=lambda *_: None)
        with pytest.raises(DeviceRefused, match=r"refused a message on .* with code 0x87"):
            intruder.publish(topic, b"{}")
        intruder.close()
    for one in served:
        one.stop()
    foreign.stop()
    for spy in spies:
        spy.close()
    heard = {(entry["who"], entry["heard"]) for entry in entries(history)}
    own = {
        "dev-home-a": {"cmd/home/a", "get/home/a"},
        "dev-home-b": {"cmd/home/b", "get/home/b"},
        "dev-plug": {"cmnd/plug/Backlog0", "cmnd/plug/Status"},
    }
    assert heard == {(who, topic) for who, topics in own.items() for topic in topics}
    assert [each.commands for each in served] == [1, 1]


def test_fault_f98_nobody_enters_without_a_name_a_password_or_tls(guarded: Broker) -> None:
    for change in ({"username": "", "password": ""}, {"password": "wrong"}, {"username": "dev-home-z"}):
        with pytest.raises(DeviceRefused, match="refused the connection with code"):
            MqttLine(
                guarded.address.model_copy(update=change), client_id="", subscriptions=(), on_message=lambda *_: None
            )
    plain = guarded.address.model_copy(update={"ca_file": ""})
    with pytest.raises(DeviceSilent):
        MqttLine(plain, client_id="", subscriptions=(), on_message=lambda *_: None, timeout_s=1.0)


def test_fault_f98_old_tls_and_a_strangers_certificate_are_refused(guarded: Broker, tmp_path: Path) -> None:
    other = new_certificate(tmp_path / "other")
    assert other.key.stat().st_mode & 0o077 == 0
    with pytest.raises(DeviceSilent, match=r"shows no certificate that .*broker\.pem vouches for"):
        MqttLine(
            guarded.address.model_copy(update={"ca_file": str(other.certificate)}), client_id="", subscriptions=(),
            on_message=lambda *_: None,
        )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection((guarded.address.host, guarded.address.port), 5) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw)
    with pytest.raises(BadInput, match="expected certificates in PEM"):
        MqttLine(
            guarded.address.model_copy(update={"ca_file": str(tmp_path / "none")}), client_id="", subscriptions=(),
            on_message=lambda *_: None,
        )  # fmt: skip


OPEN = {
    "everybody may all": (
        ["user probe-a", "topic readwrite #", "user probe-b", "topic readwrite #"], "lets one device speak"
    ),
    "everybody may hear all": (
        ["user probe-a", "topic write ack/probe/a", "user probe-b", "topic read #"], "lets one device hear"
    ),
    "nobody may anything": (["user probe-a", "user probe-b"], "does not let a device speak on"),
    "nobody may hear": (["user probe-a", "topic write ack/probe/a", "user probe-b"], "does not let a device hear"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPEN)
def test_fault_f98_a_broker_whose_rights_do_not_hold_serves_nobody(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial at its start can fail: SUBACK would have told nothing."""
    need_mosquitto()
    lines, sentence = OPEN[case]

    def wrong(_clients: tuple[Client, ...], *, everything: str) -> list[str]:
        return [f"user {everything}", "topic readwrite #", *lines]

    monkeypatch.setattr(broker_module, "rights_lines", wrong)
    monkeypatch.setattr(broker_rights, "_ARRIVES_S", 0.5)
    port = free_port()
    with pytest.raises(Unreachable, match=sentence):
        start_broker(tmp_path / "b", port=port, clients=(device_client("home", "a"),))
    assert not is_listening(port)
