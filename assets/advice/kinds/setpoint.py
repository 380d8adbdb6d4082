"""Setpoint: heating that begins in warmer, or cooling that begins in cooler weather than the site declares."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.site_hours import SiteHours, WeatherSlope

_LEAST_K, _MOST_K = 1.0, 3.0
# A baseline's base is found to half a degree: the standard error of a uniform step.
_BASE_ERROR_K = 0.29


def find(site: SiteHours) -> Iterator[Estimate]:
    """Estimates of uses whose approved baseline has such a base; the saving is the slope times the degree days."""
    for slope in site.slopes:
        declared = (site.declared_degc or {}).get(slope.term)
        if declared is not None and site.outdoor_degc is not None and slope.kwh_per_k_day > 0:
            sign = 1 if slope.term == "hdd" else -1
            too_far_k = min(sign * (slope.base_degc - declared), _MOST_K)
            if too_far_k >= _LEAST_K:
                yield _of(site, slope, site.outdoor_degc, sign, too_far_k)


def _of(site: SiteHours, slope: WeatherSlope, outdoor_degc: np.ndarray, sign: int, too_far_k: float) -> Estimate:
    hours = np.bincount(site.day)
    degc = np.bincount(site.day, outdoor_degc) / hours
    degrees = np.maximum(sign * (slope.base_degc - degc), 0)
    fewer = degrees - np.maximum(degrees - too_far_k, 0)
    meters = [meter for name in slope.meters if (meter := site.meter(name)) is not None]
    used = np.sum([np.nan_to_num(each.kwh) for each in meters], axis=0)
    by_day = np.bincount(site.day, used)
    wanted = np.minimum(slope.kwh_per_k_day * fewer, by_day)
    share = np.divide(wanted, by_day, out=np.zeros_like(wanted), where=by_day > 0)[site.day]
    saved = {each.meter_id: np.nan_to_num(each.kwh) * share for each in meters}
    total, days = float(wanted.sum()), int((fewer > 0).sum())
    error = float(
        np.hypot(total * slope.standard_error / slope.kwh_per_k_day, _BASE_ERROR_K * slope.kwh_per_k_day * days)
    )
    numbers = {
        "base_degc": (slope.base_degc, "degc"), "change_k": (too_far_k, "kelvin"),
        "slope_kwh_per_k_day": (slope.kwh_per_k_day, "kwh_per_k_day"),
    }  # fmt: skip
    return Estimate(f"meter:{slope.meters[0]}", saved, error, numbers=numbers)
