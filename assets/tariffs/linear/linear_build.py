"""The desk on which a plan's bill is written: amounts are forms, and what is no sum of them becomes a term."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np

from assets.tariffs.bill_part import Usage
from assets.tariffs.charge_lines import Costs, Held, Tables, Writer
from assets.tariffs.linear.linear_model import ONE, ZERO, Energy, Form, Maximum, Side, Term, Tiers
from assets.tariffs.linear.linear_shape import Range, Ranges, range_of, range_of_form
from assets.tariffs.tiers import Bound, fill
from data_quality.contracts.billing.tariff_charges import EnergyCharge


class Desk(Writer[Form]):
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
        self, charge: EnergyCharge, usage: Usage[Form], held: Held[Form], tables: Tables
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
