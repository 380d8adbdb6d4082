"""The plan of one day for a person, solved alone and not stored, and what a plan's steps would cost by habit."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.devices.device import MONEY, numbers
from controls.optimiser.devices.kinds import device_assets, devices_of
from controls.optimiser.devices.sheddable_load import SheddableLoad
from controls.optimiser.out_of_time import not_proven
from controls.optimiser.solution import Series, Solution, costs_of
from controls.optimiser.solve import solve
from controls.planning.context import PlanningContext, prices_between
from controls.planning.frozen_plan import series_of
from controls.planning.habit import habit_of
from controls.planning.make import make_plan_now, request_of, solved_plan
from controls.planning.plan_inputs import STEP, Measured, left_out, not_kept, not_measured, quarter_start
from controls.planning.replay.decisions import closed_series
from controls.planning.starting_states import assumption, starting_states
from controls.planning.summary import Block, blocks
from controls.planning.triggers import planned_states
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, local_midnight_utc, zone

# Stored amounts that differ by less are the same.
_HAIR = 1e-6


def habit_cost(plan: Plan) -> float | Finding:
    """Cost of the plan's steps by habit, in its currency: a car charges when it comes, thermostats heat, batteries
    store the surplus and cover the need.

    What a battery is left with is valued by what the plan would pay for it; heat stores end with the heat that the plan
    leaves in them. Of a plan over scenarios: on the P50 of its forecasts. Finding: it cannot be compared.
    """
    case = case_of(plan.request).model_copy(update={"uncertain": None})
    found = habit_of(case, series_of(plan).devices)
    if isinstance(found, Finding):
        return found
    ruled, columns = found
    costs = costs_of(ruled, closed_series(ruled, columns))
    paid = sum(cost for kind, cost in costs.items() if kind in MONEY)
    if "stored" in costs:
        # What is left has a price of its own.
        return paid
    # Those that nobody plans and that are still there.
    mine = [one for one in ruled.devices if one.without_control() is None and one.state]
    left = {one.device_id: float(columns[one.device_id][one.state.column][-1]) for one in mine if one.state}
    more = _worth(case, series_of(plan), left)
    return more if isinstance(more, Finding) else paid + more


def _worth(case: DispatchCase, series: Series, left: Mapping[str, float]) -> float | Finding:
    """Saving of the plan with these stores left as habit leaves them; below zero where that leaves more.

    series: of the plan, which everything but these stores and the sun keeps to.
    """
    moved = {one.device_id: one for one in case.devices if one.state and one.device_id in left}
    moved = {name: one for name, one in moved.items() if one.state and abs(left[name] - one.state.end) > _HAIR}
    if not moved:
        return 0.0
    free = tuple(one for one in case.devices if one.device_id in moved or one.forecast)
    load_kw = np.array(case.load_kw)
    for one in case.devices:
        if one not in free:
            load_kw = load_kw + one.drawn_kw(numbers(series.devices[one.device_id]))
    kept = case.model_copy(update={"devices": free, "load_kw": tuple(load_kw.tolist())})
    others = tuple((one.with_state(end=left[one.device_id]) or one) if one.device_id in moved else one for one in free)
    as_planned, as_left = solve(kept), solve(kept.model_copy(update={"devices": others}))
    if isinstance(as_planned, Solution) and isinstance(as_left, Solution):
        return as_planned.money - as_left.money
    message = "what habit leaves in the stores cannot be compared with the plan"
    return Finding(code="no_habit_cost", message=message, scope=case.case_id)


# Costs are shown in hundredths.
_CENT = 0.01


@dataclass(frozen=True)
class DayPlan:
    """The summary of a plan: what devices do, and what it costs against nothing planned and against habit.

    habit_cost: None where it is not known, which the findings then say. assumptions: of what nobody measured.
    """

    plan: Plan
    blocks: tuple[Block, ...]
    habit_cost: float | None
    assumptions: tuple[str, ...]
    findings: tuple[Finding, ...]


def day_plan(context: PlanningContext, day: date | None, *, because: str = "") -> DayPlan | Finding:
    """The plan of a local day, or of the hours from now on, which alone is stored. Raises BadInput for a day past.

    The stored plan is made first: a day begins with what it leaves, and as the devices say now. Where devices are
    commanded and none answers there is no stored plan; a day is planned from assumptions then, and says so.
    """
    stored = make_plan_now(context, because=because)
    if day is None or (isinstance(stored, Finding) and context.mode < Mode.PARTIAL):
        return stored if isinstance(stored, Finding) else plan_summary(stored, context)
    here, now = context.site.time_zone, context.clock.now_utc()
    first_utc = quarter_start(now) if isinstance(stored, Finding) else stored.steps[0].start_utc
    start, end = local_midnight_utc(day, here), local_midnight_utc(day + timedelta(days=1), here)
    if end <= first_utc:
        today = local_day(first_utc, here)
        mend = f"'meterloom replay {day} --site {context.site.site_id}' says what a past day would have cost"
        raise BadInput(f"--for {day}: the day is over, today is {today}", reason="day_past", mend=mend)
    start = max(start, first_utc)
    if isinstance(stored, Finding):
        context = replace(context, mode=Mode.ADVISORY)
        begin = starting_states(context.site, {}, faults={}, lake=context.lake, mode=context.mode, now_utc=now)
        made = _solved(
            context,
            context.site,
            begin.states,
            begin.labels,
            (start, end),
            context.plans.next_version(context.site.site_id),
        )
        if isinstance(made, Finding):
            return stored
        shown = plan_summary(made, context, until_utc=end)
        return replace(shown, findings=(stored, *shown.findings))
    made = _alone(context, stored, start, end)
    return made if isinstance(made, Finding) else plan_summary(made, context, until_utc=end)


def _alone(context: PlanningContext, stored: Plan, start: datetime, end: datetime) -> Plan | Finding:
    without = left_out(stored.request.inputs)
    kept = tuple(one for one in context.site.assets if one.asset_id not in without)
    site = context.site.model_copy(update={"assets": kept})
    begun, labels = _begun(stored, start), dict[str, str]()
    states: dict[str, Any] = {}
    for asset, kind in device_assets(site):
        if kind.measure is None:
            continue
        name = asset.asset_id
        if name in begun:
            states[name] = begun[name], 0.0
            continue
        state, ending, note, _ = assumption(site, asset, kind, start)
        states[name], labels[name + ending] = (state, 0.0), note
    # What the stored plan began with is what this one rests on.
    labels = {f"{name}_assumed": note for name, note in not_measured(stored.request.inputs).items()} | labels
    labels |= {f"{name}_left_out": note for name, note in without.items()}
    return _solved(context, site, states, labels, (start, end), stored.version)


def _solved(
    context: PlanningContext,
    site: Site,
    states: Mapping[str, Measured],
    labels: dict[str, str],
    span_utc: tuple[datetime, datetime],
    version: int,
) -> Plan | Finding:
    prices = prices_between(site, context.lake, start_utc=span_utc[0], end_utc=span_utc[1])
    request = request_of(context, site, states, prices, labels=labels, span_utc=span_utc)
    if isinstance(request, Finding):
        return request
    # The stored plan was explained already, and a person waits.
    soon = replace(context, explained_within_s=context.explained_within_s / 2)
    return solved_plan(soon, request, version=version)


def _begun(stored: Plan, start: datetime) -> Mapping[str, float | None]:
    """Amounts stored in the devices at an instant by the stored plan (None: absent), where it has them."""
    devices, t = devices_of(stored.request), stored.step_at(start - STEP)
    if t is None:
        amounts = planned_states(stored, start)
        absent = {one.device_id: None for one in devices if one.is_absent}
        return {name: amount for name, (amount, _) in amounts.items()} | absent
    series = series_of(stored)
    held = {one.device_id: one.carried(series.devices[one.device_id], t) for one in devices}
    return {name: amount for name, amount in held.items() if amount is not None}


def plan_summary(plan: Plan, context: PlanningContext, *, until_utc: datetime | None = None) -> DayPlan:
    """The summary of a plan. until_utc: requested end."""
    findings, inputs = list[Finding](), plan.request.inputs
    if plan.status == "feasible":
        finding = not_proven(case_of(plan.request), plan.gap)
        findings.append(finding.model_copy(update={"scope": context.site.site_id}))
    for name, text in left_out(inputs).items():
        message = f"{name} is left out of the plan and gets no command: {text}"
        findings.append(Finding(code="device_left_out", message=message, scope=context.site.site_id))
    findings += [
        Finding(
            code="wish_not_kept", severity="warning", message=text, scope=context.site.site_id, facts={"limit": name}
        )
        for name, text in not_kept(inputs).items()
    ]
    end_utc, here = plan.steps[-1].end_utc, zone(context.site.time_zone)
    if until_utc is not None and end_utc < until_utc:
        message = f"forecasts or prices are known until {end_utc.astimezone(here):%Y-%m-%d %H:%M}: the plan ends there"
        findings.append(Finding(code="plan_is_short", message=message, scope=context.site.site_id))
    if (dearer := plan.paid - plan.no_battery_cost) >= _CENT / 2:
        message = (
            f"the plan costs {dearer:.2f} {plan.currency} more than no control, "
            "which pursues no objective and keeps no minimum run times"
        )
        findings.append(Finding(code="dearer_than_no_control", message=message, scope=context.site.site_id))
    habit = habit_cost(plan)
    if isinstance(habit, Finding):
        findings.append(habit)
    findings += [
        Finding(code="shedding_always_pays", message=text, scope=context.site.site_id)
        for device in devices_of(plan.request)
        if isinstance(device, SheddableLoad) and (text := device.doubt(plan.request.import_price_per_kwh))
    ]
    remarks = [note for device in devices_of(plan.request) for note in device.remarks]
    return DayPlan(
        plan=plan,
        blocks=tuple(blocks(plan, time_zone=context.site.time_zone)),
        habit_cost=None if isinstance(habit, Finding) else habit,
        assumptions=(*not_measured(inputs).values(), *remarks),
        findings=tuple(findings),
    )
