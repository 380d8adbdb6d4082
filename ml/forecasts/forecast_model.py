"""What every forecast model is: fitted on hours up to an instant, asked at an origin, stored as plain files."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ml.features.hourly import Calendar, Hours, Vector

LOW, HIGH = 0.1, 0.9


@dataclass(frozen=True)
class Quantiles:
    """P10, P50, P90 of consecutive hours, in the stream's unit per hour; NaN where the model cannot say."""

    p10: Vector
    p50: Vector
    p90: Vector

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Hours with a forecast."""
        return ~(np.isnan(self.p10) | np.isnan(self.p50) | np.isnan(self.p90))


def ordered(p50: Vector, low: Vector, high: Vector, *, floor: float | None) -> Quantiles:
    """Quantiles that do not cross: low and high are offsets from P50; nothing falls below `floor`."""
    bound = -np.inf if floor is None else floor
    return Quantiles(
        # Offsets come from past errors: where all of them lie on one side, a bound would pass P50.
        p10=np.maximum(p50 + np.minimum(low, 0.0), bound),
        p50=np.maximum(p50, bound),
        p90=np.maximum(p50 + np.maximum(high, 0.0), bound),
    )


class Forecaster(Protocol):
    """A fitted model; `algorithm` is what it really is."""

    algorithm: str

    def predict(self, hours: Hours, calendar: Calendar, origin: int, horizon_h: int) -> Quantiles:
        """Forecast of hours origin … origin + horizon_h − 1 from hours before `origin` only."""
        ...

    def to_files(self) -> dict[str, bytes]:
        """Everything that predicting needs, without pickles."""
        ...


class Fitter(Protocol):
    """Makes a Forecaster of one kind from the hours given."""

    algorithm: str

    def fit(self, hours: Hours, calendar: Calendar) -> Forecaster:
        """Fit on all hours given. Raises TooShort where they do not suffice."""
        ...

    def load(self, files: Mapping[str, bytes]) -> Forecaster:
        """The forecaster that wrote these files."""
        ...


class TooShort(ValueError):
    """The history does not hold what this kind of model needs; the service turns it into a Finding."""
