"""The long runs of linear terms: `python -m tests.tariffs.long_linear [1000] [plans]` ends when so many are compared.

Terms worked out at a load against its bill; with `plans` the cost of a plan against the bill of the load that it makes.
"""

import sys
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.controls.optimiser.planned_bill import compare_plan
from tests.tariffs.linear_case import Tally, compare
from tests.tariffs.random_tariffs import Case, cases

BATCH = 250


Comparison = Callable[[Case, Tally], None]


def run(count: int, comparison: Comparison) -> Tally:
    """So many random tariffs and loads compared; refused ones are counted, not compared."""
    tally, number = Tally(), 0
    while tally.compared < count:
        _batch(tally, number, comparison)
        number += 1
    return tally


def _batch(tally: Tally, number: int, comparison: Comparison) -> None:
    @seed(number)
    @settings(
        max_examples=BATCH, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases())
    def both_agree(case: Case) -> None:
        comparison(case, tally)

    both_agree()


if __name__ == "__main__":
    wanted = next((int(word) for word in sys.argv[1:] if word.isdigit()), 1000)
    sys.stdout.write(run(wanted, compare_plan if "plans" in sys.argv else compare).text() + "\n")
