"""PV, batteries and other tariffs: what a stored what-if found when it replayed a year with them."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from assets.advice.estimate import Estimate
from assets.advice.site_hours import SiteHours
from data_quality.contracts.control.what_if import Change, WhatIfVariant


def find(site: SiteHours, change: Change) -> Iterator[Estimate]:
    """One estimate for the variant that changes this alone and saves for sure: the one that pays back soonest.

    Where no payback is known, the one with the highest low end of its saving.
    """
    found = [each for each in site.what_ifs if each.changes == (change,) and each.interval[0] > 0]
    if found:
        best = min(found, key=lambda each: (each.payback_years is None, each.payback_years or 0, -each.interval[0]))
        yield _of(site, best)


KINDS: Mapping[str, Callable[[SiteHours], Iterator[Estimate]]] = {
    "pv": partial(find, change="pv"), "battery": partial(find, change="battery"),
    "tariff_switch": partial(find, change="tariff"),
}  # fmt: skip


def _of(site: SiteHours, variant: WhatIfVariant) -> Estimate:
    """Amounts a year, as the what-if has them, for the months of the period; cost and payback are its own."""
    years, (low, high) = site.months / 12, variant.interval
    numbers = {"saving_a_year": (variant.saving, "currency"), "bill_a_year": (variant.without, "currency")}
    if variant.saving_kgco2e is not None and variant.saving_kgco2e_interval is not None:
        least, most = variant.saving_kgco2e_interval
        numbers |= _band("savings_kgco2e", variant.saving_kgco2e * years, least * years, most * years, "kgco2e")
    texts = {"variant": variant.name}
    if variant.price is not None:
        price = variant.price
        numbers |= _band("cost_money", (price.low + price.high) / 2, price.low, price.high, "currency")
        texts["cost_source"] = price.source
    if variant.payback_years is not None and variant.payback_interval is not None:
        soon, late = variant.payback_interval
        if soon is not None and late is not None:
            numbers |= _band("payback_months", variant.payback_years * 12, soon * 12, late * 12, "months")
    return Estimate(
        f"site:{site.site_id}", money=variant.saving * years, money_interval=(low * years, high * years),
        numbers=numbers, texts=texts,
    )  # fmt: skip


def _band(name: str, value: float, low: float, high: float, unit: str) -> dict[str, tuple[float, str]]:
    return {name: (value, unit), f"low_{name}": (low, unit), f"high_{name}": (high, unit)}
