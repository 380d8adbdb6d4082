"""A battery: separate charge and discharge, never both, charge balance, window and terminal bound (formulas 5.18).

One constraint family is one `add_` function with the same arguments; tests/golden/lp pins the rows of each.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controls.optimiser.case import BatteryCase

if TYPE_CHECKING:
    import pulp


@dataclass(frozen=True)
class BatteryVars:
    """Powers and the mode (1 = charging) have one entry a step, `soc_kwh` one more: the start."""

    charge_kw: list[Any]
    discharge_kw: list[Any]
    is_charging: list[Any]
    soc_kwh: list[Any]


def battery_variables(lp: "pulp.LpProblem", count: int) -> BatteryVars:
    """Variables of one battery over `count` steps; their limits are rows, so that a conflict can be named."""
    return BatteryVars(
        charge_kw=[lp.add_variable(f"bat_charge_kw_{t:03d}", lowBound=0) for t in range(count)],
        discharge_kw=[lp.add_variable(f"bat_discharge_kw_{t:03d}", lowBound=0) for t in range(count)],
        is_charging=[lp.add_variable(f"bat_is_charging_{t:03d}", cat="Binary") for t in range(count)],
        soc_kwh=[lp.add_variable(f"bat_soc_kwh_{t:03d}") for t in range(count + 1)],
    )


def add_charge_limit(
    lp: "pulp.LpProblem", battery: BatteryVars, params: BatteryCase, step_h: tuple[float, ...]
) -> None:
    """Add rows bat_charge_max_000...: charge only in charging mode, and up to the rating."""
    for t in range(len(step_h)):
        row = battery.charge_kw[t] <= params.max_charge_kw * battery.is_charging[t]
        lp.addConstraint(row, f"bat_charge_max_{t:03d}")


def add_discharge_limit(
    lp: "pulp.LpProblem", battery: BatteryVars, params: BatteryCase, step_h: tuple[float, ...]
) -> None:
    """Add rows bat_discharge_max_000...: discharge only outside charging mode, and up to the rating."""
    for t in range(len(step_h)):
        row = battery.discharge_kw[t] <= params.max_discharge_kw - params.max_discharge_kw * battery.is_charging[t]
        lp.addConstraint(row, f"bat_discharge_max_{t:03d}")


def add_soc_start(
    lp: "pulp.LpProblem",
    battery: BatteryVars,
    params: BatteryCase,
    step_h: tuple[float, ...],  # noqa: ARG001 - every builder of this file takes the same
) -> None:
    """Add row bat_start: the first point is the charge as measured."""
    lp.addConstraint(battery.soc_kwh[0] == params.soc_init_kwh, "bat_start")


def add_soc_balance(lp: "pulp.LpProblem", battery: BatteryVars, params: BatteryCase, step_h: tuple[float, ...]) -> None:
    """Add rows bat_soc_000...: next = now + (eta_c * charge - discharge / eta_d) * hours, in kWh."""
    for t, hours in enumerate(step_h):
        stored_kwh = (hours * params.charge_efficiency) * battery.charge_kw[t]
        drawn_kwh = (hours / params.discharge_efficiency) * battery.discharge_kw[t]
        row = battery.soc_kwh[t + 1] == battery.soc_kwh[t] + stored_kwh - drawn_kwh
        lp.addConstraint(row, f"bat_soc_{t:03d}")


def add_soc_window(lp: "pulp.LpProblem", battery: BatteryVars, params: BatteryCase, step_h: tuple[float, ...]) -> None:
    """Add rows bat_floor_000... and bat_ceiling_000...: the charge at the end of every step is inside its window.

    The start is a measurement and may lie outside.
    """
    for t in range(len(step_h)):
        lp.addConstraint(battery.soc_kwh[t + 1] >= params.soc_min_kwh, f"bat_floor_{t:03d}")
        lp.addConstraint(battery.soc_kwh[t + 1] <= params.soc_max_kwh, f"bat_ceiling_{t:03d}")


def add_soc_end(lp: "pulp.LpProblem", battery: BatteryVars, params: BatteryCase, step_h: tuple[float, ...]) -> None:
    """Add row bat_end: without it every plan ends empty."""
    lp.addConstraint(battery.soc_kwh[len(step_h)] >= params.soc_end_min_kwh, "bat_end")
