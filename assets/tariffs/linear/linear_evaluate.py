"""Cost of linear terms at a load: every maximum, cap and tier worked out, nothing relaxed. Exact decimals."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from assets.tariffs.linear.linear_model import ZERO, Cap, Energy, Form, LinearTerms, Maximum, Peak, Term, Tiers
from assets.tariffs.tiers import Bound, cost_of
from data_quality.contracts.units import EXACT, QUANTUM_DECIMALS, of_quanta

Energies = Sequence[Decimal] | Sequence[int] | NDArray[np.float64]
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
        forms = term.forms if isinstance(term, Maximum) else (term.form,) if isinstance(term, Tiers) else ()
        if isinstance(term, Peak) or any(name in found for form in forms for name, _ in form.parts):
            found.add(term.name)
    return found


def load_values(terms: LinearTerms, import_kwh: Energies, export_kwh: Energies) -> dict[str, Decimal]:
    """Every variable of the terms at a load."""
    with localcontext(EXACT):
        return _values(terms, _nano(import_kwh, terms.size), _nano(export_kwh, terms.size))


def tier_of(term: Tiers, amount: Decimal) -> Decimal:
    """The price at which the next unit beyond the amount falls."""
    ends = zip(term.up_to, term.prices, strict=True)
    return next(price for end, price in ends if end is None or amount < end)


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
        return max(value_of(form, values) for form in term.forms)
    return cost_of(_table(term), value_of(term.form, values))


def _table(term: Tiers) -> list[Bound]:
    tiers = zip(term.prices, term.up_to, strict=True)
    return [Bound(number, price, end) for number, (price, end) in enumerate(tiers, start=1)]


def value_of(form: Form, values: Mapping[str, Decimal]) -> Decimal:
    """A form at values of its variables."""
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
