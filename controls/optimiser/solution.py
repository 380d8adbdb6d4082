"""The answer as numbers: series per step, cost, and how good it is proven to be."""

from typing import Literal

from pydantic import Field

from controls.optimiser.case import BatteryCase, DispatchCase
from data_quality.contracts.model import Model

# A nano-kilowatt: solver noise goes, and an hour of it is far below every tolerance.
_DECIMALS = 9


class Series(Model):
    """One value a step: mean powers in kW at the AC side, charge in kWh at the end of the step."""

    import_kw: tuple[float, ...]
    export_kw: tuple[float, ...]
    curtailed_kw: tuple[float, ...]
    battery_charge_kw: tuple[float, ...]
    battery_discharge_kw: tuple[float, ...]
    soc_end_kwh: tuple[float, ...]
    # Part of the answer's shape, always zero: no case that is read holds a car, a relay or a tank.
    ev_kw: tuple[float, ...]
    relays_kw: tuple[float, ...]
    tank_end_kwh: tuple[float, ...]

    def columns(self) -> dict[str, list[float]]:
        """By name, in the order of the command line's answer."""
        return {name: list(getattr(self, name)) for name in type(self).model_fields}


class Solution(Model):
    """`objective` is the cost of `series` as they stand; no plan costs less than `bound`. Currency of the case."""

    status: Literal["optimal", "feasible"] = Field(description="feasible: stopped at the time limit, see gap")
    objective: float
    bound: float
    gap: float = Field(ge=0, description="(objective - bound) / |objective|, a share")
    build_seconds: float
    solve_seconds: float
    solver: str
    series: Series


def series_of(
    case: DispatchCase, *, charge_kw: list[float], discharge_kw: list[float], curtailed_kw: list[float]
) -> Series:
    """All series from the three that were decided: import, export and charge follow from them exactly.

    The lists have one value a step (zeros where there is no battery). Import and export come out of one net power,
    so they are never both; solver noise of 1e-9 is rounded away before anything is derived, and PV that could as
    well be exported is not curtailed.
    """
    charge, discharge = _clean(charge_kw), _clean(discharge_kw)
    curtailed = _needed_curtailment(case, charge, discharge, _clean(curtailed_kw))
    net = [
        round(load - pv + cut + into - out, _DECIMALS)
        for load, pv, cut, into, out in zip(case.load_kw, case.pv_kw, curtailed, charge, discharge, strict=True)
    ]
    nothing = (0.0,) * len(net)
    return Series(
        import_kw=tuple(_clean(net)),
        export_kw=tuple(_clean([-value for value in net])),
        curtailed_kw=tuple(curtailed),
        battery_charge_kw=tuple(charge),
        battery_discharge_kw=tuple(discharge),
        soc_end_kwh=_charge_path(case.battery, case.step_h, charge, discharge),
        ev_kw=nothing,
        relays_kw=nothing,
        tank_end_kwh=nothing,
    )


def cost_of(case: DispatchCase, series: Series) -> float:
    """Cost of the series in the case's currency: energy, wear, highest import. Source: formulas 5.18."""
    wear_per_kwh = case.battery.wear_per_kwh if case.battery else 0.0
    energy = sum(
        hours * (buy * case.import_price_per_kwh[t] - sell * case.export_price_per_kwh[t] + wear_per_kwh * out)
        for t, (hours, buy, sell, out) in enumerate(
            zip(case.step_h, series.import_kw, series.export_kw, series.battery_discharge_kw, strict=True)
        )
    )
    return energy + case.demand_price_per_kw * max(series.import_kw)


def _needed_curtailment(
    case: DispatchCase, charge: list[float], discharge: list[float], curtailed: list[float]
) -> list[float]:
    # At an export price of zero a solver is free to curtail or not; a command to an inverter needs a reason.
    needed = []
    for t, cut in enumerate(curtailed):
        surplus = case.pv_kw[t] + discharge[t] - case.load_kw[t] - charge[t]
        is_free = case.export_price_per_kwh[t] >= 0 and case.import_price_per_kwh[t] >= 0
        needed.append(min(cut, max(surplus - case.export_max_kw, 0.0)) if is_free else cut)
    return _clean(needed)


def _clean(values: list[float]) -> list[float]:
    # Adding 0.0 turns -0.0 into 0.0, which would otherwise be hashed and printed.
    return [max(round(value, _DECIMALS), 0.0) + 0.0 for value in values]


def _charge_path(
    battery: BatteryCase | None, step_h: tuple[float, ...], charge: list[float], discharge: list[float]
) -> tuple[float, ...]:
    if battery is None:
        return (0.0,) * len(step_h)
    path, soc_kwh = [], battery.soc_init_kwh
    for hours, into, out in zip(step_h, charge, discharge, strict=True):
        soc_kwh += hours * (battery.charge_efficiency * into - out / battery.discharge_efficiency)
        path.append(round(soc_kwh, _DECIMALS))
    return tuple(path)
