"""From what is known now to a stored plan: gather, solve, freeze, store plan and commands in one transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import ceil
from zoneinfo import ZoneInfo

import polars as pl

from assets.carbon.factor_choice.factor_view import electricity_factors, known_factors
from assets.stores.lake.lake import Lake
from controls.optimiser.case import case_of
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.explain.explain import explain
from controls.optimiser.lp_build import label_of
from controls.optimiser.moving_steps import with_moving_steps
from controls.optimiser.objective import active_measures
from controls.planning.context import (
    HORIZON,
    LOOK_BACK,
    PlanningContext,
    forecast_targets,
    measured_states,
    newest,
    price_age,
    price_doubt,
    prices_between,
)
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.habit import arm_of, is_new_day
from controls.planning.plan_inputs import (
    NOT_KEPT,
    Measured,
    by_role,
    joined,
    makes_a_plan,
    plan_request,
    price_digest,
    quarter_start,
)
from controls.planning.plan_start import solved_from
from controls.planning.scenarios import with_scenarios
from controls.planning.starting_states import LOOKED_BACK, assumption, sensor_fallback, starting_states
from controls.planning.tariff_terms import so_far_reader
from controls.planning.triggers import MIN_INTERVAL, Decision, Since, plan_window, replan
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site

# A plan or forecast of the next minutes is a clock between two programs, not a wrong one.
_AHEAD = timedelta(minutes=2)


def make_plan_now(context: PlanningContext, *, because: str = "") -> Plan | Finding:
    """Plan the next day of a site, or two where its steps move, and store it with its commands, or say why not.

    because: what asked for it. The same inputs twice give the plan that is already stored.
    """
    site, now = context.site, context.clock.now_utc()
    if isinstance(prices := prices_ahead(context, now), Finding):
        return prices
    begun = [each.plan for each in context.plans.begun(site.site_id, now - LOOKED_BACK, now)]
    reported = context.read_states()
    known = sensor_fallback(site, reported, begun, now_utc=now)
    begin = starting_states(
        site, known.states, faults=getattr(reported, "faults", {}), lake=context.lake, mode=context.mode, now_utc=now
    )
    if begin.findings and not makes_a_plan(begin.site):
        return joined(begin.findings, site)
    request = request_of(context, begin.site, begin.states, prices, labels=known.labels | begin.labels)
    if isinstance(request, Finding):
        return request
    arm = arm_of(context.experiments, request, now)
    if arm is not None:
        request = request.model_copy(update={"follows": arm[1].followed})
    made = solved_plan(context, request, version=context.plans.next_version(site.site_id), because=because)
    if isinstance(made, Finding):
        return made
    # epoch=0: the agent puts its own in when it sends.
    stored = context.plans.add_with_commands(made, commands_of(made, site, epoch=0), context.clock).plan
    if arm is not None and context.experiments is not None:
        experiment, day = arm
        context.experiments.follow(experiment, day.model_copy(update={"plan_id": stored.plan_id}), context.clock)
    return stored


def solved_plan(context: PlanningContext, request: PlanRequest, *, version: int, because: str = "") -> Plan | Finding:
    """The plan of a request, with why it is so; not stored."""
    last = context.plans.latest(context.site.site_id)
    solution, start = solved_from(request, last, time_zone=context.site.time_zone)
    refused = solution
    # One device that cannot have what it wants leaves no other without a plan.
    for _ in request.devices:
        if isinstance(solution, Finding) and (eased := _eased(request, solution)) is not None:
            request = eased
            solution, start = solved_from(request, last, time_zone=context.site.time_zone)
    if isinstance(solution, Finding):
        return refused if isinstance(refused, Finding) else solution
    case = case_of(request)
    # Without its solver's values, a plan of which time ran out is still a plan.
    has_values = bool(solution.values)
    zone_name, within_s = context.site.time_zone, context.explained_within_s
    why = explain(case, solution, time_zone=zone_name, budget_s=within_s) if has_values else None
    return make_plan(
        request,
        solution,
        created_at_utc=context.clock.now_utc(),
        version=version,
        explanation=why,
        asked_because=because,
        start=start,
    )


def _eased(request: PlanRequest, finding: Finding) -> PlanRequest | None:
    """The request with the first wish lowered that a contradiction names, told among its inputs; None: it names none.

    What a car is to leave with is lowered last.
    """
    case, families = case_of(request), str(finding.facts.get("families", "")).split(",")
    for device in sorted(case.devices, key=lambda each: each.is_taken_away):
        for family, unit in device.limits.items():
            label = label_of(case, device, family)
            needed = finding.facts.get(f"{label}_{unit}")
            # To the next Wh: what is rounded off must not be what lacks.
            amount = None if needed is None else ceil(float(needed) * 1000 + 1) / 1000
            given = device.giving(family, amount) if label in families else None
            if given is None or given == device:
                continue
            of = [one.device_id for one in request.devices].index(device.device_id)
            figures = given.model_dump(mode="json", exclude={"device_id"})
            devices = list(request.devices)
            devices[of] = devices[of].model_copy(update={"figures": figures})
            pattern = "{0} cannot keep its heat: nothing is planned for it, and its own thermostat heats"
            if given != device.without_control():
                pattern = "{0} cannot hold in time what is wanted of it, and is planned with {1} kWh less"
            told = {f"{device.device_id}_{family}{NOT_KEPT}": pattern.format(device.device_id, f"{amount or 0:.3f}")}
            return request.model_copy(update={"devices": tuple(devices), "inputs": request.inputs | told})
    return None


def plan_trigger(context: PlanningContext) -> Decision:
    """Whether a forecast, a price, the clock, the sun, a person or a measured state calls for a new plan of the site.

    The meters and devices are asked only where nothing else asks for a plan and one may be made, and the devices only
    where commands follow it: below PARTIAL a charge goes its own way. What is not known is told as the decision's
    finding.
    """
    site, now = context.site, context.clock.now_utc()
    forecast, of_devices, of_prices = newest(context)
    if late := (wrong_clock(context) if forecast else plan_obstacle(context)):
        return Decision(should_plan=False, reason=late.message, finding=late)
    last = context.plans.latest(site.site_id)
    # The digest must cover what the stored plan covered, or every quarter hour would look like a new price.
    start, end = (quarter_start(now), quarter_start(now) + HORIZON) if last is None else plan_window(last)
    prices = prices_between(site, context.lake, start_utc=start, end_utc=end)
    decide = partial(
        replan,
        last,
        site_id=site.site_id,
        forecast_id=forecast.forecast_id if forecast else "",
        price_digest=price_digest(prices, start, end),
        mode=context.mode,
        now_utc=now,
        away_until_utc=context.away_until_utc,
        is_new_day=is_new_day(context.experiments, last, now),
        other_forecasts={
            role: made.forecast_id for role, made in (by_role(site, of_devices) | {"price": of_prices}).items() if made
        },
    )
    decision = decide()
    # The interval is checked here already: reading a device costs seconds, and a new plan would be refused anyway.
    if decision.should_plan and (late := plan_obstacle(context)):
        return Decision(should_plan=False, reason=f"{decision.reason}, but {late.message}", finding=late)
    if decision.should_plan or last is None or now - last.created_at_utc < MIN_INTERVAL:
        return decision
    is_followed = context.mode >= Mode.PARTIAL
    since = context.read_since(last, now)
    since = since if is_followed else Since(sun_kw=since.sun_kw, finding=since.finding)
    decision, unknown = decide(since=since), [] if since.finding is None else [since.finding]
    if is_followed and not decision.should_plan:
        states, silent = measured_states(context.read_states, site)
        unknown += silent.values()
        # Where none answers there is nothing to plan without.
        decision = decide(since=since, states=states, silent=silent.keys() if states else None)
    if decision.should_plan or not unknown:
        return decision
    reason = "; ".join([decision.reason, *(each.message for each in unknown)])
    return decision.model_copy(update={"reason": reason, "finding": unknown[-1]})


def request_of(
    context: PlanningContext,
    site: Site,
    states: Mapping[str, Measured],
    prices: pl.DataFrame,
    *,
    labels: dict[str, str],
    span_utc: tuple[datetime, datetime] | None = None,
) -> PlanRequest | Finding:
    """Request of a plan of the site's devices, over its horizon, or over a span of another day."""
    now = context.clock.now_utc()
    start_utc, end_utc = span_utc or (quarter_start(now), quarter_start(now) + context.horizon)
    horizon_h = (end_utc - start_utc) / timedelta(hours=1)
    load_forecast, forecasts, price_forecast = newest(context)
    request = plan_request(
        site,
        load_forecast=load_forecast,
        device_forecasts=forecasts,
        prices=prices,
        states=states,
        mode=context.mode,
        now_utc=now,
        price_forecast=price_forecast,
        read_bills=so_far_reader(site, context.lake, start_utc=start_utc),
        weather=context.weather_known(now),
        away_until_utc=context.away_until_utc,
        start_utc=start_utc,
        horizon_h=horizon_h,
        min_horizon_h=12.0 if span_utc is None else min(horizon_h, 6.0),
    )
    request = _with_ages(request, price_age(site, context.lake, now_utc=now))
    if isinstance(request, PlanRequest):
        request = with_objective(request, site, context.lake)
    if isinstance(request, Finding):
        return request
    request = request.model_copy(update={"inputs": request.inputs | labels})
    if site.risk is not None:
        request = with_scenarios(request, site.risk, {"load": load_forecast} | forecasts, price_forecast=price_forecast)
    return with_moving_steps(request) if context.horizon > HORIZON and span_utc is None else request


def prices_ahead(context: PlanningContext, now_utc: datetime) -> pl.DataFrame | Finding:
    """Prices of a plan made now, or why they cannot be believed. Those of a feed are held against its own past, a
    tariff's stand in the site file.
    """
    start_utc, is_fed = quarter_start(now_utc), context.site.price_stream is not None
    since_utc = start_utc - LOOK_BACK if is_fed else start_utc
    found = prices_between(context.site, context.lake, start_utc=since_utc, end_utc=now_utc + context.horizon)
    ahead = found.filter(pl.col("interval_start_utc") >= start_utc)
    doubt = price_doubt(ahead, found.filter(pl.col("interval_start_utc") < start_utc)) if is_fed else None
    return ahead if doubt is None else doubt.model_copy(update={"scope": context.site.site_id})


def _with_ages(request: PlanRequest | Finding, ages: Sequence[Finding]) -> PlanRequest | Finding:
    """Add the findings on the age of the prices to the inputs of the plan, or to the reason why there is none."""
    if isinstance(request, PlanRequest):
        notes = {age.code: age.message for age in ages}
        return request.model_copy(update={"inputs": request.inputs | notes}) if notes else request
    for age in ages if request.code == "horizon_too_short" else ():
        codes = f"{age.code},{request.facts.get('codes', request.code)}"
        update = {
            "code": age.code,
            "message": f"{age.message}; {request.message}",
            "facts": request.facts | {"codes": codes},
        }
        request = request.model_copy(update=update)
    return request


def plan_obstacle(context: PlanningContext) -> Finding | None:
    """First reason why the site cannot be planned now, without querying its devices or the solver; None: none."""
    site, now = context.site, context.clock.now_utc()
    if late := wrong_clock(context):
        return late
    load, _ = forecast_targets(site)
    if context.lake.span(site.site_id) is None and not (load and context.forecast(load)):
        message = "there is no reading yet: forecasts and prices are made of what the lake holds"
        return Finding(code="no_readings", message=message, severity="blocking", scope=site.site_id)
    if isinstance(prices := prices_ahead(context, now), Finding):
        return prices
    assumed = {one.asset_id: assumption(site, one, kind)[0] for one, kind in device_assets(site) if kind.measure}
    found = request_of(context, site, {name: (state, 0.0) for name, state in assumed.items()}, prices, labels={})
    return found if isinstance(found, Finding) else None


def wrong_clock(context: PlanningContext) -> Finding | None:
    """Why this machine's clock cannot be right: what it wrote itself lies ahead of it."""
    site_id, now = context.site.site_id, context.clock.now_utc()
    plan, (load, _) = context.plans.latest(site_id), forecast_targets(context.site)
    made = load and context.forecasts.latest(site_id, load)
    known = {"plan": plan and plan.created_at_utc, "forecast": made and made.issued_at_utc}
    for what, at_utc in known.items():
        if at_utc and at_utc - now > _AHEAD:
            message = f"the clock says {now:%Y-%m-%d %H:%M}Z, and the newest {what} is of {at_utc:%Y-%m-%d %H:%M}Z"
            return Finding(code="clock_wrong", message=message, severity="blocking", scope=site_id)
    return None


# By UTC start of each quarter hour, kgCO2e per kWh of imported electricity.
Intensity = Mapping[datetime, float]


def with_objective(request: PlanRequest, site: Site, lake: Lake) -> PlanRequest | Finding:
    """The request with the site's objective; a blocking finding where it counts carbon that is not known."""
    wanted = site.objective
    found = request.model_copy(update={"objective": wanted})
    if wanted.is_default:
        return found
    steps = [start for start, _ in case_of(request).windows_utc]
    source, known = intensity(site, lake, steps)
    missing = [step for step in steps if step not in known]
    if missing and "carbon" in active_measures(wanted):
        first = missing[0].astimezone(ZoneInfo(site.time_zone))
        return Finding(
            code="no_carbon_intensity",
            severity="blocking",
            scope=site.site_id,
            message=(
                f"the objective {wanted.preset} counts carbon, and that of a kWh is not known ({source}) from"
                f" {first:%Y-%m-%d %H:%M} on: give an electricity factor or objective.carbon_stream in the site file"
            ),
            facts={"steps_missing": len(missing)},
        )
    if missing:
        return found
    per_step = tuple(known[step] for step in steps)
    return found.model_copy(
        update={"carbon_kgco2e_per_kwh": per_step, "inputs": request.inputs | {"carbon_intensity": source}}
    )


def intensity(site: Site, lake: Lake, steps: list[datetime]) -> tuple[str, Intensity]:
    """Where the carbon of a kWh is known from, and it: the objective's stream, else the location-based factors.

    The two are never mixed: a factor of the year beside the hours of a stream would make the stream's holes look clean
    or dirty. Steps: UTC starts of quarter hours.
    """
    zone, stream = ZoneInfo(site.time_zone), site.objective.carbon_stream
    if stream is not None:
        end = steps[-1] + timedelta(minutes=1)
        rows = lake.current(site.site_id, start_utc=steps[0], end_utc=end, meters=[stream])
        known = rows.filter(pl.col("unit") == "kgco2e_per_kwh").select("interval_start_utc", "value")
        return f"stream {stream}", dict(known.iter_rows())
    days = {step: step.astimezone(zone).date() for step in steps}
    factors = electricity_factors(
        known_factors(site, lake.store), min(days.values()), max(days.values()) + timedelta(1)
    )
    by_day = {day: float(value) for day, value in factors.iter_rows() if value is not None}
    return "factors of the site", {step: by_day[day] for step, day in days.items() if day in by_day}
