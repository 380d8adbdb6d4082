"""Gradient boosting (LightGBM) on shares of the level, with P10 and P90 from held-out residuals."""

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES, Matrix, feature_matrix
from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import Contributions, Outdated, Quantiles, TooShort, ordered
from ml.forecasts.intervals import HourSpread

ALGORITHM = "gradient_boosting"
MODEL_FILE, TREES_FILE = "model.json", "trees.txt"
NAMES = tuple(FEATURES)
TRAIN_DAYS_AHEAD = 2
# Four weeks feed the longest lag; two years hold every season twice and bound the cost of a fit.
LAG_DAYS, MAX_HISTORY_DAYS, MIN_TRAIN_DAYS = 28, 2 * 366, 14
# Each share of the training days is forecast by a model that has seen the days before it only.
CALIBRATION_CUTS = (0.55, 0.70, 0.85)
# One thread: two on a busy machine wait for each other at every node. Fixed seeds: the same hours give the same bytes.
PARAMETERS: dict[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}
ROUNDS = 120


class GradientBoosting:
    """One regression of the share of the level for P50; offsets per local hour for P10 and P90."""

    algorithm = ALGORITHM

    def __init__(self, booster: Any, spread: HourSpread, *, names: tuple[str, ...], floor: float | None) -> None:
        self.booster, self.spread, self.names, self.floor = booster, spread, names, floor

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; all NaN where nothing is known of the week before the origin."""
        matrix = feature_matrix(case, np.array([origin]), horizon, self.names)
        p50 = self.booster.predict(matrix.inputs, num_threads=1) * matrix.level
        hour = case.civil.hour[matrix.step]
        return ordered(
            p50, self.spread.low[hour] * matrix.level, self.spread.high[hour] * matrix.level, floor=self.floor
        )

    def contributions(self, case: Case, origin: int, horizon: int) -> Contributions:
        """Exact for trees (Lundberg et al. 2020): what each feature adds to the share, times the level."""
        matrix = feature_matrix(case, np.array([origin]), horizon, self.names)
        found = self.booster.predict(matrix.inputs, pred_contrib=True, num_threads=1) * matrix.level[:, None]
        return Contributions(self.names, found[:, :-1].T, found[:, -1])

    def importance(self) -> dict[str, float]:
        """Share of the loss that splits by each feature took away."""
        gain = self.booster.feature_importance("gain")
        return dict(zip(self.names, (gain / max(float(gain.sum()), 1e-300)).tolist(), strict=True))

    def to_files(self) -> dict[str, bytes]:
        """The trees as LightGBM's own text and a JSON document for the rest."""
        document = {
            "algorithm": ALGORITHM,
            "features": list(self.names),
            "floor": self.floor,
            "spread": self.spread.to_document(),
        }
        trees = self.booster.model_to_string(num_iteration=-1)
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode(), TREES_FILE: trees.encode()}


class GradientBoostingFitter:
    """Fits the regression and calibrates its spread on forecasts of later days."""

    algorithm = ALGORITHM

    def __init__(self, parameters: Mapping[str, float | int] | None = None) -> None:
        """parameters: of LightGBM, in place of those that stand here."""
        self.parameters = {**PARAMETERS, **(parameters or {})}

    def fit(self, case: Case) -> GradientBoosting:
        """Raises TooShort under six weeks of history, of which four feed the lags."""
        ahead = case.asked or TRAIN_DAYS_AHEAD * case.series.per_day
        origins = training_origins(case, ahead)
        if len(origins) < MIN_TRAIN_DAYS:
            raise TooShort(f"{len(origins)} days can be learnt from; {MIN_TRAIN_DAYS} are needed")
        matrix = feature_matrix(case, origins, ahead, NAMES)
        shares = np.divide(case.series.values[matrix.step], matrix.level)
        day = np.repeat(np.arange(len(origins)), ahead)
        usable = ~np.isnan(shares)
        days = len(np.unique(day[usable]))
        if days < MIN_TRAIN_DAYS:
            raise TooShort(f"{days} days can be learnt from; {MIN_TRAIN_DAYS} are needed")
        local_hour, apart = case.civil.hour[matrix.step], -(-ahead // case.series.per_day)
        spread = _calibrate(self.parameters, matrix, shares, usable, day, local_hour, days_ahead=apart)
        booster = _regression(self.parameters, matrix.where(usable), shares[usable])
        return GradientBoosting(booster, spread, names=NAMES, floor=case.series.floor)

    def load(self, files: Mapping[str, bytes]) -> GradientBoosting:
        """The forecaster that wrote these files. Raises Outdated where it was trained on other features."""
        import lightgbm

        document = json.loads(files[MODEL_FILE])
        names = tuple(document["features"])
        if TREES_FILE not in files or not set(names) <= set(FEATURES):
            raise Outdated("it was trained on features that this release does not compute")
        booster = lightgbm.Booster(model_str=files[TREES_FILE].decode())
        spread = HourSpread.from_document(document["spread"])
        return GradientBoosting(booster, spread, names=names, floor=document["floor"])


def training_origins(case: Case, ahead: int) -> Index:
    """Local midnights whose `ahead` steps have ended and whose lags reach back four weeks."""
    length, day = len(case.series.values), case.series.per_day
    first = max(LAG_DAYS * day, length - MAX_HISTORY_DAYS * day)
    midnight = case.civil.midnights
    found: Index = midnight[(midnight >= first) & (midnight + ahead <= length)]
    return found


def _regression(parameters: dict[str, Any], matrix: Matrix, shares: Vector) -> Any:
    import lightgbm

    data = lightgbm.Dataset(matrix.inputs, label=shares, params={"verbosity": -1})
    return lightgbm.train(parameters, data, num_boost_round=ROUNDS)


def _calibrate(
    parameters: dict[str, Any],
    matrix: Matrix,
    shares: Vector,
    usable: npt.NDArray[np.bool_],
    day: Index,
    local_hour: Index,
    *,
    days_ahead: int,
) -> HourSpread:
    """Spread of the errors on days that a model trained on earlier days forecast."""
    days = int(day.max()) + 1
    cuts = [int(days * cut) for cut in CALIBRATION_CUTS] + [days]
    residuals, hours = [], []
    for first, last in pairwise(cuts):
        # So far apart: the last training day's horizon must have ended before the first forecast is issued.
        before, ahead = usable & (day <= first - days_ahead), usable & (day >= first) & (day < last)
        if before.any() and ahead.any():
            booster = _regression(parameters, matrix.where(before), shares[before])
            residuals.append(shares[ahead] - booster.predict(matrix.where(ahead).inputs, num_threads=1))
            hours.append(local_hour[ahead])
    if not residuals:
        raise TooShort("no day is left to measure the spread of the errors on")
    return HourSpread.of(np.concatenate(residuals), np.concatenate(hours))
