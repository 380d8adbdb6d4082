"""Stores of the house besides its rooms: battery, car and tank, minute by minute, told something or not."""

from dataclasses import dataclass

import numpy as np

from controls.optimiser.devices.components.battery_curves import Cells
from controls.simulator.house.day import Day
from controls.simulator.house.heat_step import MINUTE_H
from controls.simulator.house.nominal import Nominal
from controls.simulator.house.truth import Truth
from controls.simulator.physics.car import Car, charged
from controls.simulator.physics.hot_water import HotWater, TankState, heated
from controls.simulator.physics.noise import Series

# Of a cold cell's efficiency and room for charge, a kelvin below 20 degC; lost to wear, a full cycle.
_EFFICIENCY_PER_K, _ROOM_PER_K, _WORN_PER_CYCLE = 0.001, 0.006, 2.5e-5
_WARM_DEGC = 20.0


@dataclass
class BatteryCells:
    """A battery that knows its limits: it takes what fits and gives what is there, whatever is commanded.

    kwh: at the cells. through_kwh: all that ever went in or out of them.
    """

    nominal: Nominal
    truth: Truth
    kwh: float = 0.0
    through_kwh: float = 0.0

    def __post_init__(self) -> None:
        self.kwh = 0.5 * self.full_kwh

    @property
    def full_kwh(self) -> float:
        """What it holds when warm: less with every cycle."""
        cycles = self.through_kwh / (2 * self.nominal.battery.capacity_kwh)
        return self.truth.battery_kwh * (1.0 - min(_WORN_PER_CYCLE * cycles, 0.5))

    @property
    def soc_percent(self) -> float:
        """As it says of itself, in tenths."""
        return min(round(100.0 * self.kwh / self.full_kwh, 1), 100.0)

    def run(self, day: Day, first: int, after: int, *, told_kw: float) -> Series:
        """KW in each minute, charging positive."""
        params, truth, found = self.nominal.battery, self.truth, np.zeros(after - first)
        wanted = min(max(told_kw, -params.max_discharge_kw), params.max_charge_kw)
        if wanted == 0.0:
            return found
        warm = Cells.of(params, self.full_kwh)
        for at, cellar in enumerate(day.cellar_degc[first:after].tolist()):
            cold_k = max(_WARM_DEGC - cellar, 0.0)
            kept, room = 1.0 - _EFFICIENCY_PER_K * cold_k, 1.0 - _ROOM_PER_K * cold_k
            losses = truth.charge_efficiency * kept, truth.discharge_efficiency * kept
            found[at], flow_kwh = Cells(warm.low_kwh, warm.high_kwh * room, *losses).step(self.kwh, wanted, MINUTE_H)
            self.kwh += flow_kwh
            self.through_kwh += abs(flow_kwh)
        return found


@dataclass
class ParkedCar:
    """A car that comes and goes. lacked_kwh: what trips needed and it did not have, charged on the way."""

    nominal: Nominal
    truth: Truth
    kwh: float = 0.0
    lacked_kwh: float = 0.0

    def __post_init__(self) -> None:
        self.car: Car = self.nominal.car.model_copy(update={"efficiency": self.truth.car_efficiency})
        self.kwh = 0.6 * self.car.capacity_kwh

    def run(self, day: Day, first: int, after: int, *, told_kw: float | None) -> Series:
        """KW in each minute. told_kw: None: at full power until it is as full as its owner wants it."""
        found, car = np.zeros(after - first), self.car
        wanted_kwh = self.nominal.target_soc * car.capacity_kwh
        away, trips = day.is_away[first:after].tolist(), day.trip_kwh[first:after].tolist()
        for at, (is_away, trip_kwh) in enumerate(zip(away, trips, strict=True)):
            if trip_kwh:
                self.lacked_kwh += max(trip_kwh - self.kwh, 0.0)
                self.kwh = max(self.kwh - trip_kwh, 0.0)
            if is_away or told_kw == 0.0:
                continue
            set_point_kw = told_kw if told_kw is not None else car.max_kw if self.kwh < wanted_kwh else 0.0
            if set_point_kw > 0.0:
                found[at], self.kwh = charged(car, stored_kwh=self.kwh, set_point_kw=set_point_kw, step_h=MINUTE_H)
        return found


@dataclass
class WaterTank:
    """A tank with its own thermostat, which has the last word."""

    nominal: Nominal
    truth: Truth

    def __post_init__(self) -> None:
        figures, truth = self.nominal.tank, self.truth
        self.tank: HotWater = figures.model_copy(
            update={
                "capacity_kwh": figures.capacity_kwh * truth.tank_kwh_share,
                "loss_kw": figures.loss_kw * truth.tank_loss_share,
            }
        )
        self.state = TankState(stored_kwh=0.5 * self.tank.capacity_kwh)

    def run(self, day: Day, first: int, after: int, *, relays: tuple[bool, ...]) -> Series:
        """KW in each minute."""
        found = np.zeros(after - first)
        for at, draw_kw in enumerate(day.draw_kw[first:after].tolist()):
            self.state = heated(self.tank, self.state, relays=relays, draw_kw=draw_kw, step_h=MINUTE_H)
            found[at] = self.state.power_kw
        return found
