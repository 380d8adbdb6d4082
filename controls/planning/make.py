"""From what is known now to a stored plan: gather, solve, freeze, store plan and commands in one transaction."""

from datetime import datetime
from functools import partial

from controls.optimiser.case import case_of
from controls.optimiser.explain.explain import explain
from controls.planning.desk import HORIZON, Desk, measured_states, newest
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.habit import arm_of, is_new_day
from controls.planning.plan_inputs import by_role, joined, makes_a_plan, price_digest, quarter_start
from controls.planning.plan_start import solved_from
from controls.planning.prices import prices_between
from controls.planning.sensor_fallback import LOOKED_BACK, sensor_fallback
from controls.planning.site_request import doubted_prices, in_the_way, request_of, wrong_clock
from controls.planning.starting_states import starting_states
from controls.planning.triggers import MIN_INTERVAL, Decision, Since, plan_window, replan
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.finding import Finding


def make_plan_now(desk: Desk, *, because: str = "") -> Plan | Finding:
    """Plan the next day of a site, or two where its steps move, and store it with its commands, or say why not.

    because: what asked for it. The same inputs twice give the plan that is already stored.
    """
    site, now = desk.site, desk.clock.now_utc()
    prices = prices_between(site, desk.lake, start_utc=quarter_start(now), end_utc=now + desk.horizon)
    if doubt := doubted_prices(desk, prices, quarter_start(now)):
        return doubt
    begun = [each.plan for each in desk.plans.begun(site.site_id, now - LOOKED_BACK, now)]
    said = desk.read_states()
    known = sensor_fallback(site, said, begun, now_utc=now)
    begin = starting_states(
        site, known.states, faults=getattr(said, "faults", {}), lake=desk.lake, mode=desk.mode, now_utc=now
    )
    if begin.findings and not makes_a_plan(begin.site):
        return joined(begin.findings, site)
    request = request_of(desk, begin.site, begin.states, prices, labels=known.labels | begin.labels)
    if isinstance(request, Finding):
        return request
    arm = arm_of(desk.experiments, request, now)
    if arm is not None:
        request = request.model_copy(update={"follows": arm.day.followed})
    made = solved_plan(desk, request, version=desk.plans.next_version(site.site_id), because=because)
    if isinstance(made, Finding):
        return made
    # epoch=0: the agent puts its own in when it sends.
    stored = desk.plans.add_with_commands(made, commands_of(made, site, epoch=0), desk.clock).plan
    if arm is not None and desk.experiments is not None:
        desk.experiments.follow(
            arm.experiment, arm.day.model_copy(update={"plan_id": stored.plan_id}), desk.clock
        )  # fmt: skip
    return stored


def solved_plan(desk: Desk, request: PlanRequest, *, version: int, because: str = "") -> Plan | Finding:
    """The plan of a request, with why it is so; not stored."""
    case = case_of(request)
    last = desk.plans.latest(desk.site.site_id)
    solution, start = solved_from(request, last, time_zone=desk.site.time_zone)
    if isinstance(solution, Finding):
        return solution
    # Without its solver's values, a plan of which time ran out is still a plan.
    is_told = bool(solution.values)
    zone_name, within_s = desk.site.time_zone, desk.explained_within_s
    why = explain(case, solution, time_zone=zone_name, budget_s=within_s) if is_told else None
    return make_plan(
        request,
        solution,
        created_at_utc=desk.clock.now_utc(),
        version=version,
        explanation=why,
        asked_because=because,
        start=start,
    )


def plan_trigger(desk: Desk) -> Decision:
    """Whether a forecast, a price, the clock, the sun, a person or a measured state asks for a new plan of the site.

    The meters and devices are asked only where nothing else asks for a plan and one may be made, and the devices only
    where commands follow it: below PARTIAL a charge goes its own way. What is not known is told as the decision's
    finding.
    """
    site, now = desk.site, desk.clock.now_utc()
    forecast, of_devices, of_prices = newest(desk)
    if late := (wrong_clock(desk) if forecast else in_the_way(desk)):
        return Decision(should_plan=False, reason=late.message, finding=late)
    last = desk.plans.latest(site.site_id)
    start, end = _window(last, quarter_start(now))
    prices = prices_between(site, desk.lake, start_utc=start, end_utc=end)
    decide = partial(
        replan,
        last,
        site_id=site.site_id,
        forecast_id=forecast.forecast_id if forecast else "",
        price_digest=price_digest(prices, start, end),
        mode=desk.mode,
        now_utc=now,
        away_until_utc=desk.away_until_utc,
        is_new_day=is_new_day(desk.experiments, last, now),
        other_forecasts={
            role: made.forecast_id for role, made in (by_role(site, of_devices) | {"price": of_prices}).items() if made
        },
    )
    decision = decide()
    # The interval is asked here already: reading a device costs seconds, and a new plan would be refused anyway.
    if decision.should_plan and (late := in_the_way(desk)):
        return Decision(should_plan=False, reason=f"{decision.reason}, but {late.message}", finding=late)
    if decision.should_plan or last is None or now - last.created_at_utc < MIN_INTERVAL:
        return decision
    is_followed = desk.mode >= Mode.PARTIAL
    since = desk.read_since(last, now)
    since = since if is_followed else Since(sun_kw=since.sun_kw, finding=since.finding)
    decision, unknown = decide(since=since), [] if since.finding is None else [since.finding]
    if is_followed and not decision.should_plan:
        states, silent = measured_states(desk.read_states, site)
        unknown += silent.values()
        # Where none answers there is nothing to plan without.
        decision = decide(since=since, states=states, silent=silent.keys() if states else None)
    if decision.should_plan or not unknown:
        return decision
    said = "; ".join([decision.reason, *(each.message for each in unknown)])
    return decision.model_copy(update={"reason": said, "finding": unknown[-1]})


def _window(last: Plan | None, start: datetime) -> tuple[datetime, datetime]:
    # The digest must cover what the stored plan covered, or every quarter hour would look like a new price.
    return (start, start + HORIZON) if last is None else plan_window(last)
