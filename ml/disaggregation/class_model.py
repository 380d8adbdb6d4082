"""Model of one class of load: an on-state classifier and regressions of its energy, both by gradient boosting.

Thresholds come from what models say of training weeks that they did not see.
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
# Of many rows, one in so many teaches the on-state where the class is not on within so many steps.
THIN, NEAR = 3, 30
# Rows predicted at once: every tree goes over all of them, which then lie in the processor's cache.
BLOCK = 512
LEVELS = np.round(np.arange(0.05, 0.96, 0.05), 2)
# F1 that a pair of thresholds may lack, for as many steps on as there were.
SLACK = 0.005


class BoostingParams(Model):
    """Parameters of the gradient boosting, the same for all circuits. small: for fewer rows than MANY_ROWS."""

    trees: int = 60
    small_trees: int = 100
    leaves: int = 31
    small_leaves: int = 15
    small_seeds: int = 2
    features_per_split: float = 0.3
    l2: float = 1.0
    seed: int = 0

    def estimators(self, *, is_large: bool, share: float = 1.0) -> list[dict[str, Any]]:
        """Keyword arguments of scikit-learn's HistGradientBoosting, one a seed, with this share of the trees."""
        same = {
            "max_iter": round(share * (self.trees if is_large else self.small_trees)),
            "learning_rate": 0.15 if is_large else 0.1,
            "max_leaf_nodes": self.leaves if is_large else self.small_leaves,
            "min_samples_leaf": 40 if is_large else 15,
            "l2_regularization": self.l2,
            "max_features": self.features_per_split,
            "early_stopping": False,
        }
        return [{**same, "random_state": self.seed + n} for n in range(1 if is_large else self.small_seeds)]


@dataclass(frozen=True)
class Estimate:
    """Energy and on-state of a class by step."""

    kwh: Vector
    is_on: Mask


@dataclass(frozen=True)
class ClassModel:
    """A fitted class. classifier: None for a class that never switches. A model is one a seed, or a number.

    on, off: energy of a step that is on or off, kWh. on_kwh: energy of a step above which it is on. sure,
    likely: probabilities of the hysteresis. held_out: estimates of the training steps by models that had not seen their
    week; f1: of its on-state, None for a class that never switches.
    """

    classifier: Any
    on: Any
    off: Any
    on_kwh: float
    sure: float
    likely: float
    held_out: Estimate
    f1: float | None

    def estimate(self, matrix: Matrix) -> Estimate:
        """Estimate of consecutive steps."""
        if self.classifier is None:
            kwh = np.maximum(_scores(self.on, matrix), 0.0)
            return Estimate(kwh, kwh > self.on_kwh)
        is_on = hysteresis(_scores(self.classifier, matrix), self.sure, self.likely)
        kwh = np.zeros(len(matrix))
        for model, called in ((self.on, is_on), (self.off, ~is_on)):
            kwh[called] = _scores(model, matrix[called])
        return Estimate(np.maximum(kwh, 0.0), is_on)


def fit_class(matrix: Matrix, kwh: Vector, week: Index, *, on_kwh: float, params: BoostingParams) -> ClassModel:
    """Fit one class on training steps in order of time. kwh: its energy; week: local week of each step."""
    is_on, fold = kwh > on_kwh, folds_of(week)
    learner = _Learner(matrix, kwh, fold, params)
    if not SWITCHES[0] <= is_on.mean() <= SWITCHES[1]:
        every = np.ones(len(kwh), dtype=bool)
        model, found = learner.energy(every, every)
        held_out = Estimate(found, found > on_kwh)
        return ClassModel(None, model, 0.0, on_kwh, 0.5, 0.5, held_out, None)
    classifier, probability = learner.state(is_on)
    sure, likely = _thresholds(probability, is_on)
    called = hysteresis(probability, sure, likely)
    on, kwh_on = learner.energy(is_on, called)
    off, kwh_off = learner.energy(~is_on, ~called, share=0.5)
    held_out = Estimate(kwh_on + kwh_off, called)
    return ClassModel(classifier, on, off, on_kwh, sure, likely, held_out, f1_of(called, is_on))


@dataclass(frozen=True)
class _Learner:
    matrix: Matrix
    kwh: Vector
    fold: Index
    params: BoostingParams

    @property
    def is_large(self) -> bool:
        return len(self.kwh) > MANY_ROWS

    def state(self, is_on: Mask) -> tuple[Any, Vector]:
        """The classifier of the on-state, and held-out probabilities."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        def fit(rows: Mask) -> Any:
            if is_on[rows].all() or not is_on[rows].any():
                return float(is_on[rows].mean())
            each = [HistGradientBoostingClassifier(**kw) for kw in self.params.estimators(is_large=self.is_large)]
            return [boosting.fit(self._rows(rows), is_on[rows]) for boosting in each]

        every = np.ones(len(is_on), dtype=bool)
        return self._crossed(fit, _teaches(is_on) if self.is_large else every, every)

    def energy(self, taught: Mask, estimated: Mask, *, share: float = 1.0) -> tuple[Any, Vector]:
        """A regression of the energy of some steps, and held-out estimates of those in `estimated`; zero elsewhere.

        What a class that is off draws seldom matters, and its steps are most of all: then it is their mean.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor

        matters = share == 1.0 or self.kwh[taught].sum() > OFF_ENERGY * self.kwh.sum()

        def fit(rows: Mask) -> Any:
            if not matters or rows.sum() < FEW or not self.kwh[rows].any():
                return float(self.kwh[rows].mean()) if rows.any() else 0.0
            given = self.params.estimators(is_large=self.is_large, share=share)
            return [HistGradientBoostingRegressor(**kw).fit(self._rows(rows), self.kwh[rows]) for kw in given]

        model, found = self._crossed(fit, taught, estimated)
        return model, np.maximum(found, 0.0)

    def _rows(self, rows: Mask) -> Matrix:
        """Features of some steps. One without any value there says nothing, and cannot be binned: zero."""
        found: Matrix = self.matrix[rows]
        found[:, np.isnan(found).all(axis=0)] = 0.0
        return found

    def _crossed(self, fit: Callable[[Mask], Any], taught: Mask, estimated: Mask) -> tuple[Any, Vector]:
        """The model of all steps, and what models of the other folds say of each one."""
        found = np.zeros(len(self.fold))
        for number in np.unique(self.fold):
            own = self.fold == number
            found[own & estimated] = _scores(fit(taught & ~own), self.matrix[own & estimated])
        return fit(taught), found


def _teaches(is_on: Mask) -> Mask:
    """Steps that teach an on-state: those near an on-step, and one in THIN of the rest. Weights would be slow."""
    edges = np.concatenate([[0], np.cumsum(is_on)])
    steps = np.arange(len(is_on))
    nearby = edges[np.minimum(steps + NEAR + 1, len(is_on))] - edges[np.maximum(steps - NEAR, 0)]
    found: Mask = (nearby > 0) | (steps % THIN == 0)
    return found


def _scores(model: Any, matrix: Matrix) -> Vector:
    """The estimate of steps by a constant, or by the mean of classifiers or regressions."""
    if isinstance(model, float) or not len(matrix):
        return np.full(len(matrix), model if isinstance(model, float) else 0.0)
    blocks = [matrix[start : start + BLOCK] for start in range(0, len(matrix), BLOCK)]
    found: Vector = np.concatenate([np.mean([_predicted(each, block) for each in model], axis=0) for block in blocks])
    return found


def _predicted(boosting: Any, block: Matrix) -> Vector:
    found: Vector = (
        boosting.predict_proba(block)[:, 1] if hasattr(boosting, "predict_proba") else boosting.predict(block)
    )
    return found


def f1_of(found: Mask, true: Mask) -> float:
    """F1 of on-states: harmonic mean of precision and recall; 0 where neither is ever on."""
    total = int(found.sum() + true.sum())
    return 2 * int((found & true).sum()) / total if total else 0.0


def hysteresis(probability: Vector, sure: float, likely: float) -> Mask:
    """On where the probability stays at `likely` or above and reaches `sure` at some step of the stretch."""
    is_likely = probability >= likely
    number = np.cumsum(np.diff(is_likely, prepend=is_likely[:1]))
    reached = np.bincount(number, probability >= sure) > 0
    found: Mask = is_likely & reached[number]
    return found


def _thresholds(probability: Vector, is_on: Mask) -> tuple[float, float]:
    """The pair with the best F1, or so near to it that calls as many steps on as there were: energies add up then."""
    pairs = [(float(sure), float(likely)) for sure, likely in product(LEVELS, LEVELS) if likely <= sure]
    scored = []
    for pair in pairs:
        called = hysteresis(probability, *pair)
        scored.append((f1_of(called, is_on), abs(int(called.sum()) - int(is_on.sum())), pair))
    least = max(scored)[0] - SLACK
    return min((amiss, pair) for f1, amiss, pair in scored if f1 >= least)[1]


def folds_of(week: Index) -> Index:
    """Fold of each step: whole weeks, in turn."""
    numbers = np.unique(week)
    count = min(LARGE_FOLDS if len(week) > MANY_ROWS else MOST_FOLDS, len(numbers))
    found: Index = np.searchsorted(numbers, week) % count
    return found
