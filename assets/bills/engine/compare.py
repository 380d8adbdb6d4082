"""Tariffs compared on history: the same load billed under each, ranked. One load, or thousands in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from operator import itemgetter

from assets.bills.engine.bill_load import Load, as_rows
from assets.bills.engine.book import Book, bill_spans
from assets.bills.engine.compute import make_plan, raw_bills
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc

# Meters whose loads are gathered at once: a year of quarter hours of 32 meters is 9 MB, which stays in the caches.
BATCH = 32
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Ranked:
    """One tariff's total, and how much it is above the cheapest."""

    name: str
    total: Decimal
    above: Decimal


@dataclass(frozen=True)
class Comparison:
    """Tariffs, cheapest first, for one load."""

    currency: str
    coverage: float
    rows: tuple[Ranked, ...]


def compare_tariffs(
    tariffs: Mapping[str, Sequence[Tariff]],
    load: Load,
    *,
    time_zone: str,
    start: date | None = None,
    end: date | None = None,
    prices: Mapping[str, PriceSeries] | None = None,
) -> Comparison:
    """Rank tariffs (name -> dated tariffs) on one load. Raises BadInput, also for tariffs of several currencies."""
    totals = bill_totals(tariffs, load, time_zone=time_zone, start=start, end=end, prices=prices)
    # Names settle a tie, so that the ranking is the same in every run.
    ranked = sorted(((name, values[0]) for name, values in totals.items()), key=lambda pair: (pair[1], pair[0]))
    cheapest = ranked[0][1]
    spans = bill_spans(load, time_zone=time_zone, start=start, end=end)
    first, last = (local_midnight_utc(day, time_zone) for day in (spans[0].start, spans[-1].end))
    book = Book(next(iter(tariffs.values())), time_zone=time_zone)
    return Comparison(
        currency=book.currency,
        coverage=float(load.between(first, last).is_present.mean()),
        rows=tuple(Ranked(name=name, total=total, above=total - cheapest) for name, total in ranked),
    )


def bill_totals(
    tariffs: Mapping[str, Sequence[Tariff]],
    load: Load,
    *,
    time_zone: str,
    start: date | None = None,
    end: date | None = None,
    prices: Mapping[str, PriceSeries] | None = None,
) -> dict[str, list[Decimal]]:
    """Total of each tariff for each meter of a load [meter, slot] (or [slot]); the same arithmetic as a bill's."""
    if not tariffs:
        raise BadInput("nothing to compare: no tariff", reason="no_tariff")
    books = {name: Book(each, time_zone=time_zone) for name, each in tariffs.items()}
    currencies = sorted({book.currency for book in books.values()})
    if len(currencies) > 1:
        raise BadInput(
            f"tariffs are in {' and '.join(currencies)}; totals of two currencies cannot be ranked",
            reason="currency_mismatch",
        )
    plans = {}
    for name, book in books.items():
        # A ratchet needs the months before the bill, a tariff without one does not: spans differ by tariff.
        spans = bill_spans(load, time_zone=time_zone, start=start, end=end, with_history=book.has_ratchet)
        plans[name] = make_plan(book, spans, step_minutes=load.step_minutes, prices=prices)
    wide = as_rows(load)
    found: dict[str, list[Decimal]] = {name: [] for name in books}
    # Meters outside, tariffs inside: one batch is read once for all tariffs while the caches hold it.
    for first in range(0, wide.load.shape[0], BATCH):
        part = wide.mapped(itemgetter(slice(first, first + BATCH)))
        for name, plan in plans.items():
            for bills in raw_bills(plan, part):
                found[name].append(sum((bill.total for bill in bills), _ZERO))
    return found
