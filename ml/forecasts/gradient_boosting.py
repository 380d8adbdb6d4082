"""Histogram gradient boosting (scikit-learn) on lags and calendar, with P10 and P90 from held-out residuals."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np

from data_quality.contracts.errors import OurFault
from ml.features.day_ahead import FEATURES, LEVELLED, WEEK, Index, feature_matrix
from ml.features.hourly import Calendar, Hours, Vector
from ml.forecasts.forecast_model import Quantiles, TooShort, ordered
from ml.forecasts.intervals import HourSpread
from ml.forecasts.trees import Trees

ALGORITHM = "hist_gradient_boosting"
MODEL_FILE, TREES_FILE = "model.json", "trees.npy"
TRAIN_HORIZON_H = 48
# Four weeks feed the longest lag; two years hold every season twice and bound the cost of a fit.
MIN_HISTORY_H, MAX_HISTORY_H = 4 * WEEK, 2 * 366 * 24
MIN_TRAIN_DAYS = 14
# Each share of the training days is forecast by a model that has seen the days before it only.
CALIBRATION_CUTS = (0.55, 0.70, 0.85)
# No early stopping: it draws rows at random that lie beside those trained on. With a fixed state the same hours give
# the same bytes, and so the same checksum.
PARAMETERS: dict[str, Any] = {
    "max_iter": 100,
    "learning_rate": 0.1,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "early_stopping": False,
    "random_state": 0,
}


class GradientBoosting:
    """One regression of hour / level for P50; offsets per local hour for P10 and P90."""

    algorithm = ALGORITHM

    def __init__(self, trees: Trees, spread: HourSpread, *, floor: float | None) -> None:
        self.trees, self.spread, self.floor = trees, spread, floor

    def predict(self, hours: Hours, calendar: Calendar, origin: int, horizon_h: int) -> Quantiles:
        """Forecast of the horizon; all NaN where nothing is known of the week before the origin."""
        matrix, level, hour = feature_matrix(hours, calendar, np.array([origin]), horizon_h)
        p50 = self.trees.predict(_levelled(matrix, level)) * level
        local = calendar.hour[hour]
        return ordered(p50, self.spread.low[local] * level, self.spread.high[local] * level, floor=self.floor)

    def to_files(self) -> dict[str, bytes]:
        """The trees as one array and a JSON document for the rest; the same fit gives the same bytes."""
        document = {
            "algorithm": ALGORITHM,
            "features": list(FEATURES),
            "floor": self.floor,
            "spread": self.spread.to_document(),
            "constant": self.trees.constant,
            "roots": self.trees.roots.tolist(),
        }
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode(), TREES_FILE: self.trees.to_bytes()}


class GradientBoostingFitter:
    """Fits the regression and calibrates its spread on forecasts of later days."""

    algorithm = ALGORITHM

    def fit(self, hours: Hours, calendar: Calendar) -> GradientBoosting:
        """Raises TooShort under six weeks of history, of which four feed the lags."""
        origins = _training_origins(hours, calendar)
        matrix, level, hour = feature_matrix(hours, calendar, origins, TRAIN_HORIZON_H)
        shares = _shares(hours, hour, level)
        # Lags may be unknown (trees have a branch for that), what is learnt may not.
        inputs, usable = _levelled(matrix, level), ~np.isnan(shares)
        day = np.repeat(np.arange(len(origins)), TRAIN_HORIZON_H)
        if len(np.unique(day[usable])) < MIN_TRAIN_DAYS:
            raise TooShort(f"{len(np.unique(day[usable]))} days can be learnt from; {MIN_TRAIN_DAYS} are needed")
        with _one_thread():
            spread = _calibrate(inputs, shares, usable, day, calendar.hour[hour])
            trees = Trees.of(_regression(inputs[usable], shares[usable]))
        return GradientBoosting(trees, spread, floor=0.0 if float(np.nanmin(hours.values)) >= 0 else None)

    def load(self, files: Mapping[str, bytes]) -> GradientBoosting:
        """The forecaster that wrote these files. Raises OurFault where it was trained on other features."""
        document = json.loads(files[MODEL_FILE])
        # Trees know columns by number: after a change of the list they would split on other things in silence.
        if document["features"] != list(FEATURES):
            raise OurFault("the stored model was trained on other features than this code computes")
        trees = Trees.from_bytes(files[TREES_FILE], roots=document["roots"], constant=document["constant"])
        return GradientBoosting(trees, HourSpread.from_document(document["spread"]), floor=document["floor"])


def _training_origins(hours: Hours, calendar: Calendar) -> Index:
    """Local midnights whose whole horizon has ended and whose lags reach back four weeks."""
    length = len(hours.values)
    first = max(MIN_HISTORY_H, length - MAX_HISTORY_H)
    midnight: Index = np.flatnonzero(calendar.hour[:length] == 0)
    return midnight[(midnight >= first) & (midnight + TRAIN_HORIZON_H <= length)]


def _shares(hours: Hours, hour: Index, level: Vector) -> Vector:
    shares: Vector = np.divide(hours.values[hour], level)
    return shares


def _levelled(matrix: Vector, level: Vector) -> Vector:
    """The matrix with columns of the stream's unit divided by the level of their row."""
    scaled = matrix.copy()
    scaled[:, LEVELLED] /= level[:, None]
    return scaled


@contextmanager
def _one_thread() -> Iterator[None]:
    """On a busy machine two threads wait for each other at every node and take many times as long as one."""
    # Only what is loaded can be limited: without this the first model of a process would have two threads.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(limits=1, user_api="openmp"):
        yield


def _regression(inputs: Vector, shares: Vector) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    # scikit-learn cannot bin a column that is unknown throughout (a site without temperature); no tree splits on zeros.
    is_unknown = np.isnan(inputs).all(axis=0)
    return HistGradientBoostingRegressor(**PARAMETERS).fit(np.where(is_unknown, 0.0, inputs), shares)


def _calibrate(inputs: Vector, shares: Vector, usable: Any, day: Index, local_hour: Index) -> HourSpread:
    """Spread of the errors on days that a model trained on earlier days forecast."""
    days = int(day.max()) + 1
    cuts = [int(days * cut) for cut in CALIBRATION_CUTS] + [days]
    residuals, hours = [], []
    for first, last in pairwise(cuts):
        # Two days apart: the last training day's horizon must have ended before the first forecast is issued.
        before, ahead = usable & (day < first - 1), usable & (day >= first) & (day < last)
        if before.any() and ahead.any():
            model = _regression(inputs[before], shares[before])
            residuals.append(shares[ahead] - model.predict(inputs[ahead]))
            hours.append(local_hour[ahead])
    if not residuals:
        raise TooShort("no day is left to measure the spread of the errors on")
    return HourSpread.of(np.concatenate(residuals), np.concatenate(hours))
