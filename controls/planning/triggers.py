"""When to plan again: pure, so that a sensor that polls often asks for few runs, and for the same one only once."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from assets.stores.event_chain import sha256_of
from controls.optimiser.devices.device import State
from controls.optimiser.devices.kinds import devices_of
from controls.planning.plan_inputs import quarter_start
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

# A price or charge that flaps around its threshold would otherwise plan without end.
MIN_INTERVAL = timedelta(minutes=5)
# The horizon has lost four steps by then, and a new PV forecast alone asks for no plan.
MAX_AGE = timedelta(hours=1)
# Of a store's full scale: a reading in percent and an inverter's losses within a quarter hour stay below it.
STATE_TOLERANCE = 0.05
# A device that cannot follow would fail the next plan too: twice an hour is asked, not every quarter.
OFF_PLAN_INTERVAL = timedelta(minutes=30)


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
    min_interval: timedelta = MIN_INTERVAL,
    max_age: timedelta = MAX_AGE,
    state_tolerance: float = STATE_TOLERANCE,
    off_plan_kwh: Mapping[str, float] | None = None,
    off_plan_interval: timedelta = OFF_PLAN_INTERVAL,
) -> Decision:
    """Plan again where there is no plan, or forecast, prices, mode or a measured state are not those of the last
    one, or it is older than `max_age`; but never within `min_interval` of the last plan.

    price_digest: inputs.price_digest over the window of the last plan (plan_window); any text before the first.
    states: as measured, by asset id (one that is not known is no reason); state_tolerance: share of the full scale
    that one may be off the plan. off_plan_kwh: what devices did otherwise since the last plan, where that is too much
    (execution.off_plan); a reason only for a plan that is `off_plan_interval` old, so that it cannot flap.
    """
    reason = _reason(last_plan, forecast_id, price_digest, mode, states or {}, now_utc, max_age, state_tolerance)
    if not reason and off_plan_kwh:
        name, kwh = max(off_plan_kwh.items(), key=lambda each: (abs(each[1]), each[0]))
        reason, min_interval = f"{name} is {kwh:+.2f} kWh off its plan", max(min_interval, off_plan_interval)
    if not reason:
        return Decision(should_plan=False, reason="the last plan still holds")
    if last_plan is not None and now_utc - last_plan.created_at_utc < min_interval:
        age_min = (now_utc - last_plan.created_at_utc) / timedelta(minutes=1)
        limit_min = min_interval / timedelta(minutes=1)
        return Decision(
            should_plan=False, reason=f"{reason}, but the last plan is {age_min:.1f} min old (at least {limit_min:g})"
        )
    # The last plan's id too: after it a return to the same inputs is a new question.
    content = sha256_of([forecast_id, price_digest, mode.name, last_plan.plan_id if last_plan else ""])
    return Decision(
        should_plan=True,
        reason=reason,
        run_key=f"{site_id}:{quarter_start(now_utc):%Y-%m-%dT%H:%MZ}:{content[:16]}",
    )


def plan_window(plan: Plan) -> tuple[datetime, datetime]:
    """[start, end) of a plan."""
    return plan.steps[0].start_utc, plan.steps[-1].end_utc


def planned_states(plan: Plan, at_utc: datetime) -> dict[str, tuple[float, State]]:
    """What the plan expects in every store at an instant, between its points in a straight line; none outside it.

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


def _reason(
    plan: Plan | None,
    forecast_id: str,
    price_digest: str,
    mode: Mode,
    states: Mapping[str, float | None],
    now_utc: datetime,
    max_age: timedelta,
    state_tolerance: float,
) -> str:
    if plan is None:
        return "there is no plan yet"
    if plan.request.forecast_id != forecast_id:
        return "the forecast changed"
    if plan.request.inputs.get("prices", "") != price_digest:
        return "the prices changed"
    if plan.request.inputs.get("mode", "") != mode.name:
        return "the mode changed"
    if now_utc - plan.created_at_utc > max_age:
        return f"the last plan is older than {max_age / timedelta(minutes=1):g} min"
    for device in devices_of(plan.request):
        if device.is_absent and states.get(device.device_id) is not None:
            return f"{device.device_id} is there now, and the plan did not count on it"
    for name, (expected, state) in planned_states(plan, now_utc).items():
        measured = states.get(name, expected)
        if measured is None:
            return f"{name} has gone, and the plan counts on it"
        if abs(measured - expected) > state_tolerance * state.scale:
            return f"the {state.words} is {measured - expected:+.2f} {state.unit} off the plan"
    return ""
