"""All that a forecast may look at: the series, its calendar, the weather as known, and where it is."""

import hashlib
from dataclasses import dataclass, replace

from ml.features.civil import Civil
from ml.features.series import Series
from ml.features.weather_as_of import NO_WEATHER, WeatherAsOf


@dataclass(frozen=True)
class Place:
    """Place on earth, for the sun."""

    latitude_deg: float
    longitude_deg: float


@dataclass(frozen=True)
class Case:
    """One series and what is known beside it. civil reaches at least a horizon past the end of the series.

    horizon_steps: the longest horizon, in steps, that models will be asked for and so learn to answer; None: two days.
    """

    series: Series
    civil: Civil
    weather: WeatherAsOf = NO_WEATHER
    place: Place | None = None
    horizon_steps: int | None = None

    def before(self, origin: int) -> "Case":
        """The case as it was when that step began: later values are gone, and weather says only what was known."""
        return replace(self, series=self.series.first(min(origin, len(self.series.values))))

    def digest(self) -> str:
        """SHA-256 of the series and of the weather beside it."""
        return hashlib.sha256(f"{self.series.digest()} {self.weather.digest()}".encode()).hexdigest()
