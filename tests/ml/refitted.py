"""One fit again on other of its rows, by the whole matrix: what the many refits of the product must come to."""

from dataclasses import replace

import numpy as np

from ml.baselines.models.fit import Fit, Rows
from ml.baselines.models.forms import HourlyForm
from ml.baselines.models.inference import solve
from ml.baselines.models.statistics import sample_statistics


def refit(fit: Fit, rows: Rows) -> Fit:
    """The same form fitted on other of the used rows, repeats allowed; findings and selection stay.

    Nothing is held out again: the statistics out of sample are those in sample.
    """
    y, weights = fit.y[rows], fit.weights[rows]
    # Levels exclude each other: eliminating them is a hundred times faster than the whole matrix.
    is_hourly = isinstance(fit.form, HourlyForm)
    values = fit.refit_many(rows[None, :])[0] if is_hourly else solve(fit.design[rows], y, weights)
    fitted = (fit.design @ values)[rows]
    # Drawn rows follow each other only inside of a drawn block.
    statistics = sample_statistics(
        y=y, predicted=fitted, held_out=fitted, p=len(values), follows=np.diff(rows) == 1, weights=weights
    )
    training = fit.training.with_frame(fit.training.frame[rows])
    return replace(fit, training=training, values=values, y=y, fitted=fitted, weights=weights, statistics=statistics)
