"""The sentence of a slot, and slots with equal text folded into rows: words around numbers, no number of its own.

A cause is only claimed where it is worth more than the noise of the plan's own proof; else it makes no difference.
"""

from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby

from controls.optimiser.devices.device import Device
from data_quality.contracts.control.explanation import Alternative, Binding, Explanation, Slot
from data_quality.contracts.model import Model
from data_quality.contracts.time import weekday_clock

# Less than ten watts is standby noise, not an intention.
IDLE_KW = 0.01
# Digits of a figure in words; the numbers next to it have them all.
_DIGITS = 3
_UNITS = {"kw": "kW", "kwh": "kWh"}
_NO_TIME = "not explained, the time given was over"


class Spell(Model):
    """Slots in a row that do the same for the same reasons, in words. start, end: local, end is after the last."""

    start: str
    end: str
    does: str
    price: str
    marginal_price: str
    binding: str
    other_choice: str


def sentence(slot: Slot, explanation: Explanation, devices: Iterable[Device]) -> str:
    """Explanation of a slot: actions of the devices, price, cost of the alternatives, and binding limits."""
    zone, currency, known = explanation.time_zone, explanation.currency, list(devices)
    done = acts(slot, known)
    # Of one that acts it is clear whose other choice is meant.
    is_alone = len(done) == 1 or len(known) == 1
    best = [slot.best_alternative] if slot.best_alternative else []
    seen = [one for one in slot.alternatives if one.device_id in done] or best
    causes = [one for one in seen if (one.difference or 0.0) > explanation.noise]
    text = f"{', '.join(done.values()) if done else _resting(known)}, while {_exchange(slot, currency)}"
    if explanation.scenarios:
        where = f"in all {explanation.scenarios} scenarios" if slot.is_shared else f"in scenario {explanation.scenario}"
        text = f"{where} {text}"
    if causes:
        text += f", because {' and '.join(_cause(one, currency, zone, is_alone=is_alone) for one in causes)}"
    parts = [text, *(f"{_other(one, is_alone=is_alone)} would make no difference" for one in seen if one not in causes)]
    if abs(slot.marginal_price - _price(slot)) > explanation.noise:
        parts.append(f"one kWh more of load would cost {figure(slot.marginal_price)} {currency}")
    if not slot.is_explained:
        parts.append(_NO_TIME)
    elif not slot.alternatives and slot.impossible:
        named = " and ".join(f"{one.device_id} {one.words}" for one in slot.impossible)
        parts.append(f"{named} would be impossible")
    parts += [_bound(one, explanation.noise, currency) for one in slot.binding]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def whole_sentences(explanation: Explanation) -> list[str]:
    """Values of the limits over all slots together, as sentences."""
    return [f"Over all: {_bound(one, explanation.noise, explanation.currency)}." for one in explanation.whole]


def acts(slot: Slot, devices: Iterable[Device]) -> dict[str, str]:
    """Actions of the active devices, by id: `battery charges 3.2 kW`."""
    found = dict[str, str]()
    for device in devices:
        powers = slot.powers_kw[device.device_id]
        actions = [f"{verb} {figure(powers[name])} kW" for name, verb in device.moves.items() if powers[name] > IDLE_KW]
        if actions:
            found[device.device_id] = f"{device.device_id} {' and '.join(actions)}"
    return found


def acting(slot: Slot, devices: Iterable[Device]) -> tuple[tuple[str, str], ...]:
    """Which devices do what, without how much."""
    return tuple(
        (device.device_id, verb)
        for device in devices
        for name, verb in device.moves.items()
        if slot.powers_kw[device.device_id][name] > IDLE_KW
    )


def folded(explanation: Explanation, devices: Iterable[Device]) -> list[Spell]:
    """All slots, neighbours that do the same for the same reasons as one row."""
    zone, known = explanation.time_zone, list(devices)
    is_cause = False

    def kind(slot: Slot) -> tuple[object, ...]:
        nonlocal is_cause
        # A slot that was not explained goes with the one before.
        if slot.is_explained:
            best = slot.best_alternative
            is_cause = best is not None and (best.difference or 0.0) > explanation.noise
        return slot.is_shared, acting(slot, known), tuple((one.device_id, one.words) for one in slot.binding), is_cause

    return [_spell(list(run), explanation, known, zone) for _, run in groupby(explanation.slots, key=kind)]


def figure(value: float) -> str:
    """A number with three digits that count, and no fewer than it has before the point: 0.0812, 3.2, 1204."""
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    leading = 0 if abs(value) >= 1 else len(f"{abs(value):.9f}"[2:]) - len(f"{abs(value):.9f}"[2:].lstrip("0"))
    text = f"{value:.{min(max(_DIGITS - whole + leading, 0), 9)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def _price(slot: Slot) -> float:
    return slot.export_price_per_kwh if slot.export_kw > IDLE_KW else slot.import_price_per_kwh


def _exchange(slot: Slot, currency: str) -> str:
    if slot.import_kw > IDLE_KW:
        return f"{figure(slot.import_kw)} kW are bought at {figure(slot.import_price_per_kwh)} {currency}/kWh"
    if slot.export_kw > IDLE_KW:
        return f"{figure(slot.export_kw)} kW are sold at {figure(slot.export_price_per_kwh)} {currency}/kWh"
    return f"nothing is bought at {figure(slot.import_price_per_kwh)} {currency}/kWh"


def _cause(one: Alternative, currency: str, zone: str, *, is_alone: bool) -> str:
    text = f"{_other(one, is_alone=is_alone)} would cost {figure(one.difference or 0.0)} {currency} more"
    if one.moved is None:
        return text
    to, at = one.moved, weekday_clock(one.moved.time_utc, zone)
    return f"{text} ({figure(to.energy_kwh)} kWh {to.words} at {figure(to.price_per_kwh)} {currency}/kWh, as on {at})"


def _other(one: Alternative, *, is_alone: bool) -> str:
    where = f"{one.device_id}, in all scenarios" if one.is_shared else one.device_id
    return one.words if is_alone and not one.is_shared else f"{one.words} ({where})"


def _bound(one: Binding, noise: float, currency: str) -> str:
    text = _limit(one)
    if one.saves_per_kwh is None:
        return text
    if one.saves_per_kwh <= noise:
        return f"{text}, where more room makes no difference"
    return f"{text}, where one kWh more room would save {figure(one.saves_per_kwh)} {currency}"


def _limit(one: Binding) -> str:
    amount = f" ({figure(one.value)} {_UNITS[one.unit]})" if one.unit in _UNITS else ""
    return f"{one.device_id or 'the connection'} {one.words}{amount}"


def _resting(devices: Iterable[Device]) -> str:
    names = [device.device_id for device in devices if device.makes_a_plan]
    if len(names) < 2:
        return f"{names[0]} rests" if names else "there is nothing to plan"
    return f"{', '.join(names[:-1])} and {names[-1]} rest"


def _spell(run: list[Slot], explanation: Explanation, devices: list[Device], zone: str) -> Spell:
    first, last, currency = run[0], run[-1], explanation.currency
    end = last.time_utc + timedelta(hours=last.step_h)
    does = [
        f"{device.device_id} {verb} {_span([slot.powers_kw[device.device_id][name] for slot in run])} kW"
        for device in devices
        for name, verb in device.moves.items()
        if first.powers_kw[device.device_id][name] > IDLE_KW
    ]
    known = [slot for slot in run if slot.is_explained]
    options = [slot.best_alternative for slot in known if slot.best_alternative]
    other = "" if known else _NO_TIME
    if known and not options:
        other = "nothing else is possible" if known[0].impossible else ""
    if options:
        best = min(options, key=lambda one: one.difference or 0.0)
        costs = [one.difference or 0.0 for one in options]
        is_cause = (best.difference or 0.0) > explanation.noise
        other = f"{best.device_id} {best.words}: " + (
            f"{_span(costs)} {currency} more" if is_cause else "no difference"
        )
        other += f" ({len(known)} of {len(run)} slots asked)" if len(known) < len(run) else ""
    return Spell(
        start=weekday_clock(first.time_utc, zone),
        end=weekday_clock(end, zone),
        does=(", ".join(does) or _resting(devices)) + (" (in all scenarios)" if first.is_shared else ""),
        price=_span([_price(slot) for slot in run]),
        marginal_price=_span([slot.marginal_price for slot in run]),
        binding="; ".join(_limit(one) for one in first.binding),
        other_choice=other,
    )


def _span(values: Iterable[float]) -> str:
    """`3.2`, or `3.2 to 5` where they differ as shown."""
    ordered = sorted(values)
    low, high = figure(ordered[0]), figure(ordered[-1])
    return low if low == high else f"{low} to {high}"
