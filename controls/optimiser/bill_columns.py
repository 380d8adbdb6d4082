"""The linear terms of a bill in a plan's problem: kWh of an interval are the kW of its step times its hours."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Self

import numpy as np

from assets.tariffs.linear.linear_evaluate import evaluate_parts, of_demand
from assets.tariffs.linear.linear_model import LinearTerms, Peak
from assets.tariffs.linear.linear_rows import Row as BillRow
from assets.tariffs.linear.linear_rows import rows_of
from controls.optimiser.backends.expressions import INF, Constraint, Floats, Linear, Places
from controls.optimiser.backends.program import Row

# What an interval's row is called without its number, which its step takes the place of.
_NUMBER = re.compile(r"_(\d{5})(?=_|$)")


class BillColumns:
    """One bill over the steps from `first` on. tag: how its names begin, so that two bills of one plan differ."""

    def __init__(self, terms: LinearTerms, *, first: int, tag: str) -> None:
        self.terms, self.first, self.tag = terms, first, tag
        self._names: dict[str, str] = {}
        made = rows_of(terms)
        self._variables = made.variables
        self._place = {each.name: place for place, each in enumerate(made.variables)}
        self._families = self._by_family(made.rows)
        self._prices = [np.array(side, np.float64) for side in (terms.import_price_per_kwh, terms.export_price_per_kwh)]
        peaks, nothing = of_demand(terms), np.zeros(terms.size)
        self._base = [float(part) for part in evaluate_parts(terms, nothing, nothing)]
        self._rates = [
            [(self._place[name], float(rate)) for name, rate in terms.objective if (name in peaks) == is_peak]
            for is_peak in (False, True)
        ]

    @property
    def steps(self) -> slice:
        """Its steps of the plan."""
        return slice(self.first, self.first + self.terms.size)

    @property
    def base(self) -> float:
        """What the bill comes to without the plan's hours."""
        return sum(self._base)

    @property
    def peaks(self) -> dict[str, str]:
        """Rows of one a step at which a peak is set, and the charge (and its period) that goes by it."""
        names = [term.name for term in self.terms.terms if isinstance(term, Peak)]
        return {self._named(name): name.removesuffix(".peak") for name in names}

    def variables(self, new: Callable[..., Linear]) -> Linear:
        """Its columns, in one expression each. new: as Part.new, without the program."""
        found = [
            new(
                self._named(each.name),
                1,
                lower=-INF if each.lower is None else float(each.lower),
                upper=INF if each.upper is None else float(each.upper),
                is_integer=each.is_binary,
            )
            for each in self._variables
        ]
        return Linear.of(np.concatenate([each.column for each in found]) if found else [])

    def rows(self, x: Linear, import_kw: Linear, export_kw: Linear, step_h: Floats) -> Iterator[Row]:
        """All rows of the bill, those that every step has as one family."""
        for each in self._families:
            linear = each.of_variables(x)
            for power, part in ((import_kw, each.bought), (export_kw, each.sold)):
                at = self.first + part.place
                linear += Linear(part.row, power.column[at], part.value * step_h[at], np.zeros(each.size))
            yield Row("bill", each.name, Constraint(linear, each.lower, each.upper), each.at)

    def cost(
        self, x: Linear | None, import_kwh: Linear | Floats, export_kwh: Linear | Floats
    ) -> Iterator[tuple[str, Any]]:
        """What the plan's hours add to the bill: by energies, and by peaks. x: its columns; None for numbers."""
        bought, sold = import_kwh[self.steps], export_kwh[self.steps]
        if x is None:
            parts = evaluate_parts(self.terms, np.asarray(bought), np.asarray(sold))
            for kind, cost, base in zip(("energy", "demand"), parts, self._base, strict=True):
                yield kind, float(cost) - base
            return
        yield "energy", self._prices[0] * bought
        yield "energy", self._prices[1] * sold
        for kind, rates, base in zip(("energy", "demand"), self._rates, self._base, strict=True):
            constant = (float(self.terms.constant) if kind == "energy" else 0.0) - base
            places, weights = np.array([place for place, _ in rates], np.int64), np.array([rate for _, rate in rates])
            yield kind, (weights * Linear.of(x.column[places])).sum() + constant

    def _by_family(self, rows: Sequence[BillRow]) -> list["_Family"]:
        """Rows of one name but for their number, with the step at which each ends."""
        grouped: dict[str, list[tuple[BillRow, int]]] = defaultdict(list)
        seen = Counter[tuple[str, int]]()
        for row in rows:
            number = _NUMBER.search(row.name)
            if number is None:
                grouped[self._named(row.name)].append((row, -1))
                continue
            name, slots = _NUMBER.sub("", row.name), [slot for slot, _ in (*row.import_parts, *row.export_parts)]
            step = self.first + max(slots, default=int(number[1]))
            # Windows that reach beyond the plan end with it, all of them: each has a name of its own.
            seen[name, step] += 1
            again = f"_{seen[name, step]}" if seen[name, step] > 1 else ""
            grouped[self._named(name + again)].append((row, step))
        return [self._family(name, *zip(*found, strict=True)) for name, found in grouped.items()]

    def _family(self, name: str, rows: Sequence[BillRow], steps: Sequence[int]) -> "_Family":
        rhs = np.array([float(row.rhs) for row in rows])
        is_low, is_high = (np.array([row.sense in ("==", sense) for row in rows]) for sense in (">=", "<="))
        return _Family(
            name=name,
            at=None if steps[0] < 0 else np.array(steps),
            variables=_Entries.of([[(self._place[each], rate) for each, rate in row.parts] for row in rows]),
            bought=_Entries.of([row.import_parts for row in rows]),
            sold=_Entries.of([row.export_parts for row in rows]),
            lower=np.where(is_low, rhs, -INF),
            upper=np.where(is_high, rhs, INF),
        )

    def _named(self, name: str) -> str:
        # A solver's files know letters, digits and few signs; two charges that differ by others alone get a number.
        plain = f"{self.tag}_{re.sub(r'[^A-Za-z0-9_.]', '_', name)}"
        if name not in self._names:
            alike = sum(each == plain or each.startswith(f"{plain}__") for each in self._names.values())
            self._names[name] = f"{plain}__{alike + 1}" if alike else plain
        return self._names[name]


class _Entries(NamedTuple):
    """Row, variable or interval, and value of each entry."""

    row: Places
    place: Places
    value: Floats

    @classmethod
    def of(cls, rows: Sequence[Sequence[tuple[int, Decimal]]]) -> Self:
        """From (place, value) of each row."""
        flat = [(number, place, float(value)) for number, row in enumerate(rows) for place, value in row]
        numbers, places, values = zip(*flat, strict=True) if flat else ((), (), ())
        return cls(np.array(numbers, np.int64), np.array(places, np.int64), np.array(values, np.float64))


class _Family(NamedTuple):
    name: str
    at: Places | None
    variables: _Entries
    bought: _Entries
    sold: _Entries
    lower: Floats
    upper: Floats

    @property
    def size(self) -> int:
        return self.lower.size

    def of_variables(self, x: Linear) -> Linear:
        part = self.variables
        return Linear(part.row, x.column[part.place], part.value, np.zeros(self.size))
