"""A schedule held against its case, step by step, without any solver: whose answer it is does not matter."""

from collections.abc import Iterator

from controls.optimiser.case import BatteryCase, DispatchCase
from controls.optimiser.solution import Series, cost_of
from data_quality.contracts.model import Model

TOLERANCE = 1e-6


class Replay(Model):
    """What the schedule costs, and every sentence that it breaks by more than the tolerance."""

    cost: float
    problems: tuple[str, ...]
    worst_error: float


def replay_case(case: DispatchCase, series: Series, *, tolerance: float = TOLERANCE) -> Replay:
    """Check every constraint of the case on the series (kW, kWh). Raises ValueError where a series has another length.

    Source: formulas 5.18; the sentences are those of the case's own statement.
    """
    for name, values in series.columns().items():
        if len(values) != len(case.step_h):
            raise ValueError(f"{name} has {len(values)} values, the case {len(case.step_h)} steps")
    errors = [*_site_errors(case, series), *_battery_errors(case.battery, case.step_h, series)]
    broken = tuple(f"{name} by {error:.3g}" for name, error in errors if error > tolerance)
    return Replay(
        cost=cost_of(case, series),
        problems=broken,
        worst_error=max((error for _, error in errors), default=0.0),
    )


def _site_errors(case: DispatchCase, series: Series) -> Iterator[tuple[str, float]]:
    most_curtailed = case.curtailment_max_kw
    for t in range(len(case.step_h)):
        buy, sell, cut = series.import_kw[t], series.export_kw[t], series.curtailed_kw[t]
        into, out = series.battery_charge_kw[t], series.battery_discharge_kw[t]
        inflow, outflow = case.pv_kw[t] - cut + buy + out, case.load_kw[t] + sell + into
        yield f"step {t}: balance", abs(inflow - outflow)
        yield f"step {t}: import above the connection", buy - case.import_max_kw
        yield f"step {t}: export above the connection", sell - case.export_max_kw
        yield f"step {t}: more curtailed than allowed", cut - most_curtailed[t]
        yield f"step {t}: import and export at once", min(buy, sell)
        yield f"step {t}: a power below zero", -min(buy, sell, cut, into, out)
        yield f"step {t}: a car or a relay that is not there", max(series.ev_kw[t], series.relays_kw[t])


def _battery_errors(
    battery: BatteryCase | None, step_h: tuple[float, ...], series: Series
) -> Iterator[tuple[str, float]]:
    if battery is None:
        yield "a battery that is not there", max(series.battery_charge_kw + series.battery_discharge_kw)
        return
    soc_kwh = battery.soc_init_kwh
    for t, hours in enumerate(step_h):
        into, out = series.battery_charge_kw[t], series.battery_discharge_kw[t]
        expected_kwh = soc_kwh + hours * (battery.charge_efficiency * into - out / battery.discharge_efficiency)
        soc_kwh = series.soc_end_kwh[t]
        yield f"step {t}: charge balance", abs(soc_kwh - expected_kwh)
        yield f"step {t}: charge above the rating", into - battery.max_charge_kw
        yield f"step {t}: discharge above the rating", out - battery.max_discharge_kw
        yield f"step {t}: charge and discharge at once", min(into, out)
        yield f"step {t}: charge below its floor", battery.soc_min_kwh - soc_kwh
        yield f"step {t}: charge above its ceiling", soc_kwh - battery.soc_max_kwh
    yield "the end: charge below the wanted one", battery.soc_end_min_kwh - soc_kwh
