"""The MQTT client and the served device over a real Mosquitto."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controls.gateways.broker import Broker, start_broker
from controls.gateways.capabilities import DeviceRefused, DeviceSilent, NotSent
from controls.gateways.lease import Outcome
from controls.gateways.mqtt import MqttDevice, MqttReader
from controls.gateways.mqtt_line import BrokerAddress, MqttLine, Will, publish_properties
from controls.gateways.ports import free_port
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.topics import CommandPayload, Topics, command_payload, loads
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from tests.controls.conftest import need_mosquitto
from tests.controls.devices import SILENT_S, TIMEOUT_S, CountingDevice, HandClock, command, measured, serving_mqtt
from tests.controls.gateways.sources.live_sink import until

pytestmark = pytest.mark.real
LIMIT = "set_power_limit_kw"


@pytest.fixture
def inverter() -> Template:
    return load_template("sim_pv_inverter")


class Heard:
    """Every message on some topics, as a third party hears it."""

    def __init__(self, address: BrokerAddress, *topics: str) -> None:
        self.messages: list[tuple[str, dict[str, Any] | None, Any]] = []
        self._changed = threading.Condition()
        self._line = MqttLine(address, client_id="", subscriptions=topics, on_message=self._take)

    def _take(self, topic: str, payload: bytes, properties: Any) -> None:
        with self._changed:
            self.messages.append((topic, loads(payload), properties))
            self._changed.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, timeout=30), self.messages

    def close(self) -> None:
        self._line.close()


@contextmanager
def heard(address: BrokerAddress, *topics: str) -> Iterator[Heard]:
    listener = Heard(address, *topics)
    yield listener
    listener.close()


def device_of(template: Template, address: BrokerAddress, clock: FixedClock, device_id: str) -> MqttDevice:
    return MqttDevice(
        template, address=address, site_id="home", device_id=device_id, epoch=1, clock=clock, timeout_s=TIMEOUT_S
    )


def test_a_reader_has_no_way_to_write() -> None:
    assert not hasattr(MqttReader, "write")


def test_a_command_is_acknowledged_with_the_value_that_stands(
    inverter: Template, clock: FixedClock, broker: Broker
) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        ack = served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
        assert (ack.code, ack.applied_value) == ("applied", 3.0)
        second = served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
        assert second.code == "repeated"


def test_a_command_carries_all_that_the_contract_wants(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served, heard(broker.address, "cmd/home/device") as third:
        sent = command(clock, device_id="device", capability=LIMIT, value=3.0, ttl_s=30, window_s=100.5)
        served.device.write(sent)
        third.wait(lambda: len(third.messages) == 1)
        _, document, properties = third.messages[0]
        payload = CommandPayload.model_validate(document)
        assert (payload.command_id, payload.seq, payload.epoch) == (sent.command_id, sent.seq, sent.epoch)
        assert (payload.setpoint, payload.unit, payload.ttl_s) == (3.0, "kw", 30)
        assert (payload.issued, payload.valid_until) == (clock.now_utc(), sent.valid_until_utc)
        assert properties.MessageExpiryInterval == 100
        assert properties.ResponseTopic == "ack/home/device"
        assert properties.CorrelationData == sent.command_id.encode()


def test_a_command_is_never_kept_for_whoever_comes_later(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
        with heard(broker.address, "cmd/home/device", "status/home/device") as later:
            # The retained status arrives; a retained command would have come before it.
            later.wait(lambda: bool(later.messages))
            assert [topic for topic, _, _ in later.messages] == ["status/home/device"]


def test_an_absent_device_is_known_at_once(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    device = device_of(inverter, broker.address, clock, "absent")
    began = time.monotonic()
    with pytest.raises(DeviceSilent, match="nobody listens on cmd/home/absent"):
        device.write(command(clock, device_id="absent", capability=LIMIT, value=3.0))
    with pytest.raises(DeviceSilent, match="nobody listens on get/home/absent"):
        device.read("read_power_kw")
    # No answer was waited for.
    assert time.monotonic() - began < TIMEOUT_S
    device.close()
    device.close()


def test_a_mute_device_is_silent_and_its_late_answer_is_lost(
    inverter: Template, clock: FixedClock, broker: Broker
) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        served.served.fault, served.device._timeout_s = "silent", SILENT_S
        with pytest.raises(DeviceSilent, match="no answer within"):
            served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
        until(lambda: served.served.received == 1)
        served.served.fault, served.device._timeout_s = "none", TIMEOUT_S
        assert served.device.read_back(LIMIT).value == 8.0


def test_a_broker_that_ends_while_an_answer_is_awaited_is_noticed_at_once(
    inverter: Template, clock: FixedClock, tmp_path: Path
) -> None:
    need_mosquitto()
    with start_broker(tmp_path / "b") as broker, serving_mqtt(inverter, clock, broker.address) as served:
        served.device._timeout_s = 20.0
        served.device.read("read_power_kw")
        served.served.fault = "silent"
        end = threading.Timer(0.3, broker.stop)
        end.start()
        began = time.monotonic()
        with pytest.raises(DeviceSilent, match=r"no answer: the connection to MQTT broker .* is lost"):
            served.device.read("read_power_kw")
        assert time.monotonic() - began < 10
        end.join()


@pytest.mark.parametrize(
    ("second", "result"),
    [
        ({"seq": 4, "value": 2.0}, "old_seq"),
        ({"seq": 9, "epoch": 0, "value": 2.0}, "old_epoch"),
    ],
)
def test_an_older_order_is_dropped(
    second: dict[str, Any], result: str, inverter: Template, clock: FixedClock, broker: Broker
) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0, seq=5))
        with pytest.raises(DeviceRefused) as fault:
            served.device.write(command(clock, device_id="device", capability=LIMIT, **second))
        assert fault.value.code == result
        assert served.device.read_back(LIMIT).value == 3.0


def test_a_command_that_may_not_leave_is_not_published(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        with pytest.raises(NotSent):
            served.device.write(command(clock, device_id="device", capability=LIMIT, value=8.1))
        assert served.served.commands == 0


def test_a_device_drops_what_came_too_late_or_makes_no_sense(inverter: Template, clock: FixedClock) -> None:
    served = MqttServedDevice(
        inverter, address=BrokerAddress(port=1), site_id="home", device_id="device", measure=dict, clock=clock,
        monotonic=HandClock(),
    )  # fmt: skip
    good = loads(command_payload(
        command(clock, device_id="device", capability=LIMIT, value=3.0), ttl_s=30, issued_utc=clock.now_utc()
    ))  # fmt: skip
    assert good is not None
    past = (clock.now_utc() - timedelta(seconds=1)).isoformat()
    for change, result in (
        ({"valid_until": past}, Outcome.EXPIRED),
        ({"valid_until": "2030-01-01T00:00:00"}, Outcome.BAD_PAYLOAD),
        ({"unit": "w"}, Outcome.BAD_PAYLOAD),
        ({"capability": "fly"}, Outcome.BAD_PAYLOAD),
        ({"setpoint": "three"}, Outcome.BAD_PAYLOAD),
        ({"extra": 1}, Outcome.BAD_PAYLOAD),
        ({"setpoint": 99}, Outcome.OUT_OF_RANGE),
    ):
        assert served._obey({**good, **change})["result"] == result
    assert served._obey(None) == {"command_id": None, "result": "bad_payload", "applied_value": None}
    assert served.leases[LIMIT].state(1000.0).value == 8.0
    assert served._obey(good)["result"] == "applied"


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"[1]", b"{", b'{"a": NaN}', b"1", b"[" * 100_000])
def test_nonsense_is_no_document(payload: bytes) -> None:
    assert loads(payload) is None


def test_a_device_that_sends_nonsense_is_not_believed(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        served.served._measure = lambda: {"read_power_kw": True}
        with pytest.raises(DeviceRefused, match="states no number for 'power_kw'"):
            served.device.read("read_power_kw")


def test_telemetry_counts_and_the_end_of_a_lease_is_told(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    with (
        serving_mqtt(inverter, clock, broker.address) as served,
        heard(broker.address, "tele/home/device", "state/home/device") as third,
    ):
        served.device.write(command(clock, device_id="device", capability=LIMIT, value=3.0, ttl_s=10))
        served.hand.now_s += 10
        third.wait(lambda: any(body and body.get("event") == "reverted" for _, body, _ in third.messages))
        notice = next(body for _, body, _ in third.messages if body and body.get("event") == "reverted")
        assert (notice["capability"], notice["power_limit_kw"], notice["is_synthetic"]) == (LIMIT, 8.0, True)
        third.wait(lambda: sum(topic.startswith("tele/") for topic, _, _ in third.messages) >= 3)
        numbers = [body["seq"] for topic, body, _ in third.messages if body and topic.startswith("tele/")]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_device_announces_itself_and_says_goodbye(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    words: list[bytes] = []
    spoke = threading.Condition()

    def take(_topic: str, payload: bytes, _properties: Any) -> None:
        with spoke:
            words.append(payload)
            spoke.notify_all()

    with serving_mqtt(inverter, clock, broker.address):
        listener = MqttLine(broker.address, client_id="", subscriptions=("status/home/device",), on_message=take)
        with spoke:
            assert spoke.wait_for(lambda: words[-1:] == [b"online"], 30)
    with spoke:
        assert spoke.wait_for(lambda: words[-1:] == [b"offline"], 30)
    listener.close()


def test_what_is_asked_before_a_device_has_its_line_is_answered(
    inverter: Template, clock: FixedClock, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe = MqttLine.subscribe
    served = CountingDevice(
        inverter, address=broker.address, site_id="home", device_id="device",
        measure=lambda: measured(inverter), clock=clock, monotonic=HandClock(),
    )  # fmt: skip
    with heard(broker.address, "state/home/device") as third:

        def subscribed(line: MqttLine, topics: tuple[str, ...]) -> None:
            subscribe(line, topics)
            third._line.publish("get/home/device", b'{"request_id": "early"}')
            until(lambda: served.received == 1)

        monkeypatch.setattr(MqttLine, "subscribe", subscribed)
        served.start()
        third.wait(lambda: bool(third.messages))
        served.stop()
    (_, answer, _) = third.messages[0]
    assert answer is not None
    assert answer["request_id"] == "early"


def test_nothing_waits_in_a_queue_while_the_broker_is_away(
    inverter: Template, clock: FixedClock, tmp_path: Path
) -> None:
    need_mosquitto()
    port, password = free_port(), "secret"
    with start_broker(tmp_path / "one", port=port, password=password) as first:
        address = first.address
        served = MqttServedDevice(
            inverter, address=address, site_id="home", device_id="device",
            measure=lambda: {"read_power_kw": 1.0}, clock=clock, monotonic=HandClock(), tick_s=0.05,
        ).start()  # fmt: skip
        device = device_of(inverter, address, clock, "device")
        assert device.read("read_power_kw") == 1.0
    for _ in range(3):
        with pytest.raises(DeviceSilent):
            device.write(command(clock, device_id="device", capability=LIMIT, value=3.0))
    with start_broker(tmp_path / "two", port=port, password=password):
        deadline = time.monotonic() + 60
        while True:
            try:
                held = device.read_back(LIMIT)
                break
            except DeviceSilent:
                assert time.monotonic() < deadline, "the device did not come back"
                time.sleep(0.05)
        # The device is back by itself, and none of the three commands reached it.
        assert (held.value, served.commands) == (8.0, 0)
        device.close()
        served.stop()


def test_a_lost_connection_never_comes_back_by_itself(tmp_path: Path) -> None:
    need_mosquitto()
    port, password = free_port(), "secret"
    with start_broker(tmp_path / "one", port=port, password=password) as first:
        line = MqttLine(first.address, client_id="line", subscriptions=(), on_message=lambda *_: None)
    with start_broker(tmp_path / "two", port=port, password=password):
        # The library's own reconnect would come after one second.
        time.sleep(1.5)
        assert not line._client.is_connected()
        line.close()


def test_a_wrong_password_is_a_refusal(inverter: Template, clock: FixedClock, broker: Broker) -> None:
    stranger = broker.address.model_copy(update={"password": "wrong"})
    with pytest.raises(DeviceRefused, match="refused the connection with code 0x8"):
        device_of(inverter, stranger, clock, "device").read("read_power_kw")


def test_a_second_writer_of_the_same_epoch_takes_over_and_the_first_notices(
    inverter: Template, clock: FixedClock, broker: Broker
) -> None:
    with serving_mqtt(inverter, clock, broker.address) as served:
        served.device.read("read_power_kw")
        second = device_of(inverter, broker.address, clock, "device")
        second.write(command(clock, device_id="device", capability=LIMIT, value=2.0))
        line = served.device._line._line
        deadline = time.monotonic() + 30
        while line.is_open:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(DeviceSilent, match="is not connected"):
            line.publish("cmd/home/device", b"{}")
        second.close()


def test_the_will_speaks_for_a_client_that_vanished(broker: Broker) -> None:
    with heard(broker.address, "status/home/ghost") as third:
        ghost = MqttLine(
            broker.address, client_id="ghost", subscriptions=(), on_message=lambda *_: None,
            will=Will(topic="status/home/ghost", payload="offline"),
        )  # fmt: skip
        ghost._client._sock_close()
        third.wait(lambda: len(third.messages) == 1)
        ghost.close()


def test_version_3_has_no_properties() -> None:
    assert publish_properties(expiry_s=1, is_v5=False) is None


def test_topics_never_meet() -> None:
    topics = Topics(site_id="home", device_id="pv")
    names = [topics.command, topics.ack, topics.get, topics.state, topics.telemetry, topics.status]
    assert len(set(names)) == 6
    assert all(name.endswith("/home/pv") for name in names)


def test_a_template_of_another_protocol_is_refused(clock: FixedClock, broker: Broker) -> None:
    with pytest.raises(BadInput, match="speaks modbus_tcp"):
        device_of(load_template("sim_battery_10kwh"), broker.address, clock, "device")


def test_a_payload_is_plain_json(clock: FixedClock) -> None:
    sent = command(clock, device_id="pv", capability=LIMIT, value=3.0)
    document = json.loads(command_payload(sent, ttl_s=30, issued_utc=clock.now_utc()))
    assert set(document) == {
        "command_id", "capability", "seq", "epoch", "setpoint", "unit", "issued", "valid_until", "ttl_s",
    }  # fmt: skip
