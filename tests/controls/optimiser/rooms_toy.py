"""Small houses of rooms, and what every schedule of a room costs, added up one by one."""

from datetime import UTC, datetime
from itertools import product

import numpy as np
from numpy.typing import NDArray

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.pv import Pv
from controls.optimiser.devices.room import Room
from data_quality.contracts.control.plan_scenario import Risk, Scenario, ScenarioSet

Floats = NDArray[np.float64]
START = datetime(2026, 1, 5, tzinfo=UTC)


def room(name: str = "office", *, steps: int = 6, seed: int = 0, **changes: object) -> Room:
    """A room of a seed: 20 to 60 h until half its warmth is gone, a heater that suffices, a band with a night."""
    drawn = np.random.default_rng(seed)
    hour = np.arange(steps) % 24
    low = np.where((hour >= 6) & (hour < 22), 20.0, 17.5) + drawn.uniform(-1, 1)
    heater_kw, tau_h = drawn.uniform(0.6, 1.8), drawn.uniform(20, 60)
    r_k_per_kw = 30 / heater_kw * drawn.uniform(0.9, 1.2)
    figures = {
        "device_id": name,
        "heater_kw": heater_kw,
        "r_k_per_kw": r_k_per_kw,
        "c_kwh_per_k": tau_h / r_k_per_kw,
        "outdoor_degc": tuple((-2 + 4 * np.sin((hour - 9) / 12 * np.pi)).tolist()),
        "gain_kw": (0.05,) * steps,
        "low_degc": tuple(low.tolist()),
        "high_degc": tuple((low + 2).tolist()),
        "init_degc": float(low[0] + drawn.uniform(-1, 1.5)),
        "heat_value_per_kwh": 0.3,
        "comfort_price_per_kh": 0.6,
        "hot_price_per_kh": 0.3,
    }
    return Room.model_validate(figures | changes)


def house(rooms: int, *, steps: int, seed: int = 0, scenarios: bool = False, most_kw: float = 30.0) -> DispatchCase:
    """Rooms, a battery and PV at hourly prices; with scenarios of load and sun where wanted."""
    hour = np.arange(steps) % 24
    price = 0.3 + 0.1 * np.sin((hour - 13) / 6 * np.pi)
    sun_kw, load_kw = 3 * np.maximum(np.sin((hour - 7) / 10 * np.pi), 0) * (hour > 7), 0.6 + 0.5 * (hour > 17)
    some = [
        Scenario(
            name=f"load{load}-sun{sun}",
            weight=weight * share,
            load_kw=tuple((load * load_kw).tolist()),
            given_kw={"pv": tuple((sun * sun_kw).tolist())},
        )
        for load, weight in ((0.8, 0.3), (1.0, 0.4), (1.2, 0.3))
        for sun, share in ((0.2, 0.5), (1.5, 0.5))
    ]
    return DispatchCase(
        case_id="house",
        currency="EUR",
        start_utc=START,
        step_h=(1.0,) * steps,
        load_kw=tuple(load_kw.tolist()),
        connection=Connection(
            import_price_per_kwh=tuple(price.tolist()),
            export_price_per_kwh=(0.08,) * steps,
            import_max_kw=most_kw,
            export_max_kw=30.0,
        ),
        devices=(
            Pv(device_id="pv", pv_kw=tuple(sun_kw.tolist())),
            Battery(
                device_id="bat",
                max_charge_kw=3,
                max_discharge_kw=3,
                charge_efficiency=0.95,
                discharge_efficiency=0.95,
                soc_min_kwh=1,
                soc_max_kwh=8,
                soc_init_kwh=4,
                soc_end_min_kwh=4,
            ),
            *(room(f"room{n}", steps=steps, seed=100 * seed + n) for n in range(rooms)),
        ),
        uncertain=ScenarioSet(risk=Risk(cvar_weight=0.3, shared_h=2), scenarios=tuple(some)) if scenarios else None,
    )


def every_schedule(one: Room, price: Floats) -> Floats:
    """Cost of each of the 2^steps schedules of a room at prices of its heater: its own sum, not the house's code."""
    found = []
    for is_on in product((0, 1), repeat=price.size):
        degc, cost = one.init_degc, 0.0
        for t, on in enumerate(is_on):
            r = one.r_k_per_kw[t] if isinstance(one.r_k_per_kw, tuple) else one.r_k_per_kw
            settles = one.outdoor_degc[t] + r * (one.heater_kw * on + one.gain_kw[t])
            degc = settles + (degc - settles) * np.exp(-1.0 / (r * one.c_kwh_per_k))
            cost += price[t] * on
            cost += one.comfort_price_per_kh * max(one.low_degc[t] - degc, 0)
            cost += one.hot_price_per_kh * max(degc - one.high_degc[t], 0)
        found.append(cost + one.heat_value_per_kwh * one.c_kwh_per_k * (one.init_degc - degc))
    return np.array(found)
