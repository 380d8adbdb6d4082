"""One problem solved again and again, each time with one decision forced: what another choice would have cost.

The relaxed problem stays in one engine, whose last basis is a few steps away from the next answer. Mostly its answer
can be rounded without breaking a row or adding cost, and then is the true one; only where it cannot are integers
searched for, from the bound that the relaxed one gave.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from controls.optimiser.linear import Floats, Places
from controls.optimiser.program import Arrays
from controls.optimiser.solve_highs import engine_of, run_highs
from controls.optimiser.solvers import FEASIBILITY, Outcome
from data_quality.contracts.errors import OurFault

# Of the cost, and of a rounded row: far below the 1e-6 to which a difference is told.
_EXACT = 1e-8


class Again:
    """A problem with a known best solution, to be solved with other bounds."""

    def __init__(self, arrays: Arrays, values: Floats) -> None:
        self._arrays, self._values = arrays, values
        self._engine = engine_of(arrays, gap=0.0, time_limit_s=60.0, is_relaxed=True)
        self._engine.run()
        self._whole = np.flatnonzero(arrays.is_integer)
        self._by_column = _by_column(arrays)

    def relaxed(self, column: int, lower: float, upper: float) -> Outcome:
        """A bound of what it costs with one column between two bounds: `stopped`, or already `optimal`.

        Raises OurFault where HiGHS says neither what it costs nor that it is impossible.
        """
        import highspy

        arrays, engine = self._arrays, self._engine
        engine.changeColBounds(column, lower, upper)
        engine.run()
        status = engine.getModelStatus()
        bound = float(engine.getInfo().objective_function_value)
        found = np.array(engine.getSolution().col_value)
        engine.changeColBounds(column, float(arrays.lower[column]), float(arrays.upper[column]))
        if status == highspy.HighsModelStatus.kInfeasible:
            return Outcome(status="infeasible", solver="HiGHS")
        if status != highspy.HighsModelStatus.kOptimal:
            raise OurFault(f"a forced choice has no answer: {status}")
        values = self._rounded(found)
        if values is not None:
            objective = float(arrays.cost @ values + arrays.offset)
            if objective - bound <= _EXACT:
                return Outcome("optimal", "HiGHS", objective=objective, bound=bound, values=values)
        return Outcome(status="stopped", solver="HiGHS", bound=bound)

    def exact(self, column: int, lower: float, upper: float, *, time_limit_s: float) -> Outcome:
        """The best with one column between two bounds, its integers searched for."""
        arrays = self._arrays.bounded(np.array([column]), lower, upper)
        return run_highs(arrays, gap=1e-9, time_limit_s=time_limit_s, start=self._values)

    def _rounded(self, values: Floats) -> Floats | None:
        """The values with every integer whole and no row broken; None where no simple rounding does that."""
        arrays, found = self._arrays, values.copy()
        activity = arrays.activity(found)
        low, high = arrays.row_lower - FEASIBILITY, arrays.row_upper + FEASIBILITY
        for column in self._whole.tolist():
            value = found[column]
            rows, entries = self._by_column(column)
            # The nearer whole number first.
            for whole in sorted((np.floor(value), np.ceil(value)), key=lambda each: abs(each - value)):
                moved = activity[rows] + entries * (whole - value)
                if np.all((moved >= low[rows]) & (moved <= high[rows])):
                    found[column], activity[rows] = whole, moved
                    break
            else:
                return None
        return found


def _by_column(arrays: Arrays) -> Callable[[int], tuple[Places, Floats]]:
    """Rows and entries of a column."""
    rows = np.repeat(np.arange(arrays.row_lower.size), np.diff(arrays.start))
    order = np.argsort(arrays.column, kind="stable")
    first = np.searchsorted(arrays.column[order], np.arange(arrays.column_count + 1))
    places = [order[start:end] for start, end in pairwise(first)]
    return lambda column: (rows[places[column]], arrays.value[places[column]])
