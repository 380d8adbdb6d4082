"""The whole agent over real Modbus devices of public maps, watched by a client of the specification alone."""

from collections.abc import Iterator

import pytest

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store
from controls.agent.context import AgentContext, devices_of
from controls.agent.loop import Agent
from controls.agent.planned import planned_check
from controls.agent.site_values import SiteValues
from controls.gateways.open import Gateways
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.chain import verify_chain
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.ledger.rows import read_commands
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.settings import Settings
from data_quality.contracts.site_file.site import Asset
from tests.controls.agent.plant import HOME, Time
from tests.controls.gateways.raw_modbus import RawModbus
from tests.controls.gateways.test_faults_devices import model_base
from tests.controls.ledger.rows_of import CARLA, add_plan, command

pytestmark = pytest.mark.real
KINDS = {
    "battery": ("battery", "sunspec_storage_704", {"max_charge_kw": 5, "max_discharge_kw": 5}),
    "pv": ("pv", "sunspec_pv_123", {"peak_kw": 8}),
    "heat_pump": ("heat_pump", "heat_pump_sg_ready", {}),
}
CHARGE, LIMIT, STATE = "set_charge_power_kw", "set_power_limit_kw", "set_sg_ready_state"


class Whole:
    """Store, agent over the real gateways, three devices with a server each."""

    def __init__(self, store: Store) -> None:
        self.store, self.time = store, Time()
        self.units: dict[str, ModbusUnit] = {}
        self.servers: dict[str, ModbusServer] = {}
        assets = []
        for name, (kind, template, params) in KINDS.items():
            self.units[name] = simulated_unit(load_template(template), monotonic=self.time.monotonic)
            self.servers[name] = ModbusServer([self.units[name]]).start()
            address = f"127.0.0.1:{self.servers[name].port}/1"
            assets.append(Asset(asset_id=name, kind=kind, template=template, address=address, params=params))
        self.site = HOME.model_copy(update={"assets": tuple(assets)})
        context = AgentContext(
            store=store, site_id="home", holder="agent-1", clock=self.time, monotonic=self.time.monotonic,
            transports=Gateways("home", Settings(), self.time), site=SiteValues(self.site),
        )  # fmt: skip
        self.agent = Agent(context, devices_of(self.site))

    def run(self, seconds: float, *, step_s: float = 0.5) -> None:
        for _ in range(round(seconds / step_s)):
            self.agent.cycle()
            self.time.pass_(step_s)

    def release(self, mode: Mode) -> None:
        set_mode(self.store, "home", mode=mode, person=CARLA, reason="test", clock=self.time)
        add_plan(
            self.store,
            command("c1", device_id="battery", capability=CHARGE, value=-1.2),
            command("c2", device_id="pv", capability=LIMIT, value=6.0),
            command("c3", device_id="heat_pump", capability=STATE, value=3.0, unit="state"),
        )
        release(self.store, "home", "p1", clock=self.time, check=planned_check(self.site))

    def states(self) -> dict[str, CommandState]:
        return {row.command.command_id: row.state for row in read_commands(self.store, "home")}

    def words(self, name: str, model: int, register: int, count: int) -> list[int]:
        with RawModbus(self.servers[name].port) as raw:
            found = raw.words(model_base(raw, model) + register, count)
        assert isinstance(found, list)
        return found

    def coils(self) -> list[int]:
        with RawModbus(self.servers["heat_pump"].port) as raw:
            return raw.coils(0, 2)


@pytest.fixture
def whole(store: Store) -> Iterator[Whole]:
    made = Whole(store)
    yield made
    made.agent.stop()
    for server in made.servers.values():
        server.stop()
    assert verify_chain(store, "home") == []


def test_a_stranger_reads_what_the_ledger_claims_and_the_devices_go_home_at_the_end(whole: Whole) -> None:
    whole.release(Mode.PARTIAL)
    whole.run(40)
    assert whole.states()["c1"] is CommandState.VERIFIED
    assert whole.states()["c2"] is CommandState.VERIFIED
    # WSetEna, WSetMod and WSet of model 704: 1200 W given, in tens; the timer was started anew within 20 s.
    assert whole.words("battery", 704, 22, 4) == [1, 1, 0, 120]
    assert whole.words("battery", 704, 31, 2) == [0, 45]
    assert 20 <= whole.words("battery", 704, 33, 2)[1] <= 45
    # WMaxLimPct, WinTms, RvrtTms, RmpTms and WMaxLim_Ena of model 123: 60.0 % of 10 kW, for 45 s.
    assert whole.words("pv", 123, 5, 5) == [600, 0, 45, 0, 1]
    whole.agent.stop()
    assert whole.words("battery", 704, 24, 2) == [0, 0]
    assert whole.words("pv", 123, 9, 1) == [0]
    assert whole.coils() == [0, 0]


def test_a_dead_agent_leaves_what_has_a_timer_and_a_relay_board_keeps_its_state(whole: Whole) -> None:
    # A compressor's history begins with the agent: it is watched for its minimum time before it is switched.
    whole.run(620, step_s=10)
    whole.release(Mode.PARTIAL)
    whole.run(40)
    assert whole.states()["c3"] is CommandState.VERIFIED
    assert whole.coils() == [0, 1]
    # Killed: nothing is put back, and a minute later only devices with a timer of their own are at home.
    whole.time.pass_(60)
    assert (whole.words("battery", 704, 22, 1), whole.words("pv", 123, 9, 1)) == ([0], [0])
    assert whole.coils() == [0, 1]


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY])
def test_below_partial_devices_are_read_and_never_written(whole: Whole, mode: Mode) -> None:
    whole.release(mode)
    whole.run(20)
    whole.agent.stop()
    assert {name: unit.writes for name, unit in whole.units.items()} == dict.fromkeys(KINDS, 0)
    assert all(unit.reads for unit in whole.units.values())


def test_a_rogue_writer_and_a_reboot_are_found_and_the_ledger_says_so(whole: Whole) -> None:
    whole.release(Mode.PARTIAL)
    whole.run(20)
    whole.units["battery"].reboot()
    with RawModbus(whole.servers["pv"].port) as rogue:
        # 20 % for ten minutes, by somebody else.
        assert rogue.write(model_base(rogue, 123) + 5, [200, 0, 60, 0, 1]) is None
    whole.run(20)
    found = whole.states()
    assert found["c2"] is not CommandState.COMPLETED
    events = whole.store.rows(command_events.select())
    text = {name: " | ".join(str(row["reason"]) for row in events if row["command_id"] == name) for name in found}
    assert "the device reads 0" in text["c1"]
    assert "the device reads 2" in text["c2"]
