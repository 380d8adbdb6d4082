"""The Modbus client against a real server: silence, refusal, a lost answer, a dead port, a half frame."""

import socket
import threading
import time

import pytest

from controls.gateways.capabilities import DeviceRefused, DeviceSilent, NotSent
from controls.gateways.lease import Outcome
from controls.gateways.modbus import ModbusDevice, ModbusReader
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.templates.load_templates import Template, load_template
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.time import FixedClock
from tests.controls.devices import SILENT_S, TIMEOUT_S, command, serving_modbus
from tests.controls.gateways.sources.live_sink import until

pytestmark = pytest.mark.real
CHARGE = "set_charge_power_kw"


def patient_for(device: ModbusReader, seconds: float) -> None:
    """Set the timeout [s] of the next answers."""
    device._line._client.comm_params.timeout_connect = seconds


@pytest.fixture
def battery() -> Template:
    return load_template("sim_battery_10kwh")


def test_a_reader_has_no_way_to_write(battery: Template) -> None:
    assert not hasattr(ModbusReader, "write")
    assert hasattr(ModbusDevice, "write")


def test_value_time_and_order_leave_in_one_request(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        ack = served.device.write(command(clock, device_id="device", capability=CHARGE, value=-1.5, seq=70000))
        assert (ack.code, ack.applied_value, ack.at_utc) == (16, None, clock.now_utc())
        assert served.served.writes == 1
        held = served.device.read_back(CHARGE)
        assert (held.value, held.seq, held.raw) == (-1.5, 70000, "ff6a 001e 0001 0001 1170")


def test_reading_never_writes(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        served.device.read("read_soc_percent")
        served.device.read_back(CHARGE)
        assert (served.served.reads, served.served.writes) == (2, 0)


def test_an_older_order_is_refused_and_the_newer_value_stands(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        served.device.write(command(clock, device_id="device", capability=CHARGE, value=2.0, seq=5))
        with pytest.raises(DeviceRefused) as fault:
            served.device.write(command(clock, device_id="device", capability=CHARGE, value=1.0, seq=4))
        assert fault.value.code == 7
        assert served.served.outcomes == [Outcome.APPLIED, Outcome.OLD_SEQ]
        assert served.device.read_back(CHARGE).value == 2.0


def test_a_command_that_is_not_sent_reaches_no_device(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        for bad in (
            command(clock, device_id="device", capability=CHARGE, value=5.5),
            command(clock, device_id="device", capability=CHARGE, value=1.0, epoch=70000),
            command(clock, device_id="device", capability=CHARGE, value=1.0, window_s=0.5),
        ):
            with pytest.raises(NotSent):
                served.device.write(bad)
        assert served.served.writes == 0


def test_a_write_without_answer_is_sent_once_and_read_back_tells(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        served.served.fault = "apply_then_silent"
        patient_for(served.device, SILENT_S)
        with pytest.raises(DeviceSilent, match="gives no answer"):
            served.device.write(command(clock, device_id="device", capability=CHARGE, value=3.0))
        until(lambda: served.served.writes == 1)
        served.served.fault = "none"
        patient_for(served.device, TIMEOUT_S)
        held = served.device.read_back(CHARGE)
        assert (held.value, held.seq) == (3.0, 1)


def test_a_silent_device_is_noticed_within_the_timeout_and_heard_again(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        served.served.fault = "silent"
        patient_for(served.device, SILENT_S)
        began = time.monotonic()
        with pytest.raises(DeviceSilent):
            served.device.read("read_power_kw")
        assert time.monotonic() - began < 4.0
        served.served.fault = "none"
        patient_for(served.device, TIMEOUT_S)
        assert served.device.read("read_power_kw") == 0.07


def test_a_busy_device_refuses_with_its_code(battery: Template, clock: FixedClock) -> None:
    with serving_modbus(battery, clock) as served:
        served.served.fault = "refuse"
        with pytest.raises(DeviceRefused) as fault:
            served.device.read("read_power_kw")
        assert fault.value.code == 6


def test_a_dead_port_is_a_silent_device(battery: Template, clock: FixedClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    reader = ModbusReader(battery, host="127.0.0.1", port=port, clock=clock, timeout_s=TIMEOUT_S)
    with pytest.raises(DeviceSilent, match="does not accept a connection"):
        reader.read("read_power_kw")
    reader.close()


def test_half_an_answer_does_not_spoil_the_next_question(battery: Template, clock: FixedClock) -> None:
    """The first connection gets half a frame and then silence, the second a whole answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def answer() -> None:
        for whole in (False, True):
            line, _ = listener.accept()
            with line:
                data = line.recv(64)
                frame = data[:4] + b"\x00\x05\x01\x03\x02\x00\x2a"
                line.sendall(frame if whole else frame[:6])
                line.recv(1) if not whole else done.wait(60)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    reader = ModbusReader(battery, host="127.0.0.1", port=listener.getsockname()[1], clock=clock, timeout_s=SILENT_S)
    with pytest.raises(DeviceSilent):
        reader.read("read_soc_percent")
    patient_for(reader, TIMEOUT_S)
    assert reader.read("read_soc_percent") == 4.2
    done.set()
    reader.close()
    thread.join(5)
    listener.close()


def test_a_write_elsewhere_or_of_another_width_is_refused(battery: Template, clock: FixedClock) -> None:
    unit = ModbusUnit(battery, measure=lambda: {"read_soc_percent": 1.0, "read_power_kw": 0.0}, monotonic=lambda: 0.0)
    assert unit.write(40210, [1]) == 2
    assert unit.write(30112, [1, 2, 3, 4, 5]) == 2
    assert unit.write(40210, [600, 30, 1, 0, 1]) == 3
    assert unit.write(40210, [100, 61, 1, 0, 1]) == 3
    assert unit.leases[CHARGE].state(0.0).value == 0.0


def test_a_taken_port_is_named(battery: Template) -> None:
    unit = ModbusUnit(battery, measure=dict, monotonic=lambda: 0.0)
    unit.template = battery.model_copy(update={"capabilities": {CHARGE: battery.capabilities[CHARGE]}})
    first = ModbusServer([unit]).start()
    with pytest.raises(Unreachable, match=f"cannot serve Modbus on 127.0.0.1:{first.port}"):
        ModbusServer([unit], port=first.port).start()
    first.stop()
    first.stop()


def test_a_template_of_another_protocol_is_refused(clock: FixedClock) -> None:
    with pytest.raises(BadInput, match="speaks mqtt5"):
        ModbusReader(load_template("sim_pv_inverter"), host="127.0.0.1", port=1, clock=clock)
