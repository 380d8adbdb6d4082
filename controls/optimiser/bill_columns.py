"""The linear terms of a bill in a plan's problem: kWh of an interval are the kW of the step that it lies in times its
hours. Power is constant within a step, so all intervals of a long one are alike.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Self

import numpy as np

from assets.tariffs.linear_evaluate import evaluate_parts, of_demand
from assets.tariffs.linear_model import LinearTerms, Peak
from assets.tariffs.linear_rows import Parts, rows_of
from assets.tariffs.linear_rows import Row as BillRow
from controls.optimiser.backends.expressions import INF, Constraint, Floats, Linear, Places
from controls.optimiser.backends.program import Row

# What an interval's row is called without its number, which its step takes the place of.
_NUMBER = re.compile(r"_(\d{5})(?=_|$)")
# Hours that sums of step lengths may be off by.
_HAIR_H = 1e-9


def steps_of_intervals(step_h: Sequence[float] | Floats, interval_h: Sequence[float] | Floats) -> Places:
    """Which step each of the intervals, which follow one another from the first step's start on, lies in."""
    begins_h = np.cumsum(interval_h) - interval_h
    return np.searchsorted(np.cumsum(step_h), begins_h + _HAIR_H, side="right").astype(np.int64)


class BillColumns:
    """One bill. places: which step of the plan each of its intervals lies in. tag: how its names begin, so that two
    bills of one plan differ.
    """

    def __init__(self, terms: LinearTerms, *, places: Places, tag: str) -> None:
        self.terms, self.places, self.tag, self.hours = terms, places, tag, terms.step_minutes / 60
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
    def base(self) -> float:
        """Cost of the bill without the plan's hours."""
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

    def rows(self, x: Linear, import_kw: Linear, export_kw: Linear) -> Iterator[Row]:
        """All rows of the bill, those that every step has as one family."""
        for each in self._families:
            linear = each.of_variables(x)
            for power, part in ((import_kw, each.bought), (export_kw, each.sold)):
                linear += Linear(part.row, power.column[part.place], part.value * self.hours, np.zeros(each.size))
            yield Row("bill", each.name, Constraint(linear, each.lower, each.upper), each.at)

    def cost(
        self, x: Linear | None, import_kw: Linear | Floats, export_kw: Linear | Floats
    ) -> Iterator[tuple[str, Any]]:
        """Cost that the plan's hours add to the bill: by energies, and by peaks. x: its columns; None for numbers."""
        if x is None:
            bought, sold = (self.hours * np.asarray(power)[self.places] for power in (import_kw, export_kw))
            parts = evaluate_parts(self.terms, bought, sold)
            for kind, cost, base in zip(("energy", "demand"), parts, self._base, strict=True):
                yield kind, float(cost) - base
            return
        for prices, power in zip(self._prices, (import_kw, export_kw), strict=True):
            steps = np.unique(self.places)
            yield "energy", np.bincount(self.places, prices * self.hours)[steps] * power[steps]
        for kind, rates, base in zip(("energy", "demand"), self._rates, self._base, strict=True):
            constant = (float(self.terms.constant) if kind == "energy" else 0.0) - base
            places, weights = np.array([place for place, _ in rates], np.int64), np.array([rate for _, rate in rates])
            yield kind, (weights * Linear.of(x.column[places])).sum() + constant

    def _by_family(self, rows: Sequence[BillRow]) -> list["_Family"]:
        """Rows of one name but for their number, with the step at which each ends; equal rows once."""
        grouped: dict[str, list[tuple[_InSteps, int]]] = defaultdict(list)
        seen, known = Counter[tuple[str, int]](), set[tuple[str, _InSteps]]()
        for row in rows:
            energies = self._in_steps(row.import_parts), self._in_steps(row.export_parts)
            here = _InSteps(row.parts, *energies, row.sense, float(row.rhs))
            number = _NUMBER.search(row.name)
            if number is None:
                grouped[self._named(row.name)].append((here, -1))
                continue
            name, steps = _NUMBER.sub("", row.name), [step for step, _ in (*here.bought, *here.sold)]
            step = max(steps, default=int(self.places[min(int(number[1]), self.terms.size - 1)]))
            if (name, here) in known:
                continue
            known.add((name, here))
            # Windows that reach beyond the plan end with it, all of them: each has a name of its own.
            seen[name, step] += 1
            suffix = f"_{seen[name, step]}" if seen[name, step] > 1 else ""
            grouped[self._named(name + suffix)].append((here, step))
        return [self._family(name, *zip(*found, strict=True)) for name, found in grouped.items()]

    def _in_steps(self, parts: Sequence[tuple[int, Decimal]]) -> tuple[tuple[int, float], ...]:
        found = defaultdict[int, float](float)
        for slot, value in parts:
            found[int(self.places[slot])] += float(value)
        return tuple(found.items())

    def _family(self, name: str, rows: Sequence["_InSteps"], steps: Sequence[int]) -> "_Family":
        rhs = np.array([row.rhs for row in rows])
        is_low, is_high = (np.array([row.sense in ("==", sense) for row in rows]) for sense in (">=", "<="))
        return _Family(
            name=name,
            at=None if steps[0] < 0 else np.array(steps),
            variables=_Entries.of([[(self._place[each], rate) for each, rate in row.parts] for row in rows]),
            bought=_Entries.of([row.bought for row in rows]),
            sold=_Entries.of([row.sold for row in rows]),
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
    """Row, variable or step, and value of each entry."""

    row: Places
    place: Places
    value: Floats

    @classmethod
    def of(cls, rows: Sequence[Sequence[tuple[int, Decimal | float]]]) -> Self:
        """From (place, value) of each row."""
        flat = [(number, place, float(value)) for number, row in enumerate(rows) for place, value in row]
        numbers, places, values = zip(*flat, strict=True) if flat else ((), (), ())
        return cls(np.array(numbers, np.int64), np.array(places, np.int64), np.array(values, np.float64))


class _InSteps(NamedTuple):
    """A row of the bill, with what its intervals buy and sell by the steps that they lie in."""

    parts: Parts
    bought: tuple[tuple[int, float], ...]
    sold: tuple[tuple[int, float], ...]
    sense: str
    rhs: float


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
