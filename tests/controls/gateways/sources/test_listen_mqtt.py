"""The MQTT source on a real Mosquitto: what is not durable comes again, what is missing is counted."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controls.gateways.access.demo_certificate import new_certificate
from controls.gateways.broker import Broker, start_broker
from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.ports import free_port
from controls.gateways.sources.listen_mqtt import MqttListener
from controls.gateways.sources.open_source import open_source
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import MqttSettings, Settings
from data_quality.contracts.site_file.live_source import MqttSource
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from tests.controls.conftest import need_mosquitto
from tests.controls.gateways.sources.live_sink import ListSink, mqtt_source, until

pytestmark = pytest.mark.real
CLOCK = SystemClock()


def message(seq: int, kw: float = 1.0) -> bytes:
    return json.dumps({"at": datetime.now(UTC).isoformat(), "seq": seq, "kw": kw}).encode()


def listener(source: MqttSource, broker: Broker | BrokerAddress, name: str) -> MqttListener:
    address = broker if isinstance(broker, BrokerAddress) else broker.address
    return MqttListener(source, address=address, client_id=name, clock=CLOCK)


@pytest.fixture
def sender(broker: Broker) -> Iterator[MqttLine]:
    line = MqttLine(broker.address, client_id="", subscriptions=())
    yield line
    line.close()


def test_what_the_spool_did_not_take_comes_again_and_only_that(broker: Broker, sender: MqttLine) -> None:
    """Three collectors one after the other, as after kills: the first keeps two, the second takes nothing."""
    source, first, second, third = mqtt_source("live/a"), ListSink(), ListSink("refuse"), ListSink()
    one = listener(source, broker, "again")
    one.start(first)
    until(lambda: one.state().sentence == "connected")
    sender.publish("live/a", message(1))
    sender.publish("live/a", message(2))
    until(lambda: one.state().accepted == 2)
    one.stop()
    assert one.state().state == "stopped"
    # Nobody listens, and the broker keeps it.
    sender.publish("live/a", message(3))
    two = listener(source, broker, "again")
    two.start(second)
    until(lambda: two.state().state == "behind")
    assert "waits at the broker" in two.state().sentence
    sender.publish("live/a", message(4))
    # The disk has room again: the same process goes on, on a new connection.
    second.answer = "keep"
    until(lambda: {sample.seq for sample in second.samples} >= {3, 4}, 30)
    assert two.state().state == "live"
    two.stop()
    three = listener(source, broker, "again")
    three.start(third)
    until(lambda: three.state().sentence == "connected")
    sender.publish("live/a", message(5))
    until(lambda: third.samples)
    three.stop()
    assert [sample.seq for sample in third.samples] == [5]


def test_a_held_back_message_is_no_gap_when_it_comes_again(broker: Broker, sender: MqttLine) -> None:
    source, sink = mqtt_source("live/held"), ListSink("hold")
    one = listener(source, broker, "held")
    one.start(sink)
    until(lambda: one.state().sentence == "connected")
    for seq in range(1, 6):
        sender.publish("live/held", message(seq))
    until(lambda: len(sink.offered) == 5)
    # The connection is lost with all five unacknowledged; the device goes on.
    one._gone.set()
    until(lambda: one.state().state == "silent")
    sink.answer = "keep"
    sender.publish("live/held", message(6))
    until(lambda: [sample.seq for sample in sink.samples] == [1, 2, 3, 4, 5, 6], 20)
    one.stop()
    assert (one.state().missing, one.state().doubled, one._arrivals["live/held"].restarts) == (0, 5, 0)


def test_gaps_restarts_and_bad_messages_are_counted_and_stop_nobody(broker: Broker, sender: MqttLine) -> None:
    source, sink = mqtt_source("live/x", "live/y"), ListSink()
    one = listener(source, broker, "bad")
    one.start(sink)
    until(lambda: one.state().sentence == "connected")
    for payload in (message(1), message(4), b"{", b'{"at": 1, "seq": 5, "kw": 1}', message(6), message(1)):
        sender.publish("live/x", payload)
    sender.publish("live/y", message(1))
    until(lambda: len(sink.samples) == 5)
    one.stop()
    state = one.state()
    # 2 and 3 did not come; a message without a time is a number that came.
    assert (state.accepted, state.rejected, state.missing) == (5, 2, 2)
    assert one._arrivals["live/x"].restarts == 1
    assert {refusal.reason for refusal in sink.refusals} == {
        "expected a number, or JSON whose numbers are finite", "no time with its offset at 'at'",
    }  # fmt: skip


def test_a_source_that_tells_no_time_begins_anew(broker: Broker, sender: MqttLine) -> None:
    """A message that waited would be filed under the hour in which it came."""
    source, sink = mqtt_source("live/z", time_path="", seq_path=""), ListSink()
    for seq in (1, 2):
        one = listener(source, broker, "timeless")
        one.start(sink)
        until(lambda one=one: one.state().sentence == "connected")  # type: ignore[misc]
        sender.publish("live/z", message(seq, kw=seq))
        until(lambda seq=seq: sink.samples and sink.samples[-1].value == seq)  # type: ignore[misc]
        one.stop()
        sender.publish("live/z", message(9, kw=9))
    assert [sample.value for sample in sink.samples] == [1, 2]


def test_a_broker_that_ends_and_comes_back_is_silence_between(tmp_path: Path) -> None:
    need_mosquitto()
    port, sink, source = free_port(), ListSink(), mqtt_source("live/a", silent_after_s=0.5)
    address = None
    with start_broker(tmp_path / "one", port=port, password="secret") as broker:
        address = broker.address
        one = listener(source, broker, "returns")
        one.start(sink)
        until(lambda: "no data received for" in one.state().sentence)
    until(lambda: one.state().state == "silent" and ":" in one.state().sentence)
    assert f"MQTT broker 127.0.0.1:{port}" in one.state().sentence
    with start_broker(tmp_path / "two", port=port, password="secret"):
        # It is connected: silence is told of a broker that answers alone.
        until(lambda: "no data received for" in one.state().sentence)
        line, sent = MqttLine(address, client_id="", subscriptions=()), []

        def is_live() -> bool:
            sent.append(len(sent) + 1)
            line.publish("live/a", message(sent[-1]))
            return one.state().state == "live"

        until(is_live)
        until(lambda: len(sink.samples) == len(sent))
        line.close()
        one.stop()
    assert [sample.seq for sample in sink.samples] == sent


def test_a_password_and_a_certificate_that_do_not_fit_are_refusals(tmp_path: Path, broker: Broker) -> None:
    need_mosquitto()
    source = mqtt_source("live/a")
    wrong = broker.address.model_copy(update={"password": "wrong"})
    with start_broker(tmp_path / "tls", certificate=new_certificate(tmp_path / "own")) as guarded:
        other = new_certificate(tmp_path / "other").certificate
        stranger = guarded.address.model_copy(update={"ca_file": str(other)})
        no_file = guarded.address.model_copy(update={"ca_file": str(tmp_path / "tls" / "mosquitto.conf")})
        for address, part in (
            (wrong, "refused the connection"), (stranger, "no certificate that"), (no_file, "certificates in PEM"),
        ):  # fmt: skip
            one = listener(source, address, "refused")
            one.start(ListSink())
            until(lambda one=one: one.state().state == "refused")  # type: ignore[misc]
            assert part in one.state().sentence
            one.stop()
            with pytest.raises((DeviceRefused, DeviceSilent, BadInput), match=part):
                listener(source, address, "refused").test(1.0)


def test_a_source_is_tested_in_one_sentence(broker: Broker, sender: MqttLine) -> None:
    source = mqtt_source("live/t1", "live/t2", time_path="", seq_path="")
    with pytest.raises(DeviceSilent, match=r"nothing of live/t1, live/t2 came within 0\.2 s; does the topic fit"):
        listener(source, broker, "tested").test(0.2)
    sender.publish("live/t1", b'{"kw": "on"}', retain=True)
    with pytest.raises(BadInput, match="live/t1: expected a number, got"):
        listener(source, broker, "tested").test(2.0)
    for topic, kw in (("live/t1", b'{"kw": 1}'), ("live/t2", b'{"kw": 2}')):
        sender.publish(topic, kw, retain=True)
    found = listener(source, broker, "tested").test(60.0)
    assert [(sample.point, sample.value) for sample in found] == [("live/t1", 1.0), ("live/t2", 2.0)]


def site_with(source: MqttSource) -> Site:
    document = {
        "site_id": "home", "name": "Home", "time_zone": "Europe/Prague", "currency": "CZK", "country": "CZ",
        "meters": [{"meter_id": "m"}], "sources": [source],
    }  # fmt: skip
    return Site.model_validate(document)


def test_a_source_is_opened_by_its_site(broker: Broker, sender: MqttLine, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = MqttSettings(**broker.address.model_dump(exclude={"version"}))
    source = mqtt_source("live/open")
    adapter = open_source(site_with(source), source, settings=Settings(mqtt=mine), clock=CLOCK)
    sink = ListSink()
    adapter.start(sink)
    until(lambda: adapter.state().sentence == "connected")
    sender.publish("live/open", message(1))
    until(lambda: sink.samples)
    adapter.stop()
    own = {"host": "127.0.0.1", "port": broker.address.port, "username": broker.address.username}
    source = mqtt_source("live/open", **own, password_env="PLANT_PASSWORD")
    with pytest.raises(BadInput, match="PLANT_PASSWORD is not set"):
        open_source(site_with(source), source, settings=Settings(), clock=CLOCK)
    monkeypatch.setenv("PLANT_PASSWORD", broker.address.password)
    adapter = open_source(site_with(source), source, settings=Settings(), clock=CLOCK)
    with pytest.raises(DeviceSilent, match="nothing of live/open came"):
        adapter.test(0.2)


def test_sparkplug_is_refused_in_one_sentence(broker: Broker) -> None:
    with pytest.raises(BadInput, match="payload sparkplug_b is not read"):
        listener(mqtt_source("live/a", payload="sparkplug_b"), broker, "spark")


def test_five_thousand_messages_are_read_in_seconds() -> None:
    """The reader alone, on one core: what it leaves is for the broker's client and the spool."""
    one = MqttListener(mqtt_source("live/a"), address=BrokerAddress(port=1), client_id="x", clock=CLOCK)
    payload: Any = message(1)
    began = time.process_time()
    for _ in range(5000):
        one._reader.read("live/a", payload, received_utc=CLOCK.now_utc())
    assert time.process_time() - began < 3.0
