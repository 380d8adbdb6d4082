"""Events become findings: who, when, how much, against which limit, and what becomes of the readings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from data_quality.contracts.site_file.vee import Action, Limit, RuleFinding, ValidationRules
from data_quality.contracts.time import local_midnight_utc
from data_quality.rules.clock_shift import clock_steps
from data_quality.rules.out_of_range import plate
from data_quality.rules.rule_table import ACTIONS, BALANCE_RULES, RULES
from data_quality.rules.shared.energy_balance import DailySums, Excess
from data_quality.rules.shared.norms import Block
from data_quality.rules.unit_scale import CHANGE_DAYS, is_carried_over, named_factor

_FIGURE = re.compile(r"[-\d,.]+ kWh")


def action_of(declared: ValidationRules, meter_id: str, rule: str, *, is_mild: bool = False) -> Action:
    """The action of a rule for a stream: declared, else the rule's own; a mild event excludes nothing."""
    setting = declared.setting(meter_id, rule)
    if setting is not None and setting.action is not None:
        return setting.action
    return Action.FLAG if is_mild and ACTIONS[rule] is Action.EXCLUDE else ACTIONS[rule]


@dataclass(frozen=True)
class Event:
    """One event of one stream, in slots of the grid [first, end)."""

    rule: str
    row: int
    first: int
    end: int
    value: float
    action: Action
    limit: Limit


def limit_of(block: Block, name: str, row: int, value: float, declared: ValidationRules) -> Limit:
    """The limit that a rule worked with, and why it is that."""
    stream, rule = block.days.grid.streams[row], RULES[name]
    unit = stream.unit if rule.UNIT == "reading" else rule.UNIT
    setting = declared.setting(stream.meter_id, name)
    if setting is not None and setting.limit is not None:
        return Limit(value=value, unit=unit, source="declared", reason=setting.reason)
    if name == "range" and not np.isnan(plate(block)[row]):
        return Limit(value=value, unit=unit, source=f"plate {stream.plate_kw:g} kW", reason=rule.REASON)
    return Limit(value=value, unit=unit, source=block.norms.source(row), reason=rule.REASON)


def finding_of(block: Block, event: Event) -> RuleFinding:
    """One event of a stream rule, for people and for the store."""
    grid = block.days.grid
    stream = grid.streams[event.row]
    unit = {"unit_scale": "factor", "clock_shift": "h"}.get(event.rule, stream.unit)
    return RuleFinding(
        rule=event.rule,
        meter=stream.meter_id,
        register_id=stream.register,
        start_utc=grid.instant(event.first),
        end_utc=grid.instant(event.end),
        value=event.value,
        unit=unit,
        action=event.action,
        slots=event.end - event.first,
        message=_sentence(event.rule, event.value, unit, event.limit) + _since(block, event),
        limit=event.limit,
    )


def _since(block: Block, event: Event) -> str:
    """Link of a shifted clock with summer time, where it began after the local clock was put forward or back."""
    if event.rule != "clock_shift":
        return ""
    day = int(np.searchsorted(block.days.edges, event.first, side="right")) - 1 - block.norms.seen.start
    step = int(clock_steps(block)[day])
    # A shift of another size has nothing to do with summer time.
    if not step or abs(event.value) != abs(step):
        return ""
    how = "a load or a time switch that keeps standard time, or local times read as UTC"
    if event.value == -step:
        how = "a meter's clock that keeps standard time, read as local time"
    return f", since the local clock was put {'forward' if step > 0 else 'back'}: {how}"


def _sentence(name: str, value: float, unit: str, limit: Limit) -> str:
    match name:
        case "dead":
            fact = f"zero for {limit.value:g} h or longer"
        case "stuck":
            fact = f"{value:g} {unit} without a change for {limit.value:g} h or longer"
        case "unit_scale":
            fact = f"all readings times {value:.4g}{named_factor(value)}"
        case "clock_shift":
            fact = f"the profile is {abs(value):g} h {'late' if value > 0 else 'early'}"
        case "rate":
            fact = f"a change of {value:g} {unit} from one reading to the next, ordinary up to {limit.value:g}"
        case "negative":
            fact = f"{value:g} {unit}, allowed from {limit.value:g}"
        case _:
            fact = f"{value:g} {unit}, ordinary up to {limit.value:.6g}"
    return f"{fact} ({limit.source})"


def other_side(block: Block, finding: RuleFinding, row: int) -> list[RuleFinding]:
    """A factor that lasts to the end of the month is a change: the readings before it are as much in question.

    Which side is in the right unit the readings do not say; a person does. The older side is named as far back as
    the history reaches, and flags no slot.
    """
    days, grid = block.days, block.days.grid
    # A day's grace: the last day of a month may say nothing of itself (a gap, 23 or 25 hours).
    lasts = finding.end_utc >= grid.instant(block.slots.stop) - timedelta(days=1)
    if is_carried_over(block, row, grid.slot(finding.start_utc)):
        return []
    if not lasts or finding.end_utc - finding.start_utc < timedelta(days=CHANGE_DAYS):
        return []
    start, end = int(days.edges[block.norms.seen.start]), grid.slot(finding.start_utc)
    known = np.flatnonzero(np.nan_to_num(grid.values[row, start:end]) != 0)
    if not len(known):
        return []
    before = {
        "start_utc": grid.instant(start + int(known[0])),
        "end_utc": grid.instant(start + int(known[-1]) + 1),
        "value": 1 / finding.value,
        "slots": 0,
        "message": f"before the change at {finding.start_utc:%Y-%m-%d %H:%M}Z: one of both sides is in another unit, "
        f"{finding.message}",
    }
    return [finding.model_copy(update=before)]


def excess_finding(excess: Excess, sums: DailySums, limit: Limit, action: Action, time_zone: str) -> RuleFinding:
    """One stretch of days on which parts exceed their whole."""
    balance = excess.balance
    last = sums.dates[excess.end - 1] + timedelta(days=1)
    return RuleFinding(
        rule=balance.rule,
        meter=balance.name,
        register_id="import",
        start_utc=local_midnight_utc(sums.dates[excess.first], time_zone),
        end_utc=local_midnight_utc(last, time_zone),
        value=excess.parts_kwh - excess.whole_kwh,
        unit="kwh",
        action=action,
        slots=0,
        message=f"{', '.join(balance.parts)} show {excess.parts_kwh:,.1f} kWh on the worst day, "
        f"{', '.join(balance.whole)} {excess.whole_kwh:,.1f} kWh (tolerance {limit.value:.0%})",
        limit=limit,
    )


def merged(findings: Sequence[RuleFinding]) -> list[RuleFinding]:
    """Events that go on over a month's end become one again; the worse value stays."""
    rows: dict[tuple[str, str, str, Action], list[RuleFinding]] = {}
    for finding in sorted(findings, key=lambda each: each.start_utc):
        row = rows.setdefault((finding.rule, finding.meter, finding.register_id, finding.action), [])
        if row and row[-1].end_utc == finding.start_utc and _goes_on(row[-1], finding):
            worse = max(row[-1], finding, key=lambda each: abs(each.value))
            both = {"start_utc": row[-1].start_utc, "end_utc": finding.end_utc, "slots": row[-1].slots + finding.slots}
            row[-1] = worse.model_copy(update=both)
        else:
            row.append(finding)
    return [finding for row in rows.values() for finding in row]


def _goes_on(before: RuleFinding, after: RuleFinding) -> bool:
    """Of two findings of a rule that touch: whether they are one event."""
    if before.rule in BALANCE_RULES:
        # Told by spans that were judged apart. Where a meter was exchanged meanwhile, other ones are compared.
        return _FIGURE.sub("", before.message) == _FIGURE.sub("", after.message)
    # Else findings without slots are the other side of a change: each is whole as it stands.
    return bool(before.slots and after.slots)
