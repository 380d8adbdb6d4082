"""Stores of a simulated home besides its rooms: battery, car and tank, step by step, told something or not.

The closed house runs them by minutes, the live home by the seconds between two reads. Powers are means of a step, kW.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from controls.optimiser.devices.components.battery_curves import Cells
from controls.simulator.physics.car import Car, charged
from controls.simulator.physics.hot_water import HotWater, TankState, heated
from controls.simulator.physics.noise import Series
from data_quality.contracts.control.plan import BatteryParams

# Of a cold cell's efficiency and room for charge, a kelvin below 20 degC; lost to wear, a full cycle.
_EFFICIENCY_PER_K, _ROOM_PER_K, _WORN_PER_CYCLE = 0.001, 0.006, 2.5e-5
WARM_DEGC = 20.0


@dataclass
class BatteryCells:
    """A battery that knows its limits: it takes what fits and gives what is there, whatever is commanded.

    params: of its site file; its own charge when new and full, and its own efficiencies, may be others. kwh: at the
    cells. through_kwh: all that ever went in or out of them.
    """

    params: BatteryParams
    new_kwh: float
    charge_efficiency: float
    discharge_efficiency: float
    kwh: float
    through_kwh: float = 0.0

    @property
    def full_kwh(self) -> float:
        """Capacity when warm, kWh: falling with every cycle."""
        cycles = self.through_kwh / (2 * self.params.capacity_kwh)
        return self.new_kwh * (1.0 - min(_WORN_PER_CYCLE * cycles, 0.5))

    @property
    def soc_percent(self) -> float:
        """As it says of itself, in tenths."""
        return min(round(100.0 * self.kwh / self.full_kwh, 1), 100.0)

    def run(self, degc: Sequence[float], *, setpoint_kw: float, step_h: float) -> Series:
        """Power in each step, charging positive. degc: of its place in each."""
        params, found = self.params, np.zeros(len(degc))
        wanted_kw = min(max(setpoint_kw, -params.max_discharge_kw), params.max_charge_kw)
        if wanted_kw == 0.0:
            return found
        warm = Cells.of(params, self.full_kwh)
        for at, place_degc in enumerate(degc):
            cold_k = max(WARM_DEGC - place_degc, 0.0)
            kept, room = 1.0 - _EFFICIENCY_PER_K * cold_k, 1.0 - _ROOM_PER_K * cold_k
            into = warm.charge._replace(efficiency=self.charge_efficiency * kept)
            out = warm.discharge._replace(efficiency=self.discharge_efficiency * kept)
            cells = Cells(warm.low_kwh, warm.high_kwh * room, into, out)
            found[at], flow_kwh = cells.step(self.kwh, wanted_kw, step_h)
            self.kwh += flow_kwh
            self.through_kwh += abs(flow_kwh)
        return found


@dataclass
class ParkedCar:
    """A car that comes and goes. wanted_kwh: where its owner stops. lacked_kwh: what trips needed beyond its charge."""

    car: Car
    kwh: float
    wanted_kwh: float
    lacked_kwh: float = 0.0

    def run(
        self, is_away: Sequence[bool], trips_kwh: Sequence[float], *, setpoint_kw: float | None, step_h: float
    ) -> Series:
        """Power in each step. setpoint_kw: None for full power until full as wanted. trips_kwh: gone at once."""
        found, car = np.zeros(len(is_away)), self.car
        for at, (is_gone, trip_kwh) in enumerate(zip(is_away, trips_kwh, strict=True)):
            if trip_kwh:
                self.lacked_kwh += max(trip_kwh - self.kwh, 0.0)
                self.kwh = max(self.kwh - trip_kwh, 0.0)
            if is_gone or setpoint_kw == 0.0:
                continue
            set_point_kw = setpoint_kw if setpoint_kw is not None else car.max_kw if self.kwh < self.wanted_kwh else 0.0
            if set_point_kw > 0.0:
                found[at], self.kwh = charged(car, stored_kwh=self.kwh, set_point_kw=set_point_kw, step_h=step_h)
        return found


@dataclass
class WaterTank:
    """A tank with its own thermostat, which has the last word."""

    tank: HotWater
    state: TankState

    def run(self, draws_kw: Sequence[float], *, relays: tuple[bool, ...], step_h: float) -> Series:
        """Power in each step. draws_kw: heat taken out."""
        found = np.zeros(len(draws_kw))
        for at, draw_kw in enumerate(draws_kw):
            self.state = heated(self.tank, self.state, relays=relays, draw_kw=draw_kw, step_h=step_h)
            found[at] = self.state.power_kw
        return found
