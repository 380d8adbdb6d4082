"""One or several models of the share of the level, blended by what they missed where they were not trained.

Days are cut into blocks dealt to folds. Each part says of every block what it would have said without that block, which
gives the weights of the blend and the residuals that the band is made of (CV+, Barber et al. 2021). The day ahead has a
blend of its own; the days behind it share another.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES, Matrix, feature_matrix
from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import LEVELS, Contributions, Outdated, Quantiles, TooShort, ordered
from ml.forecasts.uncertainty.conformal import Band, Residuals

Mask = npt.NDArray[np.bool_]
MODEL_FILE = "model.json"
ALIKE = "days_alike_weighted"
FOLDS = 4
# Two weeks feed most lags (longer ones may be unknown); two years hold every season twice and bound a fit's cost.
LAG_DAYS, MAX_HISTORY_DAYS, MIN_TRAIN_DAYS = 14, 2 * 366, 14
# Weeks and not days: what a block's neighbours tell of it is what the next days never tell.
BLOCK_DAYS, MIN_BLOCK_DAYS = 14, 2
HALF_LIFE_DAYS, BLEND_HALF_LIFE_DAYS = 300.0, 60.0
DEFAULT_DAYS_AHEAD = 2
# Past this share of all days, at either end, what is learnt is cut off: a spike teaches nothing.
OUTLIER_SHARE, OUTLIER_ROOM = 0.001, 0.2
# A tenth of the evidence speaks for equal weights: after a month of history days alike may well be the best there is.
PRIOR = 0.1
# So many forecasts of our own are looked back on: further ones weigh next to nothing.
LOOK_BACK_DAYS = 28


@dataclass(frozen=True)
class Learning:
    """Training data of a part: rows of a matrix with the share of the level that each turned out to be.

    weight: newer rows weigh more; fold: of the row's day, 0 to FOLDS − 1; hour: local, 0 to 23.
    """

    matrix: Matrix
    share: Vector
    weight: Vector
    fold: Index
    hour: Index


class Part(Protocol):
    """A point model of the share of the level."""

    def predict(self, matrix: Matrix, hour: Index) -> Vector:
        """The share of each row; never NaN."""

    def contributions(self, matrix: Matrix, hour: Index) -> tuple[Vector, Vector]:
        """Rows × names of what each feature adds to the share, and the base of each row; exact."""

    def importance(self) -> Vector:
        """Share by feature, in the order of the matrix's names; adds up to 1."""

    def to_files(self) -> dict[str, bytes]:
        """Without pickles."""


class Method(Protocol):
    """Learning method of a part."""

    def learn(self, learning: Learning) -> tuple[Part, Vector]:
        """The part, and its held-out answer for every row (without that row's fold)."""

    def load(self, files: Mapping[str, bytes], names: tuple[str, ...]) -> Part:
        """The part that wrote these files."""


@dataclass(frozen=True)
class Blend:
    """Parts with their weights and the weight of days alike; weights add up to 1."""

    parts: tuple[Part, ...]
    weights: tuple[float, ...]
    band: Band

    def share(self, matrix: Matrix, hour: Index) -> Vector:
        """Of each row; never NaN."""
        answers = [part.predict(matrix, hour) for part in self.parts]
        return blended([*answers, _alike(matrix, answers[0])], self.weights)


def blended(answers: Sequence[Vector], weights: Sequence[float] | Vector) -> Vector:
    """The weighted sum."""
    total: Vector = np.sum([weight * each for weight, each in zip(weights, answers, strict=True)], axis=0)
    return total


def _alike(matrix: Matrix, otherwise: Vector) -> Vector:
    alike = matrix.inputs[:, matrix.names.index(ALIKE)]
    return np.where(np.isnan(alike), otherwise, alike)


class BlendForecaster:
    """P50 is the blend's share times the level; the band follows what its own forecasts missed since it was fitted."""

    def __init__(
        self,
        algorithm: str,
        near: Blend,
        far: Blend | None,
        *,
        names: tuple[str, ...],
        trained_until_utc: datetime,
        floor: float | None,
    ) -> None:
        self.algorithm, self.near, self.far, self.names = algorithm, near, far, names
        self.trained_until_utc, self.floor = trained_until_utc, floor
        # Cached answers, so that daily forecasts do not compute all of them again.
        self._said: dict[int, tuple[str, Vector]] = {}
        self._beside: tuple[Any, Any] = (None, None)

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of the horizon; all NaN where nothing is known of the week before the origin."""
        matrix = feature_matrix(case, np.array([origin]), horizon, self.names)
        share, offsets = np.empty(horizon), np.empty((len(LEVELS), horizon))
        for blend, rows in self._by_blend(matrix, case):
            hour, is_off = case.civil.hour[matrix.step[rows]], _is_off(case, matrix.step[rows])
            share[rows] = blend.share(matrix.where(rows), hour)
            recent = self._missed(case, origin) if blend is self.near else None
            passed = (origin - case.series.index(self.trained_until_utc)) / case.series.per_day
            offsets[:, rows] = blend.band.offsets(hour, is_off, recent, passed_days=passed, levels=LEVELS)
        level, day = matrix.level, case.series.per_day
        if horizon >= day:
            self._remember(case, {origin: np.stack([share[:day], level[:day]])})
        return ordered(share * level, *(offsets * level), floor=self.floor)

    def contributions(self, case: Case, origin: int, horizon: int) -> Contributions:
        """Exact, as both trees (Lundberg et al. 2020) and lines are sums of what each feature adds."""
        matrix = feature_matrix(case, np.array([origin]), horizon, self.names)
        found, base = np.zeros(matrix.inputs.shape), np.zeros(horizon)
        for blend, rows in self._by_blend(matrix, case):
            some, hour = matrix.where(rows), case.civil.hour[matrix.step[rows]]
            parts, usual = zip(*(part.contributions(some, hour) for part in blend.parts), strict=True)
            found[rows] = blended(parts, blend.weights[:-1])
            base[rows] = blended((*usual, usual[0]), blend.weights)
            # Days alike have no base of their own: they say what differs from that of the first part.
            alike = _alike(some, blend.parts[0].predict(some, hour)) - usual[0]
            found[rows, self.names.index(ALIKE)] += blend.weights[-1] * alike
        return Contributions(self.names, (found * matrix.level[:, None]).T, base * matrix.level)

    def importance(self) -> dict[str, float]:
        """Share of what the parts rest on, by their weights in the blend of the day ahead."""
        total = np.zeros(len(self.names))
        for part, weight in zip(self.near.parts, self.near.weights, strict=False):
            total += weight * part.importance()
        total[self.names.index(ALIKE)] += self.near.weights[-1]
        return dict(zip(self.names, (total / max(float(total.sum()), 1e-300)).tolist(), strict=True))

    def to_files(self) -> dict[str, bytes]:
        """One JSON document, and what the parts write of the day ahead (near) and of later days (far)."""
        document: dict[str, Any] = {
            "algorithm": self.algorithm,
            "features": list(self.names),
            "floor": self.floor,
            "trained_until_utc": self.trained_until_utc.isoformat(),
            "weights": {},
        }
        files = {}
        for reach, blend in (("near", self.near), ("far", self.far)):
            if blend is not None:
                document["weights"][reach] = list(blend.weights)
                files[f"{reach}_band.npy"] = blend.band.to_bytes()
                for part in blend.parts:
                    files |= {f"{reach}_{name}": content for name, content in part.to_files().items()}
        return {MODEL_FILE: json.dumps(document, sort_keys=True).encode(), **files}

    def _by_blend(self, matrix: Matrix, case: Case) -> list[tuple[Blend, Mask]]:
        if self.far is None:
            return [(self.near, np.ones(len(matrix.lead), dtype=bool))]
        is_near = matrix.lead <= case.series.per_day
        return [(blend, rows) for blend, rows in ((self.near, is_near), (self.far, ~is_near)) if rows.any()]

    def _missed(self, case: Case, origin: int) -> Residuals | None:
        """Residuals of what this model says of the days between its training and the origin, each from before it."""
        day, since = case.series.per_day, case.series.index(self.trained_until_utc)
        origins = case.civil.same_clock(np.full(LOOK_BACK_DAYS, origin), np.arange(1, LOOK_BACK_DAYS + 1))
        origins = origins[(origins >= max(since, LAG_DAYS * day)) & (origins + day <= origin)]
        if not len(origins):
            return None
        self._remember(case, {})
        new = np.array([step for step in origins.tolist() if not self._is_kept(case, step)], dtype=np.int64)
        if len(new):
            matrix = feature_matrix(case, new, day, self.names)
            hour = case.civil.hour[matrix.step]
            answers = np.stack([self.near.share(matrix, hour), matrix.level]).reshape(2, len(new), day)
            self._remember(case, {step: answers[:, at] for at, step in enumerate(new.tolist())})
        step = origins[:, None] + np.arange(day)[None, :]
        share, level = (np.stack([self._said[int(each)][1][row] for each in origins]) for row in (0, 1))
        missed = (case.series.values[step] / level - share).ravel()
        flat = step.ravel()
        return self.near.band.residuals(
            missed, case.civil.hour[flat], _is_off(case, flat), age_days=(origin - flat) / day
        )

    def _is_kept(self, case: Case, origin: int) -> bool:
        known = self._said.get(origin)
        # The same readings before it, and not merely the same origin: they may have been corrected since.
        return known is not None and known[0] == case.series.first(origin).digest()

    def _remember(self, case: Case, answers: Mapping[int, Vector]) -> None:
        """Forecasts of the day after each origin: shares and their level. Of another weather all is forgotten."""
        if self._beside[0] is not case.weather or self._beside[1] is not case.civil:
            self._said, self._beside = {}, (case.weather, case.civil)
        self._said |= {origin: (case.series.first(origin).digest(), each) for origin, each in answers.items()}


class BlendFitter:
    """Learns parts and blends them."""

    def __init__(self, algorithm: str, methods: Sequence[Method]) -> None:
        self.algorithm, self.methods = algorithm, tuple(methods)

    def fit(self, case: Case) -> BlendForecaster:
        """Raises TooShort under four weeks of history, of which two feed the lags."""
        series, day = case.series, case.series.per_day
        days_ahead = -(-(case.horizon_steps or DEFAULT_DAYS_AHEAD * day) // day)
        names = tuple(name for name in FEATURES if name in _useful(case))
        origins = training_origins(case, day)
        if len(origins) < MIN_TRAIN_DAYS:
            raise TooShort(f"{len(origins)} days can be learnt from; {MIN_TRAIN_DAYS} are needed")
        near = self._blend(case, feature_matrix(case, origins, day, names))
        far = None
        if days_ahead > 1:
            # Half as many rows as of the day ahead, spread over origins; more origins where there are few.
            some = training_origins(case, days_ahead * day)
            some = some[:: -max(min(2 * (days_ahead - 1), len(some) // (2 * MIN_TRAIN_DAYS)), 1)][::-1]
            matrix = feature_matrix(case, some, days_ahead * day, names)
            far = self._blend(case, matrix.where(matrix.lead > day)) if len(some) >= MIN_TRAIN_DAYS else None
        return BlendForecaster(
            self.algorithm, near, far, names=names, trained_until_utc=series.end_utc, floor=series.floor
        )

    def load(self, files: Mapping[str, bytes]) -> BlendForecaster:
        """The forecaster that wrote these files. Raises Outdated where it was trained on other features."""
        document = json.loads(files[MODEL_FILE])
        names = tuple(document["features"])
        if "weights" not in document or not set(names) <= set(FEATURES):
            raise Outdated("it was trained on features that this release does not compute")
        blends = {}
        for reach, weights in document["weights"].items():
            own = {name.removeprefix(f"{reach}_"): content for name, content in files.items() if reach in name}
            parts = tuple(method.load(own, names) for method in self.methods)
            blends[reach] = Blend(parts, tuple(weights), Band.from_bytes(own["band.npy"]))
        return BlendForecaster(
            self.algorithm,
            blends["near"],
            blends.get("far"),
            names=names,
            trained_until_utc=datetime.fromisoformat(document["trained_until_utc"]),
            floor=document["floor"],
        )

    def _blend(self, case: Case, matrix: Matrix) -> Blend:
        learning, age_days = _learning(case, matrix)
        parts, answers = zip(*(method.learn(learning) for method in self.methods), strict=True)
        answers = (*answers, _alike(learning.matrix, answers[0]))
        weights = _weights(answers, learning.share, 0.5 ** (age_days / BLEND_HALF_LIFE_DAYS))
        missed = learning.share - blended(answers, weights)
        is_off = _is_off(case, learning.matrix.step)
        return Blend(parts, weights, Band.of(missed, learning.hour, is_off, age_days=age_days))


def training_origins(case: Case, ahead: int) -> Index:
    """Local midnights whose `ahead` steps have ended and that have two weeks before them."""
    length, day = len(case.series.values), case.series.per_day
    first = max(LAG_DAYS * day, length - MAX_HISTORY_DAYS * day)
    midnight = case.civil.midnights
    found: Index = midnight[(midnight >= first) & (midnight + ahead <= length)]
    return found


def _learning(case: Case, matrix: Matrix) -> tuple[Learning, Vector]:
    """The rows that can be learnt from, and the age of each in days. Raises TooShort."""
    share = np.divide(case.series.values[matrix.step], matrix.level)
    usable = ~np.isnan(share)
    matrix, share = matrix.where(usable), share[usable]
    day = case.civil.day[matrix.step]
    days = len(np.unique(day))
    if days < MIN_TRAIN_DAYS:
        raise TooShort(f"{days} days can be learnt from; {MIN_TRAIN_DAYS} are needed")
    low, high = np.quantile(share, [OUTLIER_SHARE, 1 - OUTLIER_SHARE])
    room = OUTLIER_ROOM * (high - low)
    age = (len(case.series.values) - matrix.step) / case.series.per_day
    block = np.clip(days // (2 * FOLDS), MIN_BLOCK_DAYS, BLOCK_DAYS)
    learning = Learning(
        matrix=matrix,
        share=np.clip(share, low - room, high + room),
        weight=0.5 ** (age / HALF_LIFE_DAYS),
        fold=(day.max() - day) // block % FOLDS,
        hour=case.civil.hour[matrix.step],
    )
    return learning, age


def _weights(answers: Sequence[Vector], share: Vector, weight: Vector) -> tuple[float, ...]:
    """Least squares of what each part missed, drawn towards equal parts and none of days alike; not negative."""
    count = len(answers) - 1
    equal = np.array([1 / count] * count + [0.0])
    missed = share - blended(answers, equal)
    limit = np.quantile(np.abs(missed), 0.98)
    # One day of chaos shall not decide.
    missed = np.clip(missed, -limit, limit)
    first: Vector = answers[0]
    differences = np.stack([np.subtract(each, first) for each in answers[1:]], axis=1)
    square = (differences * weight[:, None]).T @ differences
    drawn = square + (PRIOR * np.trace(square) / count + 1e-12) * np.eye(count)
    moved = np.linalg.solve(drawn, (differences * weight[:, None]).T @ missed)
    found = np.clip(equal + np.concatenate([[-moved.sum()], moved]), 0.0, None)
    return tuple((found / found.sum()).tolist())


def _is_off(case: Case, step: Index) -> Index:
    found: Index = (case.civil.day_type[step] > 0).astype(np.int64)
    return found


def _useful(case: Case) -> frozenset[str]:
    """Names of features that a load's models look at, without weather that the case has not."""
    from ml.forecasts.models.load_features import LOAD, WEATHER

    has = set(case.weather.names)
    return frozenset(LOAD) | {name for name, needs in WEATHER.items() if needs in has}
