"""A line for every local hour (ridge regression) on lags, calendar and degree hours, hours next to it helping.

Source: Lago et al. 2021 (LEAR: linear models with many lags hold their own against deep ones), with a ridge in place of
the lasso: its solution for every fold comes from sums that are made once.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ml.features.matrix import Matrix
from ml.features.series import Index, Vector
from ml.forecasts.models.blend import FOLDS, BlendFitter, Learning
from ml.forecasts.models.load_features import LINES

ALGORITHM = "linear"
HOURS = 24
# As much as so many days speak for no slope at all.
PENALTY = 40.0
# Weight of the adjacent hours for an hour.
BESIDE = 0.3
# Beyond so many standard deviations a line knows nothing.
BEND = 6.0
_FILE = "lines.npy"


@dataclass(frozen=True)
class HourLines:
    """columns: of the matrix; middle, size: of each; slopes: hours × columns, of standardised ones; base: by hour."""

    columns: Index
    middle: Vector
    size: Vector
    slopes: Vector
    base: Vector
    width: int

    def predict(self, matrix: Matrix, hour: Index) -> Vector:
        """The share of each row; what is unknown counts as usual."""
        found: Vector = np.sum(self._inputs(matrix) * self.slopes[hour], axis=1) + self.base[hour]
        return found

    def contributions(self, matrix: Matrix, hour: Index) -> tuple[Vector, Vector]:
        """The terms of the sum."""
        found = np.zeros((len(hour), self.width))
        found[:, self.columns] = self._inputs(matrix) * self.slopes[hour]
        return found, self.base[hour]

    def importance(self) -> Vector:
        """Mean size of the slopes."""
        found = np.zeros(self.width)
        found[self.columns] = np.abs(self.slopes).mean(axis=0)
        return found / max(float(found.sum()), 1e-300)

    def to_files(self) -> dict[str, bytes]:
        """One array of NumPy, a row each: columns, middles, sizes, then the slopes of every hour; base in front."""
        head = np.stack([self.columns.astype(np.float64), self.middle, self.size])
        front = np.concatenate([[float(self.width), 0.0, 0.0], self.base])
        stream = io.BytesIO()
        rows = np.column_stack([front, np.concatenate([head, self.slopes])])
        np.save(stream, rows.astype("<f8"), allow_pickle=False)
        return {_FILE: stream.getvalue()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "HourLines":
        """From what to_files wrote."""
        rows = np.load(io.BytesIO(files[_FILE]), allow_pickle=False)
        front, rest = rows[:, 0], rows[:, 1:]
        return cls(rest[0].astype(np.int64), rest[1], rest[2], rest[3:], front[3:], int(front[0]))

    def _inputs(self, matrix: Matrix) -> Vector:
        return _standard(matrix.inputs[:, self.columns], self.middle, self.size)


class HourLinesMethod:
    """Learns the lines."""

    def learn(self, learning: Learning) -> tuple[HourLines, Vector]:
        """The lines, and their held-out answers for every row (without its fold)."""
        matrix = learning.matrix
        columns = np.array([at for at, name in enumerate(matrix.names) if name in LINES], dtype=np.int64)
        inputs = matrix.inputs[:, columns]
        known = ~np.isnan(inputs)
        count = np.maximum(known.sum(axis=0), 1)
        middle = np.where(known, inputs, 0.0).sum(axis=0) / count
        size = np.sqrt((np.where(known, inputs - middle, 0.0) ** 2).sum(axis=0) / count)
        # A column that never changes has no slope.
        size = np.where(size > 1e-9, size, np.inf)
        rows = np.column_stack([_standard(inputs, middle, size), np.ones(len(inputs)), learning.share])
        sums = np.zeros((FOLDS, HOURS, rows.shape[1], rows.shape[1]))
        for fold in range(FOLDS):
            for hour in range(HOURS):
                own = (learning.fold == fold) & (learning.hour == hour)
                sums[fold, hour] = (rows[own] * learning.weight[own, None]).T @ rows[own]
        sums += BESIDE * (np.roll(sums, 1, axis=1) + np.roll(sums, -1, axis=1))
        whole, held_out = _solve(sums.sum(axis=0)), np.empty(len(rows))
        for fold in range(FOLDS):
            own = learning.fold == fold
            lines = _solve(sums.sum(axis=0) - sums[fold])
            held_out[own] = np.sum(rows[own, :-1] * lines[learning.hour[own]], axis=1)
        part = HourLines(columns, middle, size, whole[:, :-1], whole[:, -1], len(matrix.names))
        return part, held_out

    def load(self, files: Mapping[str, bytes], names: tuple[str, ...]) -> HourLines:
        """The lines that wrote these files."""
        return HourLines.from_files(files)


def _standard(inputs: Vector, middle: Vector, size: Vector) -> Vector:
    found: Vector = np.clip(np.nan_to_num((inputs - middle) / size), -BEND, BEND)
    return found


def _solve(sums: Vector) -> Vector:
    """Hours × (slopes, base) from sums of products of (inputs, 1, share); slopes are penalised, the base is not."""
    square, right = sums[:, :-1, :-1].copy(), sums[:, :-1, -1]
    columns = np.arange(square.shape[1])
    square[:, columns[:-1], columns[:-1]] += PENALTY
    square[:, columns[-1], columns[-1]] += 1e-9
    solved = np.linalg.solve(square, right[:, :, None])[:, :, 0]
    return np.asarray(solved, dtype=np.float64)


class LinearFitter(BlendFitter):
    """Lines alone."""

    algorithm = ALGORITHM

    def __init__(self) -> None:
        super().__init__(ALGORITHM, [HourLinesMethod()])
