"""A day of eight quarter hours with one battery without losses, whose sums can be added by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from assets.stores.ledgers.plans import StoredContent
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import STEP
from controls.planning.replay.day_scenario import Readings
from controls.planning.replay.replay_day import DayReplay, replay_day
from data_quality.contracts.control.plan import DeviceFigures, PlanRequest

START = datetime(2026, 1, 1, tzinfo=UTC)
# An hour at 1, an hour at 3 EUR/kWh.
PRICES = (1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 3.0, 3.0)
BATTERY = {
    "max_charge_kw": 4.0, "max_discharge_kw": 4.0, "charge_efficiency": 1.0, "discharge_efficiency": 1.0,
    "soc_min_kwh": 0.0, "soc_max_kwh": 4.0, "capacity_kwh": 4.0,
}  # fmt: skip


def quarters(values: Sequence[float], first: int = 0) -> dict[datetime, float]:
    """Values by quarter hour."""
    return {START + (first + k) * STEP: float(value) for k, value in enumerate(values)}


def stored(
    load_kw: Sequence[float],
    *,
    prices: Sequence[float] = PRICES,
    soc_kwh: float = 0.0,
    first: int = 0,
    version: int = 1,
    battery: Mapping[str, float] = BATTERY,
    pv: Mapping[str, object] | None = None,
    export_price: float = 0.0,
    end_kwh: float | None = None,
    others: Sequence[DeviceFigures] = (),
) -> StoredContent:
    """A plan from a quarter hour on, as the store holds it."""
    figures = {**battery, "soc_init_kwh": soc_kwh, "soc_end_min_kwh": soc_kwh if end_kwh is None else end_kwh}
    devices = [DeviceFigures(kind="battery", device_id="battery", figures=figures)]
    devices += [DeviceFigures(kind="pv", device_id="pv", figures=dict(pv))] if pv else []
    request = PlanRequest(
        site_id="toy",
        start_utc=START + first * STEP,
        step_h=0.25,
        known_at_utc=START + first * STEP,
        load_kw=tuple(load_kw),
        import_price_per_kwh=tuple(prices),
        export_price_per_kwh=(export_price,) * len(load_kw),
        import_max_kw=20,
        export_max_kw=20,
        devices=(*devices, *others),
        currency="EUR",
    )
    solution = solve(request)
    assert isinstance(solution, Solution), solution
    plan = make_plan(request, solution, created_at_utc=request.start_utc, version=version)
    return StoredContent(plan=plan, content=plan.model_dump(mode="json"))


def battery_meter(power_kw: Sequence[float]) -> dict[str, dict[str, dict[datetime, float]]]:
    """Readings of the battery's own meter; discharge is below zero."""
    return {
        "battery": {
            "battery_charge_kw": quarters([max(power, 0.0) for power in power_kw]),
            "battery_discharge_kw": quarters([max(-power, 0.0) for power in power_kw]),
        }
    }


def toy_replay(plans: Sequence[StoredContent], readings: Readings, *, steps: int = 8) -> DayReplay:
    """The toy day replayed."""
    return replay_day("toy", plans, readings, start_utc=START, end_utc=START + steps * STEP, currency="EUR")
