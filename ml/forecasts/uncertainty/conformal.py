"""From residuals of forecasts that were not trained on them to quantiles, newer residuals weighing more.

Weighted conformal quantiles (Barber et al. 2023, "Conformal prediction beyond exchangeability") of residuals divided by
the usual size of their local hour and kind of day. Every day since the training adds what was really missed.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml.features.series import Index, Vector
from ml.forecasts.forecast_model import HIGH, LOW

HOURS, KINDS = 24, 2
HALF_LIFE_DAYS, SCALE_HALF_LIFE_DAYS, MEMORY_DAYS = 20.0, 90.0, 120.0
# Hours borrow from all of them as if from so many residuals more: sizes of a few are luck.
BORROWED = 30.0
# A larger share of residuals than this is cut off in sizes: one breakdown shall not widen every day.
CUT = 0.95


@dataclass(frozen=True)
class Residuals:
    """Residuals as multiples of the usual size of their hour and kind of day, and their weights."""

    size: Vector
    weight: Vector

    def and_also(self, other: "Residuals") -> "Residuals":
        """Both."""
        return Residuals(np.concatenate([self.size, other.size]), np.concatenate([self.weight, other.weight]))

    def quantiles(self, levels: Sequence[float] = (LOW, HIGH)) -> tuple[float, ...]:
        """Weighted quantiles, a newest residual's worth further out so that few do not overpromise."""
        order = np.argsort(self.size, kind="stable")
        size, weight = self.size[order], self.weight[order]
        total = float(weight.sum())
        reached = np.cumsum(weight) - weight / 2
        wide = (total + float(weight.max())) / total
        out = np.clip([each * wide if each > 0.5 else 1 - (1 - each) * wide for each in levels], 0.0, 1.0)
        return tuple(np.interp(total * out, reached, size).tolist())


@dataclass(frozen=True)
class Band:
    """scale: kinds of day (workday, day off) × local hours, usual size of a residual as a share of the level.

    memory: residual (multiple of its scale) and age in days at the end of the training, two rows.
    """

    scale: Vector
    memory: Vector

    @classmethod
    def of(cls, missed: Vector, hour: Index, is_off: Index, *, age_days: Vector) -> "Band":
        """missed: share of the level, actual − forecast, without NaN, at least one."""
        weight = 0.5 ** (age_days / SCALE_HALF_LIFE_DAYS)
        size = np.minimum(np.abs(missed), np.quantile(np.abs(missed), CUT))
        total, count = (np.zeros((KINDS, HOURS)) for _ in range(2))
        np.add.at(total, (is_off, hour), weight * size)
        np.add.at(count, (is_off, hour), weight)
        # With the hours next to it: errors do not begin on the hour.
        total, count = (each + np.roll(each, 1, axis=1) + np.roll(each, -1, axis=1) for each in (total, count))
        one = BORROWED * float(weight.mean())
        scale = (total + one * float(np.average(size, weights=weight))) / (count + one)
        # A constant series misses nothing: its band has no width, and nothing is divided by zero.
        scale = np.where(scale > 0, scale, 1.0)
        kept = age_days <= MEMORY_DAYS
        kept = kept if kept.any() else np.ones(len(missed), dtype=bool)
        memory = np.stack([(missed / scale[is_off, hour])[kept], age_days[kept]])
        return cls(scale, memory)

    def residuals(self, missed: Vector, hour: Index, is_off: Index, *, age_days: Vector) -> Residuals:
        """Of forecasts made since the training; gaps are left out."""
        known = ~np.isnan(missed)
        size = missed[known] / self.scale[is_off[known], hour[known]]
        return Residuals(size, 0.5 ** (age_days[known] / HALF_LIFE_DAYS))

    def offsets(
        self,
        hour: Index,
        is_off: Index,
        recent: Residuals | None = None,
        *,
        passed_days: float = 0.0,
        levels: Sequence[float] = (LOW, HIGH),
    ) -> tuple[Vector, ...]:
        """Of each level from P50, as shares of the level of the load. recent: of the days since the training."""
        size, age = self.memory
        pool = Residuals(size, 0.5 ** ((age + max(passed_days, 0.0)) / HALF_LIFE_DAYS))
        scale = self.scale[is_off, hour]
        return tuple(each * scale for each in (pool if recent is None else pool.and_also(recent)).quantiles(levels))

    def to_bytes(self) -> bytes:
        """One array of NumPy: the scale by rows, then the memory."""
        stream = io.BytesIO()
        np.save(stream, np.concatenate([self.scale.ravel(), self.memory.ravel()]).astype("<f8"), allow_pickle=False)
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Band":
        """From what to_bytes wrote."""
        flat = np.load(io.BytesIO(content), allow_pickle=False)
        return cls(flat[: KINDS * HOURS].reshape(KINDS, HOURS), flat[KINDS * HOURS :].reshape(2, -1))
