"""The registry of all features, and the matrix of some of them for many origins at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_quality.contracts.errors import OurFault
from ml.features.feature import Feature, Rows
from ml.features.forecast_case import Case
from ml.features.groups import calendar_days, lags, sun_hours, weather_hours
from ml.features.series import Index, Vector

GROUPS = (calendar_days, lags, weather_hours, sun_hours)
FEATURES: dict[str, Feature] = {feature.name: feature for group in GROUPS for feature in group.FEATURES}


@dataclass(frozen=True)
class Matrix:
    """Rows × names, NaN where unknown; in the unit of the series as shares of the level of their row.

    level: in the unit of the series; step: of the grid that a row is about; lead: 1 for the first step ahead.
    """

    names: tuple[str, ...]
    inputs: Vector
    level: Vector
    step: Index
    lead: Index

    def where(self, rows: npt.NDArray[np.bool_]) -> "Matrix":
        """Some of the rows."""
        return Matrix(self.names, self.inputs[rows], self.level[rows], self.step[rows], self.lead[rows])


def feature_matrix(case: Case, origins: Index, horizon: int, names: Sequence[str]) -> Matrix:
    """These features of every step ahead of every origin (len(origins) · horizon rows). Raises OurFault by name."""
    rows = Rows(case, origins, horizon)
    unknown = [name for name in names if name not in FEATURES]
    if unknown:
        raise OurFault(f"no feature is called {', '.join(unknown)}")
    found: dict[str, Vector] = {}
    for group in GROUPS:
        # A group that is not requested may be expensive: the sun's position is.
        if any(feature.name in names for feature in group.FEATURES):
            found |= group.columns(rows)
    shares = [found[name] / rows.level if FEATURES[name].is_levelled else found[name] for name in names]
    inputs = np.column_stack(shares) if shares else np.empty((len(rows.step), 0))
    return Matrix(tuple(names), inputs, rows.level, rows.step, rows.lead)
