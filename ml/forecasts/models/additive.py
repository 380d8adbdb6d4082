"""Additive model in the manner of Prophet (sktime): a trend that may bend, and the week as a sum of waves.

The trend's bends and the waves are drawn to nothing (ridge regression), as Prophet's priors do it (Taylor & Letham
2018); holidays and gaps are those of every pipeline (statistical.py).
"""

from functools import partial
from itertools import product

import numpy as np

from ml.features.feature import WEEK_DAYS
from ml.features.series import Vector
from ml.forecasts.models.statistical import Pipeline, PipelineFitter, Setting, quiet_sktime

ALGORITHM = "additive"
# So many bends in six weeks: one in a week that has another after it.
BENDS = 5
# Waves a week, of which every seventh is one of the day; how far a bend may go beside a wave.
SETTINGS: tuple[Setting, ...] = tuple(product((21, 63), (0.02, 0.3)))
RIDGE = 1.0


class Additive(Pipeline):
    """setting: waves of the week, and the freedom of the trend to bend."""

    algorithm = ALGORITHM
    settings = SETTINGS

    @staticmethod
    def run(past: Vector, steps: int, day: int, setting: Setting) -> Vector:
        """By a ridge regression on trend and waves, refitted."""
        import pandas as pd
        from sklearn.linear_model import Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer
        from sktime.forecasting.trend import TrendForecaster

        waves, freedom = setting
        terms = partial(_terms, known=len(past), week=WEEK_DAYS * day, waves=int(waves), freedom=freedom)
        with quiet_sktime():
            course = TrendForecaster(make_pipeline(FunctionTransformer(terms), Ridge(RIDGE)))
            told = course.fit(pd.Series(past), fh=np.arange(1, steps + 1)).predict()
        found: Vector = np.asarray(told, dtype=np.float64).ravel()
        return found


class AdditiveFitter(PipelineFitter):
    """Of the additive model."""

    algorithm = ALGORITHM
    kind = Additive


def _terms(at: Vector, *, known: int, week: int, waves: int, freedom: float) -> Vector:
    """Steps × terms: a line that begins at each bend, all within the known steps, then sine and cosine of each wave."""
    bends = freedom * np.maximum(at / known - np.arange(BENDS + 1) / (BENDS + 1), 0.0)
    # No more waves than a week has pairs of steps.
    angle = 2 * np.pi * at / week * np.arange(1, min(waves, (week - 1) // 2) + 1)
    return np.hstack([bends, np.sin(angle), np.cos(angle)])
