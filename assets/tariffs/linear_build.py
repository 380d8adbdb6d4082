"""The writer on which a plan's bill is written: amounts are forms, and what is no sum of them becomes a term; and which
terms are an LP, which need binaries, which neither can say: a proof by bounds and by directions.

A solver that minimises may lift a variable above the maximum that defines it (v >= f suffices) exactly where the cost
never falls with it. So every use of a variable is followed to the cost, with the signs it meets on its way.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np

from assets.tariffs.bill_part import Usage
from assets.tariffs.charge_lines import Costs, PeriodQuantities, Tables, Writer
from assets.tariffs.linear_model import ONE, ZERO, Cap, Energy, Form, Maximum, Peak, Refused, Side, Term, Tiers
from assets.tariffs.tiers import Bound, fill
from data_quality.contracts.billing.tariff_charges import EnergyCharge

# Least and greatest value; None: not bounded.
Range = tuple[Decimal | None, Decimal | None]
Ranges = dict[str, Range]
# Binaries of a maximum: one a form. More would be a search over intervals.
MOST_FORMS = 64


def range_of_form(form: Form, ranges: Mapping[str, Range]) -> Range:
    """Range of a form whose variables have these ranges."""
    low: Decimal | None = form.constant
    high: Decimal | None = form.constant
    for name, coefficient in form.parts:
        least, most = ranges[name]
        if coefficient < 0:
            least, most = most, least
        low = None if low is None or least is None else low + coefficient * least
        high = None if high is None or most is None else high + coefficient * most
    return low, high


def range_of(
    term: Term, ranges: Mapping[str, Range], *, max_import_kwh: Decimal | None, max_export_kwh: Decimal | None
) -> Range:
    """Range of one term, whose arguments' ranges are known. An interval holds from 0 to its greatest energy."""
    if isinstance(term, Energy):
        most_kwh = max_import_kwh if term.side == "import" else max_export_kwh
        weights = term.weights or (Decimal(1),) * len(term.intervals)
        up = sum((weight for weight in weights if weight > 0), ZERO)
        down = sum((weight for weight in weights if weight < 0), ZERO)
        if most_kwh is None:
            return (None if down else term.incurred), (None if up else term.incurred)
        return term.incurred + down * most_kwh, term.incurred + up * most_kwh
    if isinstance(term, Cap):
        return term.incurred, term.incurred + sum(term.weights, ZERO) * term.cap_kwh
    if isinstance(term, Peak):
        # Nothing imported leaves no peak; a floor is a row of its own, so zero is a safe lower bound.
        floor = max(term.floor_kw, default=ZERO)
        if not term.first or max_import_kwh is None:
            return ZERO, None if term.first else floor
        windows = zip(term.first, term.last, term.known_kwh, strict=True)
        peak_kwh = max(known + (last - first) * max_import_kwh for first, last, known in windows)
        return ZERO, max(floor, peak_kwh * term.kw_per_kwh)
    if isinstance(term, Maximum):
        each = [range_of_form(form, ranges) for form in term.forms]
        lows, highs = [low for low, _ in each if low is not None], [high for _, high in each]
        return max(lows, default=None), None if None in highs else max(high for high in highs if high is not None)
    most = range_of_form(term.form, ranges)[1]
    low = high = cost = lower = ZERO
    for end, price in zip(term.up_to, term.prices, strict=True):
        stop = most if end is None or (most is not None and most < end) else end
        if stop is None:
            return (None if price < 0 else low), (None if price > 0 else high)
        cost += (stop - lower) * price
        low, high, lower = min(low, cost), max(high, cost), stop
        if stop == most:
            break
    return low, high


def shaped(
    terms: Sequence[Term], objective: Form, ranges: Mapping[str, Range], *, max_export_kwh: Decimal | None
) -> tuple[Term, ...]:
    """The terms, each Maximum, Tiers and Cap marked `lp` or `binary`. Raises Refused where neither can be exact."""
    signs: dict[str, set[int]] = {}

    def use(form: Form, slopes: set[int]) -> None:
        for name, coefficient in form.parts:
            signs.setdefault(name, set()).update(slope * (1 if coefficient > 0 else -1) for slope in slopes)

    use(objective, {1})
    found: list[Term] = []
    # From the cost backwards: a term is judged when every use of it has been followed.
    for term in reversed(terms):
        mine = signs.get(term.name, set())
        if isinstance(term, Maximum):
            found.append(_maximum(term, mine, ranges))
            for form in term.forms:
                use(form, mine)
        elif isinstance(term, Tiers):
            found.append(_tiers(term, mine, ranges))
            # A tier at price zero neither raises nor lowers the cost: it has no direction to pass on.
            slopes = {1 if price > 0 else -1 for price in term.prices if price}
            use(term.form, {slope * sign for slope in slopes for sign in mine})
        else:
            found.append(_leaf(term, mine, max_export_kwh))
    return tuple(reversed(found))


def _leaf(term: Energy | Peak | Cap, signs: set[int], max_export_kwh: Decimal | None) -> Term:
    if isinstance(term, Peak) and -1 in signs:
        raise Refused(term.name, "the cost falls where this demand rises: no epigraph holds it down")
    if isinstance(term, Cap) and 1 in signs:
        if max_export_kwh is None:
            raise Refused(term.name, "export that costs money is capped: not convex; binaries need max_export_kw")
        return term.model_copy(update={"how": "binary"})
    return term


def _maximum(term: Maximum, signs: set[int], ranges: Mapping[str, Range]) -> Maximum:
    if -1 not in signs:
        return term
    each = [range_of_form(form, ranges) for form in term.forms]
    if any(low is None or high is None for low, high in each):
        raise Refused(term.name, f"{term.meaning}: not convex; binaries need max_import_kw and max_export_kw as bounds")
    if len(term.forms) > MOST_FORMS:
        raise Refused(term.name, f"{term.meaning}: not convex, and {len(term.forms)} cases are too many for binaries")
    return term.model_copy(update={"how": "binary"})


def _tiers(term: Tiers, signs: set[int], ranges: Mapping[str, Range]) -> Tiers:
    rising = all(first <= second for first, second in pairwise(term.prices))
    falling = all(first >= second for first, second in pairwise(term.prices))
    # Rising prices fill cheap tiers first by themselves, falling ones do where the cost falls with the sum.
    if (rising and -1 not in signs) or (falling and 1 not in signs):
        return term
    if range_of_form(term.form, ranges)[1] is None:
        raise Refused(term.name, "declining tiers: not convex; binaries need max_import_kw as a bound")
    return term.model_copy(update={"how": "binary"})


class LinearWriter(Writer[Form]):
    """Lines and terms of one bill, in order; what needs no variable is folded into forms.

    max_import_kwh, max_export_kwh: most that an interval can hold; bounds of the terms' ranges.
    """

    def __init__(
        self, currency: str, *, max_import_kwh: Decimal | None = None, max_export_kwh: Decimal | None = None
    ) -> None:
        super().__init__(currency)
        self.max_import_kwh, self.max_export_kwh = max_import_kwh, max_export_kwh
        self.terms: list[Term] = []
        self.ranges: Ranges = {}

    def add(self, term: Term) -> Form:
        """The term as a variable."""
        # Two columns of one name become one in some solver formats, and the program another one.
        if term.name in self.ranges:
            raise ValueError(f"variable {term.name} appears twice")
        self.terms.append(term)
        self.ranges[term.name] = range_of(
            term, self.ranges, max_import_kwh=self.max_import_kwh, max_export_kwh=self.max_export_kwh
        )
        return Form(parts=((term.name, ONE),))

    def range(self, value: Form | Decimal) -> Range:
        """Least and greatest value."""
        return range_of_form(Form.of(value), self.ranges)

    def energy(
        self, name: str, side: Side, slots: np.ndarray, incurred: Decimal, weights: Sequence[Decimal] = ()
    ) -> Form:
        """Incurred energy and the sum over open slots, each times its weight (none: 1); a constant without slots."""
        if not slots.size:
            return Form(constant=incurred)
        return self.add(
            Energy(name=name, side=side, intervals=tuple(slots.tolist()), weights=tuple(weights), incurred=incurred)
        )

    def money(self, amount: Form | Decimal) -> Form:
        """The amount as it is: rounding is a staircase, which no linear term can be."""
        return Form.of(amount)

    def maximum(self, name: str, values: Sequence[Form | Decimal], meaning: str) -> Form:
        """The greatest of the values; what can never be it is left out."""
        forms = [Form.of(value) for value in values]
        # Each form that cannot be the greatest would be a row, and a binary where the cost falls with the maximum.
        fixed = max((form.constant for form in forms if not form.parts), default=None)
        # Alike forms would be alike rows. A dict keeps their order, so the program is the same in every run.
        open_forms = [form for form in dict.fromkeys(forms) if form.parts]
        if fixed is not None:
            floor = fixed
            open_forms = [form for form in open_forms if not _at_most(self.range(form)[1], floor)]
            # The floor needs a row only where every other form may fall below it.
            if not any(_at_least(self.range(form)[0], floor) for form in open_forms):
                open_forms.append(Form(constant=floor))
        if len(open_forms) == 1:
            return open_forms[0]
        return self.add(Maximum(name=name, forms=tuple(open_forms), meaning=meaning))

    def tiers(self, name: str, amount: Form | Decimal, table: Sequence[Bound]) -> Costs[Form]:
        """The amount by its one price, or in tiers that a term holds."""
        form = Form.of(amount)
        if not form.parts:
            return [(bound, part, part * bound.price) for bound, part in fill(table, form.constant)]
        if len(table) == 1:
            return [(table[0], form, form * table[0].price)]
        ends, prices = tuple(bound.up_to for bound in table), tuple(bound.price for bound in table)
        return [(table[0], form, self.add(Tiers(name=name, form=form, up_to=ends, prices=prices)))]

    def shared_tiers(
        self, charge: EnergyCharge, usage: Usage[Form], held: PeriodQuantities[Form], tables: Tables
    ) -> Iterable[Costs[Form]]:
        """Each period by its first price, and by the total what each tier adds to it: in all periods the same."""
        found: list[Costs[Form]] = [
            [(table[0], amount, amount * table[0].price)] for (_, amount), table in zip(held, tables, strict=True)
        ]
        added = [Bound(number=b.number, price=b.price - tables[0][0].price, up_to=b.up_to) for b in tables[0]]
        total = sum((amount for _, amount in held), ZERO)
        found[0] = [*found[0], *self.tiers(f"{charge.charge_id}.tiers", total, added)]
        return found


def _at_most(value: Decimal | None, limit: Decimal) -> bool:
    return value is not None and value <= limit


def _at_least(value: Decimal | None, limit: Decimal) -> bool:
    return value is not None and value >= limit
