"""An agent over the real gateways in simulated time: a battery on Modbus TCP, an inverter on MQTT, both in PARTIAL."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.gateways.broker import Broker
from controls.gateways.modbus import ModbusDevice
from controls.gateways.mqtt import MqttDevice
from controls.gateways.open import Gateways
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.ledger.rows import read_commands
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.settings import MqttSettings, Settings
from tests.control_faults.half_open import Relay
from tests.controls.agent.plant import BATTERY, HOME, PV, Time
from tests.controls.devices import measured
from tests.controls.ledger.rows_of import CARLA, add_plan, command

NAMES = {"battery": "set_charge_power_kw", "pv": "set_power_limit_kw"}
WANTED = {"battery": 1.2, "pv": 6.0}
SAFE = {"battery": 0.0, "pv": 8.0}
# A busy machine's cycle: looks (each 5 s) and renewals (each 15 s) come to lie apart.
CYCLE_S = 0.4
WINDOW_S = 90.0


class WireBed:
    """Store, agent, two devices, a second hand on each, and a line to the battery that can go half-open."""

    def __init__(self, store: Store, broker: Broker, parts: ExitStack) -> None:
        self.store, self.time, address = store, Time(), broker.address
        # Every sentence of the agent about its cycle or a device.
        self.told: set[str] = set()
        battery, pv = load_template(BATTERY.template), load_template(PV.template)
        charge = {"read_soc_percent": 50.0, "read_power_kw": 0.0}
        self.battery = ModbusUnit(battery, measure=lambda: charge, monotonic=self.time.monotonic)
        self.server = ModbusServer([self.battery]).start()
        parts.callback(self.server.stop)
        self.pv = MqttServedDevice(
            pv, address=address, site_id="home", device_id="pv", measure=lambda: measured(pv), clock=self.time,
            monotonic=self.time.monotonic, tick_s=0.05,
        ).start()  # fmt: skip
        parts.callback(self.pv.stop)
        self.hands = {
            "battery": ModbusDevice(
                battery, host="127.0.0.1", port=self.server.port, clock=self.time, device_id="battery"
            ),
            "pv": MqttDevice(pv, address=address, site_id="home", device_id="pv", epoch=50, clock=self.time),
        }
        for hand in self.hands.values():
            parts.callback(hand.close)
        self.line = parts.enter_context(Relay(("127.0.0.1", self.server.port)))
        there = BATTERY.model_copy(update={"address": f"127.0.0.1:{self.line.port}/1"})
        self.site = HOME.model_copy(update={"assets": (there, PV)})
        mqtt = MqttSettings(host=address.host, port=address.port, username=address.username, password=address.password)
        context = AgentContext(
            store=store, site_id="home", holder="agent-1", clock=self.time, monotonic=self.time.monotonic,
            transports=Gateways("home", Settings(mqtt=mqtt), self.time),
        )  # fmt: skip
        self.agent = Agent(context, devices_of(self.site))
        parts.callback(self.agent.safe_default)
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=self.time)

    def release(self, **changes: Any) -> None:
        """A plan with our value for both, by default from now on; changes: of the battery's."""
        window = {"valid_from_utc": self.time.wall, "valid_until_utc": self.time.wall + timedelta(seconds=WINDOW_S)}
        battery = {
            "device_id": "battery",
            "capability": NAMES["battery"],
            "value": WANTED["battery"],
            **window,
        } | changes
        pv = command("pv", device_id="pv", capability=NAMES["pv"], value=WANTED["pv"], **window)
        add_plan(self.store, command("battery", **(battery | window | changes)), pv, at=self.time.wall)
        release(self.store, "home", "p1", clock=self.time, check=planned_check(self.site))

    def prove(self) -> None:
        """Our value stands on both, as the ledger says."""
        self.release()
        while set(self.states().values()) != {S.VERIFIED}:
            self.run(CYCLE_S)
            assert self.time.mono < 1030.0, self.story("battery")

    def states(self) -> dict[str, S]:
        return {row.command.command_id: row.state for row in read_commands(self.store, "home")}

    def story(self, name: str) -> str:
        """Events of a command in the ledger, as one line."""
        rows = self.store.rows(command_events.select().where(command_events.c.command_id == name))
        return " | ".join(f"{row['to_state']}: {row['reason']}" for row in rows)

    def run(self, seconds: float, step_s: float = CYCLE_S) -> None:
        for _ in range(round(seconds / step_s)):
            self.agent.cycle()
            messages = [self.agent.trouble, *(device.last_fault for device in self.agent.devices)]
            self.told.update(each for each in messages if each)
            self.time.pass_(step_s)

    def until(self, is_so: Callable[[], bool]) -> None:
        """Wait in real time for what a thread brings about."""
        until_s = time.monotonic() + 10
        while not is_so():
            assert time.monotonic() < until_s, "it never became so"
            time.sleep(0.01)

    def value(self, name: str) -> float:
        device = self.battery if name == "battery" else self.pv
        return device.leases[NAMES[name]].state(self.time.mono).value
