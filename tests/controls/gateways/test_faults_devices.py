"""F60 to F65, F82 and F99 at the wire: what a device does wrong, and what an independent client sees of it.

Each test keeps the history of what was asked and answered, and one checker judges them all.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusTcpClient

from controls.gateways.capabilities import Ack, DeviceRefused, DeviceSilent, ReadBack
from controls.gateways.modbus import ModbusDevice
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import Fault, ModbusUnit
from controls.simulator.served_template import simulated_unit
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.time import FixedClock
from tests.controls.devices import SILENT_S, TIMEOUT_S, HandClock, command
from tests.controls.gateways.raw_modbus import RawModbus
from tests.controls.gateways.sources.live_sink import until

pytestmark = pytest.mark.real
CHARGE = "set_charge_power_kw"
SILENT = {"silent", "late", "half_frame", "wrong_id", "apply_then_silent"}
BATTERY, STORAGE = load_template("sim_battery_10kwh"), load_template("sunspec_storage_704")


class Counting(ModbusServer):
    """Counts the requests that reached it, each as what the device did wrong at that moment has it."""

    seen = 0

    async def _reply(self, *request: Any) -> bool:
        self.seen += 1
        return await super()._reply(*request)


class Bench:
    """One device on a real socket, our client to it, and the history of both."""

    def __init__(self, template: Template, clock: FixedClock, path: Path) -> None:
        self.clock, self.hand, self.path = clock, HandClock(), path
        self.unit: ModbusUnit = simulated_unit(template, monotonic=self.hand)
        self.server = Counting([self.unit], late_s=4 * SILENT_S).start()
        self.device = ModbusDevice(
            template, host="127.0.0.1", port=self.server.port, clock=clock, timeout_s=TIMEOUT_S, device_id="device"
        )
        self.seq = self.requests = 0
        self._send_request = self.device._line._send_request
        self.device._line._send_request = self._counted  # type: ignore[method-assign]

    def _counted(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """A request; a wrong or a missing answer is waited for a short time only, any other patiently."""
        self.requests += 1
        is_silent = self.unit.fault in SILENT or self.unit.writes == self.unit.silent_at_write
        self.device._line._client.comm_params.timeout_connect = SILENT_S if is_silent else TIMEOUT_S
        return self._send_request(method, *args, **kwargs)

    def fail(self, fault: Fault = "none", *, silent_at_write: int | None = None) -> None:
        """Set the device's fault from now on: not for requests that are still on their way to it."""
        until(lambda: self.server.seen >= self.requests)
        self.unit.fault, self.unit.silent_at_write = fault, silent_at_write

    def write(self, value: float) -> Ack | DeviceRefused | DeviceSilent:
        """One command, and what its sender learns."""
        self.seq += 1
        sent = command(self.clock, device_id="device", capability=CHARGE, value=value, seq=self.seq, ttl_s=45.0)
        before = self.unit.writes
        outcome: Ack | DeviceRefused | DeviceSilent
        try:
            outcome = self.device.write(sent)
        except (DeviceRefused, DeviceSilent) as fault:
            outcome = fault
        self.note("write", value=value, seq=self.seq, frames=self.unit.writes - before, says=type(outcome).__name__)
        return outcome

    def read_back(self) -> ReadBack:
        """Values held by the device, as our reader has them."""
        held = self.device.read_back(CHARGE)
        self.note("read_back", value=held.value, seq=held.seq, left_s=held.revert_remaining_s)
        return held

    def note(self, what: str, **facts: object) -> None:
        with self.path.open("a") as history:
            history.write(json.dumps({"what": what, **facts}) + "\n")


def check(path: Path, *, frames: int) -> list[dict[str, object]]:
    """The history: a command is never more than its own frames, and nothing read belongs to a command not yet sent."""
    history = [json.loads(line) for line in path.read_text().splitlines()]
    sent = 0
    for each in history:
        if each["what"] == "write":
            assert each["frames"] <= frames, each
            sent = each["seq"]
        elif each["what"] == "read_back" and each["seq"] is not None:
            assert each["seq"] <= sent, each
    return history


@contextmanager
def serving(template: Template, clock: FixedClock, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(template, clock, tmp_path / "history.jsonl")
    try:
        yield bench
    finally:
        bench.device.close()
        bench.server.stop()


def holds(bench: Bench) -> float:
    """The battery's set-point as an independent client reads it."""
    with RawModbus(bench.server.port) as raw:
        words = raw.words(30120, 5)
    assert isinstance(words, list)
    return (words[0] - 0x10000 if words[0] & 0x8000 else words[0]) / 100


def test_fault_f60_a_busy_device_is_refused_with_its_code_and_keeps_its_value(
    clock: FixedClock, tmp_path: Path
) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.write(1.0)
        bench.fail("refuse")
        refused = bench.write(3.0)
        assert isinstance(refused, DeviceRefused)
        assert refused.code == 6
        bench.fail("none")
        # The read decides, and it says: the old one.
        assert (bench.read_back().value, bench.read_back().seq, holds(bench)) == (1.0, 1, 1.0)
        check(bench.path, frames=1)


@pytest.mark.parametrize("fault", ["apply_then_silent", "late", "wrong_id", "half_frame", "close_after"])
def test_fault_f61_what_is_applied_without_an_answer_is_written_once(
    fault: Fault, clock: FixedClock, tmp_path: Path
) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.fail(fault)
        assert isinstance(bench.write(2.0), DeviceSilent)
        bench.fail("none")
        assert bench.unit.writes == 1
        held = bench.read_back()
        assert (held.value, held.seq, holds(bench)) == (2.0, 1, 2.0)
        check(bench.path, frames=1)


def test_fault_f61_a_client_that_retries_is_what_the_count_finds(clock: FixedClock, tmp_path: Path) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.fail("apply_then_silent")
        # The library's own default: one call, four writes.
        bench.device._line._client = ModbusTcpClient("127.0.0.1", port=bench.server.port, timeout=0.1, retries=3)
        bench.write(2.0)
        with pytest.raises(AssertionError):
            check(bench.path, frames=1)


@pytest.mark.parametrize("fault", ["silent", "close_before"])
def test_fault_f61_what_never_arrives_is_not_sent_again(fault: Fault, clock: FixedClock, tmp_path: Path) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.fail(fault)
        assert isinstance(bench.write(2.0), DeviceSilent)
        bench.fail("none")
        assert (bench.read_back().value, bench.unit.writes, holds(bench)) == (0.0, 0, 0.0)


def test_fault_f61_a_sequence_that_breaks_off_leaves_nothing_enabled(clock: FixedClock, tmp_path: Path) -> None:
    """704 takes four requests; the device falls silent before each of them in turn."""
    for lost in range(4):
        folder = tmp_path / str(lost)
        folder.mkdir()
        with serving(STORAGE, clock, folder) as bench:
            bench.fail(silent_at_write=lost)
            assert isinstance(bench.write(4.0), DeviceSilent)
            assert bench.unit.writes == lost
            held = bench.read_back()
            assert (held.value, held.revert_remaining_s) == (0.0, 0.0)


@pytest.mark.parametrize("fault", ["late", "wrong_id", "half_frame"])
def test_fault_f62_no_answer_is_taken_for_another_ones(fault: Fault, clock: FixedClock, tmp_path: Path) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.write(1.0)
        bench.fail(fault)
        with pytest.raises(DeviceSilent):
            bench.device.read("read_soc_percent")
        bench.fail("none")
        # The late answer (50 % of charge, raw 500) comes while this question waits: it must not become 5 kW.
        for _ in range(4):
            assert bench.device.read("read_power_kw") == pytest.approx(0.0, abs=1.0)
            assert bench.read_back().value == 1.0
            time.sleep(SILENT_S)
        check(bench.path, frames=1)


def test_fault_f62_the_connection_is_closed_after_a_doubt(clock: FixedClock, tmp_path: Path) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.device.read("read_soc_percent")
        assert bench.device._line._client.connected
        bench.fail("half_frame")
        with pytest.raises(DeviceSilent):
            bench.device.read("read_soc_percent")
        assert not bench.device._line._client.connected


@pytest.mark.parametrize(("fault", "stands"), [("clamp", 2.5), ("ignore", 0.0), ("other", -5.0)])
def test_fault_f63_an_acknowledgement_of_something_else_shows_in_the_read_back(
    fault: Fault, stands: float, clock: FixedClock, tmp_path: Path
) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.fail(fault)
        ack = bench.write(4.0)
        # It acknowledges; nothing of what is active is in that.
        assert isinstance(ack, Ack)
        assert ack.applied_value is None
        held = bench.read_back()
        assert held.value == stands == holds(bench)
        assert abs(held.value - 4.0) > BATTERY.read_back[CHARGE].tolerance
        check(bench.path, frames=1)


def test_fault_f63_a_value_that_strays_afterwards_shows_too(clock: FixedClock, tmp_path: Path) -> None:
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.write(4.0)
        assert bench.read_back().value == 4.0
        bench.fail("drift")
        assert bench.read_back().value == 3.0 == holds(bench)


@pytest.mark.parametrize("template", [BATTERY, STORAGE], ids=lambda each: each.template)
def test_fault_f65_a_reboot_in_the_middle_shows_and_the_value_can_be_given_again(
    template: Template, clock: FixedClock, tmp_path: Path
) -> None:
    with serving(template, clock, tmp_path) as bench:
        bench.write(3.0)
        assert bench.read_back().value == 3.0
        bench.unit.reboot()
        held = bench.read_back()
        # At its default with no timer: whoever expected 3 kW sees both.
        assert (held.value, held.revert_remaining_s) == (0.0, 0.0)
        assert isinstance(bench.write(3.0), Ack)
        assert (bench.read_back().value, bench.read_back().revert_remaining_s) == (3.0, 45)
        check(bench.path, frames=4)


def test_fault_f82_a_refresh_is_as_many_frames_as_the_template_says(clock: FixedClock, tmp_path: Path) -> None:
    """Writes of a day on a device with non-volatile registers: what the guard's budget counts is what reaches it."""
    for template, frames in ((BATTERY, 1), (STORAGE, 4)):
        folder = tmp_path / template.template
        folder.mkdir()
        with serving(template, clock, folder) as bench:
            for _ in range(10):
                bench.write(2.0)
            assert bench.unit.writes == 10 * frames
            check(bench.path, frames=frames)


def test_fault_f99_a_rogue_writer_is_seen_in_the_next_read_back(clock: FixedClock, tmp_path: Path) -> None:
    """Modbus asks nobody who they are. A stranger with a higher number takes the set-point over; ours is refused."""
    with serving(BATTERY, clock, tmp_path) as bench:
        bench.write(1.0)
        with RawModbus(bench.server.port) as rogue:
            # 5 kW for 60 s as epoch 9, number 7.
            assert rogue.write(40210, [500, 60, 9, 0, 7]) is None
            held = bench.device.read_back(CHARGE)
            assert (held.value, held.epoch, held.seq) == (5.0, 9, 7)
            refused = bench.write(1.0)
            assert isinstance(refused, DeviceRefused)
            # A device without order takes whoever came last: the value alone shows it.
    with serving(STORAGE, clock, tmp_path) as bench:
        bench.write(1.0)
        with RawModbus(bench.server.port) as rogue:
            base = model_base(rogue, 704)
            # WSetMod 1 and -4000 W in tens (charging 4 kW), then enable: what the unit's WSet_SF of 1 makes of it.
            assert rogue.write(base + 23, [1, 0xFFFF, 0x10000 - 400]) is None
            assert rogue.write(base + 22, [1]) is None
        assert bench.device.read_back(CHARGE).value == 4.0


def test_an_independent_client_sees_what_our_reader_claims(clock: FixedClock, tmp_path: Path) -> None:
    """Every register by its number in SunSpec's own model 704, walked by hand."""
    with serving(STORAGE, clock, tmp_path) as bench:
        bench.write(-2.5)
        bench.hand.now_s += 5
        claimed = bench.device.read_back(CHARGE)
        with RawModbus(bench.server.port) as raw:
            base = model_base(raw, 704)
            found = raw.words(base, 67)
            assert isinstance(found, list)
            assert found[:2] == [704, 65]
            power = found[55] - 0x10000 if found[55] & 0x8000 else found[55]
            watts = (found[24] << 16 | found[25]) * 10**power
            # Enabled, in watts, 2.5 kW given (positive in WSet), back to 0 W with enable 0, 45 s of which 40 are left.
            assert (found[22], found[23], watts) == (1, 1, 2500)
            assert (found[26:28], found[30]) == ([0, 0], 0)
            assert (found[31] << 16 | found[32], found[33] << 16 | found[34]) == (45, 40)
            assert (claimed.value, claimed.revert_remaining_s) == (-2.5, 40)
            # Other tables and numbers that the device lacks are exceptions, not silence.
            assert raw.words(9, 1) == 2
            assert raw.words(base, 200) == 3
            assert raw.ask(b"\x2b\x0e\x01\x00") == b"\xab\x01"


def model_base(raw: RawModbus, wanted: int) -> int:
    """Base address of a SunSpec model, walked as the specification says."""
    assert raw.words(40000, 2) == [0x5375, 0x6E53]
    at = 40002
    while True:
        found = raw.words(at, 2)
        assert isinstance(found, list)
        assert found[0] != 0xFFFF
        if found[0] == wanted:
            return at
        at += 2 + found[1]


def test_coils_of_a_heat_pump_as_a_stranger_sees_them(clock: FixedClock, tmp_path: Path) -> None:
    template = load_template("heat_pump_sg_ready")
    with serving(template, clock, tmp_path) as bench:
        for state, coils in ((1.0, [1, 0]), (4.0, [1, 1]), (3.0, [0, 1]), (2.0, [0, 0])):
            bench.device.write(
                command(
                    clock, device_id="device", capability="set_sg_ready_state", value=state, unit="state", ttl_s=45.0
                )
            )
            with RawModbus(bench.server.port) as raw:
                assert raw.coils(0, 2) == coils
            assert bench.device.read_back("set_sg_ready_state").value == state
        # No timer: an hour later it stands as it was.
        bench.hand.now_s += 3600
        assert bench.device.read_back("set_sg_ready_state").revert_remaining_s is None
