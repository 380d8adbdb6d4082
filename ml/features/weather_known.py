"""Weather as it was known at the instant of issue: the only way by which a forecast sees weather."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ml.features.series import Index, Vector


class WeatherKnown(Protocol):
    """Weather by step of a grid, asked for a step as known at an origin.

    names: of WEATHER_UNITS (contracts/control/weather_issue.py), in the order of the columns that `at` gives.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The variables that there are; empty where nothing is known."""
        ...

    def at(self, step: Index, origin: Index) -> Vector:
        """Rows × names: weather of each step as known when its origin (a step of the same grid) began; NaN unknown."""
        ...

    def digest(self) -> str:
        """SHA-256 of everything that it could answer."""
        ...


@dataclass(frozen=True)
class GivenWeather:
    """Steps × names, taken as known at issue whatever the origin (cli.md); steps behind its end are unknown.

    is_ahead: False for measured weather, of which nothing at or after the origin can be known.
    """

    names: tuple[str, ...]
    values: Vector
    is_ahead: bool = True

    def at(self, step: Index, origin: Index) -> Vector:
        """The weather of each step; of measured weather only what had ended at the origin."""
        is_known = (step >= 0) & (step < len(self.values))
        if not self.is_ahead:
            is_known &= step < origin
        found: Vector = np.full((len(step), len(self.names)), np.nan)
        found[is_known] = self.values[step[is_known]]
        return found

    def digest(self) -> str:
        """SHA-256 of names and values."""
        return hashlib.sha256(f"{self.names} {self.is_ahead}".encode() + self.values.tobytes()).hexdigest()


NO_WEATHER = GivenWeather((), np.empty((0, 0)))
