"""PV physics with a learnt residual: trees on sun, clouds and air, and a bias correction from the last week."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from data_quality.contracts.site_file.site import Site
from ml.features.forecast_case import Case
from ml.features.series import HOUR, Index, Vector
from ml.forecasts.forecast_model import Contributions, Fitter, Outdated, Quantiles, TooShort
from ml.forecasts.models.lightgbm_alone import lightgbm_alone
from ml.forecasts.models.pv_floors import (
    IRRADIANCE,
    LAST_DAYS,
    MODEL_FILE,
    NO_CLOUDS,
    ClearSkyPersistence,
    Expected,
    PvFloorFitter,
    PvModel,
    PvPhysics,
    expected,
    training,
)
from ml.forecasts.models.pv_plant import Plant, StatedPlant, stated_plant
from ml.forecasts.models.pv_window import RECENT_DAYS, PvWindow, look

ALGORITHM, TREES_FILE = "pv_physics_residual", "trees.txt"
# Forecasts of weather are hours early or late, and satellites see clouds next to the sun: what is near in time counts.
_MEANS_H = (0.5, 1.0, 2.0, 4.0)
_SHIFTS_H = (-2.0, -1.0, 1.0, 2.0)
NAMES = (
    "physics_share",
    "clear_share",
    "elevation_deg",
    "azimuth_deg",
    "temperature_degc",
    "index",
    *(f"index_mean_{2 * hours:g}_h" for hours in _MEANS_H),
    *(f"index_{hours:+g}_h" for hours in _SHIFTS_H),
    "index_spread_3_h",
)
# Substitutes for missing weather; next to known clouds they add no information.
HISTORY_NAMES = ("index_last_day", "index_last_week")
PARAMETERS: dict[str, Any] = {
    "objective": "l2",
    "num_leaves": 8,
    "learning_rate": 0.05,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "verbosity": -1,
}
ROUNDS = 150
# Leaves as large as the history allows: a season that it does not hold is left to physics.
_LEAST_LEAF, _MOST_LEAF, _LEAVES_OF_ALL = 20, 150, 30
# Modules age and trees grow: a day one year back counts half (resolution C4.12).
_HALF_LIFE_DAYS = 365.0
_FOLDS, _STRETCH_DAYS, MIN_TRAIN_DAYS = 4, 14, 28
FULL_YEAR_DAYS, SHORT_YEAR = 365, "under_a_year"
# The bias of the last week is believed as far as the week outweighs this many days of full power for an hour.
_BELIEF_H = 7.5


class PvPhysicsResidual:
    """Physics + trees, both corrected by their errors of the last seven days; P50 is the expected power."""

    algorithm = ALGORITHM

    def __init__(self, model: PvModel, booster: Any, names: tuple[str, ...], belief: float) -> None:
        self.model, self.booster, self.names, self.belief = model, booster, names, belief
        self.labels = model.labels

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; never NaN: the last days fill the gaps of the weather."""
        seen, known, learnt_kw = self._seen_and_expected(case, origin, horizon)
        middle = np.clip(known.physics_kw + learnt_kw, 0.0, self.model.plant.array.limit_kw)
        return self.model.issue(seen, corrected(seen, middle, known, self.model.plant), known.clear_kw)

    def contributions(self, case: Case, origin: int, horizon: int) -> Contributions:
        """Clouds on a usual sky, and the trees' addition; the last week's correction is a part of its own."""
        seen, known, learnt_kw = self._seen_and_expected(case, origin, horizon)
        clouds = known.physics_kw - self.model.habit.usual * known.clear_kw
        of_clouds = LAST_DAYS if NO_CLOUDS in self.labels else IRRADIANCE
        return self.model.contributions_of(seen, known, {of_clouds: clouds, "what physics misses": learnt_kw})

    def _seen_and_expected(self, case: Case, origin: int, horizon: int) -> tuple[PvWindow, Expected, Vector]:
        """Look and expectation, and the kW that the trees add."""
        day = case.series.per_day
        # The last seven days as they would have been forecast each day, for their bias; a week more for their history.
        origins = origin - day * np.arange(RECENT_DAYS, -1, -1)
        seen = look(case, first=origin - 2 * RECENT_DAYS * day, origins=origins[origins >= 0], horizon=horizon)
        known = expected(seen, self.model.plant, self.model.habit)
        inputs = columns(seen, known, self.model.plant, self.names)
        ahead = np.flatnonzero(seen.is_ahead & seen.sky.is_day)
        learnt: Vector = np.zeros(len(seen.origin))
        if len(ahead):
            shares = self.booster.predict(inputs[ahead], num_threads=1)
            learnt[ahead] = self.belief * shares * self.model.plant.array.peak_kw
        return seen, known, learnt

    def importance(self) -> dict[str, float]:
        """Share of the loss of physics that splits by each feature took away."""
        gain = self.booster.feature_importance("gain")
        return dict(zip(self.names, (gain / max(float(gain.sum()), 1e-300)).tolist(), strict=True))

    def to_files(self) -> dict[str, bytes]:
        """Plant, spread and labels as a JSON document, the trees as LightGBM writes them."""
        document = self.model.to_document(ALGORITHM) | {"features": list(self.names), "belief": self.belief}
        trees = self.booster.model_to_string(num_iteration=-1)
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode(), TREES_FILE: trees.encode()}


class PvPhysicsResidualFitter:
    """Fits the plant, then trees on the residuals of its physics, and measures the spread on stretches left out."""

    algorithm = ALGORITHM

    def __init__(self, given: StatedPlant) -> None:
        self.given = given

    def fit(self, case: Case) -> PvPhysicsResidual:
        """Raises TooShort under four weeks of known daylight, or where the site's place is unknown."""
        found = training(self.given, case)
        rows, day = found.rows, case.series.per_day
        days = len(np.unique(rows // day))
        if days < MIN_TRAIN_DAYS:
            raise TooShort(f"{days} days of daylight can be learnt from; {MIN_TRAIN_DAYS} are needed")
        names = NAMES + (HISTORY_NAMES if NO_CLOUDS in found.labels else ())
        inputs = columns(found.seen, found.expected, found.plant, names)[rows]
        missed = (found.seen.measured_kw - found.expected.physics_kw)[rows] / found.plant.array.peak_kw
        weight = 0.5 ** ((rows[-1] - rows) / day / _HALF_LIFE_DAYS)
        guessed = _held_out(rows, day, inputs, missed, weight)
        # As far as it helped on days that the trees had not seen: of few days they learn chance.
        belief = min(max(float(guessed @ missed) / max(float(guessed @ guessed), 1e-12), 0.0), 1.0)
        model = found.model(found.expected.physics_kw[rows] + belief * guessed * found.plant.array.peak_kw, rows)
        if days < FULL_YEAR_DAYS:
            label = {SHORT_YEAR: f"trained on {days} days: seasons that they do not hold are left to physics"}
            model = replace(model, labels=model.labels | label)
        return PvPhysicsResidual(model, _trees(inputs, missed, weight), names, belief)

    def load(self, files: Mapping[str, bytes]) -> PvPhysicsResidual:
        """The forecaster that wrote these files. Raises Outdated where it was trained on other features."""
        document = json.loads(files[MODEL_FILE])
        model, names = PvModel.from_document(document), tuple(document["features"])
        if not set(names) <= {*NAMES, *HISTORY_NAMES}:
            raise Outdated("it was trained on features that this release does not compute")
        trees = lightgbm_alone().Booster(model_str=files[TREES_FILE].decode())
        return PvPhysicsResidual(model, trees, names, document["belief"])


def columns(seen: PvWindow, known: Expected, plant: Plant, names: tuple[str, ...]) -> Vector:
    """Steps × names, without NaN."""
    index, step = known.index, seen.case.series.step
    found = {
        "physics_share": known.physics_kw / plant.array.peak_kw,
        "clear_share": known.clear_kw / plant.array.peak_kw,
        "elevation_deg": seen.sky.elevation_deg.mean(axis=1),
        "azimuth_deg": seen.sky.azimuth_deg[:, seen.sky.azimuth_deg.shape[1] // 2],
        "temperature_degc": seen.air_degc,
        "index": index,
        "index_last_day": known.newest_index,
        "index_last_week": known.recent_index,
    }
    found |= {f"index_mean_{2 * hours:g}_h": _around(index, hours, step) for hours in _MEANS_H}
    found |= {f"index_{hours:+g}_h": _shifted(index, hours, step) for hours in _SHIFTS_H}
    mean, square = _around(index, 1.5, step), _around(index**2, 1.5, step)
    found["index_spread_3_h"] = np.sqrt(np.maximum(square - mean**2, 0.0))
    return np.column_stack([found[name] for name in names])


def corrected(seen: PvWindow, middle_kw: Vector, known: Expected, plant: Plant) -> Vector:
    """Every step's P50 corrected by the last seven days' errors: measured ≈ a · P50 + b · (cloudless power − P50).

    a and b by least squares over the daylight of those days, drawn to 1 and 0 (ridge) by _BELIEF_H hours of full power
    squared: soiling moves a, clouds that were told and did not come (snow on the ground looks like them) move b.
    Days whose clouds nobody told say nothing: what is expected of them follows the last week anyway.
    """
    last = int(seen.origins[-1]) - seen.first
    rows = np.flatnonzero(seen.is_known & seen.is_ahead & ~np.isnan(seen.weather_index))
    rows = rows[rows < last]
    pull = _BELIEF_H * (HOUR / seen.case.series.step) * plant.array.peak_kw**2
    both = np.column_stack([middle_kw, known.clear_kw - middle_kw])
    left = both[rows].T @ both[rows] + pull * np.eye(2)
    right = both[rows].T @ seen.measured_kw[rows] + pull * np.array([1.0, 0.0])
    better: Vector = both @ np.linalg.solve(left, right)
    return better


def _trees(inputs: Vector, missed: Vector, weight: Vector) -> Any:
    lightgbm = lightgbm_alone()
    data = lightgbm.Dataset(inputs, label=missed, weight=weight, params={"verbosity": -1})
    leaf = int(np.clip(len(missed) // _LEAVES_OF_ALL, _LEAST_LEAF, _MOST_LEAF))
    return lightgbm.train(PARAMETERS | {"min_data_in_leaf": leaf}, data, num_boost_round=ROUNDS)


def _held_out(rows: Index, day: int, inputs: Vector, missed: Vector, weight: Vector) -> Vector:
    """Guess of each fortnight by trees that have not seen it; every fourth fortnight is left out at once."""
    first = int(rows[0])

    def fold(of: Index) -> Index:
        found: Index = (of - first) // (_STRETCH_DAYS * day) % _FOLDS
        return found

    own = fold(rows)
    guessed: Vector = np.zeros(len(rows))
    for left_out in np.unique(own):
        # A day between: neighbours in time share their weather.
        others = (own != left_out) & (fold(rows - day) != left_out) & (fold(rows + day) != left_out)
        trees = _trees(inputs[others], missed[others], weight[others])
        guessed[own == left_out] = trees.predict(inputs[own == left_out], num_threads=1)
    return guessed


def _around(values: Vector, hours: float, step: timedelta) -> Vector:
    """Mean of each step and those up to so many hours before and after it."""
    width = 2 * int(timedelta(hours=hours) / step) + 1
    ones = np.ones(width)
    # Of what there is: at the ends fewer steps.
    count = np.convolve(np.ones(len(values)), ones, "full")
    mean: Vector = np.asarray(np.convolve(values, ones, "full") / count, dtype=np.float64)
    return mean[width // 2 : width // 2 + len(values)]


def _shifted(values: Vector, hours: float, step: timedelta) -> Vector:
    """The value so many hours later (negative: earlier), at least one step; at the ends the outermost."""
    by = int(np.sign(hours)) * max(1, int(timedelta(hours=abs(hours)) / step))
    found: Vector = values[np.clip(np.arange(len(values)) + by, 0, len(values) - 1)]
    return found


def pv_fitters(given: StatedPlant) -> tuple[Fitter, ...]:
    """The learnt model and its two floors, for a plant of which the site file says so much."""
    return (
        PvPhysicsResidualFitter(given),
        PvFloorFitter(PvPhysics, given),
        PvFloorFitter(ClearSkyPersistence, given),
    )


def pv_fitters_of(site: Site, meter_id: str) -> tuple[Fitter, ...]:
    """Fitters of a meter; none where no PV asset is behind it."""
    given = stated_plant(site, meter_id)
    return () if given is None else pv_fitters(given)


# To read stored models with: their figures of the plant are in their files.
PV_KINDS = pv_fitters(StatedPlant())
