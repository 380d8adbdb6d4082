"""A plan in one sentence and each of its devices in one, from its numbers; a stored plan as the graph shows it."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import Field

from controls.optimiser.devices.device import Device
from controls.optimiser.devices.kinds import devices_of
from controls.optimiser.devices.room import Room
from controls.optimiser.explain.words import IDLE_KW, folded
from controls.planning.plan_inputs import HOLIDAY_UNTIL, away_setbacks, left_out, not_measured
from controls.planning.plan_start import start_sentence
from data_quality.contracts.control.plan import PLAN_SCHEMA, Plan
from data_quality.contracts.control.plan_scenario import RiskFigures
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Days, Numeral, Sentence, Stored, Text, sentences
from data_quality.contracts.time import clock_of, parse_instant

# A search that was asked for less than the best says how near it came.
_NEAR = 1e-5
# Less outside a band is a thermometer's last digit.
_COMFORTABLE_KH = 0.1
_HALF_A_CENT = 0.005
_DAYS = ("Mon {0}", "Tue {0}", "Wed {0}", "Thu {0}", "Fri {0}", "Sat {0}", "Sun {0}")


def summarise(plan: Plan, *, time_zone: str) -> str:
    """Sentence of a plan: moves of each device, when (weekday and local time of `time_zone`), at which prices, cost."""
    devices, zone = devices_of(plan.request), ZoneInfo(time_zone)
    parts = list[str]()
    for device in devices:
        is_named = sum(one.kind == device.kind for one in devices) > 1
        for column, verb in device.moves.items():
            for amount, when in _runs(plan, device, column, zone):
                part = Sentence("{0} {1} kWh {2}", Sentence(verb), Numeral(f"{amount:.2f}"), when)
                parts.append(Sentence("{0} {1}", device.device_id, part) if is_named else part)
    if not parts:
        kinds = dict.fromkeys(device.kind.replace("_", " ") for device in devices if device.makes_a_plan)
        parts = [Sentence("leaves the {0} idle", sentences([Sentence(kind) for kind in kinds], " and "))]
    hours = Numeral(f"{(plan.steps[-1].end_utc - plan.steps[0].start_utc) / timedelta(hours=1):g}")
    paid, without = (Numeral(f"{cost:.2f}") for cost in (plan.paid, plan.no_battery_cost))
    whole = Sentence(
        "Plan {0} for {1} h {2}; it costs {3} {5} against {4} {5} with nothing planned.",
        plan.version, hours, sentences(parts), paid, without, plan.currency,
    )  # fmt: skip
    return sentences([whole, *(_as_sentence(note) for note in _notes(plan, devices, zone))], " ")


def _notes(plan: Plan, devices: Sequence[Device], zone: ZoneInfo) -> Iterator[str]:
    """Remarks on a plan: its gap, what devices assume, a holiday, comfort and risk."""
    if plan.status == "feasible":
        pattern = "it is the best found in time, at most {0} from the best there is"
        yield Sentence(pattern, Numeral(f"{plan.gap:.1%}"))
    elif plan.status == "ruled":
        yield Sentence("it follows the former habit, as drawn for this day of the experiment")
    elif plan.gap > _NEAR:
        yield Sentence("it is at most {0} from the best there is", Numeral(f"{plan.gap:.2%}"))
    if plan.schema_version < PLAN_SCHEMA:
        yield Sentence("it was stored in schema {0}, of one battery and one PV system", plan.schema_version)
    for device in devices:
        yield from device.remarks
    notes = [_holiday_note(plan, zone), *(_comfort_note(plan, each) for each in devices if isinstance(each, Room))]
    yield from filter(None, notes)
    if plan.risk is not None:
        yield _risk_note(plan.risk, plan.currency)
    if plan.cost_band is not None:
        share, ends = Numeral(f"{plan.cost_band.coverage:.0%}"), (plan.cost_band.low, plan.cost_band.high)
        pattern = "in {0} of all cases it costs between {1} and {2} {3}"
        yield Sentence(pattern, share, *(Numeral(f"{each:.2f}") for each in ends), plan.currency)


def _as_sentence(note: str) -> str:
    """A note as a sentence: a capital first, a full stop behind. One of a stored plan is text behind its device."""
    if not isinstance(note, Sentence):
        device, _, text = note.partition(": ")
        return Sentence("{0}: {1}.", f"{device[0].upper()}{device[1:]}", Stored(text))
    pattern, given = note.pattern, note.given
    if pattern.startswith("{0}"):
        first = str(given[0])
        return Sentence("{0}.", Sentence(pattern, f"{first[0].upper()}{first[1:]}", *given[1:]))
    return Sentence("{0}.", Sentence(f"{pattern[0].upper()}{pattern[1:]}", *given))


def _holiday_note(plan: Plan, zone: ZoneInfo) -> str:
    """Until when nobody is at home, and what the devices keep until then."""
    until = plan.request.inputs.get(HOLIDAY_UNTIL)
    if until is None:
        return ""
    at = parse_instant(until).astimezone(zone)
    written = Days(f"{at:%-d %b}", at.date(), at.date() + timedelta(days=1))
    day = Sentence(_DAYS[at.weekday()], Sentence("{0} {1}", written, clock_of(at)))
    kept = [Sentence("{0}: {1}", name, Stored(text)) for name, text in away_setbacks(plan.request.inputs).items()]
    return Sentence("holiday until {0} ({1})", day, sentences(kept)) if kept else Sentence("holiday until {0}", day)


def _comfort_note(plan: Plan, room: Room) -> str:
    """By how much a room leaves its band, where it does: the band is soft, so a plan does not fail for it."""
    degc = np.array([step.devices[room.device_id]["room_degc"] for step in plan.steps])
    outside_kh = room.discomfort_kh({"room_degc": degc}, np.array(plan.request.steps_h))
    if outside_kh < _COMFORTABLE_KH:
        return ""
    off_k = np.maximum(np.array(room.low_degc) - degc, degc - np.array(room.high_degc))
    left = (Numeral(f"{outside_kh:.1f}"), Numeral(f"{off_k.max():.1f}"))
    return Sentence("{0} leaves its comfort band for {1} kelvin-hours, by {2} K at most", room.device_id, *left)


def _risk_note(risk: RiskFigures, money: str) -> str:
    """Its costs are means over scenarios: what it promises beside that, and what thinking of them is worth."""
    amounts = (f"{risk.level:.0%}", f"{risk.promised_cost:.2f}", f"{risk.cvar:.2f}")
    costs = (len(risk.costs), *map(Numeral, amounts))
    dear = (
        "its costs are the mean of {0} scenarios: in {1} of all cases no more than {2} {4}, in the others {3} {4} "
        "on average"
    )
    if risk.value is None:
        return Sentence(dear, *costs, money)
    more = Numeral(f"{risk.value:.2f}")
    return Sentence(f"{dear}; planning for the mean alone would cost {{5}} {{4}} more", *costs, money, more)


def device_sentences(plan: Plan, *, time_zone: str) -> list[str]:
    """One sentence a device: totals, main times, and its most valuable choice; local times of the zone."""
    return [_device_sentence(plan, device, ZoneInfo(time_zone)) for device in devices_of(plan.request)]


class Block(Model):
    """One spell in which a device does something. kw: mean power that it draws; kw and kwh are below zero where it
    gives, or holds back.
    """

    device: str
    start_utc: datetime
    end_utc: datetime
    kw: float
    kwh: float
    sentence: Text
    # The sentence in parts, for layout; other texts keep their form.
    verb: str = Field(default="", exclude=True)
    prices: tuple[float, float] = Field(default=(0.0, 0.0), exclude=True)
    # The energy at the price of each step.
    money: float = Field(default=0.0, exclude=True)
    otherwise: Text = Field(default="", exclude=True)


def blocks(plan: Plan, *, time_zone: str) -> list[Block]:
    """Spells of action of all devices in the order of time, with the cost of each one's best alternative."""
    zone, found = ZoneInfo(time_zone), list[Block]()
    for device in devices_of(plan.request):
        name = device.device_id
        for column, verb in device.moves.items():
            power_kw = np.array([step.devices[name][column] for step in plan.steps])
            is_given = _gives(device, column)
            for run in _moving(power_kw.tolist()):
                hours = np.array(plan.request.steps_h)[run]
                sign = -1.0 if device.forecast or is_given else 1.0
                kwh = float(np.sum(power_kw[run] * hours))
                start_utc, end_utc = plan.steps[run[0]].start_utc, plan.steps[run[-1]].end_utc
                known = [_price(plan, t, is_given=is_given) for t in run]
                why = _most_of_all(plan, device, zone, span_utc=(start_utc, end_utc))
                pattern = "{0} {1} {2} kWh {3}; {4}." if why else "{0} {1} {2} kWh {3}."
                when, amount = _when(plan, run, known, zone), Numeral(f"{kwh:.2f}")
                found.append(
                    Block(
                        device=name,
                        start_utc=start_utc,
                        end_utc=end_utc,
                        kw=sign * kwh / float(hours.sum()),
                        kwh=sign * kwh,
                        sentence=Sentence(pattern, name, Sentence(verb), amount, when, why),
                        verb=verb,
                        prices=(min(known), max(known)),
                        money=float(np.sum(power_kw[run] * hours * np.abs(known))),
                        otherwise=why,
                    )
                )
    return sorted(found, key=lambda each: (each.start_utc, each.device))


def _device_sentence(plan: Plan, device: Device, zone: ZoneInfo) -> str:
    parts = []
    for column, verb in device.moves.items():
        runs = _runs(plan, device, column, zone)
        if runs:
            pattern = "{0} {1} kWh {2}" if len(runs) == 1 else "{0} {1} kWh in {3} spells, mostly {2}"
            kwh = Numeral(f"{sum(amount for amount, _ in runs):.2f}")
            parts.append(Sentence(pattern, Sentence(verb), kwh, max(runs)[1], len(runs)))
    if not parts:
        return Sentence("{0} rests." if device.makes_a_plan else "{0} is left as it is.", device.device_id)
    why, done = _most_of_all(plan, device, zone), sentences(parts, " and ")
    return Sentence("{0} {1}; {2}." if why else "{0} {1}.", device.device_id, done, why)


def _most_of_all(plan: Plan, device: Device, zone: ZoneInfo, span_utc: tuple[datetime, datetime] | None = None) -> str:
    """The choice of the device, in a slot in which it acts, that would cost most to make otherwise."""
    if plan.explanation is None:
        return ""
    options = [
        (one.difference, slot.time_utc, one.words)
        for slot in plan.explanation.slots
        if (span_utc is None or span_utc[0] <= slot.time_utc < span_utc[1])
        and any(slot.powers_kw[device.device_id][column] > IDLE_KW for column in device.moves)
        for one in slot.alternatives
        if one.device_id == device.device_id and one.difference is not None
    ]
    if not options:
        return ""
    difference, at_utc, words = max(options)
    if difference <= max(plan.explanation.noise, _HALF_A_CENT):
        return Sentence("doing otherwise in any one slot that was asked about would make no difference")
    pattern = "{0} on {1} would cost {2} {3} more"
    return Sentence(pattern, _worded(words), _local(at_utc, zone), Numeral(f"{difference:.2f}"), plan.currency)


def _worded(words: str) -> str:
    """The best other choice of a device, with the power that it names beside it."""
    doing, _, power = words.removesuffix(" kW").rpartition(" ")
    return Sentence("{0} {1} kW", Sentence(doing), Numeral(power)) if words.endswith(" kW") else Sentence(words)


def _runs(plan: Plan, device: Device, column: str, zone: ZoneInfo) -> list[tuple[float, str]]:
    """Energy, times and prices of each run of steps in which something happens."""
    power_kw, is_given = [step.devices[device.device_id][column] for step in plan.steps], _gives(device, column)
    return [
        (
            sum(power_kw[t] * plan.request.steps_h[t] for t in run),
            _when(plan, run, [_price(plan, t, is_given=is_given) for t in run], zone),
        )
        for run in _moving(power_kw)
    ]


def _gives(device: Device, column: str) -> bool:
    """The move feeds the site, as a discharge does."""
    alone = {each: np.full(1, float(each == column)) for each in device.columns}
    return bool(device.drawn_kw(alone)[0] < 0) and not device.forecast


def _price(plan: Plan, at: int, *, is_given: bool) -> float:
    """Price per kWh of what a device moves in a step. What is drawn while nothing is bought, or held back, would be
    sold; what is given while nothing is sold would be bought.
    """
    step, request = plan.steps[at], plan.request
    is_sale = step.export_kw > IDLE_KW if is_given else step.import_kw <= IDLE_KW
    return (request.export_price_per_kwh if is_sale else request.import_price_per_kwh)[at]


def _moving(power_kw: list[float]) -> list[list[int]]:
    """The steps of each run in which something happens."""
    runs = groupby(range(len(power_kw)), key=lambda t: power_kw[t] > IDLE_KW)
    return [list(run) for is_moving, run in runs if is_moving]


def _when(plan: Plan, run: list[int], known: list[float], zone: ZoneInfo) -> str:
    # Unique as shown, sorted as numbers: "10.000" stands before "9.000" as text.
    prices = sorted({f"{price:.3f}" for price in known}, key=float)
    span: str = Numeral(prices[0])
    if len(prices) > 1:
        span = Sentence("{0} to {1}", span, Numeral(prices[-1]))
    start, end = _local(plan.steps[run[0]].start_utc, zone), _local(plan.steps[run[-1]].end_utc, zone)
    return Sentence("from {0} to {1} at {2} {3}/kWh", start, end, span, plan.currency)


def _local(at_utc: datetime, zone: ZoneInfo) -> str:
    local = at_utc.astimezone(zone)
    return Sentence(_DAYS[local.weekday()], clock_of(local))


WHY = ("from", "to", "does", "price", "one kWh more", "at a limit", "best other choice")


def plan_facts(plan: Plan, *, time_zone: str) -> dict[str, Any]:
    """Facts of a plan by name, with times of the zone."""
    return {
        "plan_id": plan.plan_id,
        "version": plan.version,
        "cost": plan.paid,
        "objective": plan.request.objective.preset,
        "costs": dict(plan.costs),
        "measures": dict(plan.measures),
        "cost_with_nothing_planned": plan.no_battery_cost,
        "currency": plan.currency,
        "status": plan.status,
        "gap": plan.gap,
        "synthetic": plan.request.is_synthetic,
        "asked_because": plan.asked_because,
        "start": "" if plan.start is None else start_sentence(plan.start),
        "sentence": summarise(plan, time_zone=time_zone),
        "devices": "\n".join(device_sentences(plan, time_zone=time_zone)),
        "assumptions": "\n".join(not_measured(plan.request.inputs).values()),
        "left_out": "\n".join(left_out(plan.request.inputs).values()),
    }


def why_rows(plan: Plan) -> list[list[Any]]:
    """The rows of the table WHY; none where nobody asked."""
    why = folded(plan.explanation, devices_of(plan.request)) if plan.explanation else []
    return [list(spell.model_dump().values()) for spell in why]
