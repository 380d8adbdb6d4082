"""The agent on a real broker, a real Modbus server and real processes; times to live are seconds, so it is quick."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.schema.tables_control import command_events, plans
from assets.stores.seals import append_row
from assets.stores.transactions import Store, open_store, site_transaction
from controls.agent.main import gateways, run_agent
from controls.agent.planned import planned_check
from controls.gateways.broker import Broker, find_mosquitto, start_broker
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.served_unit import ModbusUnit
from controls.ledger.chain import verify_chain
from controls.ledger.device_faults import open_faults
from controls.ledger.modes import set_mode
from controls.ledger.outbox import release, wait_for_results
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Command, Mode
from data_quality.contracts.control.command import CommandState as S
from data_quality.contracts.settings import Project, load_project
from data_quality.contracts.site_file.find_site import find_site
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import SystemClock
from tests.controls.ledger.rows_of import CARLA, propose

ROOT = Path(__file__).resolve().parents[2]
TTL_S = 4.0
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        find_mosquitto() is None and os.environ.get("CI") != "true",
        reason="no Mosquitto on this machine; install it: apt-get install -y mosquitto",
    ),
]


class Bed:
    """Broker, Modbus server, two devices, project folder and ledger."""

    def __init__(self, folder: Path, store_url: str = "") -> None:
        self.clock = SystemClock()
        self.broker: Broker = start_broker(folder / "broker")
        self.battery = self._unit("sim_battery_10kwh", {"read_soc_percent": 50.0, "read_power_kw": 0.0})
        # The guards of a site with a meter at the grid let nothing through while that is silent.
        self.meter = self._unit("sim_grid_meter", {"read_power_kw": 0.4})
        self.modbus = ModbusServer([self.battery, self.meter]).start()
        self.inverter = MqttServedDevice(
            load_template("sim_pv_inverter"),
            address=self.broker.address,
            site_id="home",
            device_id="pv",
            measure=lambda: {"read_power_kw": 1.0},
            clock=self.clock,
            monotonic=time.monotonic,
            tick_s=0.2,
        ).start()
        (folder / "sites").mkdir()
        shutil.copy(ROOT / "assets" / "sites" / "demo" / "home.yaml", folder / "sites" / "home.yaml")
        self.env = {
            "METERLOOM_MQTT__PORT": str(self.broker.address.port),
            "METERLOOM_SERVER__MODBUS_PORT": str(self.modbus.port),
            "METERLOOM_MQTT__USERNAME": self.broker.address.username,
            "METERLOOM_MQTT__PASSWORD": self.broker.address.password,
        }
        if store_url:
            self.env["METERLOOM_DATABASE__URL"] = store_url
        self.project: Project = load_project(folder, self.env)
        self.site: Site = find_site(self.project, "home")
        self.store: Store = open_store(self.project.store_url)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken: list[BaseException] = []
        self._plans = 0

    def _unit(self, name: str, measured: dict[str, float]) -> ModbusUnit:
        return ModbusUnit(load_template(name), measure=lambda: measured, monotonic=time.monotonic)

    @property
    def battery_kw(self) -> float:
        return self.battery.leases["set_charge_power_kw"].state(time.monotonic()).value

    @property
    def limit_kw(self) -> float:
        return self.inverter.leases["set_power_limit_kw"].state(time.monotonic()).value

    def raise_mode(self, mode: Mode = Mode.PARTIAL) -> None:
        set_mode(self.store, "home", mode=mode, person=CARLA, reason="test", clock=self.clock)

    def plan(self, *, window_s: float = 60.0, plan_id: str = "p1", mark: str = "") -> None:
        """One command for each device, from now on. mark: behind the commands' names, for a further plan."""
        now = self.clock.now_utc()
        self._plans += 1
        base: dict[str, Any] = {
            "plan_id": plan_id,
            "plan_hash": "h",
            "site_id": "home",
            "unit": "kw",
            "seq": 0,
            "epoch": 0,
            "valid_from_utc": now,
            "valid_until_utc": now + timedelta(seconds=window_s),
            "ttl_s": TTL_S,
        }
        wanted = [("battery", "set_charge_power_kw", 1.2), ("pv", "set_power_limit_kw", 6.5)]
        with site_transaction(self.store, "home") as connection:
            append_row(
                connection,
                plans,
                plan_id=plan_id,
                site_id="home",
                version=self._plans,
                plan_hash="h",
                input_digest="d",
                plan={"created_at_utc": now.isoformat()},
                recorded_at_utc=now,
            )
            for device_id, capability, value in wanted:
                item = Command(
                    command_id=f"{device_id}{mark}",
                    idempotency_key=f"{plan_id}:{device_id}",
                    device_id=device_id,
                    capability=capability,
                    value=value,
                    **base,
                )
                propose(connection, item, at_utc=now)

    def release(self, plan_id: str = "p1") -> tuple[str, ...]:
        return release(self.store, "home", plan_id, clock=self.clock, check=planned_check(self.site)).released

    def start_agent(self) -> None:
        """The agent in a thread of this process."""

        def work() -> None:
            try:
                run_agent(
                    self.project,
                    self.site,
                    stop=self._stop,
                    transports=gateways(self.site, self.project, self.clock),
                    poll_s=0.1,
                )
            except BaseException as fault:
                self._broken.append(fault)

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def start_process(self) -> subprocess.Popen[bytes]:
        """The agent in a process of its own, as people run it."""
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "controls.agent.main",
                "--project",
                str(self.project.root),
                "--site",
                "home",
            ],
            cwd=ROOT,
            env={**os.environ, **self.env},
            stderr=subprocess.PIPE,
        )

    def results(self, timeout_s: float = 10.0) -> dict[str, S]:
        return wait_for_results(
            self.store, "home", ["battery", "pv"], timeout_s=timeout_s, monotonic=time.monotonic, sleep=time.sleep
        )

    def story(self) -> list[str]:
        """Events of the ledger, for a failed test."""
        rows = self.store.rows(command_events.select())
        return [f"{row['at_utc']:%S.%f} {row['command_id']} {row['to_state']}: {row['reason']}" for row in rows]

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)
        self.inverter.stop()
        self.modbus.stop()
        self.broker.stop()
        self.store.close()
        assert self._broken == []


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.close()


def _until(condition: Callable[[], bool], timeout_s: float) -> bool:
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def _states(bed: Bed) -> dict[str, S]:
    return bed.results(timeout_s=0.0)


def test_a_process_proves_refreshes_and_stops_clean(bed: Bed) -> None:
    bed.raise_mode()
    bed.plan()
    assert bed.release() == ("battery", "pv")
    process = bed.start_process()
    try:
        assert bed.results(20.0) == {"battery": S.VERIFIED, "pv": S.VERIFIED}
        assert (bed.battery_kw, bed.limit_kw) == (1.2, 6.5)
        time.sleep(TTL_S + 1)
        assert (bed.battery_kw, bed.limit_kw) == (1.2, 6.5)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
    assert _states(bed) == {"battery": S.REVERTED, "pv": S.REVERTED}
    assert (bed.battery_kw, bed.limit_kw) == (0.0, 8.0)
    assert verify_chain(bed.store, "home") == []


def test_a_killed_process_leaves_devices_that_revert_by_themselves(bed: Bed) -> None:
    bed.raise_mode()
    bed.plan()
    bed.release()
    process = bed.start_process()
    try:
        assert set(bed.results(20.0).values()) == {S.VERIFIED}
    finally:
        process.kill()
        process.communicate()
    assert _until(lambda: (bed.battery_kw, bed.limit_kw) == (0.0, 8.0), TTL_S + 1)


def test_in_simulation_nothing_is_written_to_a_wire(bed: Bed) -> None:
    bed.plan()
    assert bed.release() == ()
    bed.start_agent()
    assert _until(lambda: bed.battery.reads > 2, 15)
    assert _states(bed) == {"battery": S.ADVISED, "pv": S.ADVISED}
    assert (bed.battery.writes, bed.inverter.commands) == (0, 0)


@pytest.mark.slow
def test_the_window_s_end_completes_and_a_lost_broker_never_verifies(bed: Bed) -> None:
    """The battery goes on by itself; the inverter's command ends unproven, and its own timer frees it."""
    bed.raise_mode()
    bed.plan(window_s=16.0)
    bed.release()
    bed.start_agent()
    assert set(bed.results().values()) == {S.VERIFIED}
    bed.broker.stop()
    assert _until(lambda: bed.limit_kw == 8.0, TTL_S + 1)
    assert _until(lambda: _states(bed)["pv"] is S.UNVERIFIED, 15)
    assert [fault.device_id for fault in open_faults(bed.store, "home")] == ["pv"]
    assert bed.battery_kw == 1.2
    assert _until(lambda: _states(bed)["battery"] is S.COMPLETED, 25), "\n".join(bed.story())
    assert bed.battery_kw == 0.0


@pytest.mark.slow
def test_a_device_that_obeys_without_answering_is_unverified_and_reverts(bed: Bed) -> None:
    bed.raise_mode()
    bed.plan()
    bed.start_agent()
    assert _until(lambda: bed.battery.reads > 2, 10)
    bed.battery.fault = "apply_then_silent"
    bed.release()
    assert _until(lambda: bed.battery.writes > 0, 10)
    bed.battery.fault = "silent"
    assert _until(lambda: _states(bed)["battery"] is S.UNVERIFIED, 20)
    assert bed.battery.writes == 1
    assert bed.battery_kw == 0.0
    assert _states(bed)["pv"] is S.VERIFIED


def test_the_same_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    bed = Bed(tmp_path, postgres_url)
    try:
        bed.raise_mode()
        bed.plan()
        bed.release()
        bed.start_agent()
        assert bed.results() == {"battery": S.VERIFIED, "pv": S.VERIFIED}
        assert verify_chain(bed.store, "home") == []
    finally:
        bed.close()
