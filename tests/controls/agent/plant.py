"""A site under test: two devices with the real device contract, a clock that is moved by hand, and faults at will."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.gateways.capabilities import Ack, DeviceReader, DeviceRefused, DeviceSilent, DeviceWriter, ReadBack
from controls.gateways.check_command import checked
from controls.gateways.lease import FOR_EVER_S, leases_of
from controls.ledger.modes import set_mode
from controls.ledger.outbox import ReleaseReport, release
from controls.ledger.rows import LedgerRow, read_commands
from controls.templates.load_templates import Template
from data_quality.contracts.control.command import Command, CommandState, Mode
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.ledger.rows_of import CARLA, NOW, add_plan, command

BATTERY = Asset(
    asset_id="battery", kind="battery", template="sim_battery_10kwh", params={"soc_min": 0.1, "soc_max": 0.95}
)
PV = Asset(asset_id="pv", kind="pv", template="sim_pv_inverter")
HOME = Site(
    site_id="home",
    name="Home",
    time_zone="Europe/Prague",
    currency="CZK",
    country="CZ",
    meters=(Meter(meter_id="grid"),),
    assets=(Asset(asset_id="ev", kind="ev_charger"), BATTERY, PV),
)


class Crash(BaseException):
    """The process is killed here. Not an Exception: nothing may catch it."""


@dataclass
class Time:
    """Wall and monotonic time of the test."""

    wall: datetime = NOW
    mono: float = 1000.0

    def now_utc(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def pass_(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.mono += seconds


@dataclass
class PlantDevice:
    """One device. `writes` lists what reached it: time, value, command id, outcome."""

    template: Template
    time: Time
    soc_percent: float = 50.0
    is_silent: bool = False
    is_deaf: bool = False
    loses_ack: bool = False
    refuses: bool = False
    forced: float | None = None
    writes: list[tuple[datetime, float, str, str]] = field(default_factory=list)
    leases: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.leases = leases_of(self.template)

    @property
    def capability(self) -> str:
        return self.template.settable[0]

    @property
    def value(self) -> float:
        """The set-point that the device follows now."""
        if self.forced is not None:
            return self.forced
        return self.leases[self.capability].state(self.time.mono).value

    def commands(self) -> list[str]:
        """Ids of commands that were written, reverts apart, in order and each once."""
        return list(dict.fromkeys(name for _, _, name, _ in self.writes if not name.startswith("revert-")))


class Reader:
    """Reads a device of the plant, and has no way to write."""

    def __init__(self, device: PlantDevice) -> None:
        self._device = device

    def _reached(self) -> PlantDevice:
        if self._device.is_silent:
            raise DeviceSilent("the device gives no answer")
        return self._device

    def read_back(self, capability: str) -> ReadBack:
        device = self._reached()
        state = device.leases[capability].state(device.time.mono)
        return ReadBack(
            value=device.value,
            raw="",
            at_utc=device.time.wall,
            revert_remaining_s=state.remaining_s,
            epoch=state.epoch,
            seq=state.seq,
        )

    def read(self, name: str) -> float:
        return self._reached().soc_percent

    def close(self) -> None:
        """Nothing is open."""


class Writer(Reader):
    """Reads and writes a device of the plant."""

    def __init__(self, device: PlantDevice, asset: Asset) -> None:
        super().__init__(device)
        self._asset = asset

    def write(self, command: Command) -> Ack:
        device = self._device
        now_utc = device.time.wall
        _, told_s = checked(command, device.template, device_id=self._asset.asset_id, now_utc=now_utc)
        ttl_s = told_s if device.template.has_device_ttl else FOR_EVER_S
        if device.is_silent:
            raise DeviceSilent("the device gives no answer")
        outcome = "ignored"
        if not device.is_deaf:
            outcome = device.leases[command.capability].offer(
                value=command.value, ttl_s=ttl_s, epoch=command.epoch, seq=command.seq, now_s=device.time.mono
            )
        device.writes.append((now_utc, command.value, command.command_id, str(outcome)))
        if device.loses_ack:
            raise DeviceSilent("the answer was lost")
        if device.refuses:
            raise DeviceRefused("busy", code=6)
        return Ack(code=16, applied_value=None, at_utc=now_utc)


class Plant:
    """The site's devices, and the transports that lead to them."""

    def __init__(self, time: Time) -> None:
        from controls.templates.load_templates import load_template

        self.battery = PlantDevice(load_template(BATTERY.template), time)
        self.pv = PlantDevice(load_template(PV.template), time)
        self.devices = {"battery": self.battery, "pv": self.pv}
        self.writers_opened = 0

    def _of(self, asset: Asset) -> PlantDevice:
        return self.devices[asset.asset_id]

    def open_reader(self, asset: Asset, template: Template, *, epoch: int) -> DeviceReader:
        return Reader(self._of(asset))

    def open_device(self, asset: Asset, template: Template, *, epoch: int) -> DeviceWriter:
        self.writers_opened += 1
        return Writer(self._of(asset), asset)


class World:
    """Store, time, plant, and the agent that is at work."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.time = Time()
        self.plant = Plant(self.time)
        self.crash_at = ""
        self.agents = 0
        self.agent = self.new_agent()

    def new_agent(self) -> Agent:
        """A fresh process of the agent."""
        self.agents += 1
        context = AgentContext(
            store=self.store,
            site_id="home",
            holder=f"agent-{self.agents}",
            clock=self.time,
            monotonic=self.time.monotonic,
            transports=self.plant,
            hook=self._hook,
        )
        self.agent = Agent(context, devices_of(HOME))
        return self.agent

    def _hook(self, point: str) -> None:
        if point == self.crash_at:
            self.crash_at = ""
            raise Crash(point)

    def run(self, seconds: float, step_s: float = 0.5) -> None:
        """Let the agent cycle for a while."""
        for _ in range(round(seconds / step_s)):
            self.agent.cycle()
            self.time.pass_(step_s)

    def set_mode(self, mode: Mode, device_id: str = "") -> None:
        set_mode(self.store, "home", mode=mode, person=CARLA, reason="test", clock=self.time, device_id=device_id)

    def release(self, plan_id: str = "p1") -> ReleaseReport:
        return release(self.store, "home", plan_id, clock=self.time, check=planned_check(HOME))

    def prove(self, **changes: Any) -> None:
        """A battery command that stands."""
        self.set_mode(Mode.PARTIAL)
        add_plan(self.store, command(**changes))
        self.release()
        self.run(3)
        assert self.row().state is CommandState.VERIFIED

    def row(self, name: str = "c1") -> LedgerRow:
        """The ledger's row of a command."""
        return read_commands(self.store, "home", command_ids=[name])[0]

    def states_of(self, name: str = "c1") -> list[str]:
        """The states that a command went through."""
        rows = self.store.rows(command_events.select().where(command_events.c.command_id == name))
        return [row["to_state"] for row in rows]
