"""From what is known now to a stored plan: gather, solve, freeze, store plan and commands in one transaction."""

from datetime import datetime, timedelta
from functools import partial

from assets.stores.forecasts import ForecastStore
from assets.stores.lake import Lake
from assets.stores.plans import PlanStore
from controls.optimiser.case import case_of
from controls.optimiser.solve import solve
from controls.planning.inputs import plan_request, price_digest, quarter_start
from controls.planning.measured import ReadSoc, measured_soc_kwh
from controls.planning.plan import commands_of, make_plan
from controls.planning.prices import prices_between
from controls.planning.triggers import MIN_INTERVAL, Decision, plan_window, replan
from data_quality.contracts.command import Mode
from data_quality.contracts.finding import Finding
from data_quality.contracts.plan import Plan
from data_quality.contracts.site import Site
from data_quality.contracts.time import Clock

HORIZON = timedelta(hours=24)


def make_plan_now(
    site: Site,
    *,
    lake: Lake,
    forecasts: ForecastStore,
    plans: PlanStore,
    mode: Mode,
    read_soc: ReadSoc,
    clock: Clock,
) -> Plan | Finding:
    """Plan the next 24 hours of a site and store it with its commands, or say why not.

    The same inputs twice give the plan that is already stored.
    """
    now = clock.now_utc()
    load, pv = forecast_targets(site)
    soc_kwh, soc_age_s = read_soc()
    prices = prices_between(site, lake, start_utc=quarter_start(now), end_utc=now + HORIZON)
    request = plan_request(
        site,
        load_forecast=forecasts.latest(site.site_id, load, as_of_utc=now) if load else None,
        pv_forecast=forecasts.latest(site.site_id, pv, as_of_utc=now) if pv else None,
        prices=prices,
        soc_kwh=soc_kwh,
        soc_age_s=soc_age_s,
        mode=mode,
        now_utc=now,
    )
    if isinstance(request, Finding):
        return request
    solution = solve(case_of(request))
    if isinstance(solution, Finding):
        return solution
    plan = make_plan(request, solution, created_at_utc=now, version=plans.next_version(site.site_id))
    return plans.add_with_commands(plan, commands_of(plan, site, epoch=0), clock).plan


def plan_trigger(
    site: Site,
    *,
    lake: Lake,
    forecasts: ForecastStore,
    plans: PlanStore,
    mode: Mode,
    read_soc: ReadSoc,
    clock: Clock,
) -> Decision:
    """Whether a forecast, a price, the clock or the measured charge asks for a new plan of the site.

    The battery is asked only where nothing else asks for a plan, one may be made, and commands follow it: below
    PARTIAL the charge goes its own way. A charge that is not known is told as the decision's finding.
    """
    now = clock.now_utc()
    load, _ = forecast_targets(site)
    forecast = forecasts.latest(site.site_id, load, as_of_utc=now) if load else None
    if forecast is None:
        return Decision(should_plan=False, reason="there is no load forecast yet")
    last = plans.latest(site.site_id)
    start, end = _window(last, quarter_start(now))
    prices = prices_between(site, lake, start_utc=start, end_utc=end)
    decide = partial(
        replan,
        last,
        site_id=site.site_id,
        forecast_id=forecast.forecast_id,
        price_digest=price_digest(prices, start, end),
        mode=mode,
        now_utc=now,
    )
    decision = decide()
    is_followed = last is not None and mode >= Mode.PARTIAL and now - last.created_at_utc >= MIN_INTERVAL
    if decision.should_plan or not is_followed:
        return decision
    measured = measured_soc_kwh(read_soc, site.site_id)
    if isinstance(measured, Finding):
        return decision.model_copy(update={"reason": f"{decision.reason}; {measured.message}", "finding": measured})
    return decide(soc_kwh=measured)


def _window(last: Plan | None, start: datetime) -> tuple[datetime, datetime]:
    # The digest must cover what the stored plan covered, or every quarter hour would look like a new price.
    return (start, start + HORIZON) if last is None else plan_window(last)


def forecast_targets(site: Site) -> tuple[str | None, str | None]:
    """The forecasts (by the name that they carry) that are the load and the PV of a plan."""
    generation = {asset.meter for asset in site.assets if asset.kind == "pv"}
    load = next((target for target in site.forecast_targets if target not in generation), None)
    pv = next((target for target in site.forecast_targets if target in generation), None)
    return (f"meter:{load}" if load else None, f"meter:{pv}" if pv else None)
