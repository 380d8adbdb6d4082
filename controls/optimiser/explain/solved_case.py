"""One solved case with its problem, its prices and the engine that solves it again: what an explanation asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np

from controls.optimiser.backends.expressions import Floats
from controls.optimiser.backends.program import Arrays
from controls.optimiser.backends.solve_highs import row_duals
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.device import Numbers, Part, numbers
from controls.optimiser.explain.solve_again import ForcedSolve
from controls.optimiser.lp_build import Problem, build_problem
from controls.optimiser.solution import Solution

# Plans are not distinguished below this, in currency or in the unit of a row.
NOISE = 1e-6


@dataclass(frozen=True, eq=False)
class SolvedCase:
    """Solved case; rare answers are made on request. values: of every column. objective: what the plan costs here.

    noise: a difference that is not larger makes none, for the plan itself is proven no closer. parts: by the names with
    which their families of rows begin.
    """

    case: DispatchCase
    solution: Solution
    problem: Problem
    arrays: Arrays
    values: Floats
    objective: float
    noise: float
    parts: Mapping[str, Part] = field(default_factory=dict)

    @classmethod
    def of(cls, case: DispatchCase, solution: Solution) -> Self:
        """A case without scenarios. solution: with its solver's values."""
        problem = build_problem(case)
        return cls(
            case=case,
            solution=solution,
            problem=problem,
            arrays=problem.program.arrays(case.weights),
            values=np.array(solution.values),
            objective=solution.objective,
            noise=max(NOISE, solution.objective - solution.bound),
            parts={part.prefix: part for part in case.parts},
        )

    @cached_property
    def forced(self) -> ForcedSolve:
        """To be solved with one decision forced."""
        return ForcedSolve(self.arrays, self.values)

    @cached_property
    def duals(self) -> Floats:
        """Of every row, integers held."""
        return row_duals(self.arrays, self.values)

    @cached_property
    def columns(self) -> dict[str, Numbers]:
        """The series of every device by its id."""
        return {name: numbers(found) for name, found in self.solution.series.devices.items()}


def kept(value: float) -> float:
    """Nine decimals: the rest is the solver's noise."""
    return round(value, 9) + 0.0
