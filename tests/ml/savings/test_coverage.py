"""Of buildings with a known saving, the stated 90 % interval holds the truth in 86–94 %.

`python -m tests.ml.savings.simulated 500` is the long run; METERLOOM_SIMULATED sets the number of buildings here.
"""

import os

import numpy as np
import pytest

from ml.baselines.savings import savings as module
from tests.ml.savings.simulated import building, covered, result

COUNT = int(os.environ.get("METERLOOM_SIMULATED", "60"))
# The promise is for 500; of 60 draws, two and a half standard deviations around 90 %.
LOW, HIGH = (0.86, 0.94) if COUNT >= 500 else (0.80, 0.99)
CASES = {"twelve months of days": ({}, False), "one season of days": ({"report_days": 90}, False), "bills": ({}, True)}


@pytest.mark.parametrize("name", CASES)
def test_the_stated_interval_covers_what_it_says(name: str) -> None:
    options, billing = CASES[name]
    hits = 0
    for seed in range(COUNT):
        made = building(100_000 * list(CASES).index(name) + seed, **options)
        hits += covered(made, result(made, billing=billing))
    assert LOW <= hits / COUNT <= HIGH


def test_a_narrower_band_would_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: a band that forgets the autocorrelation."""
    monkeypatch.setattr("ml.baselines.models.savings_uncertainty.autocorrelation", lambda *given, **named: 0.0)
    monkeypatch.setattr("ml.baselines.models.savings_uncertainty.longer_memory", lambda *given: 1.0)
    made = [building(seed, rho=0.7) for seed in range(40)]
    share = np.mean([covered(each, result(each)) for each in made])
    assert share < LOW


def test_the_interval_moves_with_the_saving_and_not_with_the_seed() -> None:
    made = building(4)
    one, two = result(made, resamples=100), result(made, resamples=100)
    assert one == two
    assert one.bootstrap is not None
    assert one.bootstrap.low < one.savings_kwh < one.bootstrap.high
    assert module.RESAMPLES == 1000
