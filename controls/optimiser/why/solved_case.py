"""One solved case with its problem, its prices and the engine that solves it again: what an explanation asks."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Arrays
from controls.optimiser.backends.solve_highs import row_duals
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Numbers, numbers
from controls.optimiser.lp_build import Problem, build_problem
from controls.optimiser.solution import Solution
from controls.optimiser.why.solve_again import Again

# No plan is told apart below this, in currency or in the unit of a row.
NOISE = 1e-6


@dataclass(frozen=True)
class SolvedCase:
    """Each part is made once, when it is asked for. solution: with its solver's values."""

    case: DispatchCase
    solution: Solution

    @cached_property
    def problem(self) -> Problem:
        """Columns and rows by name."""
        return build_problem(self.case)

    @cached_property
    def arrays(self) -> Arrays:
        """The same as numbers, its costs weighed."""
        return self.problem.program.arrays(self.case.weights)

    @cached_property
    def values(self) -> Floats:
        """Of every column."""
        return np.array(self.solution.values)

    @cached_property
    def again(self) -> Again:
        """To be solved with one decision forced."""
        return Again(self.arrays, self.values)

    @cached_property
    def duals(self) -> Floats:
        """Of every row, integers held."""
        return row_duals(self.arrays, self.values)

    @cached_property
    def columns(self) -> dict[str, Numbers]:
        """The series of every device by its id."""
        return {name: numbers(found) for name, found in self.solution.series.devices.items()}

    @property
    def noise(self) -> float:
        """A difference that is not larger makes none: the plan itself is proven no closer."""
        return max(NOISE, self.solution.objective - self.solution.bound)


def kept(value: float) -> float:
    """Nine decimals: the rest is the solver's noise."""
    return round(value, 9) + 0.0
