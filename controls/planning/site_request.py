"""The request of a site's plan from what is known now, objective and carbon intensity in it, or what bars one."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from assets.carbon.factor_choice.factor_view import electricity_factors, known_factors
from assets.stores.lake.lake import Lake
from controls.optimiser.case import case_of
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.moving_steps import with_moving_steps
from controls.optimiser.objective import measures_wanted
from controls.planning.desk import HORIZON, Desk, forecast_targets, newest
from controls.planning.plan_inputs import Measured, plan_request, quarter_start
from controls.planning.prices import LOOK_BACK, price_age, price_doubt, prices_between
from controls.planning.scenarios import with_scenarios
from controls.planning.starting_states import assumption
from controls.planning.tariff_terms import so_far_reader
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site

# A plan or forecast of the next minutes is a clock between two programs, not a wrong one.
_AHEAD = timedelta(minutes=2)


def request_of(
    desk: Desk,
    site: Site,
    states: Mapping[str, Measured],
    prices: pl.DataFrame,
    *,
    labels: dict[str, str],
    span_utc: tuple[datetime, datetime] | None = None,
) -> PlanRequest | Finding:
    """What a plan of the site's devices rests on, over the desk's horizon, or over a span of another day."""
    now, horizon_h = desk.clock.now_utc(), desk.horizon / timedelta(hours=1)
    over: dict[str, Any] = {"horizon_h": horizon_h}
    if span_utc is not None:
        asked_h = (span_utc[1] - span_utc[0]) / timedelta(hours=1)
        over = {"horizon_h": asked_h, "min_horizon_h": min(asked_h, 6.0), "start_utc": span_utc[0]}
    load_forecast, forecasts, price_forecast = newest(desk)
    request = plan_request(
        site,
        load_forecast=load_forecast,
        device_forecasts=forecasts,
        prices=prices,
        states=states,
        mode=desk.mode,
        now_utc=now,
        price_forecast=price_forecast,
        read_bills=so_far_reader(site, desk.lake, start_utc=over.get("start_utc") or quarter_start(now)),
        weather=desk.weather_known(now),
        away_until_utc=desk.away_until_utc,
        **over,
    )
    request = _with_ages(request, price_age(site, desk.lake, now_utc=now))
    if isinstance(request, PlanRequest):
        request = with_objective(request, site, desk.lake)
    if isinstance(request, Finding):
        return request
    request = request.model_copy(update={"inputs": request.inputs | labels})
    if site.risk is not None:
        request = with_scenarios(request, site.risk, {"load": load_forecast} | forecasts, price_forecast=price_forecast)
    return with_moving_steps(request) if desk.horizon > HORIZON and span_utc is None else request


def doubted_prices(desk: Desk, prices: pl.DataFrame, start_utc: datetime) -> Finding | None:
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


def in_the_way(desk: Desk) -> Finding | None:
    """What keeps a plan of the site from being made now; of its devices and of the solver nothing is asked."""
    site, now = desk.site, desk.clock.now_utc()
    if (late := wrong_clock(desk)) or (late := _no_readings(desk)):
        return late
    prices = prices_between(site, desk.lake, start_utc=quarter_start(now), end_utc=now + desk.horizon)
    if doubt := doubted_prices(desk, prices, quarter_start(now)):
        return doubt
    assumed = {one.asset_id: assumption(site, one, kind)[0] for one, kind in device_assets(site) if kind.measure}
    found = request_of(desk, site, {name: (state, 0.0) for name, state in assumed.items()}, prices, labels={})
    return found if isinstance(found, Finding) else None


def wrong_clock(desk: Desk) -> Finding | None:
    """Why this machine's clock cannot be right: what it wrote itself lies ahead of it."""
    site_id, now = desk.site.site_id, desk.clock.now_utc()
    plan, (load, _) = desk.plans.latest(site_id), forecast_targets(desk.site)
    made = load and desk.forecasts.latest(site_id, load)
    known = {"plan": plan and plan.created_at_utc, "forecast": made and made.issued_at_utc}
    for what, at_utc in known.items():
        if at_utc and at_utc - now > _AHEAD:
            message = f"the clock says {now:%Y-%m-%d %H:%M}Z, and the newest {what} is of {at_utc:%Y-%m-%d %H:%M}Z"
            return Finding(code="clock_wrong", message=message, severity="blocking", scope=site_id)
    return None


def _no_readings(desk: Desk) -> Finding | None:
    load, _ = forecast_targets(desk.site)
    if desk.lake.span(desk.site.site_id) is not None or (load and desk.forecast(load)):
        return None
    message = "there is no reading yet: forecasts and prices are made of what the lake holds"
    return Finding(code="no_readings", message=message, severity="blocking", scope=desk.site.site_id)


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
    if missing and "carbon" in measures_wanted(wanted):
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
