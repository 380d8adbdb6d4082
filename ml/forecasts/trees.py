"""A fitted tree ensemble as one plain array: the same bytes for the same fit, read back without scikit-learn.

Neither pickle nor a pool of threads is needed to predict, so a forecast starts fast and a stored model holds no code.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from data_quality.contracts.errors import OurFault
from ml.features.hourly import Vector

# left and right are positions in the whole array; a leaf points to itself.
# Little-endian on every machine, for the checksum is over these bytes.
NODE = np.dtype(
    [
        ("feature", "<i4"),
        ("threshold", "<f8"),
        ("missing_goes_left", "?"),
        ("left", "<i4"),
        ("right", "<i4"),
        ("value", "<f8"),
    ]
)
Nodes = npt.NDArray[np.void]


class Trees:
    """Sum of a constant and one leaf per tree."""

    def __init__(self, nodes: Nodes, roots: npt.NDArray[np.int64], constant: float) -> None:
        self.nodes, self.roots, self.constant = nodes, roots, constant

    @classmethod
    def of(cls, estimator: Any) -> "Trees":
        """From a fitted HistGradientBoostingRegressor without categorical features. Raises OurFault for one with."""
        parts, roots, size = [], [], 0
        # Private names: the public ones give no thresholds. A version of scikit-learn without them fails at the fit,
        # loudly.
        for (predictor,) in estimator._predictors:
            fitted = predictor.nodes
            if fitted["is_categorical"].any():
                raise OurFault("trees with categorical splits cannot be stored as plain thresholds")
            is_leaf = fitted["is_leaf"].astype(bool)
            itself = np.arange(len(fitted))
            part = np.zeros(len(fitted), dtype=NODE)
            part["feature"] = np.where(is_leaf, 0, fitted["feature_idx"])
            part["threshold"] = np.where(is_leaf, 0.0, fitted["num_threshold"])
            part["missing_goes_left"] = fitted["missing_go_to_left"].astype(bool)
            part["left"] = np.where(is_leaf, itself, fitted["left"]) + size
            part["right"] = np.where(is_leaf, itself, fitted["right"]) + size
            part["value"] = np.where(is_leaf, fitted["value"], 0.0)
            parts.append(part)
            roots.append(size)
            size += len(fitted)
        return cls(np.concatenate(parts), np.array(roots), float(estimator._baseline_prediction.item()))

    def predict(self, matrix: Vector) -> Vector:
        """One value per row of the matrix (rows × features, NaN where unknown)."""
        nodes = self.nodes
        at = np.repeat(self.roots[None, :], len(matrix), axis=0)
        row = np.arange(len(matrix))[:, None]
        # As deep as the deepest tree: all rows go down all trees at once, and those at a leaf stay there.
        while True:
            value = matrix[row, nodes["feature"][at]]
            goes_left = np.where(np.isnan(value), nodes["missing_goes_left"][at], value <= nodes["threshold"][at])
            following = np.where(goes_left, nodes["left"][at], nodes["right"][at])
            if np.array_equal(following, at):
                break
            at = following
        total: Vector = self.constant + nodes["value"][at].sum(axis=1)
        return total

    def to_bytes(self) -> bytes:
        """The nodes as NumPy's own format, without pickles."""
        target = io.BytesIO()
        np.save(target, self.nodes, allow_pickle=False)
        return target.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes, *, roots: list[int], constant: float) -> "Trees":
        """What to_bytes wrote. Raises OurFault for an array of another shape."""
        nodes = np.load(io.BytesIO(content), allow_pickle=False)
        if nodes.dtype != NODE:
            raise OurFault("the stored trees have other columns than this code reads")
        return cls(nodes, np.array(roots), constant)
