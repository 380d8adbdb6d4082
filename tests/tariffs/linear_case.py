"""One random case billed both ways: by the bill's arithmetic, and by linear terms evaluated at the load."""

import copy
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.bill_terms import bill_terms
from assets.bills.engine.book import Book, Span
from assets.bills.engine.compute import make_plan, raw_bills
from assets.tariffs.linear_evaluate import evaluate
from assets.tariffs.linear_model import LinearTerms, NotLinear
from tests.tariffs.random_tariffs import MOST_KW, Case

NANO = Decimal("1e-9")


@dataclass
class Tally:
    """Tally of a run: exact and refused cases, the largest difference, why cases were refused."""

    cases: int = 0
    compared: int = 0
    with_binaries: int = 0
    horizons: int = 0
    worst: Decimal = Decimal(0)
    refused: Counter[str] = field(default_factory=Counter)

    def text(self) -> str:
        why = "; ".join(f"{count} x {reason}" for reason, count in self.refused.most_common())
        return (
            f"{self.cases} cases, {self.compared} compared ({self.with_binaries} with binaries, {self.horizons} over a "
            f"part of the bill), largest difference {self.worst:.3e}, refused {sum(self.refused.values())}: {why}"
        )


def billed(case: Case) -> Decimal:
    """The bill's total, lines not rounded."""
    book = Book([case.tariff], time_zone=case.zone, rounding="none")
    plan = make_plan(book, [Span(case.start, case.end)], step_minutes=case.load.step_minutes, prices=case.prices)
    return next(iter(raw_bills(plan, case.load, accounts=[copy.deepcopy(case.account)])))[0].total


def compiled(case: Case, *, most_kw: int | None = MOST_KW) -> LinearTerms | NotLinear:
    """The case's linear terms over its horizon; the load outside it is known."""
    first, last = case.cut
    step = timedelta(minutes=case.load.step_minutes)
    assert case.load.kvarh is not None
    bound = None if most_kw is None else Decimal(most_kw)
    return bill_terms(
        [case.tariff], time_zone=case.zone, start=case.start, end=case.end, step_minutes=case.load.step_minutes,
        horizon=(case.load.start_utc + first * step, case.load.start_utc + last * step), known=case.load,
        account=case.account, prices=case.prices, kvarh=int(case.load.kvarh.sum()) * NANO,
        max_import_kw=bound, max_export_kw=bound, credits_beyond="leave_out",
    )  # fmt: skip


def sides(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Import and export of the horizon, 1e-9 kWh, as the tariff's metering sees them."""
    is_gross = case.tariff.metering.arrangement == "buy_all_sell_all"
    part = slice(*case.cut)
    used: Load = replace(case.load)
    return used.imported(is_gross=is_gross)[part], used.exported(is_gross=is_gross)[part]


def is_lp(terms: LinearTerms) -> bool:
    """True where no binary is needed."""
    return all(getattr(term, "how", "lp") == "lp" for term in terms.terms)


def compare(case: Case, tally: Tally) -> None:
    """Raise AssertionError where terms and bill differ by more than 0.01."""
    tally.cases += 1
    terms = compiled(case)
    if isinstance(terms, NotLinear):
        tally.refused[terms.why.split(":")[0].split(";")[0]] += 1
        return
    bought, sold = sides(case)
    cost = evaluate(terms, [int(value) * NANO for value in bought], [int(value) * NANO for value in sold])
    difference = abs(cost - billed(case))
    assert difference <= Decimal("0.01"), f"terms {cost}, bill {billed(case)}, tariff {case.tariff!r}"
    tally.compared += 1
    tally.with_binaries += not is_lp(terms)
    tally.horizons += case.cut != (0, case.load.size)
    tally.worst = max(tally.worst, difference)
