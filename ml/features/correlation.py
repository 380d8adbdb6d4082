"""Correlation of features with what a series then was, by rank and by lead block."""

from collections.abc import Mapping

import numpy as np

from data_quality.contracts.model import Model
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES, Matrix
from ml.features.series import Vector

# Fewer say nothing: a week of mornings.
LEAST_ROWS = 42
ALL, BLOCK_H = "all", 6


class FeatureCorrelation(Model):
    """Rank correlation (Spearman) of one feature with the share of the level that came.

    by_lead: "all", then six-hour blocks of the day ahead; None where the feature never changed or is not known. n: rows
    with both; unit, known, source: as the registry has them.
    """

    feature: str
    unit: str
    known: str
    source: str
    n: int
    by_lead: Mapping[str, float | None]

    @property
    def rank(self) -> float | None:
        """Over all leads; None where nothing can be said."""
        return self.by_lead[ALL]


def correlations(matrix: Matrix, case: Case) -> list[FeatureCorrelation]:
    """Every feature of the matrix beside what came, strongest first; rows without a value are left out.

    matrix: of the day ahead, its rows within the series.
    """
    inside = matrix.step < len(case.series.values)
    came = np.full(len(matrix.step), np.nan)
    came[inside] = case.series.values[matrix.step[inside]] / matrix.level[inside]
    known, per_day = ~np.isnan(came), case.series.per_day
    hour = (matrix.lead - 1) * 24 // per_day
    blocks = {ALL: known}
    if per_day > 1:
        blocks |= {f"h{first:02}": known & (hour // BLOCK_H * BLOCK_H == first) for first in range(0, 24, BLOCK_H)}
    found = []
    for column, name in enumerate(matrix.names):
        values, feature = matrix.inputs[:, column], FEATURES[name]
        by_lead = {block: rank_correlation(values[rows], came[rows]) for block, rows in blocks.items()}
        said = {"unit": feature.unit, "known": feature.known.value, "source": feature.source}
        n = int(np.sum(known & ~np.isnan(values)))
        found.append(FeatureCorrelation(feature=name, n=n, by_lead=by_lead, **said))
    return sorted(found, key=lambda each: (-abs(each.rank or 0.0), each.feature))


def rank_correlation(one: Vector, other: Vector) -> float | None:
    """Spearman's, of the places where both are known; None for too few, or where either never changes."""
    from scipy.stats import rankdata

    both = ~np.isnan(one) & ~np.isnan(other)
    if both.sum() < LEAST_ROWS or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return None
    return float(np.corrcoef(rankdata(one[both]), rankdata(other[both]))[0, 1])
