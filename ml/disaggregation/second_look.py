"""Second look at on-states: each class beside what the first look says of all others, as one heater is like another."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from ml.disaggregation.circuit_features import Matrix
from ml.disaggregation.class_model import BoostingParams, Raw, fit_classifier, probability_of
from ml.features.series import Index, Vector

# Windows of the first look's probabilities, in steps.
WINDOWS = (5, 31, 121)
# The second look has few columns: half of the trees do.
TREES = 0.5


def second_features(raw: Mapping[str, Raw], circuit_kwh: Vector) -> Matrix:
    """One row a step: probabilities and expected energies of all classes, and what they leave of the circuit."""
    columns, expected = [np.nan_to_num(circuit_kwh)], []
    for each in raw.values():
        chance = np.ones(len(circuit_kwh)) if each.probability is None else each.probability
        expected.append(chance * each.on_kwh)
        if each.probability is not None:
            series = pl.Series(chance)
            columns += [chance, each.on_kwh]
            for width in WINDOWS:
                columns += [
                    series.rolling_mean(width, min_samples=1, center=True).to_numpy(),
                    series.rolling_max(width, min_samples=1, center=True).to_numpy(),
                ]
    columns += expected
    left = circuit_kwh - np.sum(expected, axis=0)
    columns += [left, *(left + each for each in expected)]
    return np.column_stack(columns).astype(np.float32)


def looked_again(
    raw: Raw, matrix: Matrix, is_on: np.ndarray, fold: Index, params: BoostingParams
) -> tuple[Raw, object]:
    """Held-out raw estimates of a class with the second look's probabilities, and the classifier that gives them."""
    probability = np.zeros(len(is_on))
    for number in np.unique(fold):
        left = fold == number
        probability[left] = probability_of(
            fit_classifier(matrix[~left], is_on[~left], params, share=TREES), matrix[left]
        )
    return replace(raw, probability=probability), fit_classifier(matrix, is_on, params, share=TREES)


def switching(raw: Mapping[str, Raw]) -> Sequence[str]:
    """Names of the classes with an on-state."""
    return [name for name, each in raw.items() if each.probability is not None]
