"""The least cost of random homes is that of a second formulation, written by hand without the product's rows."""

import pytest

from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from tests.controls.optimiser.random_homes import home
from tests.controls.optimiser.second_formulation import WRITTEN, SecondFormulation

_QUICK, _ALL = range(25), range(25, 150)


@pytest.mark.parametrize("seed", [*_QUICK, *(pytest.param(seed, marks=pytest.mark.slow) for seed in _ALL)])
def test_least_cost_of_both_is_equal(seed: int) -> None:
    case = home(seed)
    minimum = SecondFormulation(case).minimum()
    plan = solve(case, gap=1e-8)
    found = plan.objective if isinstance(plan, Solution) else None
    assert found == (None if minimum is None else pytest.approx(minimum, abs=1e-5))


def test_every_kind_of_the_second_formulation_is_among_the_quick_homes() -> None:
    assert {device.kind for seed in _QUICK for device in home(seed).devices} == set(WRITTEN)
