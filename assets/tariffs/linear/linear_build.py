"""The desk on which terms are written: names variables, keeps their ranges, folds what needs no variable."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from assets.tariffs.linear.linear_frame import BillFrame
from assets.tariffs.linear.linear_model import ZERO, Energy, Form, Maximum, Side, Term, Tiers, total_of
from assets.tariffs.linear.linear_shape import Range, Ranges, range_of, range_of_form
from assets.tariffs.tiers import Bound, cost_of
from data_quality.contracts.billing.tariff_charges import Component
from data_quality.contracts.units import of_quanta


class Item(NamedTuple):
    """One line of the bill as a form."""

    charge_id: str
    component: Component
    form: Form


class Desk:
    """Terms and lines of one bill, in order."""

    def __init__(self, frame: BillFrame) -> None:
        self.frame = frame
        self.terms: list[Term] = []
        self.items: list[Item] = []
        self.ranges: Ranges = {}

    def add(self, term: Term) -> Form:
        """The term as a variable."""
        # Two columns of one name become one in some solver formats, and the program another one.
        if term.name in self.ranges:
            raise ValueError(f"variable {term.name} stands twice")
        self.terms.append(term)
        self.ranges[term.name] = range_of(
            term, self.ranges, max_import_kwh=self.frame.max_import_kwh, max_export_kwh=self.frame.max_export_kwh
        )
        return Form.of(term.name)

    def write(self, charge_id: str, component: Component, form: Form) -> None:
        """Put a line down."""
        self.items.append(Item(charge_id, component, form))

    def sum_of(self, names: Sequence[str] = ()) -> Form:
        """Sum of the lines of those charges or components; of all where none is named."""
        meant = (item for item in self.items if not names or item.charge_id in names or item.component in names)
        return total_of(item.form for item in meant)

    def sum_before_tax(self) -> Form:
        """Sum of the lines that are no tax."""
        return total_of(item.form for item in self.items if item.component != "tax")

    def range(self, form: Form) -> Range:
        """Least and greatest value."""
        return range_of_form(form, self.ranges)

    def energy(self, name: str, side: Side, mask: np.ndarray, rates: Sequence[Decimal] | None = None) -> Form:
        """Sum over the slots of the mask, each times its rate (none: 1); a constant where no slot is open."""
        frame = self.frame
        known = frame.known(side)
        slots = frame.open_slots(mask)
        if rates is None:
            incurred = of_quanta(known[mask].sum())
        else:
            # Slots without energy are skipped: a year has 35,040, and only those with energy add something.
            used = np.flatnonzero(mask & (known != 0)).tolist()
            incurred = sum((of_quanta(known[slot]) * rates[slot] for slot in used), ZERO)
        if not slots.size:
            return Form(constant=incurred)
        weights = () if rates is None else tuple(rates[slot + frame.first] for slot in slots.tolist())
        return self.add(
            Energy(name=name, side=side, intervals=tuple(slots.tolist()), weights=weights, incurred=incurred)
        )

    def maximum(self, name: str, forms: Sequence[Form], meaning: str) -> Form:
        """The greatest of the forms; what can never be it is left out."""
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

    def positive(self, name: str, form: Form, meaning: str) -> Form:
        """The form where it is above zero, else zero."""
        return self.maximum(name, [form, Form()], meaning)

    def tiers(self, name: str, form: Form, table: Sequence[Bound]) -> Form:
        """Cost of the amount by the table of tiers."""
        if len(table) == 1 or not form.parts:
            return form.times(table[0].price) if len(table) == 1 else Form(constant=cost_of(table, form.constant))
        return self.add(
            Tiers(
                name=name, form=form, up_to=tuple(bound.up_to for bound in table),
                prices=tuple(bound.price for bound in table),
            )
        )  # fmt: skip


def _at_most(value: Decimal | None, limit: Decimal) -> bool:
    return value is not None and value <= limit


def _at_least(value: Decimal | None, limit: Decimal) -> bool:
    return value is not None and value >= limit
