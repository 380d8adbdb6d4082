"""Every template of a foreign MQTT device against the device that it describes, over a real Mosquitto."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from controls.gateways.broker import Broker
from controls.gateways.capabilities import DeviceRefused, DeviceSilent, NotSent
from controls.gateways.foreign.foreign_mqtt import TopicsDevice, TopicsReader, own_name
from controls.gateways.foreign.serve_foreign import Fault, ServedTopics
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.templates.load_templates import Template, load_template, template_names
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from tests.controls.devices import SILENT_S, TIMEOUT_S, HandClock, Pair, command, measured, serving_topics, vanish
from tests.controls.gateways.sources.live_sink import until

pytestmark = pytest.mark.real
FOREIGN = [name for name in template_names() if load_template(name).protocol == "mqtt_topics"]
SWITCHES = [name for name in FOREIGN if "set_switch_state" in load_template(name).settable]


@contextmanager
def foreign(template: Template, clock: FixedClock, address: BrokerAddress) -> Iterator[Pair]:
    """A device with a name of its own, so that nothing that a test leaves on the broker meets another's."""
    with serving_topics(template, clock, address, f"{template.template}-{time.monotonic_ns()}") as pair:
        yield pair


def test_a_reader_of_foreign_devices_has_no_way_to_write() -> None:
    assert not hasattr(TopicsReader, "write")


@pytest.mark.parametrize("name", [name for name in FOREIGN if load_template(name).has_device_ttl])
def test_a_devices_own_timer_ends_what_nobody_renews(name: str, clock: FixedClock, broker: Broker) -> None:
    template = load_template(name)
    with foreign(template, clock, broker.address) as pair:
        sent = command(
            clock, device_id=pair.served.name, capability="set_switch_state", value=1, unit="state", ttl_s=30
        )
        pair.device.write(sent)
        pair.hand.now_s += 20
        pair.device.write(sent.model_copy(update={"seq": 2, "ttl_s": 30.0}))
        pair.hand.now_s += 29
        assert pair.device.read_back("set_switch_state").value == 1
        pair.hand.now_s += 1
        gone = pair.device.read_back("set_switch_state")
        assert gone.value == 0
        assert gone.revert_remaining_s in (0, None)
        # Off without a timer: one would switch it on again.
        pair.device.write(sent.model_copy(update={"seq": 3, "value": 0.0}))
        pair.hand.now_s += 100
        assert pair.device.read_back("set_switch_state").value == 0


def test_a_time_to_live_that_the_devices_timer_cannot_count_is_not_sent(clock: FixedClock, broker: Broker) -> None:
    """Tasmota counts 1 to 111 in tenths of a second: eleven seconds more would be forty after the window."""
    with foreign(load_template("tasmota_plug"), clock, broker.address) as pair:
        sent = command(
            clock, device_id=pair.served.name, capability="set_switch_state", value=1, unit="state", ttl_s=11
        )
        with pytest.raises(NotSent, match="11 s is less than the device's own timer can count"):
            pair.device.write(sent)
        assert pair.served.taken == []
        # The way home ends at the same value, however long its timer runs: it is never refused.
        pair.device.write(sent.model_copy(update={"seq": 2, "value": 0.0}))
        assert len(pair.served.taken) == 1


@pytest.mark.parametrize("name", SWITCHES)
def test_a_value_that_the_device_has_no_word_for_is_not_sent(name: str, clock: FixedClock, broker: Broker) -> None:
    with foreign(load_template(name), clock, broker.address) as pair:
        half = command(clock, device_id=pair.served.name, capability="set_switch_state", value=0.5, unit="state")
        with pytest.raises(NotSent, match=r"no word for 0\.5"):
            pair.device.write(half)
        assert pair.served.taken == []


def test_the_way_home_is_the_safe_default_of_the_site(clock: FixedClock, broker: Broker) -> None:
    """An inverter that a site holds to 3 kW goes home to 3 kW, and is released by that and not limited to it."""
    known = load_template("growatt_battery_mode").model_dump(by_alias=True)
    template = Template.model_validate(known | {"safe_default": {"set_charge_power_kw": 5.0}})
    with foreign(template, clock, broker.address) as pair:
        pair.device._figures = {"max_charge_kw": 3.0}
        home = command(clock, device_id=pair.served.name, capability="set_charge_power_kw", value=3.0, unit="kw")
        assert pair.device._payload(home, template.mqtt.send["set_charge_power_kw"])["mode"] == "SELF_CONSUMPTION"


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("fault", ["deaf", "mute"])
def test_no_answer_is_silence_and_never_success(name: str, fault: Fault, clock: FixedClock, broker: Broker) -> None:
    with foreign(load_template(name), clock, broker.address) as pair:
        assert pair.device.read_back("set_switch_state").value == 0
        pair.device._timeout_s = SILENT_S
        pair.served.fault, before = fault, pair.served.received
        sent = command(clock, device_id=pair.served.name, capability="set_switch_state", value=1, unit="state")
        with pytest.raises(DeviceSilent, match="sent no new message"):
            pair.device.write(sent)
        until(lambda: pair.served.received > before)
        pair.served.fault, pair.device._timeout_s = "none", TIMEOUT_S
        # Read-back decides: the mute one obeyed, the deaf one did not.
        assert pair.device.read_back("set_switch_state").value == (1 if fault == "mute" else 0)


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("fault", ["late", "twice"])
def test_late_and_doubled_answers_end_in_the_truth(name: str, fault: Fault, clock: FixedClock, broker: Broker) -> None:
    with foreign(load_template(name), clock, broker.address) as pair:
        assert pair.device.read_back("set_switch_state").value == 0
        pair.served.fault = fault
        for seq, value in enumerate((1.0, 0.0, 1.0), start=1):
            sent = command(
                clock, device_id=pair.served.name, capability="set_switch_state", value=value, unit="state", seq=seq
            )
            pair.device.write(sent)
            assert pair.device.read_back("set_switch_state").value == value


def test_a_late_copy_of_an_earlier_answer_is_not_the_state(clock: FixedClock, broker: Broker) -> None:
    """Tasmota's answers have no number: a copy that comes after the next question looks like its answer."""
    with foreign(load_template("tasmota_plug"), clock, broker.address) as pair:
        post = pair.served._post

        def late_copy_first(topic: str, body: bytes, **more: bool) -> None:
            if topic.endswith("/RESULT"):
                post(topic, b'{"POWER": "OFF"}')
                threading.Timer(0.02, post, (topic, body), more).start()
            else:
                post(topic, body, **more)

        pair.served._post = late_copy_first  # type: ignore[method-assign]
        sent = command(clock, device_id=pair.served.name, capability="set_switch_state", value=1, unit="state")
        assert pair.device.write(sent).applied_value == 1
        assert pair.device.read_back("set_switch_state").value == 1


@pytest.mark.parametrize("name", SWITCHES)
def test_another_value_than_the_wanted_one_is_never_taken_for_it(name: str, clock: FixedClock, broker: Broker) -> None:
    with foreign(load_template(name), clock, broker.address) as pair:
        pair.served.fault, pair.device._timeout_s = "wrong", SILENT_S
        sent = command(clock, device_id=pair.served.name, capability="set_switch_state", value=1, unit="state")
        with pytest.raises(DeviceSilent) if name.startswith("generic") else _nothing():
            assert pair.device.write(sent).applied_value != 1
        until(lambda: pair.served.taken)
        pair.device._timeout_s = TIMEOUT_S
        assert pair.device.read_back("set_switch_state").value == 0


@contextmanager
def _nothing() -> Iterator[None]:
    yield


# What the broker keeps from before is no proof.


def on_change(template: Template) -> Template:
    """The same switch, which tells its state when it changes and leaves it with the broker, as many do."""
    assert template.mqtt is not None
    changed = {name: each.model_copy(update={"every_s": None}) for name, each in template.mqtt.told.items()}
    return template.model_copy(update={"mqtt": template.mqtt.model_copy(update={"told": changed})})


def cut(pair: Pair) -> None:
    """The connection goes; the next question opens another."""
    pair.device._open_line().close()


def switch(clock: FixedClock, pair: Pair, value: float, seq: int = 1) -> Command:
    return command(clock, device_id=pair.served.name, capability="set_switch_state", value=value, unit="state", seq=seq)


def test_a_kept_state_says_what_stands_and_proves_no_command(clock: FixedClock, broker: Broker) -> None:
    with foreign(on_change(load_template("generic_mqtt_switch")), clock, broker.address) as pair:
        kept = pair.device.read_back("set_switch_state")
        assert (kept.value, kept.epoch, kept.seq) == (0, 0, 0)
        pair.device.write(switch(clock, pair, 1))
        reading = pair.device.read_back("set_switch_state")
        assert (reading.value, reading.epoch) == (1, None)
        # A new connection brings the kept "ON" again, which may be from before a write of ours: it is not taken.
        cut(pair)
        pair.device._timeout_s = SILENT_S
        with pytest.raises(DeviceSilent, match="sent no new message"):
            pair.device.read_back("set_switch_state")


def test_a_kept_state_from_before_the_write_is_never_its_read_back(clock: FixedClock, broker: Broker) -> None:
    """The state topic holds the wanted value from an earlier day, and the device does nothing."""
    for template in (load_template("generic_mqtt_switch"), on_change(load_template("generic_mqtt_switch"))):
        with foreign(template, clock, broker.address) as pair:
            pair.device.read_back("set_switch_state")
            pair.served.fault, pair.device._timeout_s = "deaf", SILENT_S
            stranger = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
            topic = f"{pair.served.name}/state"
            stranger.publish(topic, b"ON", retain=True)
            cut(pair)
            with pytest.raises(DeviceSilent):
                pair.device.write(switch(clock, pair, 1))
            with suppress(DeviceSilent):
                assert pair.device.read_back("set_switch_state").value == 0
            stranger.publish(topic, b"", retain=True)
            stranger.close()


def test_a_device_that_lies_about_its_state_is_found_by_no_topic_but_by_its_meter(
    clock: FixedClock, broker: Broker
) -> None:
    """The reason for a fifth grade: everything that the device says fits, and nothing happened."""
    with foreign(load_template("tasmota_plug"), clock, broker.address) as pair:
        pair.served.fault = "liar"
        pair.device.write(switch(clock, pair, 1))
        assert pair.device.read_back("set_switch_state").value == 1
        assert pair.served.held["set_switch_state"].value == 0


@pytest.mark.parametrize("name", SWITCHES)
def test_what_arrives_out_of_order_ends_in_the_last_word(name: str, clock: FixedClock, broker: Broker) -> None:
    with foreign(load_template(name), clock, broker.address) as pair:
        pair.device.write(switch(clock, pair, 1))
        pair.served.fault, pair.device._timeout_s = "reordered", SILENT_S
        with suppress(DeviceSilent):
            pair.device.write(switch(clock, pair, 0, seq=2))
        pair.served.fault, pair.device._timeout_s = "none", TIMEOUT_S
        deadline = time.monotonic() + 30
        while pair.device.read_back("set_switch_state").value != 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)


# Birth and will.


def test_a_device_that_vanished_is_known_by_its_will(clock: FixedClock, broker: Broker) -> None:
    for name in SWITCHES:
        with foreign(load_template(name), clock, broker.address) as pair:
            assert pair.device.read_back("set_switch_state").value == 0
            vanish(pair.served)
            pair.device._timeout_s = SILENT_S
            deadline = time.monotonic() + 30
            while True:
                try:
                    pair.device.write(switch(clock, pair, 1))
                except DeviceSilent as fault:
                    if "is not connected" in str(fault):
                        break
                assert time.monotonic() < deadline
            assert pair.served.held["set_switch_state"].value == 0


def test_a_device_that_restarts_is_at_its_safe_value_and_announces_itself(clock: FixedClock, broker: Broker) -> None:
    for name in SWITCHES:
        with foreign(load_template(name), clock, broker.address) as pair:
            pair.device.write(switch(clock, pair, 1))
            pair.served.reboot()
            pair.device._timeout_s = SILENT_S
            deadline = time.monotonic() + 30
            while True:
                with suppress(DeviceSilent):
                    if pair.device.read_back("set_switch_state").value == 0:
                        break
                assert time.monotonic() < deadline


class Watched(ServedTopics):
    """Notes at each connection whether the thread that hears commands could take the device's lock meanwhile."""

    free: tuple[bool, ...] = ()

    def _connect(self) -> None:
        super()._connect()
        other = threading.Thread(target=self._try)
        other.start()
        other.join()

    def _try(self) -> None:
        is_free = self._one_at_a_time.acquire(timeout=1)
        if is_free:
            self._one_at_a_time.release()
        self.free = (*self.free, is_free)


def test_a_device_that_comes_back_can_hear_commands_while_it_waits_for_the_broker(broker: Broker) -> None:
    template, name = load_template("tasmota_plug"), f"plug-{time.monotonic_ns()}"
    served = Watched(
        template, address=broker.address, name=name, measure=lambda: measured(template), monotonic=HandClock(),
        tick_s=0.05,
    )  # fmt: skip
    served.start()
    try:
        served.reboot()
        deadline = time.monotonic() + 20
        while len(served.free) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        served.stop()
    assert set(served.free) == {True}


def test_what_is_told_on_change_only_needs_a_device_that_says_it_is_there(clock: FixedClock, broker: Broker) -> None:
    template = on_change(load_template("generic_mqtt_switch"))
    absent = TopicsDevice(
        template,
        address=broker.address,
        site_id="home",
        device_id="never-there",
        epoch=1,
        clock=clock,
        timeout_s=SILENT_S,
    )
    with pytest.raises(DeviceSilent, match="never said on never-there/available that it is there"):
        absent.read_back("set_switch_state")
    absent.close()


# Names, versions, templates.


@pytest.mark.parametrize("name", ["a/#", "+", "a\0b", "", "x" * 201, "{value}", "$SYS", "a\nb"])
def test_a_name_that_would_reach_other_topics_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="cannot be a part of a topic"):
        own_name(name)


def test_a_broker_that_hides_refusals_is_refused(clock: FixedClock) -> None:
    with pytest.raises(BadInput, match="needs a broker that speaks MQTT 5"):
        TopicsReader(
            load_template("tasmota_plug"), address=BrokerAddress(port=1, version="3.1.1"), site_id="home",
            device_id="plug", epoch=1, clock=clock,
        )  # fmt: skip


def test_wrong_credentials_are_one_sentence(clock: FixedClock, broker: Broker) -> None:
    stranger = broker.address.model_copy(update={"password": "wrong"})
    device = TopicsDevice(
        load_template("tasmota_plug"), address=stranger, site_id="home", device_id="plug", epoch=1, clock=clock
    )
    with pytest.raises(DeviceRefused, match="refused the connection with code 0x8") as fault:
        device.write(command(clock, device_id="plug", capability="set_switch_state", value=1, unit="state"))
    assert "wrong" not in str(fault.value)
    device.close()


def test_an_unknown_device_is_silent_at_once(clock: FixedClock, broker: Broker) -> None:
    for name in FOREIGN:
        template = load_template(name)
        device = TopicsDevice(
            template, address=broker.address, site_id="home", device_id=f"no-{name}", epoch=1, clock=clock,
            timeout_s=SILENT_S,
        )  # fmt: skip
        capability = template.settable[0]
        value = template.limits(capability)[1]
        sent = command(
            clock, device_id=f"no-{name}", capability=capability, value=value,
            unit=template.capability(capability).unit,
        )  # fmt: skip
        with pytest.raises(DeviceSilent):
            device.write(sent)
        device.close()
