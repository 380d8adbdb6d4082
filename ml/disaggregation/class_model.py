"""Model of one class of load: an on-state classifier and regressions of its energy, both by gradient boosting.

Each is one model a fold of training weeks, and their mean is the estimate. Thresholds, and the steps that teach an
energy, come from what the models say of weeks that they did not see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from data_quality.contracts.model import Model
from ml.disaggregation.circuit import Mask
from ml.disaggregation.circuit_features import Matrix
from ml.features.series import Index, Vector

# A class outside these shares of on-steps never switches: it has an energy, and no on-state to learn.
SWITCHES = (0.002, 0.98)
# Steps below which an energy is their mean.
FEW = 50
# Energy of the off-state, as a share of the class's, above which it is estimated and not taken as its mean.
OFF_ENERGY = 0.1
# Rows above which three folds do; below, a fold is cheap and each sees more of the year.
MANY_ROWS, MOST_FOLDS, LARGE_FOLDS = 20_000, 6, 3
# Of many rows, one in so many counts for all where the class is off and was not on within so many steps.
THIN, NEAR = 3, 30
LEVELS = np.round(np.arange(0.05, 0.96, 0.05), 2)


class BoostingParams(Model):
    """Parameters of the gradient boosting, the same for all circuits. small: for fewer rows than MANY_ROWS."""

    trees: int = 80
    small_trees: int = 100
    leaves: int = 31
    small_leaves: int = 15
    features_per_split: float = 0.3
    l2: float = 1.0
    seed: int = 0

    def estimator(self, *, is_large: bool, share: float = 1.0) -> dict[str, Any]:
        """Keyword arguments of scikit-learn's HistGradientBoosting, with this share of the trees."""
        return {
            "max_iter": round(share * (self.trees if is_large else self.small_trees)),
            "learning_rate": 0.1,
            "max_leaf_nodes": self.leaves if is_large else self.small_leaves,
            "min_samples_leaf": 40 if is_large else 15,
            "l2_regularization": self.l2,
            "max_features": self.features_per_split,
            "early_stopping": False,
            "random_state": self.seed,
        }


@dataclass(frozen=True)
class Estimate:
    """Energy and on-state of a class by step."""

    kwh: Vector
    is_on: Mask


@dataclass(frozen=True)
class ClassModel:
    """A fitted class, one model a fold. classifiers: none for a class that never switches.

    on, off: energy of a step that is called on or off, kWh. on_kwh: energy of a step above which it is on. sure,
    likely: probabilities of the hysteresis. held_out: estimates of the training steps by models that had not seen their
    week; f1: of its on-state, None for a class that never switches.
    """

    classifiers: tuple[Any, ...]
    on: tuple[Any, ...]
    off: tuple[Any, ...]
    on_kwh: float
    sure: float
    likely: float
    held_out: Estimate
    f1: float | None

    def estimate(self, matrix: Matrix) -> Estimate:
        """Estimate of consecutive steps."""
        if not self.classifiers:
            kwh = np.maximum(_mean_of(self.on, matrix), 0.0)
            return Estimate(kwh, kwh > self.on_kwh)
        is_on = hysteresis(_mean_of(self.classifiers, matrix), self.sure, self.likely)
        kwh = np.zeros(len(matrix))
        for models, called in ((self.on, is_on), (self.off, ~is_on)):
            kwh[called] = _mean_of(models, matrix[called])
        return Estimate(np.maximum(kwh, 0.0), is_on)


def fit_class(matrix: Matrix, kwh: Vector, week: Index, *, on_kwh: float, params: BoostingParams) -> ClassModel:
    """Fit one class on training steps in order of time. kwh: its energy; week: local week of each step."""
    is_on, fold = kwh > on_kwh, folds_of(week)
    learner = _Learner(matrix, kwh, fold, params)
    if not SWITCHES[0] <= is_on.mean() <= SWITCHES[1]:
        models, found = learner.energy(np.ones(len(kwh), dtype=bool))
        held_out = Estimate(found, found > on_kwh)
        return ClassModel((), models, (), on_kwh, 0.5, 0.5, held_out, None)
    classifiers, probability = learner.state(is_on)
    sure, likely = _thresholds(probability, is_on)
    called = hysteresis(probability, sure, likely)
    # Taught by what is called on, and not by what was: a call that may be wrong has less energy.
    on, kwh_on = learner.energy(called)
    off, kwh_off = learner.energy(~called, share=0.5)
    held_out = Estimate(kwh_on + kwh_off, called)
    return ClassModel(classifiers, on, off, on_kwh, sure, likely, held_out, f1_of(called, is_on))


@dataclass(frozen=True)
class _Learner:
    matrix: Matrix
    kwh: Vector
    fold: Index
    params: BoostingParams

    @property
    def is_large(self) -> bool:
        return len(self.kwh) > MANY_ROWS

    def state(self, is_on: Mask) -> tuple[tuple[Any, ...], Vector]:
        """Classifiers of the on-state, and their held-out probabilities."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        weight = _weights(is_on) if self.is_large else np.ones(len(is_on))

        def fit(rows: Mask) -> Any:
            rows = rows & (weight > 0)
            if is_on[rows].all() or not is_on[rows].any():
                return float(is_on[rows].mean())
            boosting = HistGradientBoostingClassifier(**self.params.estimator(is_large=self.is_large))
            return boosting.fit(self.matrix[rows], is_on[rows], sample_weight=weight[rows])

        return self._crossed(fit, np.ones(len(is_on), dtype=bool))

    def energy(self, among: Mask, *, share: float = 1.0) -> tuple[tuple[Any, ...], Vector]:
        """Regressions of the energy of some steps, and their held-out estimates; zero elsewhere.

        What a class that is off draws seldom matters, and its steps are most of all: then it is their mean.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        matters = share == 1.0 or self.kwh[among].sum() > OFF_ENERGY * self.kwh.sum()

        def fit(rows: Mask) -> Any:
            if not matters or rows.sum() < FEW or not self.kwh[rows].any():
                return float(self.kwh[rows].mean()) if rows.any() else 0.0
            boosting = HistGradientBoostingRegressor(**self.params.estimator(is_large=self.is_large, share=share))
            return boosting.fit(self.matrix[rows], self.kwh[rows])

        models, found = self._crossed(fit, among)
        return models, np.maximum(found, 0.0)

    def _crossed(self, fit: Callable[[Mask], Any], among: Mask) -> tuple[tuple[Any, ...], Vector]:
        """One model a fold, taught by the others, and what it says of its own."""
        models, found = [], np.zeros(len(self.fold))
        for number in np.unique(self.fold):
            own = self.fold == number
            models.append(fit(among & ~own))
            found[own & among] = _mean_of((models[-1],), self.matrix[own & among])
        return tuple(models), found


def _weights(is_on: Mask) -> Vector:
    """Weights of steps that teach an on-state: of those far from any on-step one in THIN counts, for all of them."""
    edges = np.concatenate([[0], np.cumsum(is_on)])
    steps = np.arange(len(is_on))
    nearby = edges[np.minimum(steps + NEAR + 1, len(is_on))] - edges[np.maximum(steps - NEAR, 0)]
    return np.where(nearby > 0, 1.0, np.where(steps % THIN == 0, float(THIN), 0.0))


def _mean_of(models: tuple[Any, ...], matrix: Matrix) -> Vector:
    """Mean of what models say, each a classifier, a regression or a number."""
    found = np.zeros(len(matrix))
    if not len(matrix):
        return found
    for model in models:
        if isinstance(model, float):
            found += model
        elif hasattr(model, "predict_proba"):
            found += model.predict_proba(matrix)[:, 1]
        else:
            found += model.predict(matrix)
    return found / max(len(models), 1)


def f1_of(found: Mask, true: Mask) -> float:
    """F1 of on-states: harmonic mean of precision and recall; 0 where neither is ever on."""
    total = int(found.sum() + true.sum())
    return 2 * int((found & true).sum()) / total if total else 0.0


def hysteresis(probability: Vector, sure: float, likely: float) -> Mask:
    """On where the probability stays at `likely` or above and reaches `sure` at some step of the stretch."""
    is_likely = probability >= likely
    number = np.cumsum(np.diff(is_likely, prepend=is_likely[:1]))
    reached = np.zeros(int(number[-1]) + 1 if len(number) else 1, dtype=bool)
    np.logical_or.at(reached, number, probability >= sure)
    found: Mask = is_likely & reached[number]
    return found


def _thresholds(probability: Vector, is_on: Mask) -> tuple[float, float]:
    """The pair with the best F1; of equal ones the first."""
    pairs = [(sure, likely) for sure, likely in product(LEVELS, LEVELS) if likely <= sure]
    return max(pairs, key=lambda pair: f1_of(hysteresis(probability, *pair), is_on))


def folds_of(week: Index) -> Index:
    """Fold of each step: whole weeks, in turn."""
    numbers = np.unique(week)
    count = min(LARGE_FOLDS if len(week) > MANY_ROWS else MOST_FOLDS, len(numbers))
    found: Index = np.searchsorted(numbers, week) % count
    return found
