"""Floors of a PV forecast behind one interface: the physics of the plant alone, and clear-sky persistence."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ml.features.forecast_case import Case
from ml.features.series import Index, Vector
from ml.features.sun import MOST_INDEX, Array
from ml.forecasts.forecast_model import LEVELS, Contributions, Outdated, Quantiles, TooShort
from ml.forecasts.models.pv_plant import Plant, StatedPlant, fit_plant
from ml.forecasts.models.pv_window import RECENT_DAYS, PvWindow, kw_per_unit, look

MODEL_FILE, VERSION = "model.json", 1
# Errors of an overcast, a broken and a clear sky differ by far more than those of two hours of the day.
_CLASSES, _LEAST_PER_CLASS = 5, 50
# Labels: code and words.
NO_CLOUDS, BY_CLOUD_COVER, NO_SNOW, PLANT = "clouds_unknown", "irradiance_from_clouds", "snow_unknown", "pv_array"
# What moves a PV forecast, as features of the registry.
IRRADIANCE, LAST_DAYS, HEIGHT_OF_SUN = "ghi_w_per_m2", "mean_7_days", "sun_elevation_deg"
_MESSAGES = {
    NO_CLOUDS: "no weather forecast gives clouds: from the cloudless sky and the last days alone, and so weaker",
    BY_CLOUD_COVER: "irradiance is not forecast and comes from the cloud cover (Kasten and Czeplak), which is coarse",
    NO_SNOW: "no weather gives snow: modules under snow are forecast as if they were free",
}


@dataclass(frozen=True)
class Expected:
    """Physical expectation of every step of a look, in kW; index: clear-sky index that it rests on, never NaN."""

    physics_kw: Vector
    clear_kw: Vector
    index: Vector
    newest_index: Vector
    recent_index: Vector


@dataclass(frozen=True)
class Habit:
    """Persistence of the clear-sky index: as usual, and by how much of what the last day and week were beside that."""

    usual: float
    of_day: float = 0.0
    of_week: float = 0.0

    def index(self, newest: Vector, recent: Vector) -> Vector:
        """Clear-sky index to expect after such a day and such a week."""
        shift: Vector = self.of_day * (newest - self.usual) + self.of_week * (recent - self.usual)
        return np.clip(self.usual + shift, 0.0, MOST_INDEX)


def expected(seen: PvWindow, plant: Plant, habit: Habit) -> Expected:
    """Clouds as the weather tells them; where it tells none, as they usually go on after the last days."""
    clear = seen.clear_kw(plant.array)
    recent = _or(seen.recent_index(clear, RECENT_DAYS), habit.usual)
    newest = _or(seen.recent_index(clear, 1), recent)
    guessed = habit.index(newest, recent)
    forecast_kw = seen.weather_kw(plant.array)
    return Expected(_or(forecast_kw, guessed * clear), clear, _or(seen.weather_index, guessed), newest, recent)


def _or(values: Vector, otherwise: Vector | float) -> Vector:
    return np.where(np.isnan(values), otherwise, values)


# Of the rows of a spread in a model's files.
_ENDS = ("low", "high", "lowest", "highest")


class SkySpread:
    """Offsets of the quantiles from P50, as shares of the power under a cloudless sky, by how clear it is to be.

    offsets: LEVELS × classes; NaN of levels that a model was stored without.
    """

    def __init__(self, edges: Vector, offsets: Vector) -> None:
        self.edges, self.offsets = edges, offsets

    @classmethod
    def of(cls, error_kw: Vector, p50_kw: Vector, clear_kw: Vector, array: Array) -> "SkySpread":
        """error_kw: measured − forecast of steps by day that the forecast was not fitted on, without NaN."""
        if len(error_kw) < _LEAST_PER_CLASS:
            raise TooShort(f"{len(error_kw)} steps of daylight give the spread; {_LEAST_PER_CLASS} are needed")
        size = _size_kw(clear_kw, array)
        classes = max(1, min(_CLASSES, len(error_kw) // _LEAST_PER_CLASS))
        edges = np.quantile(p50_kw / size, np.arange(1, classes) / classes)
        group = np.searchsorted(edges, p50_kw / size)
        shares = [error_kw[group == n] / size[group == n] for n in range(classes)]
        # Equal forecasts leave a class empty: those of all stand for it.
        shares = [own if len(own) else error_kw / size for own in shares]
        return cls(edges, np.array([np.quantile(own, LEVELS) for own in shares]).T)

    def quantiles(self, p50_kw: Vector, clear_kw: Vector, array: Array) -> tuple[Vector, ...]:
        """Quantiles at LEVELS in kW, not yet limited."""
        size = _size_kw(clear_kw, array)
        low, high, lowest, highest = self.offsets[:, np.searchsorted(self.edges, p50_kw / size)]
        below, above = np.minimum(low, 0), np.maximum(high, 0)
        offsets = (below, above, np.minimum(lowest, below), np.maximum(highest, above))
        return tuple(p50_kw + each * size for each in offsets)

    def to_document(self) -> dict[str, Any]:
        """As plain lists."""
        known = {name: row for name, row in zip(_ENDS, self.offsets.tolist(), strict=True) if not np.isnan(row).any()}
        return {"edges": self.edges.tolist(), **known}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "SkySpread":
        """From plain lists."""
        unknown = [np.nan] * len(document["low"])
        return cls(np.array(document["edges"]), np.array([document.get(name, unknown) for name in _ENDS]))


def _size_kw(clear_kw: Vector, array: Array) -> Vector:
    # A fiftieth of the array: at dawn an error is no share of nothing.
    return clear_kw + 0.02 * array.peak_kw


@dataclass(frozen=True)
class PvModel:
    """Parts of all PV models: the plant, how clouds go on, the spread, and what their readers must know."""

    plant: Plant
    habit: Habit
    spread: SkySpread
    labels: dict[str, str]

    def issue(self, seen: PvWindow, p50_kw: Vector, clear_kw: Vector) -> Quantiles:
        """Quantiles of the last origin's steps in the series' unit: 0 at night, within 0 and the inverter's limit."""
        ahead = seen.ahead
        array, is_day = self.plant.array, seen.sky.is_day[ahead]
        middle = np.clip(p50_kw[ahead], 0.0, array.limit_kw)
        bounds = self.spread.quantiles(middle, clear_kw[ahead], array)
        unit = kw_per_unit(seen.case.series.unit, seen.case.series.step)
        low, high, *ends = (np.where(is_day, np.clip(each, 0.0, array.limit_kw), 0.0) / unit for each in bounds)
        return Quantiles(low, np.where(is_day, middle, 0.0) / unit, high, *ends)

    def contributions_of(self, seen: PvWindow, known: Expected, parts_kw: Mapping[str, Vector]) -> Contributions:
        """Parts of P50 of the last origin's steps, beside what a usual sky would give."""
        per_unit = kw_per_unit(seen.case.series.unit, seen.case.series.step)
        by_day = np.where(seen.sky.is_day, 1.0 / per_unit, 0.0)[seen.ahead]
        usual = self.habit.usual * known.clear_kw[seen.ahead] * by_day
        parts = np.stack([part[seen.ahead] * by_day for part in parts_kw.values()])
        return Contributions(tuple(parts_kw), parts, usual, base_of=HEIGHT_OF_SUN)

    def to_document(self, algorithm: str) -> dict[str, Any]:
        """As plain values."""
        return {
            "algorithm": algorithm,
            "version": VERSION,
            "array": self.plant.array.model_dump(),
            "fitted": list(self.plant.fitted),
            "habit": asdict(self.habit),
            "spread": self.spread.to_document(),
            "labels": self.labels,
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "PvModel":
        """From plain values. Raises Outdated."""
        if document.get("version") != VERSION:
            raise Outdated("it was trained by a release that described PV plants otherwise")
        plant = Plant(Array.model_validate(document["array"]), tuple(document["fitted"]))
        spread = SkySpread.from_document(document["spread"])
        return cls(plant, Habit(**document["habit"]), spread, document["labels"])


@dataclass(frozen=True)
class Training:
    """Training data: the whole history as of each local midnight in turn, and its physics."""

    seen: PvWindow
    plant: Plant
    habit: Habit
    expected: Expected

    @property
    def rows(self) -> Index:
        """Steps by day that were forecast from an origin and then measured."""
        found: Index = np.flatnonzero(self.seen.is_known & self.seen.is_ahead)
        return found

    @property
    def labels(self) -> dict[str, str]:
        """The plant, and what the weather did not tell."""
        by_day = self.seen.sky.is_day & self.seen.is_ahead
        has_no_clouds = bool(np.isnan(self.seen.weather_index[by_day]).mean() > 0.5)
        holds = {
            NO_CLOUDS: has_no_clouds,
            BY_CLOUD_COVER: self.seen.is_from_cloud_cover and not has_no_clouds,
            NO_SNOW: self.seen.snow_cm is None,
        }
        return {PLANT: self.plant.label} | {code: _MESSAGES[code] for code, is_so in holds.items() if is_so}

    def model(self, p50_kw: Vector, rows: Index) -> PvModel:
        """The model whose spread is that of these forecasts of some rows."""
        clear, array = self.expected.clear_kw[rows], self.plant.array
        middle = np.clip(p50_kw, 0.0, array.limit_kw)
        spread = SkySpread.of(self.seen.measured_kw[rows] - middle, middle, clear, array)
        return PvModel(self.plant, self.habit, spread, self.labels)


def training(given: StatedPlant, case: Case) -> Training:
    """Look at the history, fit the plant. Raises TooShort."""
    length, day = len(case.series.values), case.series.per_day
    midnights = case.civil.midnights
    origins = midnights[(midnights >= RECENT_DAYS * day) & (midnights + day <= length)]
    if not len(origins):
        raise TooShort(f"{length // day} days are known; a PV forecast needs more than {RECENT_DAYS}")
    # The whole horizon of the last origin has ended.
    seen = look(case, first=0, origins=origins, horizon=length - int(origins[-1]))
    # What an array is may be learnt from weather that was measured later; what it will give may not.
    plant = fit_plant(given, look(case, first=0, origins=np.array([length]), horizon=0))
    # Least squares over the steps by day that were forecast, each weighing as a cloudless sky would give there.
    clear_kw = seen.clear_kw(plant.array)
    known = seen.is_known
    power, clear = seen.measured_kw[known], clear_kw[known]
    usual = float(np.clip(power.sum() / max(clear.sum(), 1e-9), 0.0, 1.0))
    days = (seen.recent_index(clear_kw, 1), seen.recent_index(clear_kw, RECENT_DAYS))
    shifts_kw = np.column_stack([(index - usual) * clear_kw for index in days])
    rows = known & seen.is_ahead & ~np.isnan(shifts_kw).any(axis=1)
    left, missed = shifts_kw[rows], seen.measured_kw[rows] - usual * clear_kw[rows]
    # Drawn a little to nothing: of a month of days the two are hard to tell apart.
    pull = 0.05 * max(float(np.trace(left.T @ left)), 1e-9)
    of_day, of_week = np.clip(np.linalg.solve(left.T @ left + pull * np.eye(2), left.T @ missed), 0.0, 1.0)
    habit = Habit(usual, float(of_day), float(of_week))
    return Training(seen, plant, habit, expected(seen, plant, habit))


class _Floor:
    """A PV model without anything learnt but plant and spread."""

    algorithm: str

    def __init__(self, model: PvModel) -> None:
        self.model, self.labels = model, model.labels

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; never NaN: what the weather does not tell, the last days do."""
        seen, known = self._seen_and_expected(case, origin, horizon)
        return self.model.issue(seen, self.middle(known), known.clear_kw)

    def contributions(self, case: Case, origin: int, horizon: int) -> Contributions:
        """Power that clouds as told, or those of the last days, add to a usual sky."""
        seen, known = self._seen_and_expected(case, origin, horizon)
        moved = self.middle(known) - self.model.habit.usual * known.clear_kw
        return self.model.contributions_of(seen, known, {self.rests_on: moved})

    def _seen_and_expected(self, case: Case, origin: int, horizon: int) -> tuple[PvWindow, Expected]:
        seen = look(case, first=origin - RECENT_DAYS * case.series.per_day, origins=np.array([origin]), horizon=horizon)
        return seen, expected(seen, self.model.plant, self.model.habit)

    @property
    def rests_on(self) -> str:
        """The feature (features/matrix.py) that its clouds come from."""
        return LAST_DAYS if NO_CLOUDS in self.labels else IRRADIANCE

    @staticmethod
    def middle(known: Expected) -> Vector:
        """P50 of every step, kW."""
        raise NotImplementedError

    def to_files(self) -> dict[str, bytes]:
        """One JSON document."""
        return {MODEL_FILE: json.dumps(self.model.to_document(self.algorithm), sort_keys=True).encode()}


class PvPhysics(_Floor):
    """Irradiance as forecast, onto the plane, through cells and inverter: nothing learnt but the plant itself."""

    algorithm = "pv_physics"

    @staticmethod
    def middle(known: Expected) -> Vector:
        """The power that physics says."""
        return known.physics_kw


class ClearSkyPersistence(_Floor):
    """The last day's clear-sky index held: (measured / cloudless energy of the last 24 h) · cloudless power."""

    algorithm = "clear_sky_persistence"

    @property
    def rests_on(self) -> str:
        """The last day, whatever the weather tells."""
        return LAST_DAYS

    @staticmethod
    def middle(known: Expected) -> Vector:
        """As much of the cloudless power as in the 24 hours before the origin; of a week where those are a gap."""
        return known.newest_index * known.clear_kw


class PvFloorFitter:
    """Fits the plant and measures the spread of one of the floors."""

    def __init__(self, kind: type[_Floor], given: StatedPlant) -> None:
        self.kind, self.given, self.algorithm = kind, given, kind.algorithm

    def fit(self, case: Case) -> _Floor:
        """Raises TooShort where the site's place is unknown or too few days are known to fit the plant."""
        found = training(self.given, case)
        return self.kind(found.model(self.kind.middle(found.expected)[found.rows], found.rows))

    def load(self, files: Mapping[str, bytes]) -> _Floor:
        """The forecaster that wrote these files. Raises Outdated."""
        return self.kind(PvModel.from_document(json.loads(files[MODEL_FILE])))
