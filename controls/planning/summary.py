"""A plan in one sentence, built from its numbers."""

from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from controls.optimiser.devices.kinds import devices_of
from data_quality.contracts.control.plan import Plan

# Less than ten watts is standby noise, not an intention.
_IDLE_KW = 0.01


def summarise(plan: Plan, *, time_zone: str) -> str:
    """What each device does, when (weekday and local time of `time_zone`), at which prices, and what the plan costs."""
    devices, zone = devices_of(plan.request), ZoneInfo(time_zone)
    parts = []
    for device in devices:
        name = f"{device.device_id} " if sum(one.kind == device.kind for one in devices) > 1 else ""
        for column, verb in device.moves.items():
            power_kw = [step.devices[device.device_id][column] for step in plan.steps]
            parts += [f"{name}{verb} {run}" for run in _runs(plan, power_kw, zone)]
    idle = " and ".join(dict.fromkeys(device.kind.replace("_", " ") for device in devices if device.makes_a_plan))
    horizon_h = (plan.steps[-1].end_utc - plan.steps[0].start_utc) / timedelta(hours=1)
    done, money = "; ".join(parts) or f"leaves the {idle} idle", plan.currency
    return (
        f"Plan {plan.version} for {horizon_h:g} h {done}; it costs {plan.paid:.2f} {money}"
        f" against {plan.no_battery_cost:.2f} {money} with nothing planned."
        + "".join(f" {label[0].upper()}{label[1:]}." for label in plan.request.labels)
    )


def _runs(plan: Plan, power_kw: list[float], zone: ZoneInfo) -> list[str]:
    """Energy, times and prices of each run of steps in which something happens."""
    found = []
    for is_moving, run in groupby(range(len(power_kw)), key=lambda t: power_kw[t] > _IDLE_KW):
        if is_moving:
            steps = list(run)
            first, last = plan.steps[steps[0]], plan.steps[steps[-1]]
            amount_kwh = sum(power_kw[t] * plan.request.step_h for t in steps)
            # Unique as shown, sorted as numbers: "10.000" stands before "9.000" as text.
            prices = sorted({f"{plan.request.import_price_per_kwh[t]:.3f}" for t in steps}, key=float)
            span = prices[0] if len(prices) == 1 else f"{prices[0]} to {prices[-1]}"
            window = f"from {_local(first.start_utc, zone)} to {_local(last.end_utc, zone)}"
            found.append(f"{amount_kwh:.2f} kWh {window} at {span} {plan.currency}/kWh")
    return found


def _local(at_utc: datetime, zone: ZoneInfo) -> str:
    return f"{at_utc.astimezone(zone):%a %H:%M}"
