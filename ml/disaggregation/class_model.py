"""Model of one class of load: an on-state classifier and a regression of its energy, both by gradient boosting.

Thresholds and the scale of the energy are chosen on weeks of the training that the model did not see.
"""

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
# Steps of one state below which its energy is their mean.
FEW = 50
# Energy of the off-state, as a share of the class's, above which it is estimated and not taken as its mean.
OFF_ENERGY = 0.1
# Rows above which three folds do; below, a fold is cheap and each sees more of the year.
MANY_ROWS, MOST_FOLDS, LARGE_FOLDS = 20_000, 6, 3
# Probability of the on-state below which a step's energy while on is the usual one.
UNLIKELY = 0.02
LEVELS = np.round(np.arange(0.05, 0.96, 0.05), 2)
SCALES = (0.5, 2.0)


class BoostingParams(Model):
    """Parameters of the gradient boosting, the same for all circuits. small: for fewer rows than MANY_ROWS."""

    trees: int = 100
    small_trees: int = 150
    leaves: int = 31
    small_leaves: int = 15
    features_per_split: float = 0.3
    l2: float = 1.0
    seed: int = 0

    def estimator(self, rows: int, *, share: float = 1.0) -> dict[str, Any]:
        """Keyword arguments of scikit-learn's HistGradientBoosting for so many rows, with this share of the trees."""
        is_large = rows > MANY_ROWS
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
class Raw:
    """Probability of the on-state (None: never switches), and the energy of a step that is on and that is off, kWh."""

    probability: Vector | None
    on_kwh: Vector
    off_kwh: Vector


@dataclass(frozen=True)
class Estimate:
    """Energy and on-state of a class by step."""

    kwh: Vector
    is_on: Mask


@dataclass(frozen=True)
class States:
    """Fitted models of a class, each scikit-learn's or a number. classifier: None for a class that never switches.

    usual_kwh: mean energy of a step that is on.
    """

    classifier: Any
    on: Any
    off: Any
    usual_kwh: float

    def raw(self, matrix: Matrix) -> Raw:
        """Raw estimates of steps."""
        if self.classifier is None:
            return Raw(None, _predicted(self.on, matrix), _predicted(self.off, matrix))
        probability = probability_of(self.classifier, matrix)
        on_kwh, may_be = np.full(len(matrix), self.usual_kwh), probability >= UNLIKELY
        # The regression of a year of minutes is for the few that may be on.
        if may_be.any():
            on_kwh[may_be] = _predicted(self.on, matrix[may_be])
        return Raw(probability, on_kwh, _predicted(self.off, matrix))


@dataclass(frozen=True)
class Decision:
    """From raw estimates to energy and on-state. on_kwh: energy of a step above which a class is on.

    sure, likely: probabilities of the hysteresis. scale: of the energy.
    """

    on_kwh: float
    sure: float
    likely: float
    scale: float

    def of(self, raw: Raw) -> Estimate:
        """The estimate of raw steps."""
        if raw.probability is None:
            kwh = np.maximum(raw.on_kwh * self.scale, 0.0)
            return Estimate(kwh, kwh > self.on_kwh)
        is_on = hysteresis(raw.probability, self.sure, self.likely)
        kwh = np.where(is_on, raw.on_kwh, raw.off_kwh) * self.scale
        return Estimate(np.maximum(kwh, 0.0), is_on)


def decide(raw: Raw, kwh: Vector, on_kwh: float) -> Decision:
    """The decision that fits raw estimates of held-out steps best: thresholds by F1, scale by total energy."""
    sure, likely = (0.5, 0.5) if raw.probability is None else _thresholds(raw.probability, kwh > on_kwh)
    rough = Decision(on_kwh, sure, likely, 1.0).of(raw).kwh.sum()
    return Decision(on_kwh, sure, likely, float(np.clip(kwh.sum() / max(rough, 1e-12), *SCALES)))


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


def held_out(matrix: Matrix, kwh: Vector, is_on: Mask, fold: Index, params: BoostingParams) -> Raw:
    """Raw estimates of steps by models that have not seen their fold."""
    switches = _switches(is_on)
    probability, on, off = (np.zeros(len(kwh)) for _ in range(3))
    for number in np.unique(fold):
        left = fold == number
        raw = fit_states(matrix[~left], kwh[~left], is_on[~left], params, switches=switches).raw(matrix[left])
        on[left], off[left] = raw.on_kwh, raw.off_kwh
        if raw.probability is not None:
            probability[left] = raw.probability
    return Raw(probability if switches else None, on, off)


def _switches(is_on: Mask) -> bool:
    return bool(SWITCHES[0] <= is_on.mean() <= SWITCHES[1])


def fit_states(
    matrix: Matrix, kwh: Vector, is_on: Mask, params: BoostingParams, *, switches: bool | None = None
) -> States:
    """Models of a class from its training steps. switches: whether it has an on-state; None: by its share of them."""
    if not (_switches(is_on) if switches is None else switches):
        return States(None, _regression(matrix, kwh, params), 0.0, _mean(kwh))
    # What a class that is off draws seldom matters, and its steps are most of all.
    off = ~is_on
    has_off = kwh[off].sum() > OFF_ENERGY * kwh.sum()
    idle = _regression(matrix[off], kwh[off], params, share=0.5) if has_off else _mean(kwh[off])
    on = _regression(matrix[is_on], kwh[is_on], params)
    return States(fit_classifier(matrix, is_on, params), on, idle, _mean(kwh[is_on]))


def fit_classifier(matrix: Matrix, is_on: Mask, params: BoostingParams, *, share: float = 1.0) -> Any:
    """A classifier, or the share of on-steps where there is but one state."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    mean = float(is_on.mean())
    if not 0 < mean < 1:
        return mean
    return HistGradientBoostingClassifier(**params.estimator(len(is_on), share=share)).fit(matrix, is_on)


def probability_of(classifier: Any, matrix: Matrix) -> Vector:
    """Probability of the on-state."""
    if isinstance(classifier, float):
        return np.full(len(matrix), classifier)
    found: Vector = classifier.predict_proba(matrix)[:, 1]
    return found


def _mean(kwh: Vector) -> float:
    return float(kwh.mean()) if len(kwh) else 0.0


def _regression(matrix: Matrix, kwh: Vector, params: BoostingParams, *, share: float = 1.0) -> Any:
    """A regression, or the mean where the steps are few or alike."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    if len(kwh) < FEW or not kwh.any():
        return _mean(kwh)
    return HistGradientBoostingRegressor(**params.estimator(len(kwh), share=share)).fit(matrix, kwh)


def _predicted(model: Any, matrix: Matrix) -> Vector:
    if isinstance(model, float):
        return np.full(len(matrix), model)
    found: Vector = model.predict(matrix)
    return found
