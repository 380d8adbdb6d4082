"""Gradient boosting (LightGBM) on shares of the level: one model a fold, the forecast is their mean."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ml.features.matrix import Matrix
from ml.features.series import Index, Vector
from ml.forecasts.models.blend import FOLDS, BlendFitter, Learning
from ml.forecasts.models.lightgbm_alone import lightgbm_alone

ALGORITHM = "gradient_boosting"
_FILE = "trees.json"
# One thread: two on a busy machine wait for each other at every node. Fixed seeds: the same hours give the same bytes.
PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.09,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
ROUNDS = 100
# A fold is left out where it would leave fewer rows than two weeks of hours.
MIN_ROWS = 300


class TreeBag:
    """Trees of each fold; each has seen the days of all other folds."""

    def __init__(self, boosters: list[Any]) -> None:
        self.boosters = boosters

    def predict(self, matrix: Matrix, hour: Index) -> Vector:
        """Mean of the folds' trees."""
        found: Vector = np.mean([each.predict(matrix.inputs, num_threads=1) for each in self.boosters], axis=0)
        return found

    def contributions(self, matrix: Matrix, hour: Index) -> tuple[Vector, Vector]:
        """Exact for trees (Lundberg et al. 2020), and so for their mean."""
        found = np.mean(
            [each.predict(matrix.inputs, pred_contrib=True, num_threads=1) for each in self.boosters], axis=0
        )
        return found[:, :-1], found[:, -1]

    def importance(self) -> Vector:
        """Share of the loss that splits by each feature took away."""
        gain = np.sum([each.feature_importance("gain") for each in self.boosters], axis=0)
        share: Vector = gain / max(float(gain.sum()), 1e-300)
        return share

    def to_files(self) -> dict[str, bytes]:
        """LightGBM's own texts in one JSON list."""
        texts = [each.model_to_string(num_iteration=-1) for each in self.boosters]
        return {_FILE: json.dumps(texts).encode()}


class TreeBagMethod:
    """Learns trees, a fold left out each time."""

    def __init__(self, parameters: Mapping[str, float | int] | None = None) -> None:
        self.parameters = {**PARAMETERS, **(parameters or {})}

    def learn(self, learning: Learning) -> tuple[TreeBag, Vector]:
        """The bag, and held-out answers: of each row by the trees that have not seen its fold."""
        lightgbm = lightgbm_alone()
        bins = {name: self.parameters[name] for name in ("max_bin", "num_threads", "force_col_wise", "verbosity")}
        inputs = learning.matrix.inputs
        # Binned once: every fold looks at rows of the same bins.
        data = lightgbm.Dataset(
            inputs, label=learning.share, weight=learning.weight, params=bins, free_raw_data=False
        ).construct()
        boosters, held_out = [], np.empty(len(inputs))
        for fold in range(FOLDS):
            own = learning.fold == fold
            others = np.flatnonzero(~own)
            if len(others) < min(MIN_ROWS, len(inputs) // 2):
                others = np.arange(len(inputs))
            # Every other one with cuts at random: what errs in other ways errs less together.
            parameters = {**self.parameters, "seed": fold, "extra_trees": fold % 2 == 1}
            booster = lightgbm.train(parameters, data.subset(others), num_boost_round=ROUNDS)
            boosters.append(booster)
            if own.any():
                held_out[own] = booster.predict(inputs[own], num_threads=1)
        return TreeBag(boosters), held_out

    def load(self, files: Mapping[str, bytes], names: tuple[str, ...]) -> TreeBag:
        """The trees that wrote these files."""
        lightgbm = lightgbm_alone()
        return TreeBag([lightgbm.Booster(model_str=text) for text in json.loads(files[_FILE])])


class GradientBoostingFitter(BlendFitter):
    """Trees alone."""

    algorithm = ALGORITHM

    def __init__(self, parameters: Mapping[str, float | int] | None = None) -> None:
        """parameters: of LightGBM, in place of those that stand here."""
        super().__init__(ALGORITHM, [TreeBagMethod(parameters)])
