"""Setpoint: heating that begins in warmer, or cooling that begins in cooler weather than the site declares."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.kinds import simultaneous
from assets.advice.site_hours import SiteHours, WeatherSlope

_LEAST_K, _MOST_K = 1.0, 3.0
# A baseline's base is found to half a degree: the standard deviation of a uniform step, 0.5 / √12.
_BASE_ERROR_K = 0.144
_BASES_DEGC = np.arange(8, 24.5, 0.5)
_LEAST_DAYS = 60


def find(site: SiteHours) -> Iterator[Estimate]:
    """Estimates of uses whose approved baseline has such a base; the saving is the slope times the degree days."""
    for slope in site.slopes:
        declared = (site.declared_degc or {}).get(slope.term)
        meters = [meter for name in slope.meters if (meter := site.meter(name)) is not None]
        if declared is None or site.outdoor_degc is None or slope.kwh_per_k_day <= 0 or not meters:
            continue
        sign = 1 if slope.term == "hdd" else -1
        known = _undisturbed(site, slope, sign)
        too_far_k = min(sign * (known.base_degc - declared), _MOST_K)
        if too_far_k >= _LEAST_K:
            degrees = np.maximum(sign * (known.base_degc - _degc(site)), 0)
            # A day whose temperature is not known saves nothing.
            fewer = np.nan_to_num(degrees - np.maximum(degrees - too_far_k, 0))
            used = np.sum([np.nan_to_num(each.kwh) for each in meters], axis=0)
            by_day = np.bincount(site.day, used)
            wanted = np.minimum(known.kwh_per_k_day * fewer, by_day)
            share = np.divide(wanted, by_day, out=np.zeros_like(wanted), where=by_day > 0)[site.day]
            saved = {each.meter_id: np.nan_to_num(each.kwh) * share for each in meters}
            total, days = float(wanted.sum()), int((fewer > 0).sum())
            error = float(
                np.hypot(total * known.standard_error / known.kwh_per_k_day, _BASE_ERROR_K * known.kwh_per_k_day * days)
            )
            numbers = {
                "base_degc": (known.base_degc, "degc"), "change_k": (too_far_k, "kelvin"),
                "slope_kwh_per_k_day": (known.kwh_per_k_day, "kwh_per_k_day"),
            }  # fmt: skip
            yield Estimate(f"meter:{known.meters[0]}", saved, error, numbers=numbers)


def _degc(site: SiteHours) -> np.ndarray:
    """Mean temperature of each day; NaN where not known."""
    return np.asarray(np.bincount(site.day, site.outdoor_degc) / np.bincount(site.day))


def _undisturbed(site: SiteHours, slope: WeatherSlope, sign: int) -> WeatherSlope:
    """The term fitted anew on days without simultaneous operation, where there was some: it looks like a warmer base.

    The stored term where there was none, or too few days are left.
    """
    lost = next((each for each in simultaneous.find(site) if set(slope.meters) & set(each.saved_kwh)), None)
    if lost is None:
        return slope
    both = np.bincount(site.day, np.sum(list(lost.saved_kwh.values()), axis=0)) > 0
    degc = _degc(site)
    used = np.bincount(site.day, np.sum([each.kwh for each in site.meters if each.meter_id in slope.meters], axis=0))
    alone = ~both & np.isfinite(degc + used)
    if alone.sum() < _LEAST_DAYS:
        return slope
    fits = [_fit(used[alone], np.maximum(sign * (base - degc[alone]), 0)) for base in _BASES_DEGC]
    at = int(np.argmin([each[0] for each in fits]))
    _, kwh_per_k_day, error = fits[at]
    return replace(slope, base_degc=float(_BASES_DEGC[at]), kwh_per_k_day=kwh_per_k_day, standard_error=error)


def _fit(used: np.ndarray, degrees: np.ndarray) -> tuple[float, float, float]:
    """Variance, slope and its standard error of a line; an infinite variance where the degrees do not differ."""
    centred = degrees - degrees.mean()
    total = float(centred @ centred)
    if total <= 0:
        return float("inf"), 0.0, 0.0
    slope = float(centred @ used) / total
    rest = used - used.mean() - slope * centred
    variance = float(rest @ rest) / (used.size - 2)
    return variance, slope, float(np.sqrt(variance / total))
