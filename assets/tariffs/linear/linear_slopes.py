"""Marginal cost of a kWh in an interval: between which bounds ever, or exactly at one load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from assets.tariffs.linear.linear_evaluate import load_values, tier_of, value_of
from assets.tariffs.linear.linear_model import Cap, Energy, LinearTerms, Maximum, Peak, Tiers

Floats = NDArray[np.float64]
_Span = tuple[float, float]


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
    """Those of several bills, one after the other."""
    names = [field.name for field in fields(Slopes)]
    return Slopes(*(np.concatenate([getattr(each, name) for each in slopes]) for name in names))


def energy_prices(terms: LinearTerms, import_kwh: Floats, export_kwh: Floats) -> tuple[Floats, Floats]:
    """Marginal price of a kWh of import and of export in each interval at that load; peaks stay as they are.

    A demand charge is left aside: the one interval that sets the peak would carry all of it.
    """
    found = _slopes(terms, load_values(terms, import_kwh, export_kwh), export_kwh)
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
                forms = term.forms if at is None else (max(term.forms, key=lambda form: value_of(form, at)),)
                for name in {name for form in forms for name, _ in form.parts}:
                    rates = [float(dict(form.parts).get(name, 0)) for form in forms]
                    _pass_on(spans, name, _hull(span, (min(rates), max(rates))))
            case Tiers():
                prices = term.prices if at is None else (tier_of(term, value_of(term.form, at)),)
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
