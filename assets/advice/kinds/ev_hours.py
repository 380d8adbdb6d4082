"""Car charging hours: energy that a car took in dear hours of its stay while cheaper ones were to come."""

from collections.abc import Iterator

import numpy as np

from assets.advice.estimate import Estimate
from assets.advice.site_hours import Charger, MeterHours, SiteHours

_CHARGES_KWH = 0.1
# A car that leaves earlier than said has fewer hours to choose from: the low end of the saving.
_EARLIER_H = 2
_LEAST_STAYS, _LEAST_SHARE = 20, 0.03


def find(site: SiteHours) -> Iterator[Estimate]:
    """Estimates of chargers whose car leaves at a known hour, at prices that differ by the hour."""
    for charger in site.chargers:
        meter = site.meter(charger.meter_id)
        if meter is not None and (found := _of(site, charger, meter)) is not None:
            yield found


def _of(site: SiteHours, charger: Charger, meter: MeterHours) -> Estimate | None:
    # Energy of the car out of the site's import: no more than any meter above it counts as import.
    above = [found.kwh for name in meter.above if (found := site.meter(name)) is not None]
    car = np.asarray(np.minimum.reduce([np.nan_to_num(each) for each in (meter.kwh, *above)]))
    stay = site.day + (site.hour >= charger.departure_hour)
    ends, paid, moved_kwh = [0.0, 0.0], 0.0, 0.0
    stays = 0
    for hours in np.split(np.arange(car.size), np.flatnonzero(np.diff(stay)) + 1):
        taking = hours[car[hours] > _CHARGES_KWH]
        here = hours[hours >= taking[0]] if taking.size else hours[:0]
        if here.size <= _EARLIER_H or not np.isfinite(meter.price_per_kwh[here]).all():
            continue
        price, kwh = meter.price_per_kwh[here], car[here]
        # It was plugged in for a part of its first hour.
        most = np.where(here == taking[0], kwh, np.maximum(charger.max_kw, kwh))
        stays += 1
        paid += float(price @ kwh)
        best = _cheapest(price, most, float(kwh.sum()))
        moved_kwh += float(np.maximum(kwh - best, 0).sum())
        for number, later in enumerate((_EARLIER_H, 0)):
            # What was charged in the last hours proves that it was there.
            can = np.where(np.arange(here.size) < here.size - later, most, kwh)
            ends[number] += float(price @ kwh) - float(price @ _cheapest(price, can, float(kwh.sum())))
    low, high = ends
    money = (low + high) / 2
    if stays < _LEAST_STAYS or paid <= 0 or money < _LEAST_SHARE * paid:
        return None
    numbers = {
        "stays": (float(stays), "count"), "moved_kwh": (moved_kwh, "kwh"), "charged_money": (paid, "currency"),
    }  # fmt: skip
    return Estimate(f"meter:{meter.meter_id}", money=money, money_interval=(low, high), numbers=numbers)


def _cheapest(price: np.ndarray, most_kwh: np.ndarray, total_kwh: float) -> np.ndarray:
    """The energy put into the cheapest hours, the earlier first of equal ones."""
    order = np.argsort(price, kind="stable")
    before = np.cumsum(most_kwh[order]) - most_kwh[order]
    put = np.zeros(price.size)
    put[order] = np.clip(total_kwh - before, 0, most_kwh[order])
    return put
