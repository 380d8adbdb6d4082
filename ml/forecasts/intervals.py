"""From residuals of forecasts that were not trained on them to P10 and P90, per local hour of the day."""

from typing import Any

import numpy as np

from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import HIGH, LOW

# Under this many residuals an hour borrows those of all hours: a tenth of 50 is five values, no fewer.
MIN_PER_HOUR = 50


class HourSpread:
    """Offsets of P10 and P90 from P50 per local hour, as shares of the level."""

    def __init__(self, low: Vector, high: Vector) -> None:
        self.low, self.high = low, high

    @classmethod
    def of(cls, residuals: Vector, local_hour: Index) -> "HourSpread":
        """residuals: (actual − forecast) / level, without NaN, at least one; local_hour 0–23 of each."""
        low, high = np.empty(24), np.empty(24)
        for hour in range(24):
            own = residuals[local_hour == hour]
            sample = own if len(own) >= MIN_PER_HOUR else residuals
            low[hour], high[hour] = _wide_quantiles(sample)
        return cls(low, high)

    def to_document(self) -> dict[str, Any]:
        """As plain lists."""
        return {"low": self.low.tolist(), "high": self.high.tolist()}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "HourSpread":
        """From plain lists."""
        return cls(np.array(document["low"]), np.array(document["high"]))


def _wide_quantiles(sample: Vector) -> tuple[float, float]:
    """Conformal quantiles: one rank further out than the sample's own, so that small samples do not overpromise."""
    ranked, n = np.sort(sample), len(sample)
    below = max(int(np.floor((n + 1) * LOW)) - 1, 0)
    above = min(int(np.ceil((n + 1) * HIGH)) - 1, n - 1)
    return float(ranked[below]), float(ranked[above])
