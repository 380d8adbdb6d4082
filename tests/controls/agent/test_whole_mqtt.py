"""The whole agent over a real broker, watched by a stranger: another library hears what the ledger claims, no more.

The watcher is the client of amqtt, which shares no line with the one that the agent speaks through.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
from amqtt.client import MQTTClient

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.gateways.access.device_keys import DeviceKey
from controls.gateways.broker import Broker
from controls.gateways.foreign.serve_foreign import ServedTopics
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.open import Gateways
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.ledger.chain import verify_chain
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.ledger.rows import read_commands
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.settings import MqttSettings, Settings
from data_quality.contracts.site_file.site import Asset
from tests.controls.agent.plant import HOME, PV, Time
from tests.controls.devices import measured, vanish
from tests.controls.ledger.rows_of import CARLA, add_plan, command

pytestmark = pytest.mark.real
PLUG = Asset(asset_id="plug", kind="sheddable_load", template="tasmota_plug", address="boiler-plug")
SITE = HOME.model_copy(update={"assets": (PV, PLUG)})


class Watcher:
    """Hears every topic of a broker, in a thread of its own."""

    def __init__(self, address: BrokerAddress) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._url = f"mqtt://{address.username}:{address.password}@{address.host}:{address.port}/"
        self._ready, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._watch()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    async def _watch(self) -> None:
        client = MQTTClient("watcher", config={"auto_reconnect": False})
        await client.connect(self._url)
        await client.subscribe([("#", 0)])
        self._ready.set()
        while not self._end.is_set():
            with suppress(TimeoutError):
                message = await client.deliver_message(timeout_duration=0.2)
                if message is not None:
                    self.heard.append((message.topic, bytes(message.data)))
        await client.disconnect()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(10)

    def writes(self) -> list[tuple[str, bytes]]:
        """Messages published to move a device."""
        return [(topic, body) for topic, body in self.heard if topic.startswith("cmd/") or "Backlog0" in topic]


class Whole:
    """Store, agent over the real gateways, two devices that answer, and the stranger."""

    def __init__(self, store: Store, broker: Broker) -> None:
        address, self.store, self.time, self.refreshed = broker.address, store, Time(), 0
        mqtt = MqttSettings(host=address.host, port=address.port, username=address.username, password=address.password)
        pv, plug = load_template(PV.template), load_template(PLUG.template)
        self.pv = MqttServedDevice(
            pv, address=address, site_id="home", device_id="pv", measure=lambda: measured(pv), clock=self.time,
            monotonic=self.time.monotonic, tick_s=0.05,
        ).start()  # fmt: skip
        self.plug = ServedTopics(
            plug, address=address, name=PLUG.address, measure=lambda: measured(plug), monotonic=self.time.monotonic,
            tick_s=0.05,
        ).start()  # fmt: skip
        context = AgentContext(
            store=store, site_id="home", holder="agent-1", clock=self.time, monotonic=self.time.monotonic,
            transports=Gateways("home", Settings(mqtt=mqtt), self.time), hook=self._hook,
        )  # fmt: skip
        self.agent = Agent(context, devices_of(SITE))
        self.watcher = Watcher(address)

    def _hook(self, point: str) -> None:
        self.refreshed += point == "refreshed"

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.5)):
            self.agent.cycle()
            self.time.pass_(0.5)

    def release(self, mode: Mode) -> None:
        set_mode(self.store, "home", mode=mode, person=CARLA, reason="test", clock=self.time)
        add_plan(
            self.store,
            command("c1", device_id="pv", capability="set_power_limit_kw", value=6.0),
            command("c2", device_id="plug", capability="set_switch_state", value=1.0, unit="state"),
        )
        release(self.store, "home", "p1", clock=self.time, check=planned_check(SITE))

    def states(self) -> dict[str, CommandState]:
        return {row.command.command_id: row.state for row in read_commands(self.store, "home")}

    def until_heard(self, count: int) -> None:
        deadline = time.monotonic() + 60
        while len(self.watcher.writes()) < count and time.monotonic() < deadline:
            time.sleep(0.02)
        # And one that should not be there gets its chance.
        time.sleep(0.2)


@pytest.fixture
def whole(store: Store, broker: Broker) -> Iterator[Whole]:
    made = Whole(store, broker)
    yield made
    made.agent.stop()
    made.watcher.stop()
    made.pv.stop()
    made.plug.stop()
    assert verify_chain(store, "home") == []


def test_a_stranger_hears_the_frames_that_the_ledger_claims_and_no_other(whole: Whole) -> None:
    whole.release(Mode.PARTIAL)
    whole.run(40)
    assert whole.states() == {"c1": CommandState.VERIFIED, "c2": CommandState.VERIFIED}
    assert whole.plug.held["set_switch_state"].value == 1
    events = whole.store.rows(command_events.select().where(command_events.c.to_state == "ISSUED"))
    issued = Counter(str(row["command_id"]) for row in events)
    assert issued == {"c1": 1, "c2": 1}
    whole.until_heard(sum(issued.values()) + whole.refreshed)
    heard = whole.watcher.writes()
    # One frame for each time that it was issued, one for each refresh, and nothing else on the wire.
    assert whole.refreshed >= 4
    assert len(heard) == sum(issued.values()) + whole.refreshed
    rows = {row.command.device_id: row for row in read_commands(whole.store, "home")}
    orders = []
    for topic, body in heard:
        if topic == "cmd/home/pv":
            content = json.loads(body)
            assert (content["command_id"], content["setpoint"], content["unit"]) == ("c1", 6.0, "kw")
            assert 0 < content["ttl_s"] <= 45
            orders.append((content["epoch"], content["seq"]))
        else:
            assert (topic, body) == ("cmnd/boiler-plug/Backlog0", b"PulseTime1 145; Power1 ON")
    assert orders == sorted(set(orders))
    assert rows["pv"].facts["readback_value"] == 6.0
    # At the end the devices are told their safe default, which the stranger hears too.
    whole.agent.stop()
    whole.until_heard(len(heard) + 2)
    last = whole.watcher.writes()[len(heard) :]
    assert {topic for topic, _ in last} == {"cmd/home/pv", "cmnd/boiler-plug/Backlog0"}
    assert {json.loads(body)["setpoint"] for topic, body in last if topic == "cmd/home/pv"} == {8.0}
    assert {body for topic, body in last if topic != "cmd/home/pv"} == {b"Power1 OFF"}


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_below_partial_a_stranger_hears_questions_and_not_one_command(whole: Whole, mode: Mode) -> None:
    whole.release(mode)
    whole.run(20)
    whole.agent.stop()
    whole.until_heard(0)
    assert whole.watcher.writes() == []
    assert {topic for topic, _ in whole.watcher.heard} >= {"get/home/pv", "tele/home/pv"}
    assert (whole.pv.commands, whole.plug.taken) == (0, [])


# Bad input: each has its row, its sentence, and a device at its safe default.


def ended(whole: Whole, name: str, seconds: float = 60.0) -> tuple[CommandState, str]:
    """The state that a command came to, and every reason on the way."""
    whole.run(seconds)
    events = whole.store.rows(command_events.select().where(command_events.c.command_id == name))
    return whole.states()[name], " | ".join(str(row["reason"]) for row in events)


def test_a_device_with_another_key_drops_the_command_and_the_ledger_says_why(whole: Whole) -> None:
    whole.pv._key = DeviceKey(bytes(32))
    whole.release(Mode.PARTIAL)
    state, reasons = ended(whole, "c1")
    assert state is CommandState.UNVERIFIED
    assert "dropped the command: bad_mac: its key is not the one that the agent proves commands with" in reasons
    assert whole.pv.leases["set_power_limit_kw"].state(whole.time.monotonic()).value == 8.0
    # The neighbour is not held up.
    assert whole.states()["c2"] is CommandState.VERIFIED


def test_wrong_credentials_write_nothing_and_the_ledger_says_why(whole: Whole) -> None:
    gateways = whole.agent.context.transports
    assert isinstance(gateways, Gateways)
    wrong = gateways.settings.mqtt.model_copy(update={"password": "wrong"})
    whole.agent.context.transports = Gateways("home", Settings(mqtt=wrong), whole.time)
    whole.release(Mode.PARTIAL)
    whole.run(5)
    # Never read, so never ready: it waits for its window to end, and is then told so.
    whole.time.pass_(890)
    state, reasons = ended(whole, "c1", 10)
    assert state is CommandState.EXPIRED
    assert "the window ended before it was sent" in reasons
    assert any("refused the connection with code" in device.last_fault for device in whole.agent.devices)
    assert whole.watcher.writes() == []
    assert (whole.pv.commands, whole.plug.taken) == (0, [])


def test_a_plug_that_loses_its_supply_is_given_up_and_comes_back_safe(whole: Whole) -> None:
    whole.release(Mode.PARTIAL)
    whole.run(5)
    assert whole.states()["c2"] is CommandState.VERIFIED
    vanish(whole.plug)
    state, reasons = ended(whole, "c2", 70.0)
    assert state is CommandState.UNVERIFIED
    assert "tele/boiler-plug/LWT says Offline" in reasons
    assert whole.states()["c1"] is CommandState.VERIFIED
