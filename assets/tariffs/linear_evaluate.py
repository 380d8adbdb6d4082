"""Cost of linear terms at a load, every maximum, cap and tier worked out in exact decimals, nothing relaxed; and the
marginal cost of a kWh in an interval: between which bounds ever, or exactly at one load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from assets.tariffs.linear_model import (
    ZERO,
    Cap,
    Energy,
    Form,
    LinearTerms,
    Maximum,
    Peak,
    Term,
    Tiers,
    forms_of,
)
from assets.tariffs.tiers import Bound, cost_of
from data_quality.contracts.units import EXACT, QUANTUM_DECIMALS, of_quanta

Floats = NDArray[np.float64]
Energies = Sequence[Decimal] | Sequence[int] | Floats
_Span = tuple[float, float]
_SCALE = 10**QUANTUM_DECIMALS


def evaluate(terms: LinearTerms, import_kwh: Energies, export_kwh: Energies) -> Decimal:
    """The bill's unrounded total in its currency at energies per interval of the horizon (kWh, kept to 1e-9).

    Raises ValueError where the series have not terms.size values.
    """
    return sum(evaluate_parts(terms, import_kwh, export_kwh), ZERO)


def evaluate_parts(terms: LinearTerms, import_kwh: Energies, export_kwh: Energies) -> tuple[Decimal, Decimal]:
    """The same total as what only energies make, and what a peak has a part in."""
    with localcontext(EXACT):
        bought, sold = _nano(import_kwh, terms.size), _nano(export_kwh, terms.size)
        values, of_peaks = _values(terms, bought, sold), of_demand(terms)
        costs = [terms.constant, ZERO]
        costs[0] += _weighted(bought, range(terms.size), terms.import_price_per_kwh)
        costs[0] += _weighted(sold, range(terms.size), terms.export_price_per_kwh)
        for name, coefficient in terms.objective:
            costs[name in of_peaks] += values[name] * coefficient
        return costs[0], costs[1]


def of_demand(terms: LinearTerms) -> set[str]:
    """The variables that are a peak, or made of one."""
    found: set[str] = set()
    for term in terms.terms:
        if isinstance(term, Peak) or any(name in found for form in forms_of(term) for name, _ in form.parts):
            found.add(term.name)
    return found


def _values(terms: LinearTerms, bought: np.ndarray, sold: np.ndarray) -> dict[str, Decimal]:
    running = np.concatenate([[0], np.cumsum(bought)])
    found: dict[str, Decimal] = {}
    for term in terms.terms:
        found[term.name] = _value(term, bought, sold, running, found)
    return found


def _value(
    term: Term, bought: np.ndarray, sold: np.ndarray, running: np.ndarray, values: Mapping[str, Decimal]
) -> Decimal:
    if isinstance(term, Energy):
        energy = bought if term.side == "import" else sold
        if not term.weights:
            return term.incurred + of_quanta(energy[list(term.intervals)].sum())
        return term.incurred + _weighted(energy, term.intervals, term.weights)
    if isinstance(term, Cap):
        capped = np.minimum(sold, int(term.cap_kwh * _SCALE))
        return term.incurred + _weighted(capped, term.intervals, term.weights)
    if isinstance(term, Peak):
        return _peak_kw(term, running)
    if isinstance(term, Maximum):
        return max(_value_of(form, values) for form in term.forms)
    tiers = zip(term.prices, term.up_to, strict=True)
    table = [Bound(number, price, end) for number, (price, end) in enumerate(tiers, start=1)]
    return cost_of(table, _value_of(term.form, values))


def _value_of(form: Form, values: Mapping[str, Decimal]) -> Decimal:
    return form.constant + sum((values[name] * coefficient for name, coefficient in form.parts), ZERO)


def _peak_kw(term: Peak, running: np.ndarray) -> Decimal:
    """The peak; running: cumulative import of the horizon from 0, 1e-9 kWh."""
    inside = running[list(term.last)] - running[list(term.first)] if term.first else np.zeros(0, dtype=np.int64)
    highest = list(term.floor_kw)
    energy = inside + np.array([int(known * _SCALE) for known in term.known_kwh], dtype=np.int64)
    for group in set(term.group):
        most = of_quanta(energy[np.array(term.group) == group].max()) * term.kw_per_kwh
        highest[group] = max(highest[group], most)
    return sum(sorted(highest)[-term.count :], ZERO) / term.count


def _weighted(energy: np.ndarray, intervals: Sequence[int], weights: Sequence[Decimal]) -> Decimal:
    """Sum of weight x kWh, the intervals of one weight added first."""
    sums: dict[Decimal, int] = {}
    for interval, weight in zip(intervals, weights, strict=True):
        sums[weight] = sums.get(weight, 0) + int(energy[interval])
    return sum((of_quanta(value) * weight for weight, value in sums.items()), ZERO)


def _nano(energy: Energies, size: int) -> np.ndarray:
    if len(energy) != size:
        raise ValueError(f"expected {size} intervals, got {len(energy)}")
    if isinstance(energy, np.ndarray):
        return np.asarray(np.rint(energy * _SCALE), np.int64)
    return np.array([round(value * _SCALE) for value in energy], dtype=np.int64)


@dataclass(frozen=True)
class Slopes:
    """Least and most that a kWh more adds, per interval, in the currency: of import, and of export."""

    import_low: Floats
    import_high: Floats
    export_low: Floats
    export_high: Floats


def slopes_of(terms: LinearTerms) -> Slopes:
    """Bounds that hold at every load: followed from the cost through every variable to the energies."""
    return _slopes(terms, None)


def joined(slopes: Sequence[Slopes]) -> Slopes:
    """Slopes of several bills, one after the other."""
    names = [field.name for field in fields(Slopes)]
    return Slopes(*(np.concatenate([getattr(each, name) for each in slopes]) for name in names))


def energy_prices(terms: LinearTerms, import_kwh: Floats, export_kwh: Floats) -> tuple[Floats, Floats]:
    """Marginal price of a kWh of import and of export in each interval at that load; peaks stay as they are.

    A demand charge is left aside: the one interval that sets the peak would carry all of it.
    """
    with localcontext(EXACT):
        at = _values(terms, _nano(import_kwh, terms.size), _nano(export_kwh, terms.size))
    found = _slopes(terms, at, export_kwh)
    return found.import_low, -found.export_low


def _slopes(terms: LinearTerms, at: Mapping[str, Decimal] | None, export_kwh: Floats | None = None) -> Slopes:
    """at: values of the variables at one load; None: whatever they are."""
    bought, sold = (
        np.array([prices, prices], np.float64) for prices in (terms.import_price_per_kwh, terms.export_price_per_kwh)
    )
    spans: dict[str, _Span] = {name: (float(rate), float(rate)) for name, rate in terms.objective}
    for term in reversed(terms.terms):
        span = spans.get(term.name, (0.0, 0.0))
        match term:
            case Energy():
                side, places = bought if term.side == "import" else sold, list(term.intervals)
                weights = np.array(term.weights or (1,) * len(places), np.float64)
                _add(side, places, weights, span)
            case Cap():
                places, weights = list(term.intervals), np.array(term.weights, np.float64)
                if export_kwh is None:
                    _add(sold, places, weights, _hull(span, (0.0, 1.0)))
                else:
                    _add(sold, places, weights * (export_kwh[places] < float(term.cap_kwh)), span)
            case Peak() if at is None:
                touched = np.zeros(terms.size + 1)
                np.add.at(touched, list(term.first), 1)
                np.add.at(touched, list(term.last), -1)
                places = np.flatnonzero(np.cumsum(touched[:-1]) > 0).tolist()
                _add(bought, places, np.ones(len(places)), _hull(span, (0.0, float(term.kw_per_kwh))))
            case Maximum():
                forms = term.forms if at is None else (max(term.forms, key=lambda form: _value_of(form, at)),)
                for name in {name for form in forms for name, _ in form.parts}:
                    rates = [float(dict(form.parts).get(name, 0)) for form in forms]
                    _pass_on(spans, name, _hull(span, (min(rates), max(rates))))
            case Tiers():
                prices = term.prices if at is None else (_next_price(term, _value_of(term.form, at)),)
                of_amount = _hull(span, (float(min(prices)), float(max(prices))))
                for name, rate in term.form.parts:
                    _pass_on(spans, name, _hull(of_amount, (float(rate), float(rate))))
    return Slopes(bought[0], bought[1], sold[0], sold[1])


def _hull(first: _Span, second: _Span) -> _Span:
    """All products of a number of one and a number of the other."""
    products = [a * b for a in first for b in second]
    return min(products), max(products)


def _add(side: Floats, places: list[int], weights: Floats, span: _Span) -> None:
    ends = np.array(span)[:, None] * weights
    side[0][places] += ends.min(axis=0)
    side[1][places] += ends.max(axis=0)


def _pass_on(spans: dict[str, _Span], name: str, span: _Span) -> None:
    low, high = spans.get(name, (0.0, 0.0))
    spans[name] = low + span[0], high + span[1]


def _next_price(term: Tiers, amount: Decimal) -> Decimal:
    """The price at which the next unit beyond the amount falls."""
    ends = zip(term.up_to, term.prices, strict=True)
    return next(price for end, price in ends if end is None or amount < end)
