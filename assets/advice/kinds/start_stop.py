"""Start and stop times: a load that runs on open days long before the first or after the last activity."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate, counts_as, variance_of_runs
from assets.advice.site_hours import MeterHours, SiteHours

# Hours that a start may be ahead of the activity, and a stop behind it.
_LEAD_H, _LAG_H = 1, 1
_DEEP_NIGHT = (1, 3)
_LEAST_HOURS, _LEAST_SHARE = 60, 0.3


def find(site: SiteHours) -> Iterator[Estimate]:
    """Estimates of meters that follow the activity and run beyond it on most open days."""
    if site.activity is None or site.activity.all() or not site.activity.any():
        return
    first, last = _active_hours(site)
    for meter in site.meters:
        if meter.is_leaf and (found := _of(site, meter, first, last)) is not None:
            yield found


def _active_hours(site: SiteHours) -> tuple[np.ndarray, np.ndarray]:
    """First and last active hour of each local day; 99 and -1 of a day without activity."""
    size = int(site.day.max()) + 1
    first, last = np.full(size, 99), np.full(size, -1)
    active = np.asarray(site.activity, dtype=bool)
    np.minimum.at(first, site.day[active], site.hour[active])
    np.maximum.at(last, site.day[active], site.hour[active])
    return first, last


def _of(site: SiteHours, meter: MeterHours, first: np.ndarray, last: np.ndarray) -> Estimate | None:
    known = np.isfinite(meter.kwh)
    kwh = np.nan_to_num(meter.kwh)
    idle, busy = known & ~np.asarray(site.activity), known & np.asarray(site.activity)
    if idle.sum() < 200 or busy.sum() < 200:
        return None
    off, on = float(np.quantile(kwh[idle], 0.2)), float(np.median(kwh[busy]))
    if on < 1.5 * off or on <= 0:
        return None
    is_on = known & (kwh > off + 0.5 * (on - off))
    open_day = last >= 0
    deep = (site.hour >= _DEEP_NIGHT[0]) & (site.hour <= _DEEP_NIGHT[1])
    # A night that was left on is of another kind.
    left_on = np.bincount(site.day[deep], is_on[deep], minlength=first.size) > 0
    before = (site.hour < first[site.day] - _LEAD_H) & (site.hour > _DEEP_NIGHT[1])
    after = (site.hour > last[site.day] + _LAG_H) & (site.hour > _DEEP_NIGHT[1])
    beyond = (before | after) & is_on & open_day[site.day] & ~left_on[site.day]
    days = np.unique(site.day[beyond]).size
    hours = int(beyond.sum())
    if hours < _LEAST_HOURS or days < _LEAST_SHARE * open_day.sum():
        return None
    quiet = idle & ~is_on
    level = float(kwh[quiet].mean())
    saved = np.where(beyond, np.maximum(kwh - level, 0), 0.0)
    # What the hours would have drawn, a run of them a day, and the level that they are held against.
    of_level = float(np.var(kwh[quiet])) / counts_as(kwh[quiet], int(quiet.sum()))
    error = float(np.sqrt(variance_of_runs(kwh[quiet], np.bincount(site.day[beyond])) + hours**2 * of_level))
    numbers = {
        "early_h": (float((beyond & before).sum() / days), "h"), "late_h": (float((beyond & after).sum() / days), "h"),
        "days": (float(days), "count"),
    }  # fmt: skip
    return Estimate(f"meter:{meter.meter_id}", {meter.meter_id: saved}, error, numbers=numbers)
