"""Set-points of a simulated house: refused where no device has the capability, else rounded to what it accepts."""

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from controls.simulator.house.nominal import Nominal
from data_quality.contracts.control.closed_loop import SetPoints
from data_quality.contracts.errors import BadInput

_POWER, _LIMIT, _SWITCH, _DEGC = "set_charge_power_kw", "set_power_limit_kw", "set_switch_state", "set_temperature_degc"


@dataclass(frozen=True)
class Told:
    """is_told, is_on: of each heating relay. degc: what a room's own thermostat is set to (NaN: as it was left).

    battery_kw: idle where nothing is told. car_kw: None: as the charger does alone.
    """

    is_told: np.ndarray
    is_on: np.ndarray
    degc: np.ndarray
    battery_kw: float
    car_kw: float | None
    pv_limit_kw: float
    relays: tuple[bool, ...]


def accepted_set_points(set_points: SetPoints, nominal: Nominal) -> Told:
    """Raises BadInput for a device or capability that the house has not, or for a value that is no number."""
    relays = [f"set_relay_{n:02d}_state" for n in range(1, len(nominal.tank.relays_kw) + 1)]
    doors = {name: {_SWITCH, _DEGC} for name in nominal.rooms} | {
        nominal.battery_id: {_POWER},
        nominal.charger_id: {_POWER},
        nominal.pv_id: {_LIMIT},
        nominal.tank_id: set(relays),
    }
    for asset, wishes in set_points.items():
        for capability, value in wishes.items():
            if capability not in doors.get(asset, ()):
                raise BadInput(f"the house has no {capability} of {asset!r}", reason="unknown_set_point")
            if not isfinite(value):
                raise BadInput(f"{capability} of {asset!r} is {value}, which is no set-point", reason="bad_set_point")
    heaters = [set_points.get(name, {}) for name in nominal.rooms]
    tank = set_points.get(nominal.tank_id, {})
    return Told(
        is_told=np.array([_SWITCH in each for each in heaters]),
        is_on=np.array([each.get(_SWITCH, 0.0) > 0 for each in heaters]),
        degc=np.array([each.get(_DEGC, nan) for each in heaters]),
        battery_kw=set_points.get(nominal.battery_id, {}).get(_POWER, 0.0),
        car_kw=set_points.get(nominal.charger_id, {}).get(_POWER),
        pv_limit_kw=max(set_points.get(nominal.pv_id, {}).get(_LIMIT, nominal.peak_kw), 0.0),
        relays=tuple(tank.get(name, 0.0) > 0 for name in relays),
    )
