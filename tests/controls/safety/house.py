"""A house with battery, heat pump, grid meter and the network operator's line, on a clock moved by hand."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from assets.stores.transactions import Store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.site_values import SiteValues
from controls.gateways.capabilities import Ack, DeviceReader, DeviceSilent, DeviceWriter, ReadBack
from controls.gateways.lease import leases_of
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.ledger.rows import LedgerRow, read_commands
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.control.command import Command, CommandState, Mode
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.agent.plant import Time
from tests.controls.ledger.rows_of import CARLA, add_plan, command

BATTERY = "set_charge_power_kw"
PUMP = "set_sg_ready_state"
DSO = Template.model_validate(
    {
        "template": "dso_line",
        "protocol": "modbus_tcp",
        "capabilities": {"read_import_limit_kw": {"unit": "kw", "register": 1}},
    }
)


def site(*, battery: Mapping[str, Any] | None = None, pump: Mapping[str, Any] | None = None, dso: bool = False) -> Site:
    """The site file. Params of battery and pump come on top of what they need."""
    assets = [
        Asset(asset_id="battery", kind="battery", template="sim_battery_10kwh", params=dict(battery or {})),
        Asset(asset_id="pump", kind="heat_pump", template="sim_heat_pump_sg_ready", params=dict(pump or {})),
        Asset(asset_id="meter", kind="grid_meter", template="meter_sdm630"),
        *([Asset(asset_id="dso", kind="line", template="dso_line")] if dso else []),
    ]
    return Site(
        site_id="home",
        name="Home",
        time_zone="Europe/Prague",
        currency="CZK",
        country="CZ",
        meters=(Meter(meter_id="grid", fuse_a=25, connected_load_kw=15),),
        assets=tuple(assets),
    )


class Wire:
    """All devices. values: what each measures; writes: (device, value) in order; forced: what a person set."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.values: dict[tuple[str, str], float] = {
            ("battery", "read_soc_percent"): 50.0,
            ("battery", "read_power_kw"): 0.0,
            ("pump", "read_power_kw"): 0.0,
            ("pump", "read_store_degc"): 50.0,
            ("meter", "read_power_kw"): 1.0,
            **{("meter", f"read_current_l{n}_a"): 1.5 for n in (1, 2, 3)},
            **{("meter", f"read_power_l{n}_kw"): 0.33 for n in (1, 2, 3)},
            ("dso", "read_import_limit_kw"): -1.0,
        }
        self.silent: set[str] = set()
        self.forced: dict[str, float] = {}
        self.writes: list[tuple[str, float]] = []
        self.leases: dict[str, Any] = {}
        self.asked: list[str] = []
        # The meter answers only once it is set.
        self.hang: threading.Event | None = None

    def open_reader(self, asset: Asset, template: Template, *, epoch: int) -> DeviceReader:
        return self.open_device(asset, template, epoch=epoch)

    def open_device(self, asset: Asset, template: Template, *, epoch: int) -> DeviceWriter:
        self.leases.setdefault(asset.asset_id, leases_of(template))
        return _Hand(self, asset.asset_id)


class _Hand:
    def __init__(self, wire: Wire, name: str) -> None:
        self._wire, self._name = wire, name

    def read(self, name: str) -> float:
        self._wire.asked.append(self._name)
        if self._wire.hang is not None and self._name == "meter":
            self._wire.hang.wait(10)
        if self._name in self._wire.silent:
            raise DeviceSilent("no answer")
        return self._wire.values[self._name, name]

    def read_back(self, capability: str) -> ReadBack:
        self.read(next(name for asset, name in self._wire.values if asset == self._name))
        state = self._wire.leases[self._name][capability].state(self._wire.time.mono)
        return ReadBack(
            value=self._wire.forced.get(self._name, state.value),
            raw="",
            at_utc=self._wire.time.wall,
            revert_remaining_s=state.remaining_s,
            epoch=state.epoch,
            seq=state.seq,
        )

    def write(self, item: Command) -> Ack:
        self._wire.leases[self._name][item.capability].offer(
            value=item.value, ttl_s=item.ttl_s, epoch=item.epoch, seq=item.seq, now_s=self._wire.time.mono
        )
        self._wire.writes.append((self._name, item.value))
        return Ack(code=16, applied_value=None, at_utc=self._wire.time.wall)

    def close(self) -> None:
        """Nothing is open."""


class House:
    """Store, time, devices and an agent."""

    def __init__(self, store: Store, made: Site) -> None:
        self.store, self.site = store, made
        self.time = Time()
        self.wire = Wire(self.time)
        self.agents = 0
        self.new_agent()
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=self.time)

    def new_agent(self) -> None:
        """A fresh process; the one before is gone without a word."""
        self.agents += 1
        self.values = SiteValues(self.site, self._load)
        self.context = AgentContext(
            store=self.store,
            site_id="home",
            holder=f"agent-{self.agents}",
            clock=self.time,
            monotonic=self.time.monotonic,
            transports=self.wire,
            site=self.values,
        )
        self.agent = Agent(self.context, devices_of(self.site, self._load))

    def _load(self, name: str) -> Template:
        return DSO if name == "dso_line" else load_template(name)

    def plan(self, name: str, value: float, *, device: str = "battery", minutes: float = 15) -> None:
        """A released command from now on."""
        item = command(
            name,
            plan_id=f"plan-{name}",
            device_id=device,
            capability=BATTERY if device == "battery" else PUMP,
            unit="kw" if device == "battery" else "state",
            value=value,
            valid_from_utc=self.time.wall,
            valid_until_utc=self.time.wall + timedelta(minutes=minutes),
        )
        add_plan(
            self.store,
            item,
            plan_id=f"plan-{name}",
            version=1 + self._count(),
            at=self.time.wall,
        )
        release(self.store, "home", f"plan-{name}", clock=self.time, check=lambda *_: None)

    def _count(self) -> int:
        return len(read_commands(self.store, "home", states=list(CommandState)))

    def run(self, seconds: float, step_s: float = 0.5) -> None:
        """Let the agent cycle for a while."""
        for _ in range(round(seconds / step_s)):
            self.agent.cycle()
            self.time.pass_(step_s)

    def row(self, name: str) -> LedgerRow:
        """The ledger's row of a command."""
        return read_commands(self.store, "home", command_ids=[name])[0]

    def state(self, name: str) -> CommandState:
        return self.row(name).state

    def guard(self, name: str) -> Any:
        """The guard that blocked or ended a command."""
        return self.row(name).facts.get("guard")
