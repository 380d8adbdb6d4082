"""The checker finds the fault of each naive agent within a few random schedules."""

import pytest

from tests.control_faults.naive import NAIVE
from tests.control_faults.storm import storm
from tests.control_faults.virtual_site import StoreMaker

SEED = 1
# So many schedules are enough to catch any of them.
PATIENCE = 150


@pytest.mark.slow
@pytest.mark.parametrize("name", NAIVE)
def test_a_naive_agent_is_found_out(maker: StoreMaker, name: str) -> None:
    naive = NAIVE[name]
    with naive.at_work() as setting:
        outcomes = (storm(SEED, index, maker, setting) for index in range(PATIENCE))
        assert any(problem.startswith(naive.finding) for outcome in outcomes for problem in outcome.problems)
