"""Tuning: better parameters where there are some, on inner folds only, within its time, the same for a seed."""

from collections.abc import Mapping
from itertools import count

import numpy as np
import pytest

from ml.features.forecast_case import Case
from ml.forecasts.forecast_model import Quantiles, TooShort
from ml.forecasts.lifecycle.tuning import TUNING_FILE, Tuned, tune
from tests.ml.life.training import case_of_values, load

SPACE = {"level": (5.0, 20.0, False), "width": (1, 8, True)}


class Flat:
    """Forecasts a level with a band; both are its parameters. Writes down the last step that it was ever given."""

    algorithm = "flat"
    fits: list[int]

    def __init__(self, parameters: Mapping[str, float], fits: list[int]) -> None:
        self.level, self.width = parameters.get("level", 30.0), parameters.get("width", 1)
        self.fits = fits

    def fit(self, case: Case) -> "Flat":
        self.fits.append(len(case.series.values))
        return self

    def load(self, files: Mapping[str, bytes]) -> "Flat":
        return self

    def to_files(self) -> dict[str, bytes]:
        return {}

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        p50 = np.full(horizon, float(self.level))
        return Quantiles(p50 - self.width, p50, p50 + self.width)


CASE = case_of_values(load(60))
# The evening of 25 March by UTC: local midnight.
JUDGED_FROM = 24 * 50


def tuned(
    *, within_s: float = 1e9, trials: int | None = 25, seed: int = 0, fits: list[int] | None = None, of: Case = CASE
) -> Tuned | None:
    kept = [] if fits is None else fits
    ticks = count()
    return tune(
        of,
        lambda parameters: Flat(parameters, kept),
        judged_from=JUDGED_FROM,
        within_s=within_s,
        space=SPACE,
        seed=seed,
        most_trials=trials,
        now_s=lambda: float(next(ticks)),
    )


def test_parameters_that_do_better_are_found_and_said() -> None:
    found = tuned()
    assert found is not None
    assert found.parameters["level"] == pytest.approx(10, abs=2.5)
    assert found.loss < found.default_loss
    assert found.pruned > 0
    assert found.trials + found.pruned == 25
    assert found.params["tuning"].startswith(f"{found.trials} trials within")
    assert b'"level"' in found.to_file()[TUNING_FILE]


def test_the_same_seed_finds_the_same_and_another_another() -> None:
    assert tuned() == tuned()
    one, other = tuned(trials=5), tuned(trials=5, seed=1)
    assert one is not None
    assert other is not None
    assert one.parameters != other.parameters


def test_nothing_is_fitted_once_the_time_is_over() -> None:
    fits: list[int] = []
    # The clock goes on by a second whenever it is asked.
    found = tuned(within_s=12, trials=None, fits=fits)
    assert found is not None
    assert len(fits) <= 12
    assert tuned(within_s=2) is None


def test_where_nothing_did_better_the_models_own_parameters_stand() -> None:
    found = tune(
        CASE, lambda _: Flat({"level": 10.0}, []), within_s=1e9, judged_from=JUDGED_FROM, space=SPACE, most_trials=3
    )
    assert found is not None
    assert (found.parameters, found.loss) == ({}, found.default_loss)


def test_a_history_that_is_too_short_for_the_model_is_not_tuned() -> None:
    class Never(Flat):
        def fit(self, case: Case) -> Flat:
            raise TooShort("always")

    assert (
        tune(CASE, lambda parameters: Never(parameters, []), within_s=1e9, judged_from=JUDGED_FROM, most_trials=3)
        is None
    )
    assert (
        tune(case_of_values(np.empty(0)), lambda p: Flat(p, []), within_s=1e9, judged_from=JUDGED_FROM, most_trials=3)
        is None
    )


def test_the_days_that_parameters_are_judged_on_are_never_looked_at() -> None:
    poisoned = load(60)
    poisoned[JUDGED_FROM:] = 1e6
    fits: list[int] = []
    found = tuned(fits=fits)
    assert max(fits) < JUDGED_FROM
    assert tuned(of=case_of_values(poisoned)) == found
    assert found is not None
    assert max(found.folds) < "2025-03-26"
