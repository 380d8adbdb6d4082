"""One problem solved again and again, each time with one decision forced: what another choice would have cost.

The relaxed problem stays in one engine, whose last basis is a few steps away from the next answer. Mostly its answer
can be rounded without breaking a row or adding cost, at once or after a few integers are decided, and then is the true
one; only where it cannot are integers searched for from the beginning.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count, pairwise

import numpy as np

from controls.optimiser.backends.expressions import Floats, Places
from controls.optimiser.backends.program import FEASIBILITY, Arrays, Outcome
from controls.optimiser.backends.solve_highs import engine_of, run_highs
from data_quality.contracts.errors import OurFault

# Of the cost, and of a rounded row: far below the 1e-6 to which a difference is reported.
_EXACT = 1e-8
# Each takes a millisecond or two; a search from the beginning a hundred.
_CASES = 60


class ForcedSolve:
    """A problem with a known best solution, to be solved with other bounds."""

    def __init__(self, arrays: Arrays, values: Floats) -> None:
        self._arrays, self._values = arrays, values
        self._engine = engine_of(arrays, gap=0.0, time_limit_s=60.0, is_relaxed=True)
        self._engine.run()
        self._whole = np.flatnonzero(arrays.is_integer)
        self._by_column = _by_column(arrays)
        self._cases = _CASES

    def relaxed(self, column: int, lower: float, upper: float) -> Outcome:
        """A bound of what it costs with one column between two bounds: `stopped`, or already `optimal`.

        Of the open cases the one of the least bound is split by an integer that cannot be rounded, the first that
        needs none being the best of all; for a few of them only, which is far less than a search from the beginning.
        Raises OurFault where HiGHS says neither what it costs nor that it is impossible.
        """
        order = count()
        first = self._bounded({column: (lower, upper)})
        heap = [(first[0], next(order), {column: (lower, upper)}, first[1])] if first else []
        while heap:
            bound, number, bounds, values = heappop(heap)
            rounded, split = self._rounded(values)
            if split is None:
                objective = float(self._arrays.cost @ rounded + self._arrays.offset)
                if objective - bound <= _EXACT:
                    self._cases = min(self._cases * 2, _CASES)
                    return Outcome("optimal", "HiGHS", objective=objective, bound=bound, values=rounded)
            if split is None or number >= self._cases:
                # A problem that was not of that kind will hardly be so in the next slot.
                self._cases = max(self._cases // 2, 2)
                return Outcome(status="stopped", solver="HiGHS", bound=bound)
            low, high = bounds.get(split, (self._arrays.lower[split], self._arrays.upper[split]))
            for half in ((low, np.floor(values[split])), (np.ceil(values[split]), high)):
                case = bounds | {split: (float(half[0]), float(half[1]))}
                if (found := self._bounded(case)) is not None:
                    heappush(heap, (found[0], next(order), case, found[1]))
        return Outcome(status="infeasible", solver="HiGHS")

    def exact(self, column: int, lower: float, upper: float, *, time_limit_s: float) -> Outcome:
        """The best with one column between two bounds, its integers searched for from the beginning."""
        arrays = self._arrays.bounded(np.array([column]), lower, upper)
        return run_highs(arrays, gap=1e-9, time_limit_s=time_limit_s, start=self._values)

    def _bounded(self, bounds: dict[int, tuple[float, float]]) -> tuple[float, Floats] | None:
        """Cost and values of the relaxed problem with these bounds; None where there is none."""
        import highspy

        arrays, engine = self._arrays, self._engine
        for column, (lower, upper) in bounds.items():
            engine.changeColBounds(column, lower, upper)
        engine.run()
        status = engine.getModelStatus()
        cost, values = float(engine.getInfo().objective_function_value), np.array(engine.getSolution().col_value)
        for column in bounds:
            engine.changeColBounds(column, float(arrays.lower[column]), float(arrays.upper[column]))
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise OurFault(f"a forced choice has no answer: {status}")
        return cost, values

    def _rounded(self, values: Floats) -> tuple[Floats, int | None]:
        """The values with integers made whole as long as no row breaks, and the first that cannot be so."""
        arrays, found = self._arrays, values.copy()
        activity = arrays.activity(found)
        low, high = arrays.row_lower - FEASIBILITY, arrays.row_upper + FEASIBILITY
        found[self._whole] = np.where(
            np.abs(found[self._whole] - np.round(found[self._whole])) <= FEASIBILITY,
            np.round(found[self._whole]),
            found[self._whole],
        )
        for column in self._whole[found[self._whole] % 1 != 0].tolist():
            value = found[column]
            rows, entries = self._by_column(column)
            # The nearer whole number first.
            for whole in sorted((np.floor(value), np.ceil(value)), key=lambda each: abs(each - value)):
                moved = activity[rows] + entries * (whole - value)
                if np.all((moved >= low[rows]) & (moved <= high[rows])):
                    found[column], activity[rows] = whole, moved
                    break
            else:
                return found, column
        return found, None


def _by_column(arrays: Arrays) -> Callable[[int], tuple[Places, Floats]]:
    """Rows and entries of a column."""
    rows = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.start))
    order = np.argsort(arrays.column, kind="stable")
    first = np.searchsorted(arrays.column[order], np.arange(arrays.column_count + 1))
    places = [order[start:end] for start, end in pairwise(first)]
    return lambda column: (rows[places[column]], arrays.value[places[column]])
