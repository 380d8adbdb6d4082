"""The one description of a dispatch problem: columns, rows by family, costs by kind. Every back end reads this.

solvers.py hands the arrays over as they are; solve_pulp.py writes them out with their names, readable, for CBC and
for people.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from controls.optimiser.backends.expressions import INF, Constraint, Floats, Linear, Places

# Tighter than the 1e-6 to which plans are verified: at 1e-6 a "zero" mode still lets 5 W through at 5 kW.
FEASIBILITY = 1e-9


class Row(NamedTuple):
    """Rows of one family: a name (without the device's) and the constraint; at: the step of each row.

    at is given where there is neither one row a step nor just one.
    """

    family: str
    name: str
    constraint: Constraint
    at: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Family:
    """Places of the rows of one family. at: the step of each; empty: one row for all steps together."""

    label: str
    prefix: str
    name: str
    first: int
    size: int
    at: Places

    def row_names(self) -> list[str]:
        """`bat_floor_003` for step 3; without a number where the family has but one row."""
        name = f"{self.prefix}_{self.name}"
        return [f"{name}_{t:03d}" for t in self.at.tolist()] or [name]


@dataclass(frozen=True)
class Arrays:
    """The problem as numbers: minimise cost . x + offset, row_lower <= A x <= row_upper, lower <= x <= upper.

    A is row by row: the entries of row i are [start[i], start[i + 1]) of column and value.
    """

    lower: Floats
    upper: Floats
    is_integer: NDArray[np.bool_]
    start: Places
    column: Places
    value: Floats
    row_lower: Floats
    row_upper: Floats
    cost: Floats
    offset: float

    @property
    def column_count(self) -> int:
        """Number of columns."""
        return self.cost.size

    def row(self, number: int) -> Iterator[tuple[int, float]]:
        """Column and value of a row's entries."""
        part = slice(self.start[number], self.start[number + 1])
        yield from zip(self.column[part].tolist(), self.value[part].tolist(), strict=True)

    def activity(self, values: Floats) -> Floats:
        """Sum of each row. values: one a column."""
        rows = np.repeat(np.arange(self.row_lower.size), np.diff(self.start))
        return np.bincount(rows, self.value * values[self.column], minlength=self.row_lower.size).astype(np.float64)

    def bounded(self, columns: Places, lower: Floats | float, upper: Floats | float) -> "Arrays":
        """The same with other bounds of some columns: a decision that is forced."""
        low, high = self.lower.copy(), self.upper.copy()
        low[columns], high[columns] = lower, upper
        return replace(self, lower=low, upper=high)

    def between(self, lower: Floats, upper: Floats) -> "Arrays":
        """The same with other bounds of all rows."""
        return replace(self, row_lower=lower, row_upper=upper)

    def without_cost(self) -> "Arrays":
        """Any point will do."""
        return replace(self, cost=np.zeros_like(self.cost), offset=0.0)


@dataclass(frozen=True)
class Outcome:
    """Outcome of the solver; objective, bound and values (one a column) are None unless there is a solution."""

    status: Literal["optimal", "feasible", "infeasible", "stopped"]
    solver: str
    objective: float | None = None
    bound: float | None = None
    values: Floats | None = None


@dataclass
class Program:
    """Columns and rows as they are written, part by part. tag: before every name that is written from now on."""

    tag: str = ""
    families: list[Family] = field(default_factory=list)
    costs: dict[str, list[Linear]] = field(default_factory=dict)
    _columns: list["_Columns"] = field(default_factory=list)
    _rows: list[Constraint] = field(default_factory=list)
    _width: int = 0
    _height: int = 0

    def new(
        self,
        name: str,
        count: int,
        *,
        lower: float | Floats = 0.0,
        upper: float | Floats = INF,
        is_integer: bool | NDArray[np.bool_] = False,
        at: Places | None = None,
    ) -> Linear:
        """`count` new columns, from zero up where nothing else is said.

        at: the step of each, for their names; by default from 0 on, and a single one has no number.
        """
        places = np.arange(self._width, self._width + count)
        low, high = np.full(count, lower, np.float64), np.full(count, upper, np.float64)
        steps = np.arange(count) if at is None else at
        self._columns.append(_Columns(self.tag + name, steps, low, high, is_integer, count > 1 or at is not None))
        self._width += count
        return Linear.of(places)

    def add(self, label: str, prefix: str, row: Row, *, steps: int) -> None:
        """Rows of one family, named in findings by the label. steps: how many the case has."""
        size = row.constraint.linear.size
        at = row.at
        if at is None:
            if size not in {1, steps}:
                raise ValueError(f"{size} rows {row.name} for {steps} steps: say which")
            # A case of one step has a number in its names as every other.
            at = np.arange(size) if size == steps else np.zeros(0, np.int64)
        self.families.append(Family(label, self.tag + prefix, row.name, self._height, size, at))
        self._rows.append(row.constraint)
        self._height += size

    def elastic(self, label: str, *, most: float | None = None) -> Linear:
        """Columns by which the rows of a family may be broken, and the cost of nothing else.

        One column for all rows; with `most`, one for each row that gives at most so much.
        """
        found = [place for place, family in enumerate(self.families) if family.label == label]
        sizes = [self.families[place].size if most is not None else 1 for place in found]
        give = self.new(f"give_{label}", 1 if most is None else sum(sizes), upper=INF if most is None else most)
        first = 0
        for place, size in zip(found, sizes, strict=True):
            old = self._rows[place]
            own = give if most is None else give[np.arange(first, first + size)]
            # Outwards on either side: a row is "<=" or ">=" where somebody chose its limit.
            outward = np.where(np.isfinite(old.upper), -1.0, 1.0)
            self._rows[place] = Constraint(old.linear + own * outward, old.lower, old.upper)
            first += size
        self.costs = {"give": [give]}
        return give

    def arrays(self, weights: Mapping[str, float] | None = None) -> Arrays:
        """The whole problem. weights: of each kind of cost, 1 where none is named."""
        parts = [constraint.linear for constraint in self._rows]
        starts = np.cumsum([0, *(part.size for part in parts)])
        rows = _stack([part.row + start for part, start in zip(parts, starts, strict=False)], np.int64)
        columns = _stack([part.column for part in parts], np.int64)
        start, column, value = _merged(rows, columns, _stack([part.value for part in parts]), self._height, self._width)
        cost, offset = np.zeros(self._width), 0.0
        for kind, terms in self.costs.items():
            weight = (weights or {}).get(kind, 1.0)
            for term in terms:
                np.add.at(cost, term.column, weight * term.value)
                offset += weight * float(term.constant.sum())
        return Arrays(
            lower=_stack([each.lower for each in self._columns]),
            upper=_stack([each.upper for each in self._columns]),
            is_integer=_stack([np.full(each.at.size, each.is_integer) for each in self._columns], np.bool_),
            start=start,
            column=column,
            value=value,
            row_lower=_stack([constraint.lower for constraint in self._rows]),
            row_upper=_stack([constraint.upper for constraint in self._rows]),
            cost=cost,
            offset=offset,
        )

    @property
    def width(self) -> int:
        """Number of columns."""
        return self._width

    def column_names(self) -> list[str]:
        """`bat_charge_kw_003` for step 3; without a number where there is but one."""
        return [
            f"{each.name}_{t:03d}" if each.is_numbered else each.name
            for each in self._columns
            for t in each.at.tolist()
        ]

    def row_names(self) -> list[str]:
        """Every row's name."""
        return [name for family in self.families for name in family.row_names()]


class _Columns(NamedTuple):
    name: str
    at: Places
    lower: Floats
    upper: Floats
    is_integer: bool | NDArray[np.bool_]
    is_numbered: bool


def _stack(parts: list[NDArray[Any]], kind: type = np.float64) -> NDArray[Any]:
    return np.concatenate(parts).astype(kind, copy=False) if parts else np.zeros(0, kind)


def _merged(rows: Places, columns: Places, values: Floats, height: int, width: int) -> tuple[Places, Places, Floats]:
    """Entries row by row, each column of a row once; what cancels out is no entry."""
    key = rows * max(width, 1) + columns
    order = np.argsort(key, kind="stable")
    places, first = np.unique(key[order], return_index=True)
    summed = np.add.reduceat(values[order], first) if first.size else np.zeros(0)
    kept = summed != 0
    places, summed = places[kept], summed[kept]
    row, column = np.divmod(places, max(width, 1))
    return np.searchsorted(row, np.arange(height + 1)), column, summed
