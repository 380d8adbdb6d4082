"""Store and a device behind lines that went half-open: how long a cycle waits, and the emergency stop beside it."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from assets.stores.postgres import ON_THE_WAY_S
from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store, connect_store, lock_recorded, open_store, probe
from controls.agent import main as agent_main
from controls.agent.emergency_stop import LOOK_S, PATIENCE_S
from controls.agent.planned import planned_check
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.chain import verify_chain
from controls.ledger.device_lease import STOP_S
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release
from controls.ledger.rows import read_commands
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import load_project
from data_quality.contracts.site_file.site import Asset
from data_quality.contracts.time import SystemClock
from tests.control_faults.half_open import Relay
from tests.controls.agent.plant import HOME
from tests.controls.ledger.rows_of import CARLA, add_plan, command
from tests.real.test_agent_devices import _until

pytestmark = pytest.mark.real
CHARGE, TEMPLATE = "set_charge_power_kw", "sim_battery_10kwh"
# The watcher's look and its patience with the cycle, and two seconds for a write and a busy machine.
HOME_WITHIN_S = LOOK_S + PATIENCE_S + 2.0
# An old connection that gives no answer, a new one that is not taken, and a busy machine.
WITHIN_S = 2.0
BOUND_S = WITHIN_S + ON_THE_WAY_S + WITHIN_S + 2.0


class Bed:
    """An agent in a thread; its store and the battery `far` are behind relays, `near` is not."""

    def __init__(self, folder: Path, postgres_url: str, parts: ExitStack, *, within_s: float) -> None:
        self.clock, self.later_s = SystemClock(), 0.0
        template = load_template(TEMPLATE)
        measured = {"read_soc_percent": 50.0, "read_power_kw": 0.0}
        self.units = {
            name: ModbusUnit(template, measure=lambda: measured, monotonic=lambda: time.monotonic() + self.later_s)
            for name in ("near", "far")
        }
        servers = {name: ModbusServer([unit]).start() for name, unit in self.units.items()}
        for server in servers.values():
            parts.callback(server.stop)
        self.device_line = parts.enter_context(Relay(("127.0.0.1", servers["far"].port)))
        ports = {"near": servers["near"].port, "far": self.device_line.port}
        assets = [
            Asset(asset_id=name, kind="battery", template=TEMPLATE, address=f"127.0.0.1:{port}/1")
            for name, port in ports.items()
        ]
        self.site = HOME.model_copy(update={"assets": tuple(assets)})
        real = urlsplit(postgres_url)
        socket_folder = parse_qs(real.query).get("host", [""])[0]
        server_at = f"{socket_folder}/.s.PGSQL.5432" if socket_folder else (str(real.hostname), real.port or 5432)
        self.store_line = parts.enter_context(Relay(server_at))
        login = f"{real.username}:{real.password}" if real.password else real.username
        behind = f"postgresql://{login}@127.0.0.1:{self.store_line.port}{real.path}"
        message = {"METERLOOM_DATABASE__URL": behind, "METERLOOM_DATABASE__AGENT_WITHIN_S": str(within_s)}
        self.project = load_project(folder, message)
        # Tests look at the ledger by the straight way.
        self.store = open_store(load_project(folder, {"METERLOOM_DATABASE__URL": postgres_url}).store_url)
        parts.callback(self.store.close)
        self.cycles = 0
        self.stop = threading.Event()
        self._broken: list[BaseException] = []
        self._thread = threading.Thread(target=self._work)
        parts.callback(self.close)

    def _work(self) -> None:
        def beat(_agent: object) -> None:
            self.cycles += 1

        try:
            agent_main.run_agent(self.project, self.site, stop=self.stop, clock=self.clock, poll_s=0.1, beat=beat)
        except BaseException as fault:
            self._broken.append(fault)

    def prove(self) -> None:
        """1.2 kW stand on both, for 45 s more."""
        now = self.clock.now_utc()
        set_mode(self.store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=self.clock)
        window: dict[str, Any] = {"valid_from_utc": now, "valid_until_utc": now + timedelta(minutes=15)}
        add_plan(self.store, *(command(name, device_id=name, **window) for name in self.units), at=now)
        release(self.store, "home", "p1", clock=self.clock, check=planned_check(self.site))
        self._thread.start()
        assert _until(lambda: set(self.states().values()) == {S.VERIFIED}, 30), self.story()
        assert self.values() == {"near": 1.2, "far": 1.2}

    def values(self) -> dict[str, float]:
        return {
            name: unit.leases[CHARGE].state(time.monotonic() + self.later_s).value for name, unit in self.units.items()
        }

    def states(self) -> dict[str, S]:
        return {row.command.command_id: row.state for row in read_commands(self.store, "home")}

    def story(self) -> str:
        rows = self.store.rows(command_events.select())
        return "\n".join(f"{row['command_id']} {row['to_state']}: {row['reason']}" for row in rows)

    def hang(self) -> None:
        """Both lines go half-open; from here on the cycle waits for its store."""
        self.device_line.freeze()
        self.store_line.freeze()
        time.sleep(0.5)
        self.hung_at = self.cycles

    def close(self) -> None:
        self.store_line.thaw()
        self.device_line.thaw()
        self.stop.set()
        self._thread.join(60)
        assert self._broken == []
        assert not self._thread.is_alive()


@pytest.fixture(params=[15.0])
def bed(request: pytest.FixtureRequest, tmp_path: Path, postgres_url: str) -> Iterator[Bed]:
    """Its cycle waits for its store as long as the setting allows, so that there is something beside which to act."""
    with ExitStack() as parts:
        yield Bed(tmp_path, postgres_url, parts, within_s=request.param)


@pytest.mark.parametrize("bed", [WITHIN_S], indirect=True)
def test_fault_f37_a_store_that_goes_half_open_holds_no_cycle_and_devices_go_home(bed: Bed) -> None:
    """Its line takes every byte and acknowledges it, so that neither an error nor a keepalive tells of it."""
    bed.prove()
    frozen_s = time.monotonic()
    bed.store_line.freeze()
    time.sleep(0.5)
    before = bed.cycles
    assert _until(lambda: bed.cycles > before, BOUND_S), "the cycle hangs"
    assert _until(lambda: bed.values() == {"near": 0.0, "far": 0.0}, STOP_S + BOUND_S), "the devices stay"
    took_s = time.monotonic() - frozen_s
    sys.stdout.write(f"from a half-open store to the safe default, by our hand: {took_s:.2f} s\n")
    # A new connection is taken and never answered, and nobody waits longer for that.
    before = bed.cycles
    assert _until(lambda: bed.cycles > before + 1, 2 * BOUND_S), "a cycle hangs"
    bed.store_line.thaw()
    assert _until(lambda: set(bed.states().values()) == {S.REVERTED}, 30), bed.story()
    assert verify_chain(bed.store, "home") == []


def test_an_answer_that_takes_long_is_no_silence(postgres_url: str) -> None:
    """The agent's first look at a ledger of years: rows come for longer than their first may take."""
    store = connect_store(postgres_url.replace("postgresql://", "postgresql+psycopg://", 1), within_s=1.0)
    slow = sa.text("SELECT repeat('x', 100000), pg_sleep(0.1) FROM generate_series(1, 30)")
    began_s = time.monotonic()
    try:
        with store.reading() as connection:
            assert len(connection.execute(slow).all()) == 30
        assert time.monotonic() - began_s > 1.0 + ON_THE_WAY_S
        with pytest.raises(Unreachable, match="no answer for 2 s"), store.reading() as connection:
            connection.execute(sa.text("SELECT pg_sleep(3)"))
    finally:
        store.close()


def test_fault_f37_a_lock_that_a_dead_line_left_is_given_back(postgres_url: str) -> None:
    """The server ends what says nothing any more; else nobody could write until it noticed by itself, in hours."""
    url = postgres_url.replace("postgresql://", "postgresql+psycopg://", 1)
    open_store(url).close()
    dead, other = connect_store(url, within_s=1.0), connect_store(url, within_s=1.0)
    try:
        with pytest.raises(Unreachable):
            _outlast(dead, other)
    finally:
        dead.close()
        other.close()


def _outlast(dead: Store, other: Store) -> None:
    with dead.begin() as silent:
        lock_recorded(silent)
        with pytest.raises(Unreachable, match="lock timeout"), other.begin() as connection:
            lock_recorded(connection)
        time.sleep(2.0)
        with other.begin() as connection:
            lock_recorded(connection)
        silent.execute(probe())


def test_fault_f66_a_stop_beside_a_cycle_that_hangs_brings_home_whom_it_reaches(bed: Bed) -> None:
    bed.prove()
    bed.hang()
    pulled_s = time.monotonic()
    (bed.project.root / agent_main.STOP_FILE).write_text("smoke in the cellar")
    assert _until(lambda: bed.values()["near"] == 0.0, HOME_WITHIN_S), "the watcher did not act"
    took_s = time.monotonic() - pulled_s
    sys.stdout.write(f"from the stop to the safe default beside a hanging cycle: {took_s:.2f} s\n")
    # All the while the cycle hung, and the device behind the dead line can only end by its own timer: it does.
    assert bed.cycles == bed.hung_at
    assert bed.values()["far"] == 1.2
    bed.later_s = 46.0
    assert bed.values() == {"near": 0.0, "far": 0.0}
    bed.store_line.thaw()
    bed.device_line.thaw()
    assert _until(lambda: set(bed.states().values()) <= {S.REVERTED, S.UNVERIFIED}, 30), bed.story()
    assert "emergency stop (smoke in the cellar" in bed.story()
    assert verify_chain(bed.store, "home") == []


def test_without_its_watcher_the_stop_would_wait_for_the_cycle(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the test above can fail: nothing else acts in that time."""
    monkeypatch.setattr(agent_main, "watch", lambda *_: None)
    bed.prove()
    bed.hang()
    (bed.project.root / agent_main.STOP_FILE).write_text("smoke in the cellar")
    time.sleep(HOME_WITHIN_S + 1.0)
    assert bed.cycles == bed.hung_at
    assert bed.values() == {"near": 1.2, "far": 1.2}
