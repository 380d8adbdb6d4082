"""The long run of test_linear_terms: `python -m tests.tariffs.long_linear [1000]` ends when so many are compared."""

import sys

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.tariffs.linear_case import Tally, compare
from tests.tariffs.random_tariffs import Case, cases

BATCH = 250


def run(count: int) -> Tally:
    """So many random tariffs and loads compared; refused ones are counted, not compared."""
    tally, number = Tally(), 0
    while tally.compared < count:
        _batch(tally, number)
        number += 1
    return tally


def _batch(tally: Tally, number: int) -> None:
    @seed(number)
    @settings(
        max_examples=BATCH, deadline=None, database=None,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(cases())
    def both_agree(case: Case) -> None:
        compare(case, tally)

    both_agree()


if __name__ == "__main__":
    sys.stdout.write(run(int(sys.argv[1]) if len(sys.argv) > 1 else 1000).text() + "\n")
