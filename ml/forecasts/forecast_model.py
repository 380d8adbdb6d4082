"""Interface of a forecast model: fitted on a case up to an instant, asked at an origin, stored as plain files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ml.features.forecast_case import Case
from ml.features.series import Vector

LOW, HIGH = 0.1, 0.9
# Ends of the 90 % interval next to P10 to P90.
LOWEST, HIGHEST = 0.05, 0.95
LEVELS = (LOW, HIGH, LOWEST, HIGHEST)
_UNKNOWN = np.array([])


@dataclass(frozen=True)
class Quantiles:
    """P10, P50, P90 of consecutive steps, in the unit of the series; NaN where the model cannot say.

    p5, p95: ends of the 90 % interval; NaN too where a model was stored before there was one, or has too few values.
    """

    p10: Vector
    p50: Vector
    p90: Vector
    p5: Vector = field(default_factory=lambda: _UNKNOWN)
    p95: Vector = field(default_factory=lambda: _UNKNOWN)

    def __post_init__(self) -> None:
        """A model that says three quantiles has no 90 % interval."""
        for name in ("p5", "p95"):
            if getattr(self, name) is _UNKNOWN:
                object.__setattr__(self, name, np.full(np.shape(self.p50), np.nan))

    def where(self, rows: npt.NDArray[np.bool_] | slice) -> "Quantiles":
        """Some of the steps."""
        return Quantiles(*(getattr(self, each.name)[rows] for each in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["Quantiles"]) -> "Quantiles":
        """Answers one behind the other."""
        return cls(*(np.concatenate([getattr(one, each.name) for one in parts]) for each in fields(cls)))

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Steps with a forecast."""
        return ~(np.isnan(self.p10) | np.isnan(self.p50) | np.isnan(self.p90))


def ordered(
    p50: Vector,
    low: Vector,
    high: Vector,
    lowest: Vector | float = np.nan,
    highest: Vector | float = np.nan,
    *,
    floor: float | None,
) -> Quantiles:
    """Quantiles that do not cross: low to highest are offsets from P50; nothing falls below `floor`."""
    bound = -np.inf if floor is None else floor
    # Offsets come from past errors: where all of them lie on one side, a bound would pass P50.
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    return Quantiles(
        p10=np.maximum(p50 + low, bound),
        p50=np.maximum(p50, bound),
        p90=np.maximum(p50 + high, bound),
        p5=np.maximum(p50 + np.minimum(lowest, low), bound),
        p95=np.maximum(p50 + np.maximum(highest, high), bound),
    )


class Forecaster(Protocol):
    """A fitted model; `algorithm` is what it really is."""

    algorithm: str

    def predict(self, case: Case, origin: int, horizon: int) -> Quantiles:
        """Forecast of steps origin … origin + horizon − 1 from what was known when the origin began."""

    def to_files(self) -> dict[str, bytes]:
        """Everything that predicting needs, without pickles; the same fit gives the same bytes."""


@dataclass(frozen=True)
class Contributions:
    """Contribution of each input to P50 of each step, in the unit of the series.

    names: of features (features/matrix.py), or of terms of the model's own. parts: names × steps. base: steps, what the
    model says of an input that is like all it learnt from. base and parts add up to P50 before bounds and corrections.
    base_of: the feature that base goes with: the level of the last week, or the height of the sun.
    """

    names: tuple[str, ...]
    parts: Vector
    base: Vector
    base_of: str = "mean_7_days"


@runtime_checkable
class Explains(Protocol):
    """A forecaster that can take its P50 apart, exactly."""

    def contributions(self, case: Case, origin: int, horizon: int) -> Contributions:
        """Of the steps that `predict` answers; NaN where that says nothing."""


@runtime_checkable
class Weighs(Protocol):
    """A forecaster that knows which features it rests on."""

    def importance(self) -> dict[str, float]:
        """Share of the gain by feature; the shares add up to 1."""


@runtime_checkable
class Labelled(Protocol):
    """A forecaster of which readers must know something: code and words of each label of its forecasts."""

    labels: dict[str, str]


class Fitter(Protocol):
    """Makes a Forecaster of one kind from a case."""

    algorithm: str

    def fit(self, case: Case) -> Forecaster:
        """Fit on the whole series of the case. Raises TooShort where it does not suffice."""

    def load(self, files: Mapping[str, bytes]) -> Forecaster:
        """The forecaster that wrote these files. Raises Outdated where this release computes other features."""


class TooShort(ValueError):
    """The history does not hold what this kind of model needs; the service turns it into a Finding."""


class Outdated(ValueError):
    """The files are of an earlier release, whose model this one cannot ask: it has to be trained again."""
