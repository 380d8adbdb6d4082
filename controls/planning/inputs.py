"""What a plan is made from, as known at one instant; what is missing or too old is a finding, never a guess."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from assets.stores.chain import sha256_of
from controls.planning.devices import battery_of, connection_kw, pv_of
from data_quality.contracts.command import Mode
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.forecast import Forecast
from data_quality.contracts.plan import BatteryParams, PlanRequest
from data_quality.contracts.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES

STEP = timedelta(minutes=CANONICAL_MINUTES)
# A day-ahead forecast is made once a day; two hours more let the next one be late.
MAX_FORECAST_AGE = timedelta(hours=26)
MAX_SOC_AGE_S = 60.0
# Guard I01 lets a set-point in PARTIAL differ from the safe default by this share of the rating (dispatch.md B.2).
PARTIAL_SHARE = 0.3
_STEPS_PER_HOUR = 60 // CANONICAL_MINUTES
_LONGEST_STEPS = 48 * _STEPS_PER_HOUR
Facts = dict[str, str | float | int | bool | None]


def plan_request(
    site: Site,
    *,
    load_forecast: Forecast | None,
    pv_forecast: Forecast | None,
    prices: pl.DataFrame,
    soc_kwh: float | None,
    soc_age_s: float | None,
    mode: Mode,
    now_utc: datetime,
    horizon_h: float = 24.0,
    min_horizon_h: float = 12.0,
    soc_end_min_kwh: float | None = None,
) -> PlanRequest | Finding:
    """The frozen request for the quarter hours from the one in progress, or a blocking finding.

    load_forecast, pv_forecast: hourly; their P50 holds for all four quarters. pv_forecast may be None only where the
    site has no PV. prices: interval_start_utc, price_per_kwh (float or decimal, currency of the site), one row per
    quarter hour, optionally export_price_per_kwh; without it the export price is that of the tariff in force.
    soc_kwh: charge as measured soc_age_s ago; it counts as the start of the plan. The plan ends with at least
    `soc_end_min_kwh`, by default the charge it begins with, so that a saving is never charge borrowed from tomorrow.
    The horizon is horizon_h, or shorter where forecasts or prices end earlier, but not below min_horizon_h.
    In PARTIAL the battery gets 30 % of its rating, and PV is not limited below 70 % of its own.
    A finding's code is that of the first thing missing, its message names them all. Raises BadInput for asset
    figures that make no battery, and for prices with a quarter hour twice.
    """
    start_utc, battery, limit_kw = quarter_start(now_utc), battery_of(site), connection_kw(site)
    findings = _missing(site, load_forecast, pv_forecast, soc_kwh, soc_age_s, now_utc)
    if findings or battery is None or limit_kw is None or load_forecast is None or soc_kwh is None:
        return _joined(findings, site)
    forecasts = {"load": load_forecast} | ({"pv": pv_forecast} if pv_forecast else {})
    series = {role: _quarter_hour_kw(made) for role, made in forecasts.items()}
    series["prices"] = _price_by_start(prices, "price_per_kwh")
    steps = _covered(start_utc, round(horizon_h * _STEPS_PER_HOUR), series)
    if len(steps) < min_horizon_h * _STEPS_PER_HOUR:
        return _joined([_horizon_finding(series, start_utc, len(steps), min_horizon_h)], site)
    params = _within_envelope(battery, mode)
    return PlanRequest(
        site_id=site.site_id,
        start_utc=start_utc,
        step_h=1 / _STEPS_PER_HOUR,
        known_at_utc=now_utc,
        load_kw=tuple(series["load"][step] for step in steps),
        pv_kw=tuple(series["pv"][step] if "pv" in series else 0.0 for step in steps),
        import_price_per_kwh=tuple(series["prices"][step] for step in steps),
        export_price_per_kwh=_export_prices(site, prices, steps),
        import_max_kw=limit_kw,
        export_max_kw=limit_kw,
        battery=params,
        soc_init_kwh=soc_kwh,
        soc_end_min_kwh=_end_charge_kwh(params, soc_kwh) if soc_end_min_kwh is None else soc_end_min_kwh,
        currency=site.currency,
        pv_limit_min_kw=_pv_limit_min_kw(site, mode),
        forecast_id=load_forecast.forecast_id,
        inputs={f"{role}_forecast": made.forecast_id for role, made in forecasts.items()}
        | {"prices": price_digest(prices, start_utc, steps[-1] + STEP)}
        | {"mode": mode.name, "soc_age_s": f"{soc_age_s:g}"},
        is_synthetic=site.is_simulated or any(made.is_synthetic for made in forecasts.values()),
    )


def quarter_start(now_utc: datetime) -> datetime:
    """The start of the quarter hour in progress."""
    minute = now_utc.minute - now_utc.minute % CANONICAL_MINUTES
    return now_utc.replace(minute=minute, second=0, microsecond=0)


def price_digest(prices: pl.DataFrame, start_utc: datetime, end_utc: datetime) -> str:
    """SHA-256 of the known prices of a window: later prices do not change it, a corrected one does.

    prices: interval_start_utc, price_per_kwh and optionally export_price_per_kwh. Rows in any order.
    """
    columns = ["price_per_kwh", *(["export_price_per_kwh"] if "export_price_per_kwh" in prices.columns else [])]
    return sha256_of(
        [
            [
                column,
                [[f"{at:%Y-%m-%dT%H:%MZ}", price] for at, price in sorted(known.items()) if start_utc <= at < end_utc],
            ]
            for column in columns
            for known in (_price_by_start(prices, column),)
        ]
    )


def _missing(
    site: Site,
    load_forecast: Forecast | None,
    pv_forecast: Forecast | None,
    soc_kwh: float | None,
    soc_age_s: float | None,
    now_utc: datetime,
) -> list[Finding]:
    return [
        *_device_findings(site),
        *_forecast_findings("load", load_forecast, now_utc, is_needed=True),
        *_forecast_findings("pv", pv_forecast, now_utc, is_needed=pv_of(site) is not None),
        *soc_findings(soc_kwh, soc_age_s),
    ]


def _device_findings(site: Site) -> list[Finding]:
    found = []
    if battery_of(site) is None:
        found.append(_finding("no_battery", f"site {site.site_id} has no battery to plan", {}))
    if connection_kw(site) is None:
        found.append(
            _finding(
                "no_connection_limit",
                f"site {site.site_id} has no meter at the grid connection with connected_load_kw",
                {},
            )
        )
    return found


def _forecast_findings(name: str, forecast: Forecast | None, now_utc: datetime, *, is_needed: bool) -> list[Finding]:
    if forecast is None:
        return [_finding(f"no_{name}_forecast", f"there is no {name} forecast", {})] if is_needed else []
    if forecast.available_at_utc > now_utc:
        sentence = f"the {name} forecast is available from {forecast.available_at_utc:%Y-%m-%dT%H:%MZ}"
        return [_finding(f"{name}_forecast_not_yet_known", sentence, {})]
    age_h = (now_utc - forecast.issued_at_utc) / timedelta(hours=1)
    limit_h = MAX_FORECAST_AGE / timedelta(hours=1)
    if age_h > limit_h:
        sentence = f"the {name} forecast is {age_h:.1f} h old, at most {limit_h:g} h are allowed"
        return [_finding(f"{name}_forecast_too_old", sentence, {f"{name}_forecast_age_h": age_h})]
    return []


def soc_findings(soc_kwh: float | None, soc_age_s: float | None) -> list[Finding]:
    """What keeps a measured charge, so many seconds old, out of a plan; empty where nothing does."""
    if soc_kwh is None or soc_age_s is None:
        return [_finding("no_soc", "the state of charge, or its age, is not known", {})]
    if not 0 <= soc_age_s <= MAX_SOC_AGE_S:
        sentence = f"the state of charge is {soc_age_s:.0f} s old, at most {MAX_SOC_AGE_S:g} s are allowed"
        return [_finding("soc_too_old", sentence, {"soc_age_s": soc_age_s})]
    return []


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


def _joined(findings: Sequence[Finding], site: Site) -> Finding:
    facts: Facts = {"codes": ",".join(finding.code for finding in findings)}
    for finding in findings:
        facts |= finding.facts
    message = "; ".join(finding.message for finding in findings)
    return findings[0].model_copy(update={"message": message, "facts": facts, "scope": site.site_id})


def _quarter_hour_kw(forecast: Forecast) -> dict[datetime, float]:
    # The energy of an hour in kWh is its mean power in kW, and so that of each of its quarters.
    return {row.time_utc + k * STEP: row.p50_kwh for row in forecast.rows for k in range(_STEPS_PER_HOUR)}


def _price_by_start(prices: pl.DataFrame, column: str) -> dict[datetime, float]:
    known = prices.select("interval_start_utc", pl.col(column).cast(pl.Float64)).drop_nulls()
    by_start = dict(known.iter_rows())
    if len(by_start) != known.height:
        raise BadInput("the prices hold a quarter hour twice", reason="duplicate_price")
    return by_start


def _covered(start_utc: datetime, wanted: int, series: dict[str, dict[datetime, float]]) -> list[datetime]:
    steps = []
    for k in range(wanted):
        step = start_utc + k * STEP
        if not all(step in known for known in series.values()):
            break
        steps.append(step)
    return steps


def _export_prices(site: Site, prices: pl.DataFrame, steps: Sequence[datetime]) -> tuple[float, ...]:
    if "export_price_per_kwh" in prices.columns:
        known = _price_by_start(prices, "export_price_per_kwh")
        return tuple(known.get(step, 0.0) for step in steps)
    zone = ZoneInfo(site.time_zone)
    earned = []
    for step in steps:
        day = step.astimezone(zone).date()
        tariff = next((tariff for tariff in site.tariffs if tariff.valid_from <= day < tariff.valid_to), None)
        # No tariff in force, or a price by hours or series: nothing is what a plan may always count on.
        earned.append(float(tariff.export_terms.price_per_kwh or 0) if tariff else 0.0)
    return tuple(earned)


def _within_envelope(battery: BatteryParams, mode: Mode) -> BatteryParams:
    if mode != Mode.PARTIAL:
        return battery
    return battery.model_copy(
        update={
            "max_charge_kw": PARTIAL_SHARE * battery.max_charge_kw,
            "max_discharge_kw": PARTIAL_SHARE * battery.max_discharge_kw,
        }
    )


def _pv_limit_min_kw(site: Site, mode: Mode) -> float:
    return (1 - PARTIAL_SHARE) * (pv_of(site) or 0.0) if mode == Mode.PARTIAL else 0.0


def _end_charge_kwh(battery: BatteryParams, soc_kwh: float) -> float:
    floor_kwh, ceiling_kwh = battery.soc_min * battery.capacity_kwh, battery.soc_max * battery.capacity_kwh
    return min(max(soc_kwh, floor_kwh), ceiling_kwh)
