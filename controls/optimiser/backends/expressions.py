"""Linear expressions of many steps at once, written like arithmetic on arrays: `charge <= most * mode` is a row a step.

Numbers stand behind every operator, never objects of a solver: a problem of ten thousand rows is built in
milliseconds, and any back end can read it (program.py).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
INF = float("inf")


@dataclass(frozen=True, eq=False)
class Linear:
    """`size` expressions: the k-th is constant[k] plus the sum of value * column over the entries whose row is k."""

    row: Places
    column: Places
    value: Floats
    constant: Floats

    # An array on the left of an operator leaves the operation to this class.
    __array_ufunc__ = None

    @classmethod
    def of(cls, columns: ArrayLike) -> "Linear":
        """One column each."""
        places = np.asarray(columns, np.int64)
        return cls(np.arange(places.size), places, np.ones(places.size), np.zeros(places.size))

    @property
    def size(self) -> int:
        """Number of expressions."""
        return self.constant.size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: int | slice | NDArray[Any] | list[int]) -> "Linear":
        """Some of them, in the requested order."""
        taken = np.atleast_1d(np.arange(self.size)[key])
        if self.row.size == self.size and (self.row == np.arange(self.size)).all():
            # One entry each, as new variables have.
            row, found = np.arange(taken.size), taken
        elif taken.size == 1:
            found = np.flatnonzero(self.row == taken[0])
            row = np.zeros(found.size, np.int64)
        else:
            # An expression may be asked for several times, so places are looked up from the taken ones.
            order = np.argsort(self.row, kind="stable")
            first, last = (np.searchsorted(self.row[order], taken, side) for side in ("left", "right"))  # type: ignore[call-overload]
            counts = last - first
            row = np.repeat(np.arange(taken.size), counts)
            within = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
            found = order[np.repeat(first, counts) + within]
        return Linear(row, self.column[found], self.value[found], self.constant[taken])

    def __add__(self, other: "Linear | ArrayLike") -> "Linear":
        return self._plus(other, 1.0)

    def __sub__(self, other: "Linear | ArrayLike") -> "Linear":
        return self._plus(other, -1.0)

    def __neg__(self) -> "Linear":
        return self * -1.0

    def __mul__(self, factor: ArrayLike) -> "Linear":
        factors = np.asarray(factor, np.float64)
        row, column, value = self._spread(factors.size)
        return Linear(row, column, value * (factors[row] if factors.ndim else factors), self.constant * factors)

    def __radd__(self, other: ArrayLike) -> "Linear":
        return self + other

    def __rsub__(self, other: ArrayLike) -> "Linear":
        return -self + other

    def __rmul__(self, factor: ArrayLike) -> "Linear":
        return self * factor

    def __truediv__(self, divisor: ArrayLike) -> "Linear":
        return self * (1.0 / np.asarray(divisor, np.float64))

    def __le__(self, other: "Linear | ArrayLike") -> "Constraint":
        return Constraint.between(self - other, -INF, 0.0)

    def __ge__(self, other: "Linear | ArrayLike") -> "Constraint":
        return Constraint.between(self - other, 0.0, INF)

    def __eq__(self, other: "Linear | ArrayLike") -> "Constraint":  # type: ignore[override]
        return Constraint.between(self - other, 0.0, 0.0)

    __hash__ = None  # type: ignore[assignment]

    def sum(self) -> "Linear":
        """One expression: all of them added up."""
        return Linear(np.zeros(self.row.size, np.int64), self.column, self.value, np.array([self.constant.sum()]))

    def into(self, places: Places, size: int) -> "Linear":
        """`size` expressions: the k-th of these is added into the one at places[k]; where none falls stands zero."""
        constant: Floats = np.bincount(places, self.constant, size).astype(np.float64)
        return Linear(places[self.row], self.column, self.value, constant)

    def _plus(self, other: "Linear | ArrayLike", sign: float) -> "Linear":
        if not isinstance(other, Linear):
            row, column, value = self._spread(np.size(other))
            return Linear(row, column, value, self.constant + sign * np.asarray(other, np.float64))
        mine, theirs = self._spread(other.size), other._spread(self.size)
        row, column = (np.concatenate([mine[part], theirs[part]]) for part in (0, 1))
        value = np.concatenate([mine[2], sign * theirs[2]])
        return Linear(row, column, value, self.constant + sign * other.constant)

    def _spread(self, size: int) -> tuple[Places, Places, Floats]:
        """The entries, repeated for each of `size` rows where there is but one expression."""
        if size in {self.size, 1}:
            return self.row, self.column, self.value
        if self.size != 1:
            raise ValueError(f"{self.size} expressions do not go with {size}")
        rows = np.repeat(np.arange(size), self.row.size)
        return rows, np.tile(self.column, size), np.tile(self.value, size)


@dataclass(frozen=True, eq=False)
class Constraint:
    """lower <= the sum of value * column in each row <= upper; the constants have gone to the other side."""

    linear: Linear
    lower: Floats
    upper: Floats

    @classmethod
    def between(cls, linear: Linear, lower: float, upper: float) -> Self:
        """The expressions themselves between two numbers."""
        return cls(linear, lower - linear.constant, upper - linear.constant)
