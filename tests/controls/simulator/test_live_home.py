"""The live home: a set-point moves battery and grid meter alike, and the process comes and goes cleanly."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.broker import Broker
from controls.gateways.capabilities import DeviceSilent
from controls.gateways.modbus import ModbusDevice, ModbusReader
from controls.gateways.mqtt import MqttDevice
from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.ports import free_port
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.served_unit import ModbusUnit
from controls.simulator import site_process
from controls.simulator.live_home import BackgroundSource, LiveHome
from controls.simulator.physics.stores import BatteryCells
from controls.simulator.worlds.home import generate_home_year
from controls.templates.load_templates import load_template
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, parse_instant
from tests.controls.devices import HandClock, command
from tests.controls.simulator.conftest import DEMO

BATTERY = BatteryParams(capacity_kwh=10, max_charge_kw=5, max_discharge_kw=5, soc_min=0.1, soc_max=0.95)
NOON = "2026-06-20T11:05:00Z"
QUARTER = parse_instant("2026-06-20T11:00:00Z")
CHARGE, LIMIT = "set_charge_power_kw", "set_power_limit_kw"


def cells(kwh: float = 5.0) -> BatteryCells:
    return BatteryCells(BATTERY, 10.0, BATTERY.charge_efficiency, BATTERY.discharge_efficiency, kwh=kwh)


def test_an_hour_of_charging_stores_what_the_losses_leave() -> None:
    battery = cells()
    assert battery.run([20.0], setpoint_kw=2.0, step_h=1.0).tolist() == [2.0]
    assert battery.kwh == pytest.approx(5.0 + 2.0 * 0.975)
    assert battery.run([20.0], setpoint_kw=-2.0, step_h=1.0).tolist() == [-2.0]
    assert battery.kwh == pytest.approx(5.0 + 2.0 * 0.975 - 2.0 / 0.975)


@given(st.lists(st.tuples(st.floats(1e-9, 2), st.floats(-9, 9)), max_size=40))
def test_no_set_point_takes_the_battery_out_of_its_limits(steps: list[tuple[float, float]]) -> None:
    battery = cells()
    for step_h, setpoint_kw in steps:
        before_kwh, full_kwh = battery.kwh, battery.full_kwh
        (power_kw,) = battery.run([20.0], setpoint_kw=setpoint_kw, step_h=step_h)
        assert 0.1 * full_kwh - 1e-9 <= battery.kwh <= max(0.95 * full_kwh, before_kwh) + 1e-9
        assert -5.0 <= power_kw <= 5.0
        # What its meter shows is what its cells took or gave, in the step that fills or empties it too.
        at_cells_kw = power_kw * 0.975 if power_kw > 0 else power_kw / 0.975
        assert battery.kwh - before_kwh == pytest.approx(at_cells_kw * step_h, abs=1e-9)


def test_the_background_goes_through_the_means_of_the_simulated_quarter_hours(home_site: Site) -> None:
    source = BackgroundSource(home_site, seed=1)

    def load_kw(clock: str) -> float:
        return source.at(parse_instant(f"2026-06-20T{clock}Z")).load_kw

    assert source.at(parse_instant(NOON)).pv_available_kw > 0.5
    meters = generate_home_year(home_site, 2026, seed=1).meters
    mean = meters.filter(meters["meter"].is_in(["house", "heating", "ev"]) & (meters["timestamp"] == QUARTER))["kwh"]
    assert load_kw("11:07:30") == pytest.approx(4 * mean.sum())
    assert load_kw("11:15:00") == pytest.approx((load_kw("11:07:30") + load_kw("11:22:30")) / 2)
    # No step where commands begin.
    assert load_kw("11:14:59") == pytest.approx(load_kw("11:15:01"), abs=0.01)
    assert source.at(parse_instant("2026-06-20T23:05:00Z")).pv_available_kw == 0
    # The local year begins an hour before the UTC year, and no load jumps with it.
    years = [source.at(parse_instant(f"2025-12-31T{clock}Z")).load_kw for clock in ("22:59:59", "23:00:00", "23:00:01")]
    assert years == pytest.approx([years[1]] * 3, abs=0.01)


@pytest.fixture
def live(home_site: Site, broker: Broker) -> Iterator[tuple[LiveHome, HandClock, FixedClock]]:
    hand, clock = HandClock(), FixedClock(parse_instant(NOON))
    with LiveHome(home_site, address=broker.address, clock=clock, monotonic=hand, tick_s=0.05) as running:
        yield running, hand, clock


def test_submeters_and_devices_add_up_to_the_grid_connection(
    live: tuple[LiveHome, HandClock, FixedClock],
) -> None:
    running, _, clock = live

    def power_kw(template: str, unit_id: int) -> float:
        reader = ModbusReader(
            load_template(template), host="127.0.0.1", port=running.modbus_port, clock=clock, unit_id=unit_id
        )
        with closing(reader):
            return reader.read("read_power_kw")

    state = running.state()
    assert power_kw("meter_sdm630", 6) == pytest.approx(state.heating_kw)
    house_kw = power_kw("meter_sdm630", 5)
    assert house_kw > 0
    others_kw = power_kw("sim_battery_10kwh", 1) + power_kw("sim_ev_charger", 3) + power_kw("sim_relay_bank_16", 4)
    parts_kw = house_kw + state.heating_kw + others_kw - state.pv_kw
    assert power_kw("sim_grid_meter", 2) == pytest.approx(parts_kw, abs=0.02)


@pytest.mark.real
def test_the_independent_meter_moves_when_the_battery_does(live: tuple[LiveHome, HandClock, FixedClock]) -> None:
    running, hand, clock = live
    battery = ModbusDevice(load_template("sim_battery_10kwh"), host="127.0.0.1", port=running.modbus_port, clock=clock,
                           device_id="battery")  # fmt: skip
    meter = ModbusReader(load_template("sim_grid_meter"), host="127.0.0.1", port=running.modbus_port, clock=clock)
    before_kw, soc_percent = meter.read("read_power_kw"), battery.read("read_soc_percent")
    battery.write(command(clock, device_id="battery", capability=CHARGE, value=1.5, ttl_s=45))
    assert meter.read("read_power_kw") - before_kw == pytest.approx(1.5, abs=0.01)
    assert battery.read("read_power_kw") == 1.5
    hand.now_s += 44
    assert battery.read_back(CHARGE).value == 1.5
    hand.now_s += 1
    assert battery.read_back(CHARGE).value == 0.0
    assert meter.read("read_power_kw") == pytest.approx(before_kw, abs=0.01)
    assert soc_percent == 50.0
    assert running.cells.kwh > 5.0
    battery.close()
    meter.close()


@pytest.mark.real
def test_the_inverter_is_limited_over_the_broker(live: tuple[LiveHome, HandClock, FixedClock], broker: Broker) -> None:
    running, hand, clock = live
    inverter = MqttDevice(
        load_template("sim_pv_inverter"), address=broker.address, site_id="home", device_id="pv", epoch=1, clock=clock
    )
    free_kw = inverter.read("read_power_kw")
    assert free_kw > 0.5
    inverter.write(command(clock, device_id="pv", capability=LIMIT, value=0.5))
    assert inverter.read("read_power_kw") == 0.5
    assert running.state().grid_kw == pytest.approx(running.state().load_kw - 0.5)
    hand.now_s += 30
    assert inverter.read("read_power_kw") == free_kw
    inverter.close()


def _client(running: LiveHome, clock: FixedClock, template: str, device_id: str) -> ModbusDevice:
    return ModbusDevice(
        load_template(template), host="127.0.0.1", port=running.modbus_port, clock=clock, device_id=device_id
    )


@pytest.mark.real
def test_the_car_charges_as_it_is_told_and_waits_when_nobody_tells_it(
    live: tuple[LiveHome, HandClock, FixedClock],
) -> None:
    running, hand, clock = live
    charger = _client(running, clock, "sim_ev_charger", "ev_charger")
    before_kw = running.state().grid_kw
    assert (charger.read("read_soc_percent"), charger.read("read_is_plugged_in")) == (50.0, 1.0)
    charger.write(command(clock, device_id="ev_charger", capability=CHARGE, value=2.2, ttl_s=45))
    assert charger.read("read_power_kw") == 2.2
    assert running.state().grid_kw - before_kw == pytest.approx(2.2)
    hand.now_s += 40
    assert running.state().car_kw == 2.2
    assert running.car is not None
    assert running.car.kwh == pytest.approx(30 + 40 / 3600 * 0.9 * 2.2)
    hand.now_s += 5
    assert charger.read("read_power_kw") == 0.0
    # Below six amperes a charger pauses.
    charger.write(command(clock, device_id="ev_charger", capability=CHARGE, value=1.0, seq=2, ttl_s=45))
    assert charger.read("read_power_kw") == 0.0
    charger.close()


@pytest.mark.real
def test_relays_heat_the_tank_and_the_grid_meter_shows_it(live: tuple[LiveHome, HandClock, FixedClock]) -> None:
    running, hand, clock = live
    bank = _client(running, clock, "sim_relay_bank_16", "hot_water")
    before_kw = running.state().grid_kw
    assert bank.read("read_tank_degc") == 60.0
    for number in (1, 2, 16):
        name = f"set_relay_{number:02d}_state"
        bank.write(command(clock, device_id="hot_water", capability=name, value=1.0, ttl_s=45, unit="state"))
    # The tank has six: the sixteenth contact switches nothing.
    assert bank.read("read_power_kw") == 2.0
    assert running.state().grid_kw - before_kw == pytest.approx(2.0)
    hand.now_s += 44
    assert running.state().tank_kw == 2.0
    assert running.tank is not None
    assert running.tank.state.stored_kwh > 5.2
    hand.now_s += 1
    assert bank.read("read_power_kw") == 0.0
    bank.close()


def test_a_home_of_an_older_site_file_is_served_without_charger_and_tank(home_site: Site, clock: FixedClock) -> None:
    old = [
        asset.model_copy(update={"template": "", "params": {"max_kw": 7.4}}) if asset.kind == "ev_charger" else asset
        for asset in home_site.assets
        if asset.kind != "tank"
    ]
    home = LiveHome(
        home_site.model_copy(update={"assets": tuple(old)}), address=BrokerAddress(port=1), clock=clock,
        monotonic=HandClock(),
    )  # fmt: skip
    assert home.charger is home.relays is None
    assert home.car is home.tank is None
    assert home.state().grid_kw == pytest.approx(home.state().load_kw - home.state().pv_kw)


@pytest.mark.real
def test_nothing_is_left_running_without_a_broker(home_site: Site, clock: FixedClock) -> None:
    home = LiveHome(home_site, address=BrokerAddress(port=free_port()), clock=clock, monotonic=HandClock())
    with pytest.raises(DeviceSilent, match="does not accept a connection"):
        home.start()
    assert not home.server._thread.is_alive()


def test_a_home_with_two_inverters_is_refused(home_site: Site, clock: FixedClock) -> None:
    pv = next(asset for asset in home_site.assets if asset.kind == "pv")
    double = home_site.model_copy(update={"assets": (*home_site.assets, pv.model_copy(update={"asset_id": "pv_2"}))})
    with pytest.raises(BadInput, match="2 assets of kind 'pv'"):
        LiveHome(double, address=BrokerAddress(port=1), clock=clock, monotonic=HandClock())


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_says_it_is_ready_and_stops_clean(number: signal.Signals, broker: Broker, tmp_path: Path) -> None:
    secrets = {"METERLOOM_MQTT__USERNAME": broker.address.username, "METERLOOM_MQTT__PASSWORD": broker.address.password}
    process = subprocess.Popen(
        [sys.executable, "-m", "controls.simulator.site_process", "--project", str(tmp_path), "--tick-s", "0.1",
         "--mqtt-port", str(broker.address.port), "--modbus-port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **secrets}, cwd=DEMO.parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["ready"]
    assert ready["is_synthetic"]
    reader = ModbusReader(
        load_template("sim_battery_10kwh"), host="127.0.0.1", port=ready["modbus_port"],
        clock=FixedClock(parse_instant(NOON)),
    )  # fmt: skip
    assert reader.read("read_soc_percent") == 50.0
    began = time.monotonic()
    process.send_signal(number)
    out, errors = process.communicate(timeout=10)
    assert (process.returncode, out, errors) == (0, "", "")
    assert time.monotonic() - began < 5
    with pytest.raises(DeviceSilent):
        reader.read("read_soc_percent")
    reader.close()


@pytest.mark.real
def test_the_process_answers_a_wrong_input_with_2_and_a_missing_part_with_3(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = str(free_port())
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert site_process.main(["--project", str(tmp_path), "--site", "nowhere"]) == 2
        assert "no such file" in caplog.text
        real = tmp_path / "real.yaml"
        real.write_text((DEMO / "home.yaml").read_text().replace("is_simulated: true", "is_simulated: false"))
        assert site_process.main(["--project", str(tmp_path), "--site-file", str(real)]) == 2
        assert "is not simulated" in caplog.text
        assert site_process.main(["--project", str(tmp_path), "--mqtt-port", port, "--modbus-port", "0"]) == 3
        assert "does not accept a connection" in caplog.text
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.real
def test_a_port_that_is_taken_is_named(home_site: Site, clock: FixedClock, broker: Broker) -> None:
    unit = ModbusUnit(load_template("sim_grid_meter"), measure=lambda: {"read_power_kw": 0.0}, monotonic=HandClock())
    taken = ModbusServer([unit]).start()
    home = LiveHome(home_site, address=broker.address, modbus_port=taken.port, clock=clock, monotonic=HandClock())
    with pytest.raises(Unreachable, match=str(taken.port)):
        home.start()
    taken.stop()
