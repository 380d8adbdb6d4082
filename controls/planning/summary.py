"""A plan in one sentence, and each of its devices in one, built from its numbers."""

from datetime import datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

import numpy as np

from controls.optimiser.devices.device import Device
from controls.optimiser.devices.kinds import devices_of
from controls.optimiser.devices.room import Room
from controls.optimiser.why.explain_words import IDLE_KW, figure
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.control.plan_scenario import RiskFigures

# A search that was asked for less than the best says how near it came.
_NEAR = 1e-5
# Less outside a band is a thermometer's last digit.
_COMFORTABLE_KH = 0.1


def summarise(plan: Plan, *, time_zone: str) -> str:
    """What each device does, when (weekday and local time of `time_zone`), at which prices, and what the plan costs."""
    devices, zone = devices_of(plan.request), ZoneInfo(time_zone)
    parts = []
    for device in devices:
        name = f"{device.device_id} " if sum(one.kind == device.kind for one in devices) > 1 else ""
        for column, verb in device.moves.items():
            power_kw = [step.devices[device.device_id][column] for step in plan.steps]
            parts += [f"{name}{verb} {amount:.2f} kWh {when}" for amount, when in _runs(plan, power_kw, zone)]
    idle = " and ".join(dict.fromkeys(device.kind.replace("_", " ") for device in devices if device.makes_a_plan))
    horizon_h = (plan.steps[-1].end_utc - plan.steps[0].start_utc) / timedelta(hours=1)
    done, money = "; ".join(parts) or f"leaves the {idle} idle", plan.currency
    notes = [remark for device in devices for remark in device.remarks]
    notes += [note for device in devices if isinstance(device, Room) and (note := _comfort_note(plan, device))]
    if plan.status == "feasible":
        notes.insert(0, f"it is the best found in time, at most {plan.gap:.1%} from the best there is")
    elif plan.gap > _NEAR:
        notes.insert(0, f"it is at most {plan.gap:.2%} from the best there is")
    if plan.risk is not None:
        notes.append(_risk_note(plan.risk, money))
    told = "".join(f" {note[0].upper()}{note[1:]}." for note in notes)
    return (
        f"Plan {plan.version} for {horizon_h:g} h {done}; it costs {plan.paid:.2f} {money}"
        f" against {plan.no_battery_cost:.2f} {money} with nothing planned.{told}"
    )


def _comfort_note(plan: Plan, room: Room) -> str:
    """By how much a room leaves its band, where it does: the band is soft, so a plan does not fail for it."""
    degc = np.array([step.devices[room.device_id]["room_degc"] for step in plan.steps])
    outside_kh = room.discomfort_kh({"room_degc": degc}, np.array(plan.request.steps_h))
    if outside_kh < _COMFORTABLE_KH:
        return ""
    off_k = np.maximum(np.array(room.low_degc) - degc, degc - np.array(room.high_degc))
    return f"{room.device_id} leaves its comfort band for {outside_kh:.1f} kelvin-hours, by {off_k.max():.1f} K at most"


def _risk_note(risk: RiskFigures, money: str) -> str:
    """Its costs are means over scenarios: what it promises beside that, and what thinking of them is worth."""
    dear = f"its costs are the mean of {len(risk.costs)} scenarios: in {risk.level:.0%} of all cases no more than"
    dear += f" {risk.promised_cost:.2f} {money}, in the others {risk.cvar:.2f} {money} on average"
    return (
        dear if risk.value is None else f"{dear}; planning for the mean alone would cost {risk.value:.2f} {money} more"
    )


def device_sentences(plan: Plan, *, time_zone: str) -> list[str]:
    """What each device does altogether, mostly when, and which of its choices counts most; local times of the zone."""
    return [_device_sentence(plan, device, ZoneInfo(time_zone)) for device in devices_of(plan.request)]


def _device_sentence(plan: Plan, device: Device, zone: ZoneInfo) -> str:
    parts = []
    for column, verb in device.moves.items():
        runs = _runs(plan, [step.devices[device.device_id][column] for step in plan.steps], zone)
        if runs:
            mostly = "" if len(runs) == 1 else f"in {len(runs)} spells, mostly "
            parts.append(f"{verb} {sum(amount for amount, _ in runs):.2f} kWh {mostly}{max(runs)[1]}")
    if not parts:
        return f"{device.device_id} {'rests' if device.makes_a_plan else 'is left as it is'}."
    return f"{device.device_id} {' and '.join(parts)}{_most_of_all(plan, device, zone)}."


def _most_of_all(plan: Plan, device: Device, zone: ZoneInfo) -> str:
    """The choice of the device, in a slot in which it acts, that would cost most to make otherwise."""
    if plan.explanation is None:
        return ""
    told = [
        (one.difference, slot.time_utc, one.words)
        for slot in plan.explanation.slots
        if any(slot.powers_kw[device.device_id][column] > IDLE_KW for column in device.moves)
        for one in slot.alternatives
        if one.device_id == device.device_id and one.difference is not None
    ]
    if not told:
        return ""
    difference, at_utc, words = max(told)
    if difference <= plan.explanation.noise:
        return "; doing otherwise in any one slot that was asked about would make no difference"
    return f"; {words} on {_local(at_utc, zone)} would cost {figure(difference)} {plan.currency} more"


def _runs(plan: Plan, power_kw: list[float], zone: ZoneInfo) -> list[tuple[float, str]]:
    """Energy, times and prices of each run of steps in which something happens."""
    found = []
    for is_moving, run in groupby(range(len(power_kw)), key=lambda t: power_kw[t] > IDLE_KW):
        if is_moving:
            steps = list(run)
            first, last = plan.steps[steps[0]], plan.steps[steps[-1]]
            amount_kwh = sum(power_kw[t] * plan.request.steps_h[t] for t in steps)
            # Unique as shown, sorted as numbers: "10.000" stands before "9.000" as text.
            prices = sorted({f"{plan.request.import_price_per_kwh[t]:.3f}" for t in steps}, key=float)
            span = prices[0] if len(prices) == 1 else f"{prices[0]} to {prices[-1]}"
            window = f"from {_local(first.start_utc, zone)} to {_local(last.end_utc, zone)}"
            found.append((amount_kwh, f"{window} at {span} {plan.currency}/kWh"))
    return found


def _local(at_utc: datetime, zone: ZoneInfo) -> str:
    return f"{at_utc.astimezone(zone):%a %H:%M}"
