"""A plan in one sentence, built from its numbers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from data_quality.contracts.plan import Plan, PlanStep

# Less than ten watts is standby noise, not an intention.
_IDLE_KW = 0.01


def summarise(plan: Plan, *, time_zone: str) -> str:
    """What the battery does, when (weekday and local time of `time_zone`), at which prices, and what the plan costs."""
    cur = plan.currency
    parts = [
        *_runs(plan, "charges", lambda step: step.battery_charge_kw, ZoneInfo(time_zone)),
        *_runs(plan, "discharges", lambda step: step.battery_discharge_kw, ZoneInfo(time_zone)),
    ]
    curtailed_kwh = sum(step.curtailed_kw * _hours(step) for step in plan.steps)
    if curtailed_kwh > _IDLE_KW:
        parts.append(f"curtails {curtailed_kwh:.2f} kWh of PV")
    doing = "; ".join(parts) or "leaves the battery idle"
    horizon_h = (plan.steps[-1].end_utc - plan.steps[0].start_utc) / timedelta(hours=1)
    return (
        f"Plan {plan.version} for {horizon_h:g} h {doing}; it costs {plan.objective:.2f} {cur}"
        f" against {plan.no_battery_cost:.2f} {cur} without the battery."
    )


def _runs(plan: Plan, verb: str, power_of: Callable[[PlanStep], float], zone: ZoneInfo) -> list[str]:
    windows: list[list[int]] = []
    for t, step in enumerate(plan.steps):
        if power_of(step) > _IDLE_KW:
            if windows and windows[-1][-1] == t - 1:
                windows[-1].append(t)
            else:
                windows.append([t])
    return [_run(plan, verb, window, power_of, zone) for window in windows]


def _run(plan: Plan, verb: str, window: list[int], power_of: Callable[[PlanStep], float], zone: ZoneInfo) -> str:
    steps = [plan.steps[t] for t in window]
    amount_kwh = sum(power_of(step) * _hours(step) for step in steps)
    prices = [plan.request.import_price_per_kwh[t] for t in window]
    span = f"{min(prices):.3f}" if min(prices) == max(prices) else f"{min(prices):.3f} to {max(prices):.3f}"
    start, end = _local(steps[0].start_utc, zone), _local(steps[-1].end_utc, zone)
    return f"{verb} {amount_kwh:.2f} kWh from {start} to {end} at {span} {plan.currency}/kWh"


def _local(at_utc: datetime, zone: ZoneInfo) -> str:
    return f"{at_utc.astimezone(zone):%a %H:%M}"


def _hours(step: PlanStep) -> float:
    return (step.end_utc - step.start_utc) / timedelta(hours=1)
