"""From what is known now to a stored plan: gather, solve, freeze, store plan and commands in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import polars as pl

from assets.stores.issued.weather_issues import WeatherStore
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from controls.optimiser.case import case_of
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.moving_steps import HORIZON_H, with_moving_steps
from controls.optimiser.solve import solve
from controls.optimiser.why.explain import explain
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.measured import ReadStates, measured_states
from controls.planning.plan_inputs import by_role, plan_request, price_digest, quarter_start
from controls.planning.prices import LOOK_BACK, price_age, price_doubt, prices_between
from controls.planning.scenarios import with_scenarios
from controls.planning.stood_in import LOOKED_BACK, stood_in
from controls.planning.tariff_terms import so_far_reader
from controls.planning.triggers import MIN_INTERVAL, Decision, Since, plan_window, replan
from controls.planning.wishes import with_wishes
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

# Day-ahead prices reach to the end of the next day at best; what is longer would be cut to them.
HORIZON = timedelta(hours=24)
# Far steps are long, and so as many as a day of quarter hours has are not reached.
_MOVING_HORIZON = timedelta(hours=HORIZON_H)


@dataclass(frozen=True)
class Desk:
    """All that planning a site asks: where its data lie, how far commands may go, how devices tell their states.

    explained_within_s: commands wait for why a plan is so; what is not explained by then says that. read_since: what
    came of a plan. weather: as forecast; None: nobody keeps any.
    """

    site: Site
    lake: Lake
    forecasts: ForecastStore
    plans: PlanStore
    mode: Mode
    read_states: ReadStates
    clock: Clock
    explained_within_s: float = 10.0
    read_since: Callable[[Plan, datetime], Since] = lambda _plan, _now_utc: Since()
    weather: WeatherStore | None = None

    def forecast(self, target: str | None) -> Forecast | None:
        """The newest forecast of a target, where it is one; of one hour's that by quarter hours, where it reaches."""
        if not target:
            return None
        now = self.clock.now_utc()
        found = [self.forecasts.latest(self.site.site_id, name, as_of_utc=now) for name in (target, f"{target}@15min")]
        known = [one for one in found if one is not None]
        # By the hour of the issue: the hours of a site are forecast once in it, its quarter hours four times.
        return max(known, key=lambda one: (f"{one.issued_at_utc:%Y-%m-%dT%H}", one.step_minutes == 15), default=None)

    @property
    def horizon(self) -> timedelta:
        """How far a plan of the site reaches."""
        return _MOVING_HORIZON if self.site.plan_steps == "moving" else HORIZON

    def weather_known(self, now_utc: datetime) -> Sequence[WeatherIssue]:
        """The issues known now that tell of the hours ahead."""
        if self.weather is None:
            return ()
        return self.weather.known(
            self.site.site_id, start_utc=now_utc, end_utc=now_utc + self.horizon, available_by_utc=now_utc
        )


def make_plan_now(desk: Desk, *, because: str = "") -> Plan | Finding:
    """Plan the next day of a site, or two where its steps move, and store it with its commands, or say why not.

    because: what asked for it. The same inputs twice give the plan that is already stored.
    """
    site, now = desk.site, desk.clock.now_utc()
    prices = prices_between(site, desk.lake, start_utc=quarter_start(now), end_utc=now + desk.horizon)
    if doubt := _price_doubt(desk, prices, quarter_start(now)):
        return doubt
    begun = desk.plans.begun(site.site_id, now - LOOKED_BACK, now)
    known = stood_in(site, desk.read_states(), [each.plan for each in begun], now_utc=now)
    load_forecast, forecasts, price_forecast = _newest(desk)
    request = plan_request(
        site,
        load_forecast=load_forecast,
        device_forecasts=forecasts,
        prices=prices,
        states=known.states,
        mode=desk.mode,
        now_utc=now,
        price_forecast=price_forecast,
        read_bills=so_far_reader(site, desk.lake, start_utc=quarter_start(now)),
        weather=desk.weather_known(now),
        horizon_h=desk.horizon / timedelta(hours=1),
    )
    request = _with_ages(request, price_age(site, desk.lake, now_utc=now))
    if isinstance(request, PlanRequest):
        request = with_wishes(request, site, desk.lake)
    if isinstance(request, Finding):
        return request
    request = request.model_copy(update={"inputs": request.inputs | known.labels})
    if site.risk is not None:
        request = with_scenarios(request, site.risk, {"load": load_forecast} | forecasts, price_forecast=price_forecast)
    if desk.horizon > HORIZON:
        request = with_moving_steps(request)
    case = case_of(request)
    # Without the plan before as a start: the same inputs must give the same plan, whatever was planned before.
    solution = solve(case, time_zone=site.time_zone)
    if isinstance(solution, Finding):
        return solution
    # Without its solver's values, a plan of which time ran out is still a plan.
    is_told = bool(solution.values)
    why = explain(case, solution, time_zone=site.time_zone, budget_s=desk.explained_within_s) if is_told else None
    # epoch=0 in the commands below: the agent puts its own in when it sends.
    version = desk.plans.next_version(site.site_id)
    plan = make_plan(request, solution, created_at_utc=now, version=version, explanation=why, asked_because=because)
    return desk.plans.add_with_commands(plan, commands_of(plan, site, epoch=0), desk.clock).plan


def _price_doubt(desk: Desk, prices: pl.DataFrame, start_utc: datetime) -> Finding | None:
    """A feed's prices are held against its own past; a tariff's stand in the site file."""
    if desk.site.price_stream is None:
        return None
    before = prices_between(desk.site, desk.lake, start_utc=start_utc - LOOK_BACK, end_utc=start_utc)
    found = price_doubt(prices, before)
    return found and found.model_copy(update={"scope": desk.site.site_id})


def _with_ages(request: PlanRequest | Finding, ages: Sequence[Finding]) -> PlanRequest | Finding:
    """What the age of the prices says stands among the inputs of the plan, or before the reason why there is none."""
    if isinstance(request, PlanRequest):
        told = {age.code: age.message for age in ages}
        return request.model_copy(update={"inputs": request.inputs | told}) if told else request
    for age in ages if request.code == "horizon_too_short" else ():
        codes = f"{age.code},{request.facts.get('codes', request.code)}"
        said = {
            "code": age.code,
            "message": f"{age.message}; {request.message}",
            "facts": request.facts | {"codes": codes},
        }
        request = request.model_copy(update=said)
    return request


def plan_trigger(desk: Desk) -> Decision:
    """Whether a forecast, a price, the clock, the sun, a person or a measured state asks for a new plan of the site.

    The meters and devices are asked only where nothing else asks for a plan and one may be made, and the devices only
    where commands follow it: below PARTIAL a charge goes its own way. What is not known is told as the decision's
    finding.
    """
    site, now = desk.site, desk.clock.now_utc()
    forecast, of_devices, of_prices = _newest(desk)
    if forecast is None:
        return Decision(should_plan=False, reason="there is no load forecast yet")
    last = desk.plans.latest(site.site_id)
    start, end = _window(last, quarter_start(now))
    prices = prices_between(site, desk.lake, start_utc=start, end_utc=end)
    decide = partial(
        replan,
        last,
        site_id=site.site_id,
        forecast_id=forecast.forecast_id,
        price_digest=price_digest(prices, start, end),
        mode=desk.mode,
        now_utc=now,
        other_forecasts={
            role: made.forecast_id for role, made in (by_role(site, of_devices) | {"price": of_prices}).items() if made
        },
    )
    decision = decide()
    # The interval is asked here already: reading a device costs seconds, and a new plan would be refused anyway.
    if decision.should_plan or last is None or now - last.created_at_utc < MIN_INTERVAL:
        return decision
    is_followed = desk.mode >= Mode.PARTIAL
    since = desk.read_since(last, now)
    since = since if is_followed else Since(sun_kw=since.sun_kw, finding=since.finding)
    decision, unknown = decide(since=since), [] if since.finding is None else [since.finding]
    if is_followed and not decision.should_plan:
        states = measured_states(desk.read_states, site)
        if isinstance(states, Finding):
            unknown.append(states)
        else:
            decision = decide(since=since, states=states)
    if decision.should_plan or not unknown:
        return decision
    said = "; ".join([decision.reason, *(each.message for each in unknown)])
    return decision.model_copy(update={"reason": said, "finding": unknown[-1]})


def _newest(desk: Desk) -> tuple[Forecast | None, dict[str, Forecast | None], Forecast | None]:
    """The newest forecasts of the load, of each device that needs one by its asset's id, and of the prices."""
    load, targets = forecast_targets(desk.site)
    own = {name: desk.forecast(target) for name, target in targets.items()}
    return desk.forecast(load), own, desk.forecast(desk.site.price_stream and f"meter:{desk.site.price_stream}")


def _window(last: Plan | None, start: datetime) -> tuple[datetime, datetime]:
    # The digest must cover what the stored plan covered, or every quarter hour would look like a new price.
    return (start, start + HORIZON) if last is None else plan_window(last)


def forecast_targets(site: Site) -> tuple[str | None, dict[str, str | None]]:
    """The forecasts (by the name that they carry) of the load, and of each device whose kind needs one, by asset id."""
    meters = {asset.asset_id: asset.meter for asset, kind in device_assets(site) if kind.forecast}
    # The first target that belongs to no device is the site's load; PV on the list is not load.
    load = next((target for target in site.forecast_targets if target not in meters.values()), None)
    own = {name: f"meter:{meter}" if meter in site.forecast_targets else None for name, meter in meters.items()}
    return f"meter:{load}" if load else None, own
