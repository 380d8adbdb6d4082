"""F83: below PARTIAL no write frame leaves; the audit reads bytes, in this process and of a real one, and can fail."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.stores.transactions import Store, site_transaction
from controls.agent import transitions
from controls.agent.context import View
from controls.gateways.broker import Broker
from controls.ledger.rows import select_commands, transition
from controls.safety.verdict import Allow
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState, Mode
from data_quality.contracts.time import FixedClock
from tests.control_faults.mode_watch import watched
from tests.control_faults.own_watch import own_frames, wrongly_written
from tests.control_faults.socket_audit import audited, frames_of_trace
from tests.control_faults.test_real_kills import plain_bed
from tests.control_faults.wire_frames import write_frames
from tests.controls.agent.plant import World
from tests.controls.conftest import need_mosquitto
from tests.controls.devices import command, serving_modbus, serving_mqtt
from tests.controls.ledger.rows_of import add_plan
from tests.controls.ledger.rows_of import command as agent_command
from tests.real.test_agent_devices import _until

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (bytes.fromhex("000100000006010300640001"), []),
        (bytes.fromhex("00010000000601060064000a"), ["Modbus function 6 to unit 1"]),
        (bytes.fromhex("000100000006010300640001" + "000200000006020500640001"), ["Modbus function 5 to unit 2"]),
        (b"\x30\x0b\x00\x08cmd/s/d1\x00", ["MQTT message on cmd/s/d1"]),
        (b"\x30\x0b\x00\x08get/s/d1\x00", []),
        (b"", []),
    ],
)
def test_a_write_is_told_from_a_read_by_its_bytes(data: bytes, found: list[str]) -> None:
    assert write_frames(data) == found


def test_fault_f83_the_audit_sees_what_both_gateways_write_and_only_that(clock: FixedClock, broker: Broker) -> None:
    battery, inverter = load_template("sim_battery_10kwh"), load_template("sim_pv_inverter")
    with serving_modbus(battery, clock) as modbus, serving_mqtt(inverter, clock, broker.address) as mqtt:
        with audited() as frames:
            modbus.device.read_back("set_charge_power_kw")
            mqtt.device.read_back("set_power_limit_kw")
        assert frames == []
        with audited() as frames:
            modbus.device.write(command(clock, device_id="device", capability="set_charge_power_kw", value=1.0))
            mqtt.device.write(command(clock, device_id="device", capability="set_power_limit_kw", value=3.0))
        assert {"Modbus function 16 to unit 1", "MQTT message on cmd/home/device"} <= set(frames)


@pytest.mark.parametrize("mode", [Mode.SIMULATION, Mode.ADVISORY, Mode.PARTIAL])
def test_fault_f83_the_watch_over_every_test_sees_an_agent_that_asks_nobody_about_modes(
    store: Store, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mutant without guards that takes every mode for FULL: what it was let out with is lowered before it looks."""
    monkeypatch.setattr(View, "mode_of", lambda *_: Mode.FULL)
    monkeypatch.setattr(View, "highest", lambda *_: Mode.FULL)
    monkeypatch.setattr(transitions, "check_all", lambda *_: Allow())
    world = World(store)
    world.set_mode(Mode.PARTIAL)
    add_plan(store, agent_command())
    world.release()
    world.set_mode(mode)
    with watched() as found:
        world.run(3)
    assert world.plant.battery.writes != []
    text = "" if mode is Mode.PARTIAL else f"battery: a set-point in {mode.name}"
    assert set(found) == {text}


# A mutant that asks neither modes nor guards; what it is given was released past the program.
MUTANT = """
from controls.agent import context, transitions
from controls.ledger.rows import select_commands, transition
from controls.safety.verdict import Allow
from data_quality.contracts.control.command import CommandState, Mode

context.View.mode_of = context.View.highest = lambda *_: Mode.FULL
transitions.check_all = lambda *_: Allow()
from controls.agent.main import main

main()
"""


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("mode", [Mode.ADVISORY, Mode.PARTIAL])
def test_fault_f83_the_watch_sees_what_an_agent_in_a_process_of_its_own_writes(
    tmp_path: Path, mode: Mode, wire_watch: Path
) -> None:
    bed = plain_bed(tmp_path)
    bed.raise_mode(mode)
    bed.plan(window_s=60.0)
    with site_transaction(bed.store, "home") as connection:
        for row in select_commands(connection, "home"):
            transition(connection, row, CommandState.RELEASED, at_utc=bed.clock.now_utc(), reason="past the program")
    arguments = [sys.executable, "-c", MUTANT, "--project", str(bed.project.root), "--site", "home"]
    process = subprocess.Popen(arguments, cwd=ROOT, env={**os.environ, **bed.env}, stderr=subprocess.DEVNULL)
    try:
        assert _until(lambda: bed.battery.writes > 0 and bed.inverter.commands > 0, 60), "\n".join(bed.story())
    finally:
        process.terminate()
        process.wait(30)
        bed.close()
    seen = own_frames(wire_watch)
    assert {"Modbus function 16 to unit 1", "MQTT message on cmd/home/pv"} <= {each["frame"] for each in seen}
    assert bool(wrongly_written(wire_watch)) == (mode is Mode.ADVISORY)
    # What was meant here is no finding of the watch over this very test.
    for file in wire_watch.glob("*.jsonl"):
        file.unlink()


@pytest.mark.slow
@pytest.mark.real
def test_fault_f83_no_write_frame_leaves_a_real_agent_below_partial(tmp_path: Path) -> None:
    """The kernel's sends as strace saw them; then the same in PARTIAL, to show that a write would be seen."""
    need_mosquitto()
    tracer = shutil.which("strace")
    if tracer is None:
        pytest.skip("no strace: apt-get install -y strace")
    bed, trace = plain_bed(tmp_path), tmp_path / "trace"
    sends = "trace=sendto,sendmsg,write,writev"
    arguments = [tracer, "-f", "-qq", "-xx", "-s", "2000", "-e", sends, "-o", str(trace), sys.executable, "-m"]
    arguments += ["controls.agent.main", "--project", str(bed.project.root), "--site", "home"]
    process = subprocess.Popen(
        arguments, cwd=ROOT, env={**os.environ, **bed.env}, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for mode in (Mode.SIMULATION, Mode.ADVISORY):
            if mode is Mode.ADVISORY:
                bed.raise_mode(mode)
            bed.plan(plan_id=mode.name.lower(), mark=mode.name)
            bed.release(mode.name.lower())
            before = bed.battery.reads
            assert _until(lambda before=before: bed.battery.reads > before + 1, 60)
        assert frames_of_trace(trace) == []
        assert bed.battery.writes == bed.inverter.commands == 0
        bed.raise_mode()
        bed.plan()
        bed.release()
        assert _until(lambda: bed.battery.writes > 0 and bed.inverter.commands > 0, 60), "\n".join(bed.story())
    finally:
        # Both: strace lets go of its child only where that ends too.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        bed.close()
    assert {"Modbus function 16 to unit 1", "MQTT message on cmd/home/pv"} <= set(frames_of_trace(trace))
