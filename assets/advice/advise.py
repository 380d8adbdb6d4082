"""Recommendations of a site's hours: every kind evaluated, overlaps netted, hours priced. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from assets.advice.catalogue import catalogue
from assets.advice.estimate import Z90, Estimate
from assets.advice.kinds import (
    base_load,
    billing_fault,
    compressed_air,
    contracted_power,
    demand_charge,
    ev_hours,
    from_what_ifs,
    power_factor,
    setpoint,
    simultaneous,
    start_stop,
)
from assets.advice.site_hours import SiteHours
from data_quality.contracts.site_file.measure_cost import cost_of

# In the order of kinds.yaml.
KINDS: Mapping[str, Callable[[SiteHours], Iterator[Estimate]]] = {
    "base_load": base_load.find, "start_stop": start_stop.find, "simultaneous": simultaneous.find,
    "setpoint": setpoint.find, "compressed_air": compressed_air.find, "demand_charge": demand_charge.find,
    "power_factor": power_factor.find, "billing_fault": billing_fault.find,
    "contracted_power": contracted_power.find, "ev_hours": ev_hours.find, **from_what_ifs.KINDS,
}  # fmt: skip
# Energy that two recommendations claim is the earlier one's; one that keeps less than this share of its own is gone.
_LEAST_KEPT = 0.3
_LEAST_SHARE_OF_USE = 0.002
_DECIMALS = 3
# The source of a cost that was stated and holds no longer, among the texts of an advice.
COST_OUTDATED = "cost_outdated"


@dataclass(frozen=True)
class Advice:
    """One recommendation's numbers: value and unit by name, rounded to three decimals, and its confidence.

    An interval is `low_NAME` and `high_NAME`; a number that is unknown is not there. texts: names that stand in its
    sentences, and the source of its cost.
    """

    kind: str
    scope: str
    numbers: Mapping[str, tuple[float, str]]
    confidence: float
    texts: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> float | None:
        """The number of that name, or None."""
        return self.numbers[name][0] if name in self.numbers else None


def advise(site: SiteHours, *, estimated_share: float = 0.0) -> list[Advice]:
    """Recommendations, the largest saving of money first (of energy where no price is known).

    estimated_share: of the readings, 0 to 1; it lowers each confidence. The kWh of all together, of each meter and
    hour, stay within what the meter used.
    """
    found = [(kind, each) for kind, find in KINDS.items() for each in find(site) if _is_sure(site, each)]
    # The surest first: of one waste that two kinds see, the narrower description stays.
    found.sort(key=lambda pair: (_width(pair[1]), pair[0], pair[1].scope))
    netted = _netted_bills(_netted(site, found))
    advice = [_priced(site, kind, each, estimated_share) for kind, each in netted]
    return sorted(advice, key=lambda each: (-(each.value("savings_money") or 0), -(each.value("savings_kwh") or 0)))


def _is_sure(site: SiteHours, estimate: Estimate) -> bool:
    """Whether the 90 % interval is above zero, and the saving above a five-hundredth of what its meters used."""
    if estimate.money is not None:
        return estimate.money_band[0] > 0
    used = sum(float(np.nansum(each.kwh)) for each in site.meters if each.meter_id in estimate.saved_kwh)
    return estimate.total_kwh - Z90 * estimate.error_kwh > 0 and estimate.total_kwh > _LEAST_SHARE_OF_USE * used


def _width(estimate: Estimate) -> float:
    """Half the 90 % interval over the saving: of energy, else of money."""
    if estimate.total_kwh > 0:
        return Z90 * estimate.error_kwh / estimate.total_kwh
    low, high = estimate.money_band
    return (high - low) / 2 / estimate.money if estimate.money else 1.0


def _netted_bills(found: Iterator[tuple[str, Estimate]]) -> Iterator[tuple[str, Estimate]]:
    """Each saving of a bill less what earlier ones of the same lines save: two together save as the greater does."""
    claimed = dict[str, float]()
    for kind, estimate in found:
        if not estimate.money:
            yield kind, estimate
            continue
        others = {name for name, each in catalogue().kinds.items() if kind in each.overlaps}
        taken = sum(claimed.get(name, 0.0) for name in others | catalogue().kinds[kind].overlaps)
        share = 1 - taken / estimate.money
        if share < _LEAST_KEPT:
            continue
        low, high = (each * share for each in estimate.money_band)
        # A cost that stays pays back the slower, the less is left of its saving.
        numbers = {
            name: (value / share if name.endswith("payback_months") else value, unit)
            for name, (value, unit) in estimate.numbers.items()
        }
        claimed[kind] = claimed.get(kind, 0.0) + estimate.money * share
        yield kind, replace(estimate, money=estimate.money * share, money_interval=(low, high), numbers=numbers)


def _netted(site: SiteHours, found: list[tuple[str, Estimate]]) -> Iterator[tuple[str, Estimate]]:
    """Each estimate less what earlier ones claim of the same meter, or of one above or below it, in the same hour."""
    left = {each.meter_id: np.nan_to_num(each.kwh).clip(min=0) for each in site.meters}
    above = {each.meter_id: each.above for each in site.meters}
    for kind, estimate in found:
        before = estimate.total_kwh
        kept: dict[str, np.ndarray] = {}
        for name, saved in estimate.saved_kwh.items():
            line = (name, *(each for each in above[name] if each in left))
            below = [each for each, over in above.items() if name in over]
            kept[name] = np.minimum.reduce([np.nan_to_num(saved).clip(min=0), *(left[each] for each in line)])
            for each in line:
                left[each] = left[each] - kept[name]
            # Of a meter above nobody knows which one below it saves: below it no more is left than above.
            for each in below:
                left[each] = np.minimum(left[each], left[name])
        after = float(sum(each.sum() for each in kept.values()))
        if before > 0 and after < _LEAST_KEPT * before:
            continue
        share = after / before if before > 0 else 1.0
        yield kind, replace(estimate, saved_kwh=kept, error_kwh=estimate.error_kwh * share)


def _priced(site: SiteHours, kind: str, estimate: Estimate, estimated_share: float) -> Advice:
    """The estimate in kWh, money and kg CO2e with intervals, cost and payback as far as they are known."""
    kwh, half = estimate.total_kwh, Z90 * estimate.error_kwh
    numbers: dict[str, tuple[float, str]] = {}
    _put(numbers, "savings_kwh", kwh, kwh - half, kwh + half, "kwh")
    by_unit = {"price_per_kwh": ("savings_money", "currency"), "kgco2e_per_kwh": ("savings_kgco2e", "kgco2e")}
    for rate, (name, unit) in by_unit.items():
        amount = _amount(site, estimate, rate)
        if amount is not None:
            share = half / kwh if kwh > 0 else 0.0
            _put(numbers, name, amount, amount * (1 - share), amount * (1 + share), unit)
    if estimate.money is not None:
        _put(numbers, "savings_money", estimate.money, *estimate.money_band, "currency")
    numbers |= estimate.numbers
    texts = {"scope": estimate.scope, **estimate.texts}
    if "cost_money" not in numbers:
        texts |= _put_cost(numbers, site, kind, texts)
    confidence = (1 - min(1.0, _width(estimate))) * (1 - estimated_share)
    rounded = {name: (round(value, _DECIMALS) + 0.0, unit) for name, (value, unit) in numbers.items()}
    return Advice(kind, estimate.scope, rounded, round(confidence, _DECIMALS), texts)


def _put(numbers: dict[str, tuple[float, str]], name: str, value: float, low: float, high: float, unit: str) -> None:
    """The number with its interval; nobody saves less than nothing."""
    numbers[name] = value, unit
    numbers[f"low_{name}"] = max(low, 0.0), unit
    numbers[f"high_{name}"] = high, unit


def _amount(site: SiteHours, estimate: Estimate, rate: str) -> float | None:
    """Saved hours times their rate; None where the rate of a saved hour is unknown."""
    total = 0.0
    for name, saved in estimate.saved_kwh.items():
        meter = site.meter(name)
        by_hour = np.full(saved.size, np.nan) if meter is None else getattr(meter, rate)
        if np.isnan(by_hour[saved > 0]).any():
            return None
        total += float((saved * np.nan_to_num(by_hour)).sum())
    return total


def _put_cost(
    numbers: dict[str, tuple[float, str]], site: SiteHours, kind: str, texts: Mapping[str, str]
) -> Mapping[str, str]:
    """Cost and payback, months, where the site states a cost that holds; its source, or that it holds no longer.

    The payback is from the least cost at the highest saving to the highest cost at the least.
    """
    about = {"meter": texts["scope"].removeprefix("meter:"), "variant": texts.get("variant", "")}
    # What is priced by size is priced by the what-if, which knows the size.
    costs = [each for each in site.costs if each.per is None]
    cost = None if site.known_on is None else cost_of(costs, kind, site.known_on, **about)
    if cost is None:
        was = [each for each in costs if each.valid_until and cost_of(costs, kind, each.valid_until, **about) == each]
        return {COST_OUTDATED: was[0].source} if was and site.known_on else {}
    _put(numbers, "cost_money", (cost.low + cost.high) / 2, cost.low, cost.high, "currency")
    ends = (("payback_months", "", (cost.low + cost.high) / 2), ("low_payback_months", "high_", cost.low),
            ("high_payback_months", "low_", cost.high))  # fmt: skip
    for name, end, price in ends:
        money = numbers.get(f"{end}savings_money", (0.0, ""))[0]
        if money > 0:
            numbers[name] = price / money * site.months, "months"
    return {"cost_source": cost.source}
