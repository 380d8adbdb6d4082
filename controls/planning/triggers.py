"""When to plan again, for stored plans and closed loops alike: pure, so that who looks often asks for few plans."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Literal

from assets.stores.column_types import sha256_of
from controls.optimiser.devices.device import Device, State
from controls.optimiser.devices.kinds import devices_of
from controls.planning.plan_inputs import HOLIDAY_UNTIL, left_out, quarter_start
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# A price or charge that flaps around its threshold would otherwise plan without end.
MIN_INTERVAL = timedelta(minutes=5)
# The horizon has lost four steps by then.
MAX_AGE = timedelta(hours=1)
# Of a store's full scale: a reading in percent and an inverter's losses within a quarter hour stay below it.
STATE_TOLERANCE = 0.05
# A device that cannot follow would fail the next plan too: twice an hour is asked, not every quarter.
OFF_PLAN_INTERVAL = timedelta(minutes=30)
# The sun gives so much more or less than planned that what is to be done with it is another question.
OFF_SHARE, OFF_KW = 0.2, 0.4
_MINUTE = timedelta(minutes=1)

Kind = Literal[
    "no plan", "an hour", "a car came or went", "new prices", "a new forecast", "another mode", "the sun",
    "a store off its plan", "an override", "a device off its plan", "a device silent or back",
    "a holiday", "a day of an experiment",
]  # fmt: skip


@dataclass(frozen=True)
class Trigger:
    """Why to plan anew. kind: to count by; sentence: for people; after: only once the last plan is so old."""

    kind: Kind
    sentence: str = ""
    after: timedelta = timedelta()


@dataclass(frozen=True)
class Counted:
    """Assumption of a plan about one device, beside its value now. None: nobody shows it, which is no reason to plan.

    state: the amount stored now; sun_kw: planned and shown, the mean of what the sun gave lately.
    """

    device: Device
    planned_state: float = 0.0
    state: float | None = None
    sun_kw: tuple[float, float] | None = None
    by_hand: bool = False


@dataclass(frozen=True)
class Since:
    """Course of a plan since it was made. off_plan_kwh: by device, where that is too much (execution.off_plan).

    sun_kw: planned and shown mean power given lately, by device; by_hand: devices that a person has taken since.
    finding: what could not be told, e.g. of a meter that says nothing.
    """

    off_plan_kwh: Mapping[str, float] = field(default_factory=dict)
    sun_kw: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    by_hand: frozenset[str] = frozenset()
    finding: Finding | None = None


def first_due(triggers: Iterable[Trigger], age: timedelta | None) -> Trigger | None:
    """The first that a plan of this age need not wait for; else the first that must wait. age: None without a plan."""
    waiting = None
    for trigger in triggers:
        if age is None or age >= trigger.after:
            return trigger
        waiting = waiting or trigger
    return waiting


def off_the_plan(
    counted: Iterable[Counted], *, state_tolerance: float, after: timedelta = timedelta()
) -> Iterator[Trigger]:
    """Triggers for deviations from the plan's assumptions. state_tolerance: share of the full scale; after: of all but
    the sun, which has its own interval against flapping.
    """
    for one in counted:
        name, state = one.device.device_id, one.device.state
        if one.sun_kw is not None:
            planned_kw, shown_kw = one.sun_kw
            if abs(shown_kw - planned_kw) > max(OFF_SHARE * planned_kw, OFF_KW):
                sentence = f"{name} gave {shown_kw:.2f} kW lately where the plan counted on {planned_kw:.2f} kW"
                yield Trigger("the sun", sentence, OFF_PLAN_INTERVAL)
        if state and one.state is not None:
            more = one.state - one.planned_state
            if abs(more) > state_tolerance * state.scale:
                sentence = f"the {state.words} is {more:+.2f} {state.unit} off the plan"
                yield Trigger("a store off its plan", sentence, after)
        if one.by_hand:
            yield Trigger("an override", f"{name} was taken by hand", after)


class Decision(Model):
    """`run_key` follows from site, quarter hour and content: the same decision asked for twice is one run.

    finding: what could not be asked, e.g. a battery that does not answer.
    """

    should_plan: bool
    reason: str
    run_key: str = ""
    finding: Finding | None = None


def replan(
    last_plan: Plan | None,
    *,
    site_id: str,
    forecast_id: str,
    price_digest: str,
    mode: Mode,
    now_utc: datetime,
    states: Mapping[str, float | None] | None = None,
    since: Since = Since(),
    other_forecasts: Mapping[str, str] = MappingProxyType({}),
    silent: Collection[str] | None = None,
    away_until_utc: datetime | None = None,
    is_new_day: bool = False,
) -> Decision:
    """Plan again where there is no plan, or forecast, prices, mode, sun, a device or a measured state are not as the
    last one counted on, or it is older than MAX_AGE; but never within MIN_INTERVAL of the last plan.

    price_digest: inputs.price_digest over the window of the last plan (plan_window); any text before the first.
    states: as measured, by asset id; one that is not known is no reason. other_forecasts: the newest of sun and prices,
    by role; one that the plan did not rest on is no reason. silent: devices that do not tell their state, where the
    others do; None: nobody asked. away_until_utc: of the holiday that holds.
    is_new_day: whether a day of an experiment began since the last plan.
    """
    age = None if last_plan is None else now_utc - last_plan.created_at_utc
    newest = {"load": forecast_id, **other_forecasts}
    holiday = "" if away_until_utc is None else f"{away_until_utc:%Y-%m-%dT%H:%MZ}"
    begun = [Trigger("a day of an experiment", "a day of the experiment began or ended")] if is_new_day else []
    others = _triggers(last_plan, newest, price_digest, mode, now_utc, states or {}, since, silent, holiday)
    found = chain(begun, others)
    due = first_due(found, age)
    if due is None:
        return Decision(should_plan=False, reason="the last plan still holds")
    if age is not None and age < due.after:
        waits = f"the last plan is {age / _MINUTE:.1f} min old (at least {due.after / _MINUTE:g})"
        return Decision(should_plan=False, reason=f"{due.sentence}, but {waits}")
    # The last plan's id too: after it a return to the same inputs is a new question.
    content = sha256_of([newest, price_digest, mode.name, holiday, last_plan.plan_id if last_plan else ""])
    return Decision(
        should_plan=True,
        reason=due.sentence,
        run_key=f"{site_id}:{quarter_start(now_utc):%Y-%m-%dT%H:%MZ}:{content[:16]}",
    )


def plan_window(plan: Plan) -> tuple[datetime, datetime]:
    """[start, end) of a plan."""
    return plan.steps[0].start_utc, plan.steps[-1].end_utc


def planned_states(plan: Plan, at_utc: datetime) -> dict[str, tuple[float, State]]:
    """Planned state of every store at an instant, linear between the plan's points; empty outside it.

    By asset id: the amount, and what it is an amount of.
    """
    number = plan.step_at(at_utc)
    if number is None:
        return {}
    step = plan.steps[number]
    # Power is constant within a step, so a store fills in a straight line.
    share = (at_utc - step.start_utc) / (step.end_utc - step.start_utc)
    found = {}
    for device in devices_of(plan.request):
        if state := device.state:
            before = plan.steps[number - 1].devices[device.device_id][state.column] if number else state.start
            after = step.devices[device.device_id][state.column]
            found[device.device_id] = before + share * (after - before), state
    return found


def _triggers(
    plan: Plan | None,
    newest: Mapping[str, str],
    price_digest: str,
    mode: Mode,
    now_utc: datetime,
    states: Mapping[str, float | None],
    since: Since,
    silent: Collection[str] | None,
    holiday: str,
) -> Iterator[Trigger]:
    if plan is None:
        yield Trigger("no plan", "there is no plan yet")
        return
    used = {"load_forecast": plan.request.forecast_id} | plan.request.inputs
    rested_on = {f"{role}_forecast": made for role, made in newest.items()}
    if changed := [name for name, made in rested_on.items() if used.get(name, made) != made]:
        yield Trigger("a new forecast", f"the {changed[0].replace('_', ' ')} changed", MIN_INTERVAL)
    if used.get("prices", "") != price_digest:
        yield Trigger("new prices", "the prices changed", MIN_INTERVAL)
    if used.get("mode", "") != mode.name:
        yield Trigger("another mode", "the mode changed", MIN_INTERVAL)
    if used.get(HOLIDAY_UNTIL, "") != holiday:
        yield Trigger("a holiday", "a holiday was set, moved or is over", MIN_INTERVAL)
    if now_utc - plan.created_at_utc > MAX_AGE:
        yield Trigger("an hour", f"the last plan is older than {MAX_AGE / _MINUTE:g} min", MIN_INTERVAL)
    devices, planned = devices_of(plan.request), planned_states(plan, now_utc)
    without = left_out(plan.request.inputs).keys()
    for name in sorted(without ^ set(silent)) if silent is not None else ():
        now_so = "reports its state again" if name in without else "does not report its state any more"
        yield Trigger("a device silent or back", f"{name} {now_so}", MIN_INTERVAL)
    for device in devices:
        name = device.device_id
        if device.is_absent and states.get(name) is not None:
            yield Trigger("a car came or went", f"{name} is there now, and the plan did not count on it", MIN_INTERVAL)
        if name in planned and states.get(name, 0.0) is None:
            yield Trigger("a car came or went", f"{name} has gone, and the plan counts on it", MIN_INTERVAL)
    counted = [
        Counted(
            device,
            planned_state=planned[device.device_id][0] if device.device_id in planned else 0.0,
            state=states.get(device.device_id) if device.device_id in planned else None,
            sun_kw=since.sun_kw.get(device.device_id),
            by_hand=device.device_id in since.by_hand,
        )
        for device in devices
    ]
    yield from off_the_plan(counted, state_tolerance=STATE_TOLERANCE, after=MIN_INTERVAL)
    if since.off_plan_kwh:
        name, kwh = max(since.off_plan_kwh.items(), key=lambda each: (abs(each[1]), each[0]))
        yield Trigger("a device off its plan", f"{name} is {kwh:+.2f} kWh off its plan", OFF_PLAN_INTERVAL)
