"""Night and weekend base load: nights and free days on which a load stayed on that is off on the others."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate, hours_above, two_levels, weather_free
from assets.advice.site_hours import MeterHours, SiteHours

_NIGHT_FROM, _NIGHT_TO = 22, 5
# A cell of the week in which a load can be off: its lower fifth is below this share of the usual high.
_OFF_SHARE = 0.7
_LEAST_RISE = 0.05
# Standard deviation of what blocks taken for low and hours not compared leave out, on 191 simulated site-years.
_FORM_ERROR = 0.0075


def find(site: SiteHours) -> Iterator[Estimate]:
    """Estimates of meters whose nights or free days have two levels."""
    for meter in site.meters:
        if not meter.is_leaf:
            continue
        parts = [part for of in ("night", "free") if (part := _of(site, meter, of)) is not None]
        if not parts:
            continue
        saved = np.sum([part[0] for part in parts], axis=0)
        numbers = {
            "on_count": (float(sum(part[2] for part in parts)), "count"),
            "count": (float(sum(part[3] for part in parts)), "count"),
            "excess_kw": (float(saved.sum() / max((saved > 0).sum(), 1)), "kw"),
        }
        error = float(np.hypot(np.hypot.reduce([part[1] for part in parts]), _FORM_ERROR * saved.sum()))
        yield Estimate(f"meter:{meter.meter_id}", {meter.meter_id: saved}, error, numbers=numbers)


def _of(site: SiteHours, meter: MeterHours, of: str) -> tuple[np.ndarray, float, int, int] | None:
    """Saved hours, standard error, blocks left on and blocks compared; None where there is one level."""
    is_night = (site.hour >= _NIGHT_FROM) | (site.hour < _NIGHT_TO)
    # An evening belongs to the night that follows it.
    block = site.day + (site.hour >= _NIGHT_FROM) if of == "night" else site.day
    wanted = is_night if of == "night" else site.is_free & ~is_night
    wanted = wanted & np.isfinite(meter.kwh)
    high = hours_above(meter.kwh, 0.95)
    if not wanted.any() or high <= 0:
        return None
    base = np.zeros(site.hour.size)
    for free in (False, True):
        for hour in np.unique(site.hour[wanted]):
            cell = wanted & (site.hour == hour) & (site.is_free == free)
            if cell.any():
                base[cell] = np.quantile(meter.kwh[cell], 0.2)
    wanted &= base <= _OFF_SHARE * high
    size = int(block.max()) + 1
    hours = np.bincount(block[wanted], minlength=size)
    # The first and last night of a period are parts of nights.
    whole = hours >= 0.25 * max(hours.max(initial=0), 1)
    degrees = (
        None if site.outdoor_degc is None else np.bincount(block[wanted], site.outdoor_degc[wanted], minlength=size)
    )
    if degrees is not None:
        # Of a block whose temperature is not known nobody can say whether the weather asked for its load.
        whole &= np.isfinite(degrees)
    if whole.sum() < 20:
        return None
    excess = np.bincount(block[wanted], (meter.kwh - base)[wanted], minlength=size)
    mean = excess[whole] / hours[whole]
    degc = None if degrees is None else degrees[whole] / hours[whole]
    rest = weather_free(mean, degc)
    found = two_levels(rest, least_share=0.03, most_share=0.75, least_gap=5.0)
    if found is None or (degc is not None and _follows_weather(degc, found.is_high)):
        return None
    rise = rest[found.is_high] - found.low
    if rise.mean() < _LEAST_RISE * high:
        return None
    per_hour = np.zeros(size)
    per_hour[np.flatnonzero(whole)[found.is_high]] = rise
    saved = np.where(wanted, np.minimum(per_hour[block], np.nan_to_num(meter.kwh)), 0.0)
    # Noise of the nights themselves, and of the level that they are held against.
    weights = hours[whole][found.is_high].astype(float)
    error = found.spread * float(np.sqrt((weights**2).sum() + weights.sum() ** 2 / found.n_low))
    return saved, error, int(found.is_high.sum()), int(whole.sum())


def _follows_weather(degc: np.ndarray, is_high: np.ndarray) -> bool:
    """Whether the high blocks are those of other weather: then the load has a reason."""
    difference_degc = abs(float(degc[is_high].mean() - degc[~is_high].mean()))
    return difference_degc > 0.75 * float(np.std(degc))
