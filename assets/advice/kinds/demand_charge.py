"""Demand charge: short peaks far above all other quarter hours of their month, by the bill with and without them."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.kinds.billed import months_of, paid
from assets.advice.kinds.contracted_power import best_contract
from assets.advice.site_hours import SiteHours

_MOST_PEAKS, _BESIDE = 12, 60
_LEAST_GAP, _LEAST_SHARE, _LEAST_OF_BILL = 5.0, 0.05, 0.005


def find(site: SiteHours) -> Iterator[Estimate]:
    """One estimate for the supply, where its tariff has a demand charge and months have such peaks.

    Of the saving under the contracted power of today and under the one that is advised the lesser: an excess that
    another contract avoids is not saved a second time.
    """
    supply = site.supply
    if supply is None or not any(tariff.demand for tariff in supply.tariffs):
        return
    load = supply.load.load
    month = months_of(site, load.size)
    cut, peaks, spacing = load.copy(), 0, list[float]()
    for number in np.unique(month):
        of = np.flatnonzero(month == number)
        found = _level(load[of])
        if found is not None:
            level, count, step = found
            cut[of] = _shifted(load[of], level)
            peaks += count
            spacing.append(step)
    if not peaks:
        return
    moved_kwh = float(np.maximum(load - cut, 0).sum()) * 1e-9
    contracts = [supply, *filter(None, [best_contract(site)])]
    before = [paid(each, supply.load) for each in contracts]
    after = [paid(each, replace(supply.load, load=cut)) for each in contracts]
    money, per_h = min(was - then for was, then in zip(before, after, strict=True)), 60 / supply.load.step_minutes
    if money < _LEAST_OF_BILL * before[0]:
        return
    shaved_kw = float((load - cut).max()) * 1e-9 * per_h
    # The level below the peaks is known to the distance of its neighbours.
    error = money * min(1.0, float(np.mean(spacing)) * 1e-9 * per_h / max(shaved_kw, 1e-9))
    numbers = {
        "peaks": (float(peaks), "count"), "shaved_kw": (shaved_kw, "kw"), "shifted_kwh": (moved_kwh, "kwh"),
    }  # fmt: skip
    yield Estimate(f"site:{site.site_id}", money=money, money_error=error, numbers=numbers)


def _shifted(load: np.ndarray, level: int) -> np.ndarray:
    """The load held at a level, the excess above it spread over the intervals that are well below."""
    held = np.minimum(load, level)
    room = held < 0.9 * level
    moved = int((load - held).sum())
    if room.any():
        held[room] += moved // int(room.sum())
    return np.asarray(held)


def _level(load: np.ndarray) -> tuple[int, int, float] | None:
    """The highest load below a month's peaks, how many stand above it, and the usual distance of neighbours."""
    top = np.sort(load)[::-1][:_BESIDE].astype(float)
    if top.size < _BESIDE or top[0] <= 0:
        return None
    steps = top[:-1] - top[1:]
    usual = float(np.mean(steps[_MOST_PEAKS:]))
    at = int(np.argmax(steps[:_MOST_PEAKS]))
    is_peak = steps[at] >= _LEAST_GAP * usual and top[0] - top[at + 1] >= _LEAST_SHARE * top[0]
    # More than one peak a month far apart is how a load is, not what it could avoid.
    return (int(top[at + 1]), at + 1, usual) if is_peak else None
