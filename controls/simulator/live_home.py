"""The home as it is now: yesterday's physics, stepped by the clock, with its devices on real wires.

Battery, car charger and the relays of the hot-water tank answer on Modbus, the inverter on MQTT, and a grid meter of
its own, on Modbus too, shows what all of them do. A home without charger or tank, as older site files have it, is
served too.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from controls.gateways.mqtt_line import BrokerAddress
from controls.gateways.serve_modbus import ModbusServer
from controls.gateways.serve_mqtt import MqttServedDevice
from controls.gateways.served_unit import ModbusUnit
from controls.optimiser.devices.device import params_of
from controls.simulator.live_plant import QuarterHours, meter_values, quarter_start
from controls.simulator.physics.car import Car, whereabouts
from controls.simulator.physics.hot_water import HotWater, TankState, drawn_kw
from controls.simulator.physics.simulated import UNITS_PER_KWH
from controls.simulator.physics.stores import WARM_DEGC, BatteryCells, ParkedCar, WaterTank
from controls.simulator.worlds.generate import SEED
from controls.simulator.worlds.home import generate_home_year, only
from controls.templates.load_templates import load_template
from data_quality.contracts.control.plan import BatteryParams
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

GRID_METER_TEMPLATE = "sim_grid_meter"
# Meters behind the connection: unit by meter.
_SUBMETER_TEMPLATE, _SUBMETERS = "meter_sdm630", {"house": 5, "heating": 6}
_MOMENT_S, _QUARTER = 1e-6, timedelta(minutes=15)
_CHARGE, _LIMIT = "set_charge_power_kw", "set_power_limit_kw"


class Background(Model):
    """Uncontrolled load and available solar power of the home, kW. heating_kw: the part of the load that heats."""

    load_kw: float
    pv_available_kw: float
    heating_kw: float = 0.0


class HomeState(Model):
    """Powers now, kW. grid: import positive. battery: charging positive. heating_kw: of the load, what heats."""

    battery_kw: float
    pv_kw: float
    load_kw: float
    heating_kw: float
    car_kw: float
    tank_kw: float

    @property
    def grid_kw(self) -> float:
        """Power at the grid connection, kW; below zero for export."""
        return self.load_kw + self.battery_kw + self.car_kw + self.tank_kw - self.pv_kw


class BackgroundSource:
    """Load and available PV of any instant, from the simulated year that holds it."""

    def __init__(self, site: Site, *, seed: int, without: frozenset[str] = frozenset()) -> None:
        # without: meters whose devices are served, and so are no background.
        self._meters = sorted({"house", "heating", "ev"} - without)
        self._quarters = QuarterHours(site.time_zone, lambda year: generate_home_year(site, year, seed=seed).meters)

    def at(self, now_utc: datetime) -> Background:
        """Powers at the instant: between the middles of two quarter hours as far from each mean as it is in time.

        A home's load does not step at every quarter of an hour; a meter would take that for our commands, which do.
        """
        middle_utc = now_utc - _QUARTER / 2
        share = (middle_utc - quarter_start(middle_utc)) / _QUARTER

        def kw(meter: str, register: str = "import") -> float:
            before, after = (self._quarters.units(meter, at, register) for at in (middle_utc, middle_utc + _QUARTER))
            # The energy of a quarter hour is a quarter of its mean power.
            return 4.0 * (before + share * (after - before)) / UNITS_PER_KWH

        loads_kw = {meter: kw(meter) for meter in self._meters}
        return Background(
            load_kw=sum(loads_kw.values()), pv_available_kw=kw("pv", "value"), heating_kw=loads_kw["heating"]
        )


class LiveHome:
    """The running home. `start` serves it; every read steps the physics to that moment."""

    def __init__(
        self,
        site: Site,
        *,
        address: BrokerAddress,
        modbus_port: int = 0,
        clock: Clock,
        monotonic: Callable[[], float],
        seed: int = SEED,
        start_soc: float = 0.5,
        tick_s: float = 1.0,
        others: Sequence[ModbusUnit] = (),
    ) -> None:
        """others: units of somebody else that answer on the same port."""
        self._clock, self._monotonic = clock, monotonic
        self._zone, self._seed, self._since_utc = site.time_zone, seed, clock.now_utc()
        battery, inverter = (only(site, kind, is_served=True) for kind in ("battery", "pv"))
        served = {asset.kind for asset in site.assets if asset.template}
        charger, relays = (
            only(site, kind, is_served=True) if kind in served else None for kind in ("ev_charger", "tank")
        )
        # What is served is stepped here, and not taken from the simulated year a second time.
        self._source = BackgroundSource(site, seed=seed, without=frozenset({charger.meter or ""} if charger else ()))
        # Reentrant: a Modbus read asks the registers, which ask the state.
        self._one_at_a_time = threading.RLock()
        self._stepped_at_s = monotonic()
        figures = params_of(BatteryParams, battery, site.site_id)
        losses, full_kwh = (figures.charge_efficiency, figures.discharge_efficiency), figures.capacity_kwh
        self.cells = BatteryCells(figures, full_kwh, *losses, kwh=start_soc * full_kwh)
        car = params_of(Car, charger, site.site_id) if charger else None
        tank = params_of(HotWater, relays, site.site_id) if relays else None
        self.car = ParkedCar(car, kwh=start_soc * car.capacity_kwh, wanted_kwh=car.capacity_kwh) if car else None
        self._is_car_there = car is not None
        self.tank = WaterTank(tank, TankState(stored_kwh=start_soc * tank.capacity_kwh)) if tank else None

        def unit(template: str, measure: Callable[[], dict[str, float]], unit_id: int | None = None) -> ModbusUnit:
            return ModbusUnit(load_template(template), measure=measure, monotonic=monotonic, unit_id=unit_id)

        self.battery = unit(battery.template, self._measure_battery)
        self.grid_meter = unit(GRID_METER_TEMPLATE, lambda: {"read_power_kw": self.state().grid_kw})
        self.charger = unit(charger.template, self._measure_car) if charger else None
        self.relays = unit(relays.template, self._measure_tank) if relays else None
        self.inverter = MqttServedDevice(
            load_template(inverter.template),
            address=address,
            site_id=site.site_id,
            device_id=inverter.asset_id,
            measure=lambda: {"read_power_kw": self.state().pv_kw},
            clock=clock,
            monotonic=monotonic,
            tick_s=tick_s,
        )
        submeters = [
            unit(_SUBMETER_TEMPLATE, partial(self._measure_part, name), _SUBMETERS[name]) for name in _SUBMETERS
        ]
        units = (self.battery, self.grid_meter, self.charger, self.relays, *submeters, *others)
        self.server = ModbusServer([each for each in units if each], port=modbus_port)

    def start(self) -> "LiveHome":
        """Serve. Raises Unreachable (port), DeviceSilent or DeviceRefused (broker); nothing is left running then."""
        self.server.start()
        try:
            self.inverter.start()
        # An interrupt too: a server thread left behind would keep the port.
        except BaseException:
            self.server.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop serving; safe to call twice."""
        self.inverter.stop()
        self.server.stop()

    def __enter__(self) -> "LiveHome":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def modbus_port(self) -> int:
        """Address of battery (unit 1), grid meter (2), charger (3), relays (4), household (5) and heating (6)."""
        return self.server.port

    def state(self) -> HomeState:
        """The home at this moment."""
        with self._one_at_a_time:
            now_s, now_utc = self._monotonic(), self._clock.now_utc()
            # Who reads twice in one moment asks what flows in it.
            step_h = max(now_s - self._stepped_at_s, _MOMENT_S) / 3600.0
            background = self._source.at(now_utc)
            self._stepped_at_s = now_s
            setpoint_kw = self.battery.value_of(_CHARGE)
            return HomeState(
                battery_kw=float(self.cells.run([WARM_DEGC], setpoint_kw=setpoint_kw, step_h=step_h)[0]),
                pv_kw=min(background.pv_available_kw, self.inverter.value_of(_LIMIT)),
                load_kw=background.load_kw,
                heating_kw=background.heating_kw,
                car_kw=self._car_kw(step_h, now_utc),
                tank_kw=self._tank_kw(step_h, now_utc),
            )

    def _car_kw(self, step_h: float, now_utc: datetime) -> float:
        if self.car is None or self.charger is None:
            return 0.0
        is_there, trip_kwh = whereabouts(
            self.car.car, now_utc, since_utc=self._since_utc, time_zone=self._zone, seed=self._seed
        )
        # Gone as soon as it leaves: what it says of itself on the way is what it will come home with.
        gone_kwh = trip_kwh if self._is_car_there and not is_there else 0.0
        self._is_car_there = is_there
        setpoint_kw = self.charger.value_of(_CHARGE)
        return float(self.car.run([not is_there], [gone_kwh], setpoint_kw=setpoint_kw, step_h=step_h)[0])

    def _tank_kw(self, step_h: float, now_utc: datetime) -> float:
        if self.tank is None or self.relays is None:
            return 0.0
        contacts = [self.relays.value_of(name) > 0 for name in self.relays.leases]
        draw_kw = drawn_kw(self.tank.tank, now_utc, time_zone=self._zone, seed=self._seed)
        # Contacts beyond the tank's own switch nothing.
        relays = tuple(contacts[: len(self.tank.tank.relays_kw)])
        return float(self.tank.run([draw_kw], relays=relays, step_h=step_h)[0])

    def _measure_battery(self) -> dict[str, float]:
        battery_kw = self.state().battery_kw
        return {"read_soc_percent": 100.0 * self.cells.kwh / self.cells.full_kwh, "read_power_kw": battery_kw}

    def _measure_part(self, meter: str) -> dict[str, float]:
        state = self.state()
        power_kw = state.heating_kw if meter == "heating" else state.load_kw - state.heating_kw
        return meter_values(power_kw, load_template(_SUBMETER_TEMPLATE).readable)

    def _measure_car(self) -> dict[str, float]:
        car_kw = self.state().car_kw
        soc_percent = 100.0 * self.car.kwh / self.car.car.capacity_kwh if self.car else 0.0
        return {"read_soc_percent": soc_percent, "read_is_plugged_in": self._is_car_there, "read_power_kw": car_kw}

    def _measure_tank(self) -> dict[str, float]:
        tank_kw = self.state().tank_kw
        degc = self.tank.tank.degc(self.tank.state.stored_kwh) if self.tank else 0.0
        return {"read_tank_degc": degc, "read_power_kw": tank_kw}
