"""Linear terms as variables and rows of a small mixed-integer program: what a solver is given, one for one.

Each variable and row carries its name, each binary its meaning. A minimising solver finds in every variable the value
that the bill's own arithmetic gives it (tests/tariffs hold that); linear_build.py has proven it.
"""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Literal

from pydantic import Field

from assets.tariffs.linear_build import Ranges, range_of, range_of_form
from assets.tariffs.linear_model import ONE, ZERO, Cap, Energy, Form, LinearTerms, Maximum, Peak, Tiers
from data_quality.contracts.model import Model
from data_quality.contracts.units import EXACT

Parts = tuple[tuple[str, Decimal], ...]


class Variable(Model):
    """One column. lower, upper: None where not bounded; meaning: of a binary, what it says where it is 1."""

    name: str
    lower: Decimal | None = ZERO
    upper: Decimal | None = None
    is_binary: bool = False
    meaning: str = ""


class Row(Model):
    """sum of parts + import_parts . import kWh + export_parts . export kWh (by interval), sense, rhs."""

    name: str
    parts: Parts = ()
    import_parts: tuple[tuple[int, Decimal], ...] = ()
    export_parts: tuple[tuple[int, Decimal], ...] = ()
    sense: Literal["<=", ">=", "=="]
    rhs: Decimal


class Rows(Model):
    """Columns and rows other than the import and export of the intervals; the objective is that of the terms."""

    variables: tuple[Variable, ...]
    rows: tuple[Row, ...] = Field(description="In the order of the terms that they say")


def rows_of(terms: LinearTerms) -> Rows:
    """All columns and rows of the terms."""
    # Decimal's own 28 digits would round these coefficients apart from those of the bill.
    with localcontext(EXACT):
        writer = _RowWriter(terms)
        for term in terms.terms:
            writer.write(term)
        return Rows(variables=tuple(writer.variables), rows=tuple(writer.rows))


class _RowWriter:
    def __init__(self, terms: LinearTerms) -> None:
        self.terms, self.variables, self.rows = terms, list[Variable](), list[Row]()
        self._ranges: Ranges = {}

    def write(self, term: Energy | Peak | Cap | Maximum | Tiers) -> None:
        low, high = self._ranges[term.name] = range_of(
            term, self._ranges, max_import_kwh=self.terms.max_import_kwh, max_export_kwh=self.terms.max_export_kwh
        )
        self.variables.append(Variable(name=term.name, lower=low, upper=high))
        match term:
            case Energy():
                self._energy(term)
            case Peak():
                self._peak(term)
            case Cap():
                self._cap(term)
            case Maximum():
                self._maximum(term)
            case Tiers():
                self._tiers(term)

    def _column(self, name: str, *, lower: Decimal | None = ZERO, upper: Decimal | None = None) -> str:
        self.variables.append(Variable(name=name, lower=lower, upper=upper))
        return name

    def _binary(self, name: str, meaning: str) -> str:
        self.variables.append(Variable(name=name, upper=ONE, is_binary=True, meaning=meaning))
        return name

    def _row(
        self,
        name: str,
        parts: Sequence[tuple[str, Decimal]],
        sense: Literal["<=", ">=", "=="],
        rhs: Decimal,
        *,
        bought: Sequence[tuple[int, Decimal]] = (),
        sold: Sequence[tuple[int, Decimal]] = (),
    ) -> None:
        row = Row(
            name=name, parts=tuple(parts), import_parts=tuple(bought), export_parts=tuple(sold), sense=sense, rhs=rhs
        )
        self.rows.append(row)

    def _energy(self, term: Energy) -> None:
        weights = term.weights or (ONE,) * len(term.intervals)
        moved = tuple((slot, -weight) for slot, weight in zip(term.intervals, weights, strict=True))
        bought, sold = (moved, ()) if term.side == "import" else ((), moved)
        self._row(f"{term.name}_sum", [(term.name, ONE)], "==", term.incurred, bought=bought, sold=sold)

    def _peak(self, term: Peak) -> None:
        tops = [term.name]
        # The mean of several days' peaks needs each day's own maximum as a variable; a single peak is its own.
        if len(term.floor_kw) > 1:
            tops = [self._column(f"{term.name}_day{day:02d}", lower=floor) for day, floor in enumerate(term.floor_kw)]
            # The sum of the n highest is the least of n x level + sum of what lies above the level.
            # Free of sign bounds, though demand is not: at the least cost it settles at the n-th highest day.
            level = self._column(f"{term.name}_level", lower=None)
            parts = [(term.name, ONE), (level, -ONE)]
            for top in tops:
                above = self._column(f"{top}_above")
                self._row(f"{top}_above_level", [(above, ONE), (top, -ONE), (level, ONE)], ">=", ZERO)
                parts.append((above, -ONE / term.count))
            self._row(f"{term.name}_mean", parts, ">=", ZERO)
        else:
            self._row(f"{term.name}_floor", [(term.name, ONE)], ">=", term.floor_kw[0])
        windows = zip(term.first, term.last, term.known_kwh, term.group, strict=True)
        for number, (first, last, known, group) in enumerate(windows):
            bought = [(slot, -term.kw_per_kwh) for slot in range(first, last)]
            self._row(f"{term.name}_{number:05d}", [(tops[group], ONE)], ">=", known * term.kw_per_kwh, bought=bought)

    def _cap(self, term: Cap) -> None:
        parts = [(term.name, ONE)]
        for slot, weight in zip(term.intervals, term.weights, strict=True):
            paid = self._column(f"{term.name}_{slot:05d}", upper=term.cap_kwh)
            self._row(f"{term.name}_{slot:05d}_fed_in", [(paid, ONE)], "<=", ZERO, sold=[(slot, -ONE)])
            parts.append((paid, -weight))
            if term.how == "binary":
                self._passed(term, slot, paid)
        self._row(f"{term.name}_sum", parts, "==", term.incurred)

    def _passed(self, term: Cap, slot: int, paid: str) -> None:
        """Paid is no less than the smaller of export and cap."""
        most = self.terms.max_export_kwh
        assert most is not None  # noqa: S101 - shaped() has refused what has no bound
        passed = self._binary(f"{paid}_passed", f"{term.name}: interval {slot} feeds in more than the cap")
        # The smallest constant that frees the row; a larger one only weakens the relaxation and slows the search.
        beyond = max(most - term.cap_kwh, ZERO)
        self._row(f"{paid}_all", [(paid, ONE), (passed, beyond)], ">=", ZERO, sold=[(slot, -ONE)])
        self._row(f"{paid}_capped", [(paid, ONE), (passed, -term.cap_kwh)], ">=", ZERO)

    def _maximum(self, term: Maximum) -> None:
        for number, form in enumerate(term.forms, start=1):
            parts = [(term.name, ONE), *_moved(form)]
            self._row(f"{term.name}_above{number}", parts, ">=", form.constant)
        if term.how == "lp":
            return
        high = self._ranges[term.name][1]
        chosen = []
        for number, form in enumerate(term.forms, start=1):
            low = range_of_form(form, self._ranges)[0]
            assert high is not None and low is not None  # noqa: S101, PT018 - shaped() has refused what has no bounds
            is_it = self._binary(f"{term.name}_is{number}", f"{term.meaning}: case {number} of {len(term.forms)} holds")
            chosen.append((is_it, ONE))
            # The tightest that the bounds allow: a larger one lets a solver's tolerance leave a binary in between.
            slack = high - low
            parts = [(term.name, ONE), *_moved(form), (is_it, slack)]
            self._row(f"{term.name}_below{number}", parts, "<=", form.constant + slack)
        self._row(f"{term.name}_one_case", chosen, "==", ONE)

    def _tiers(self, term: Tiers) -> None:
        most = range_of_form(term.form, self._ranges)[1]
        lower, columns, widths = ZERO, list[str](), list[Decimal | None]()
        for number, end in enumerate(term.up_to, start=1):
            width = None if end is None else end - lower
            # The last tier has no end, and a binary's row needs one:
            # no more can come in than the connection lets through.
            if end is None and most is not None:
                width = max(most - lower, ZERO)
            columns.append(self._column(f"{term.name}_part{number}", upper=width))
            widths.append(width)
            lower = end if end is not None else lower
        self._row(
            f"{term.name}_parts", [*((name, ONE) for name in columns), *_moved(term.form)], "==", term.form.constant
        )
        priced = [(name, -price) for name, price in zip(columns, term.prices, strict=True) if price]
        self._row(f"{term.name}_cost", [(term.name, ONE), *priced], "==", ZERO)
        if term.how == "lp":
            return
        # Where a later tier is cheaper a minimising solver would fill it first:
        # it opens only when the earlier one is full.
        for number in range(1, len(columns)):
            width, beyond = widths[number - 1], widths[number]
            assert width is not None and beyond is not None  # noqa: S101, PT018 - shaped() has refused the unbounded
            passed = self._binary(f"{term.name}_passed{number}", f"{term.name}: tier {number} is full")
            full, above = [(columns[number - 1], ONE), (passed, -width)], [(columns[number], ONE), (passed, -beyond)]
            self._row(f"{term.name}_full{number}", full, ">=", ZERO)
            self._row(f"{term.name}_next{number}", above, "<=", ZERO)


def _moved(form: Form) -> list[tuple[str, Decimal]]:
    """The form's parts on the other side of a row."""
    return [(name, -coefficient) for name, coefficient in form.parts]
