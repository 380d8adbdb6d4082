"""Simultaneous heating and cooling: hours in which the one takes away what the other brings."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate, hours_above
from assets.advice.site_hours import SiteHours

# Heat that a kWh of a chiller moves; within a tenth either way (standard error) where no meter of cold tells.
_COP, _COP_ERROR = 3.0, 0.1
# Weather in which heat is hot water alone, and cold that of server rooms.
_WARM_DEGC, _COOL_DEGC = 22, 2
_MIN_OTHER_HOURS = 100
_RUNS = 0.04
_LEAST_HOURS = 100
_LEAST_SHARE = 0.03


def find(site: SiteHours) -> Iterator[Estimate]:
    """One estimate for the site, where heating and chillers ran in the same hours."""
    heating, cooling = site.of_role("heating"), site.of_role("cooling")
    if not heating or not cooling:
        return
    heat, cold = (np.sum([np.nan_to_num(each.kwh) for each in part], axis=0) for part in (heating, cooling))
    degc = site.outdoor_degc
    heat_up = heat - _standby(heat, site.hour, None if degc is None else degc > _WARM_DEGC)
    cold_up = cold - _standby(cold, site.hour, None if degc is None else degc < _COOL_DEGC)
    both = (heat_up > _RUNS * hours_above(heat_up, 0.98)) & (cold_up > _RUNS * hours_above(cold_up, 0.98))
    if both.sum() < _LEAST_HOURS:
        return
    lost = np.where(both, np.minimum(heat_up, _COP * cold_up), 0.0)
    # Spring and autumn days that are cold in the morning and warm at noon have a little of both.
    if lost.sum() < _LEAST_SHARE * heat.sum():
        return
    saved: dict[str, np.ndarray] = {}
    for part, total, amount in ((heating, heat, lost), (cooling, cold, lost / _COP)):
        share = np.divide(amount, total, out=np.zeros_like(total), where=total > 0)
        saved |= {each.meter_id: np.nan_to_num(each.kwh) * np.minimum(share, 1) for each in part}
    # Of the lesser of both the metered one is sure: the other follows it by the chiller's performance.
    error = _COP_ERROR * float(lost.sum())
    numbers = {"both_h": (float(both.sum()), "h"), "lost_kwh": (float(lost.sum()), "kwh")}
    yield Estimate(f"site:{site.site_id}", saved, error, numbers=numbers)


def _standby(kwh: np.ndarray, hour: np.ndarray, is_beside: np.ndarray | None) -> np.ndarray:
    """Its usual load by hour of the day in weather that does not ask for it; of too few such hours its lowest."""
    if is_beside is None or is_beside.sum() < _MIN_OTHER_HOURS:
        return np.full(kwh.size, hours_above(kwh, 0.1))
    usual = np.full(24, hours_above(kwh[is_beside], 0.5))
    for each in np.unique(hour[is_beside]):
        usual[each] = np.median(kwh[is_beside & (hour == each)])
    return np.asarray(usual[hour])
