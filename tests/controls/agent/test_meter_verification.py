"""The agent and an independent meter: a command reaches the fifth grade, or the ledger says in time that it did not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assets.sites.load_sites import load_site
from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store
from controls.agent.context import devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.agent.site_values import SiteValues
from controls.agent.wire import close_connection
from controls.gateways.broker import Broker
from controls.gateways.capabilities import DeviceReader, DeviceWriter
from controls.gateways.open import Gateways
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import open_faults
from controls.ledger.outbox import release
from controls.simulator.live_home import LiveHome
from controls.templates.load_templates import Template
from data_quality.contracts.control.command import CommandState, EvidenceGrade, Mode
from data_quality.contracts.settings import MqttSettings, ServerSettings, Settings
from data_quality.contracts.site_file.site import Asset
from tests.controls.agent.plant import BATTERY, HOME, PV, Plant, Reader, Time, World, Writer
from tests.controls.ledger.rows_of import add_plan, command

DEMO_HOME = Path(__file__).resolve().parents[3] / "assets" / "sites" / "demo" / "home.yaml"
METER = Asset(asset_id="meter", kind="grid_meter", template="sim_grid_meter")
SETTLE_S = 5.0


class Measured(Plant):
    """The plant with a meter that shows what the battery really does; `power` says that, given its set-point."""

    def __init__(self, time: Time) -> None:
        super().__init__(time)
        self.time = time
        self.power: Any = lambda set_point_kw: set_point_kw

    def real_kw(self) -> float:
        return float(self.power(self.battery.value))

    def open_reader(self, asset: Asset, template: Template, *, epoch: int) -> DeviceReader:
        return Values(self, asset) if asset.asset_id in ("meter", "battery") else super().open_reader(
            asset, template, epoch=epoch
        )  # fmt: skip

    def open_device(self, asset: Asset, template: Template, *, epoch: int) -> DeviceWriter:
        if asset.asset_id != "battery":
            return super().open_device(asset, template, epoch=epoch)
        self.writers_opened += 1
        return WritingValues(self, asset)


class Values(Reader):
    """Reads the battery, which says that it does what it was told, or the meter, which says the truth."""

    def __init__(self, plant: Measured, asset: Asset) -> None:
        Reader.__init__(self, plant.battery)
        self.plant, self.name = plant, asset.asset_id

    def read(self, name: str) -> float:
        if self.name == "meter":
            # A load beside it that breathes by 20 W.
            return 0.4 + 0.02 * (self.plant.time.mono % 2) + self.plant.real_kw()
        return 50.0 if name == "read_soc_percent" else self._reached().value


class WritingValues(Values, Writer):
    """The same with a way to write."""

    def __init__(self, plant: Measured, asset: Asset) -> None:
        Values.__init__(self, plant, asset)
        self._asset = asset


class MeteredWorld(World):
    """The site with a meter, watched for a minute before anything is commanded."""

    def __init__(self, store: Store, *, is_named: bool = False) -> None:
        super().__init__(store)
        battery = BATTERY.model_copy(update={"proven_by": "meter" if is_named else ""})
        site = HOME.model_copy(update={"assets": (battery, PV, METER)})
        self.plant: Measured = Measured(self.time)
        context = self.agent.context
        context.transports, context.site = self.plant, SiteValues(site)
        context.proofs = context.site.proofs
        self.agent = Agent(context, devices_of(site))
        self.set_mode(Mode.PARTIAL)
        self.run(66, step_s=2)
        start = self.time.wall
        # PARTIAL lets 30 % of 5 kW through.
        add_plan(store, command(value=1.2, valid_from_utc=start), at=start)
        self.release()
        self.begun_s = self.time.mono

    def history(self) -> list[dict[str, Any]]:
        """States, reasons and seconds since the release."""
        rows = self.store.rows(command_events.select().where(command_events.c.command_id == "c1"))
        return [
            {
                "state": row["to_state"],
                "reason": row["reason"],
                "after_s": (row["at_utc"] - self.time.wall).total_seconds() + self.time.mono - self.begun_s,
            }
            for row in rows
        ]

    def alarm_s(self) -> float | None:
        """Seconds until the ledger's first alarm that the meter says otherwise."""
        return next((row["after_s"] for row in self.history() if "the meter says otherwise" in row["reason"]), None)


def test_a_command_that_moves_the_meter_reaches_the_fifth_grade(store: Store) -> None:
    world = MeteredWorld(store)
    world.run(40)
    row = world.row()
    assert (row.state, row.evidence_grade) == (CommandState.VERIFIED, EvidenceGrade.METER_MOVED)
    assert row.facts["meter_outcome"] == "moved"
    assert row.facts["meter_expected_kw"] == pytest.approx(1.2)
    world.run(15 * 60, step_s=2)
    assert world.row().state is CommandState.COMPLETED
    assert world.alarm_s() is None
    assert verify_chain(store, "home") == []


FAULTS: dict[str, Any] = {
    "power does not move": lambda _: 0.0,
    "half of it": lambda kw: kw / 2,
    "the wrong way": lambda kw: -kw,
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_fault_f64_the_ledger_says_in_time_that_the_meter_did_not_move(
    fault: Any, store: Store, tmp_path: Path
) -> None:
    world = MeteredWorld(store)
    world.plant.power = fault
    world.run(90)
    history = world.history()
    (tmp_path / "history.jsonl").write_text("\n".join(json.dumps(row) for row in history))
    alarm_s = world.alarm_s()
    assert alarm_s is not None, history
    assert alarm_s <= SETTLE_S + 60
    row = world.row()
    assert row.evidence_grade == EvidenceGrade.READ_BACK
    assert row.facts["meter_outcome"] == "not"
    # Told once: the device's own word is that it holds the value.
    assert [row["state"] for row in history].count("DRIFTED") == 1
    assert verify_chain(store, "home") == []


def test_fault_f64_power_that_drifts_off_later_is_told_too(store: Store) -> None:
    world = MeteredWorld(store)
    world.run(60)
    assert world.row().evidence_grade == EvidenceGrade.METER_MOVED
    world.plant.power = lambda _: 0.0
    lost_s = world.time.mono - world.begun_s
    world.run(70)
    alarm_s = world.alarm_s()
    assert alarm_s is not None
    assert alarm_s - lost_s <= 60


def test_an_agent_without_meters_would_not_notice(store: Store) -> None:
    """The mutant: the same fault, and nobody asks the meter."""
    world = MeteredWorld(store)
    world.agent.context.proofs = None
    world.plant.power = lambda _: 0.0
    world.run(90)
    assert world.alarm_s() is None
    assert world.row().state is CommandState.VERIFIED


def test_a_device_whose_own_meter_shows_the_opposite_is_put_back_and_latched(store: Store) -> None:
    world = MeteredWorld(store, is_named=True)
    world.plant.power = lambda kw: -kw
    world.run(70)
    row = world.row()
    assert row.state is CommandState.REVERTED
    assert row.facts["guard"] == "I14"
    assert world.plant.battery.value == 0.0
    assert [fault.device_id for fault in open_faults(store, "home")] == ["battery"]


@pytest.mark.real
def test_the_battery_of_the_demo_home_reaches_the_fifth_grade_on_real_wires(store: Store, broker: Broker) -> None:
    site, time = load_site(DEMO_HOME), Time()
    address = broker.address
    login = {"username": address.username, "password": address.password}
    with LiveHome(site, address=address, clock=time, monotonic=time.monotonic, tick_s=0.05) as home:
        settings = Settings(
            mqtt=MqttSettings(host=address.host, port=address.port, **login),
            server=ServerSettings(modbus_port=home.modbus_port),
        )
        world = World(store)
        world.time, values = time, SiteValues(site)
        context = replace(world.agent.context, clock=time, monotonic=time.monotonic, site=values, proofs=values.proofs)
        context.transports = Gateways("home", settings, time)
        world.agent = Agent(context, devices_of(site))
        world.set_mode(Mode.PARTIAL)
        world.run(120, step_s=2)
        add_plan(store, command(value=1.2, valid_from_utc=time.wall), at=time.wall)
        release(store, "home", "p1", clock=time, check=planned_check(site))
        world.run(40, step_s=2)
        for device in world.agent.devices:
            close_connection(device)
        values.close()
    row = world.row()
    assert (row.state, row.evidence_grade) == (CommandState.VERIFIED, EvidenceGrade.METER_MOVED)
    assert row.facts["meter_expected_kw"] == pytest.approx(1.2)
