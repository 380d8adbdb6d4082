"""Inputs of a plan as known at one instant; one that is missing or too old is a finding, never a guess."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from pydantic import ValidationError

from assets.stores.column_types import sha256_of
from controls.optimiser.case import case_of
from controls.optimiser.devices.connection import connection_kw, phase_limits
from controls.optimiser.devices.device import AssetState, Device, OnPhases, params_of
from controls.optimiser.devices.kinds import KINDS, device_assets, while_away
from controls.planning.surroundings import outdoor_ahead, wall_labels, with_neighbours
from controls.planning.tariff_terms import Offer, ReadBills, in_force, tariff_findings, tariff_offer
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import FORECAST_FROM, DeviceFigures, PlanRequest
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import CANONICAL_MINUTES

STEP = timedelta(minutes=CANONICAL_MINUTES)
# A day-ahead forecast is made once a day; two hours more let the next one be late.
MAX_FORECAST_AGE = timedelta(hours=26)
# As guard I06: a plan from a charge that no command could be sent on would be thrown away.
MAX_STATE_AGE_S = 60.0
# Guard I01 lets a set-point in PARTIAL differ from the safe default by this share of the rating (dispatch.md B.2).
PARTIAL_SHARE = 0.3
# Of a holiday among the inputs: until when it is, and after the name of each device what it keeps.
HOLIDAY_UNTIL, AWAY_ENDING = "holiday_until", "_while_away"
# Behind the id of a device: why it begins so, or why the plan goes without it.
STORED, ASSUMED, LEFT_OUT = "_stored", "_assumed", "_left_out"
# Behind a device and the limit of its own that no plan can keep: what is planned instead.
NOT_KEPT = "_not_kept"
# A quarter is exact in binary, so sums of a day's steps carry no rounding.
_STEPS_PER_HOUR = 60 // CANONICAL_MINUTES
# For the sentence only: how far the inputs reach need not be searched beyond two days.
_LONGEST_STEPS = 48 * _STEPS_PER_HOUR
Facts = dict[str, str | float | int | bool | None]
# A device's state (a battery's charge, kWh; None: no car is plugged in), and its age in seconds.
Measured = tuple[float | None, float]


def plan_request(
    site: Site,
    *,
    load_forecast: Forecast | None,
    device_forecasts: Mapping[str, Forecast | None],
    prices: pl.DataFrame,
    states: Mapping[str, Measured],
    mode: Mode,
    now_utc: datetime,
    horizon_h: float = 24.0,
    min_horizon_h: float = 12.0,
    ends: Mapping[str, float] | None = None,
    price_forecast: Forecast | None = None,
    read_bills: ReadBills | None = None,
    weather: Sequence[WeatherIssue] = (),
    start_utc: datetime | None = None,
    away_until_utc: datetime | None = None,
) -> PlanRequest | Finding:
    """The frozen request for the quarter hours from start_utc (None: the one in progress) on, or a blocking finding.

    load_forecast, device_forecasts (by asset id, of the kinds that need one): their P50 holds for all quarters of a
    step, and what they say of how they were made stands among the inputs. prices: of the site's price stream as
    published: interval_start_utc, price_per_kwh (float or decimal, currency of the site), one row per quarter hour; a
    site without stream buys by its tariffs alone. price_forecast: of that stream, for the steps after the last
    published one. read_bills: what is known of the bills so far, asked where a tariff looks at more than the hour
    (tiers, peaks). weather: as forecast, for devices that lose heat outdoors or draw it from there.
    states: of the devices that are asked for one, by asset id; it counts as the start of the plan. ends: what is to
    be left in them; by default what there is, so that a saving is never charge borrowed from tomorrow.
    The horizon is horizon_h, or shorter where forecasts or prices end earlier, but not below min_horizon_h.
    away_until_utc: nobody is at home until then (Device.away); None, or what is over at the start: somebody is.
    In PARTIAL a device gets 30 % of its rating (PV is not limited below 70 % of its own).
    A finding's code is that of the first thing missing, its message names them all. Raises BadInput for asset
    figures that make no device, and for prices with a quarter hour twice.
    """
    start_utc, limit_kw = start_utc or quarter_start(now_utc), connection_kw(site)
    forecasts = {"load": load_forecast} | by_role(site, device_forecasts)
    findings = [*_device_findings(site, limit_kw), *tariff_findings(site)]
    findings += [found for role, made in forecasts.items() for found in _forecast_findings(role, made, now_utc)]
    findings += state_findings(site, states).values()
    if findings or limit_kw is None or load_forecast is None:
        return joined(findings, site)
    used = {role: made for role, made in forecasts.items() if made is not None}
    ahead = _after(_price_by_start(prices), price_forecast, now_utc)
    series = {role: _quarter_hour_kw(made) for role, made in used.items()}
    series |= _priced(site, _price_by_start(prices) | ahead, start_utc)
    steps = _covered(start_utc, round(horizon_h * _STEPS_PER_HOUR), series)
    if len(steps) < min_horizon_h * _STEPS_PER_HOUR:
        return joined([_horizon_finding(series, start_utc, len(steps), min_horizon_h)], site)
    powers_kw = {role: tuple(known[step] for step in steps) for role, known in series.items()}
    labels = {"prices": price_digest(prices, start_utc, steps[-1] + STEP), "mode": mode.name} | _notes(used)
    labels |= _forecast_prices(price_forecast, [step for step in steps if step in ahead])
    outdoor = outdoor_ahead(site, weather, steps, now_utc=now_utc)
    times = start_utc, away_until_utc
    figures = partial(_figures, site, mode, powers_kw, states, ends or {}, times, limit_kw, outdoor.degc)
    net_kw = np.subtract(powers_kw["load"], np.sum(_sun(site, powers_kw), axis=0))
    known: dict[str, Any] = {"prices": series.get("prices", {}), "start_utc": start_utc, "read_bills": read_bills}
    frame = {"start_utc": start_utc, "known_at_utc": now_utc, "load_kw": powers_kw["load"], "import_max_kw": limit_kw}
    frame["is_synthetic"] = site.is_simulated or outdoor.is_synthetic or any(one.is_synthetic for one in used.values())
    labels |= _ages(site, states) | outdoor.labels | wall_labels(site) | away_labels(site, away_until_utc, start_utc)
    return _request(site, frame, used, labels, partial(tariff_offer, site, net_kw=net_kw, **known), figures)


def _request(
    site: Site,
    frame: Mapping[str, Any],
    forecasts: Mapping[str, Forecast],
    labels: Mapping[str, str],
    offered: Callable[..., Offer | Finding],
    figures: Callable[[tuple[float, ...]], tuple[DeviceFigures, ...]],
) -> PlanRequest | Finding:
    """The request of what is known. offered: what the tariffs say; figures: of the devices at prices of import."""
    if isinstance(offer := offered(most_kw=frame["import_max_kw"]), Finding):
        return joined([offer], site)
    request = PlanRequest(
        **frame,
        site_id=site.site_id,
        step_h=1 / _STEPS_PER_HOUR,
        import_price_per_kwh=offer.import_price_per_kwh,
        export_price_per_kwh=offer.export_price_per_kwh,
        export_max_kw=frame["import_max_kw"],
        devices=figures(offer.import_price_per_kwh),
        currency=site.currency,
        phases=phase_limits(site),
        forecast_id=forecasts["load"].forecast_id,
        inputs={f"{role}_forecast": made.forecast_id for role, made in forecasts.items()} | {**labels, **offer.labels},
    )
    return _with_bills(request, offer, offered) if offer.bills else request


def _with_bills(request: PlanRequest, offer: Offer, offered: Callable[..., Offer | Finding]) -> PlanRequest | Finding:
    """The request with its bills, wide enough for whatever the site may need at most."""
    # The same load with nothing planned may need more than the connection carries, and has its bill too.
    around = case_of(request).around
    most_kw = max(request.import_max_kw, float(around.drawn_max_kw.max()), float(around.fed_max_kw.max()))
    whole = offered(most_kw=most_kw) if most_kw > request.import_max_kw else offer
    if isinstance(whole, Finding):
        return whole.model_copy(update={"scope": request.site_id})
    return request.model_copy(update={"bills": tuple(terms.model_dump(mode="json") for terms in whole.bills)})


def _notes(forecasts: Mapping[str, Forecast]) -> dict[str, str]:
    """Notes of the forecasts on how they were made: a weaker model, a changed load, missing weather."""
    return {f"{role}_forecast_{code}": text for role, made in forecasts.items() for code, text in made.labels.items()}


def _forecast_prices(forecast: Forecast | None, steps: Sequence[datetime]) -> dict[str, str]:
    """Labels of the steps whose prices are forecast, where there are any."""
    if forecast is None or not steps:
        return {}
    labels = {"price_forecast": forecast.forecast_id, FORECAST_FROM: f"{steps[0]:%Y-%m-%dT%H:%MZ}"}
    return labels | _notes({"price": forecast})


def _priced(site: Site, prices: dict[datetime, float], start_utc: datetime) -> dict[str, dict[datetime, float]]:
    """Inputs that each step needs for its price: that of the stream, and a tariff in force."""
    found = {"prices": prices} if site.price_stream is not None else {}
    every = [start_utc + k * STEP for k in range(_LONGEST_STEPS)]
    # Only where it ends: a tariff without end limits no horizon.
    if len(held := in_force(site, every)) < len(every):
        found["tariff"] = dict.fromkeys(held, 0.0)
    return found


def _after(published: Mapping[datetime, float], forecast: Forecast | None, now_utc: datetime) -> dict[datetime, float]:
    """Forecast prices of the quarter hours after the last published one; none of a forecast that is not yet known."""
    if forecast is None or forecast.available_at_utc > now_utc or now_utc - forecast.issued_at_utc > MAX_FORECAST_AGE:
        return {}
    # What is published is never replaced, nor is a hole in it filled: a price that lacks there is a fault of its own.
    last = max(published, default=None)
    return {step: price for step, price in _quarter_hour_kw(forecast).items() if last is None or step > last}


def _sun(site: Site, powers_kw: Mapping[str, tuple[float, ...]]) -> list[tuple[float, ...]]:
    # Systems behind one meter share one forecast: it counts once.
    meters = {asset.meter or asset.asset_id: role_of("pv", asset, site) for asset in site.assets if asset.kind == "pv"}
    return [powers_kw[role] for role in meters.values() if role in powers_kw]


def by_role(site: Site, forecasts: Mapping[str, Forecast | None]) -> dict[str, Forecast | None]:
    """Forecasts by asset id under the names that a plan's inputs have for them. Raises BadInput as `plan_request`."""
    found = {}
    for asset, kind in device_assets(site):
        kind.figures(asset, site.site_id)
        if kind.forecast:
            found[role_of(kind.forecast, asset, site)] = forecasts.get(asset.asset_id)
    return found


def _ages(site: Site, states: Mapping[str, Measured]) -> dict[str, str]:
    return {
        f"{role_of(kind.measure.code, asset, site)}_age_s": f"{states[asset.asset_id][1]:g}"
        for asset, kind in device_assets(site)
        if kind.measure
    }


def _figures(
    site: Site,
    mode: Mode,
    powers_kw: Mapping[str, tuple[float, ...]],
    states: Mapping[str, Measured],
    ends: Mapping[str, float],
    times_utc: tuple[datetime, datetime | None],
    limit_kw: float,
    outdoor_degc: tuple[float, ...],
    import_price_per_kwh: tuple[float, ...],
) -> tuple[DeviceFigures, ...]:
    made, sun = dict[str, Device](), _sun(site, powers_kw)
    for asset, kind in device_assets(site):
        on_its_meter = (one for one in site.assets if (one.kind, one.meter) == (asset.kind, asset.meter))
        given = AssetState(
            site_id=site.site_id,
            share=PARTIAL_SHARE if mode == Mode.PARTIAL else 1.0,
            forecast_kw=powers_kw[role_of(kind.forecast, asset, site)] if kind.forecast else (),
            siblings=tuple(on_its_meter) if asset.meter else (asset,),
            state=states[asset.asset_id][0] if kind.measure else None,
            end=ends.get(asset.asset_id),
            start_utc=times_utc[0],
            away_until_utc=times_utc[1],
            step_h=1 / _STEPS_PER_HOUR,
            time_zone=site.time_zone,
            outdoor_degc=outdoor_degc,
            load_kw=powers_kw["load"],
            pv_kw=tuple(sum(values) for values in zip(*sun, strict=True)),
            import_price_per_kwh=import_price_per_kwh,
            import_max_kw=limit_kw,
        )
        try:
            made[asset.asset_id] = kind.from_asset(asset, given)
        except ValidationError as error:
            # Each figure may be one, and two of them still contradict.
            reason = sentence_of(error.errors()[0])
            raise BadInput(f"site {site.site_id}, asset {asset.asset_id!r}: {reason}", reason="bad_asset") from error
    devices, found = with_neighbours(site, made, np.full(len(import_price_per_kwh), 1 / _STEPS_PER_HOUR)), []
    for asset, kind in device_assets(site):
        figures = devices[asset.asset_id].model_dump(mode="json", exclude={"device_id"})
        figures |= params_of(OnPhases, asset, site.site_id).model_dump(mode="json")
        found.append(DeviceFigures(kind=kind.kind, device_id=asset.asset_id, figures=figures))
    return tuple(found)


def away_labels(site: Site, away_until_utc: datetime | None, start_utc: datetime) -> dict[str, str]:
    """Inputs of a plan about a holiday: its end, and the set-back of each device; empty without one."""
    if away_until_utc is None or away_until_utc <= start_utc:
        return {}
    setbacks = {f"{name}{AWAY_ENDING}": str(text) for name, text in while_away(site).items()}
    return {HOLIDAY_UNTIL: f"{away_until_utc:%Y-%m-%dT%H:%MZ}"} | setbacks


def away_setbacks(inputs: Mapping[str, str]) -> dict[str, str]:
    """Set-backs of the plan's devices until the return, as text by asset id."""
    return _ending(inputs, AWAY_ENDING)


def left_out(inputs: Mapping[str, str]) -> dict[str, str]:
    """The devices that a plan goes without, by asset id, and why."""
    return _ending(inputs, LEFT_OUT)


def not_kept(inputs: Mapping[str, str]) -> dict[str, str]:
    """The wishes of devices that a plan does not keep because none can, by device and limit, in sentences."""
    return _ending(inputs, NOT_KEPT)


def not_measured(inputs: Mapping[str, str]) -> dict[str, str]:
    """The devices whose state at the start was stored or assumed, by asset id, in sentences: none is commanded."""
    return _ending(inputs, STORED) | _ending(inputs, ASSUMED)


def _ending(inputs: Mapping[str, str], ending: str) -> dict[str, str]:
    return {name.removesuffix(ending): text for name, text in inputs.items() if name.endswith(ending)}


def quarter_start(now_utc: datetime) -> datetime:
    """The start of the quarter hour in progress."""
    # In UTC: every zone in use is off it by whole quarter hours, so local quarters begin at the same instants.
    minute = now_utc.minute - now_utc.minute % CANONICAL_MINUTES
    return now_utc.replace(minute=minute, second=0, microsecond=0)


def price_digest(prices: pl.DataFrame, start_utc: datetime, end_utc: datetime) -> str:
    """SHA-256 of the known prices of a window: later prices do not change it, a corrected one does.

    prices: interval_start_utc, price_per_kwh. Rows in any order.
    """
    known = sorted(_price_by_start(prices).items())
    window = [[f"{at:%Y-%m-%dT%H:%MZ}", price] for at, price in known if start_utc <= at < end_utc]
    # Named as it ever was: a plan of an earlier version must not look like one of other prices.
    return sha256_of([["price_per_kwh", window]])


def _device_findings(site: Site, limit_kw: float | None) -> list[Finding]:
    found = []
    if not makes_a_plan(site):
        wanted = " or ".join(name for name, kind in KINDS.items() if kind.makes_a_plan)
        found.append(_finding("no_battery", f"site {site.site_id} has no {wanted} to plan", {}))
    if limit_kw is None:
        sentence = f"site {site.site_id} has no meter at the grid connection with connected_load_kw"
        found.append(_finding("no_connection_limit", sentence, {}))
    return found


def makes_a_plan(site: Site) -> bool:
    """Whether the site has a device whose use can be planned; PV alone leaves nothing to choose."""
    return any(kind.makes_a_plan for _, kind in device_assets(site))


def role_of(name: str, asset: Asset, site: Site) -> str:
    """Name of a device's forecast or state in a plan's inputs: by kind, and by asset where the site has several."""
    is_one_of_many = sum(one.kind == asset.kind for one in site.assets) > 1
    return f"{asset.asset_id}_{name}" if is_one_of_many else name


def _forecast_findings(name: str, forecast: Forecast | None, now_utc: datetime) -> list[Finding]:
    if forecast is None:
        return [_finding(f"no_{name}_forecast", f"there is no {name} forecast", {})]
    if forecast.available_at_utc > now_utc:
        sentence = f"the {name} forecast is available from {forecast.available_at_utc:%Y-%m-%dT%H:%MZ}"
        return [_finding(f"{name}_forecast_not_yet_known", sentence, {})]
    age_h = (now_utc - forecast.issued_at_utc) / timedelta(hours=1)
    limit_h = MAX_FORECAST_AGE / timedelta(hours=1)
    if age_h > limit_h:
        sentence = f"the {name} forecast is {age_h:.1f} h old, at most {limit_h:g} h are allowed"
        return [_finding(f"{name}_forecast_too_old", sentence, {f"{name}_forecast_age_h": age_h})]
    return []


def state_findings(
    site: Site, states: Mapping[str, Measured], faults: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Finding]:
    """Findings that keep measured states of a site's devices out of a plan, by asset id; empty where none does.

    faults: errors of the queries to devices that reported nothing.
    """
    found = {}
    for asset, kind in device_assets(site):
        if kind.measure is None:
            continue
        name, role, words = asset.asset_id, role_of(kind.measure.code, asset, site), kind.measure.words
        if role != kind.measure.code:
            words = f"{words} of {asset.asset_id!r}"
        if asset.asset_id not in states:
            why = ", or its age, is not known" if asset.template else " is not known: it has no template to ask it by"
            why = f" is not known: {faults[name]}" if name in faults else why
            found[name] = _finding(f"no_{role}", f"{words}{why}", {})
        # A negative age is a clock that is wrong: as bad as an old value.
        elif not 0 <= (age_s := states[asset.asset_id][1]) <= MAX_STATE_AGE_S:
            sentence = f"{words} is {age_s:.0f} s old, at most {MAX_STATE_AGE_S:g} s are allowed"
            found[name] = _finding(f"{role}_too_old", sentence, {f"{role}_age_s": age_s})
        # A device that is full and says 100.0 % must not fail on the last digit of a product.
        elif (
            (state := states[name][0]) is not None
            and (full := kind.full(asset, site.site_id)) is not None
            and not 0 <= state <= full * (1 + 1e-6)
        ):
            sentence = f"{words} is {state:.1f} kWh of a battery of {full:g} kWh; expected 0 to 100 % of it"
            found[name] = _finding(f"{role}_out_of_bounds", sentence, {role: state})
        elif (state is None and not kind.measure.presence) or not isfinite(state or 0.0):
            found[name] = _finding(f"{role}_out_of_bounds", f"{words} is {state}: its sensor says no number", {})
    return found


def _horizon_finding(
    series: dict[str, dict[datetime, float]], start_utc: datetime, steps: int, min_horizon_h: float
) -> Finding:
    reach_h = {
        name: len(_covered(start_utc, _LONGEST_STEPS, {name: known})) / _STEPS_PER_HOUR
        for name, known in series.items()
    }
    reach = ", ".join(f"{name} {hours:g} h" for name, hours in reach_h.items())
    return _finding(
        "horizon_too_short",
        f"from {start_utc:%Y-%m-%dT%H:%MZ} the inputs reach {reach} without a hole; {min_horizon_h:g} h are needed",
        {"covered_h": steps / _STEPS_PER_HOUR, **{f"{name}_h": hours for name, hours in reach_h.items()}},
    )


def _finding(code: str, message: str, facts: Facts) -> Finding:
    return Finding(code=code, message=message, severity="blocking", facts=facts)


def joined(findings: Sequence[Finding], site: Site) -> Finding:
    """Several findings in one, by the code of the first."""
    facts: Facts = {"codes": ",".join(finding.code for finding in findings)}
    for finding in findings:
        facts |= finding.facts
    message = "; ".join(finding.message for finding in findings)
    return findings[0].model_copy(update={"message": message, "facts": facts, "scope": site.site_id})


def _quarter_hour_kw(forecast: Forecast) -> dict[datetime, float]:
    # The energy of an hour in kWh is its mean power in kW, and so that of each of its quarters; a price stays a price.
    per_hour = 60 / forecast.step_minutes if forecast.unit == "kwh" else 1.0
    quarters = forecast.step_minutes // CANONICAL_MINUTES
    # What is no number is a hole, as if it were not there: a plan ends before it.
    known = (row for row in forecast.rows if isfinite(row.p50))
    return {row.time_utc + k * STEP: row.p50 * per_hour for row in known for k in range(quarters)}


def _price_by_start(prices: pl.DataFrame) -> dict[datetime, float]:
    known = prices.select("interval_start_utc", pl.col("price_per_kwh").cast(pl.Float64)).drop_nulls()
    known = known.filter(pl.col("price_per_kwh").is_finite())
    by_start = dict(known.iter_rows())
    if len(by_start) != known.height:
        raise BadInput("the prices hold a quarter hour twice", reason="duplicate_price")
    return by_start


def _covered(start_utc: datetime, wanted: int, series: dict[str, dict[datetime, float]]) -> list[datetime]:
    steps = []
    for k in range(wanted):
        step = start_utc + k * STEP
        # Up to the first hole only: a step in the middle cannot be left out, charge flows through it.
        if not all(step in known for known in series.values()):
            break
        steps.append(step)
    return steps
