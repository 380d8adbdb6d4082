"""Weather as received from a feed: its hours, time of issue and time of receipt. Two times, for queries as of then."""

from datetime import datetime, timedelta
from typing import Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model

# Standard name -> unit; every reader of weather turns its own names and units into these.
WEATHER_UNITS = {
    "temperature_degc": "degC",
    "dew_point_degc": "degC",
    "humidity_percent": "%",
    "ghi_w_per_m2": "W/m2",
    "dni_w_per_m2": "W/m2",
    "dhi_w_per_m2": "W/m2",
    "cloud_cover_percent": "%",
    "wind_speed_m_per_s": "m/s",
    "wind_direction_deg": "deg",
    "precipitation_mm": "mm",
    "pressure_hpa": "hPa",
    "snow_depth_m": "m",
}

# Label -> its meaning for a reader.
WEATHER_LABELS = {
    "issued_as_fetched": "the service names no issue: it counts as issued when it was fetched",
    "available_as_issued": "nobody said when it was known here: it counts as known from its issue on",
    "previous_run": "an earlier run that the service still tells: known from the last of its runs on",
    "measured": "no forecast: what the service's stations measured",
}


class WeatherIssue(Model):
    """One issue of a weather forecast: consecutive steps from `start_utc`, each the mean (rain: the sum) of its step.

    issued_at_utc: when the weather service says it was made. available_at_utc: from when on we could have known it,
    never before the issue; what is later than that must not look at anything earlier.
    """

    source: str = Field(min_length=1)
    issued_at_utc: datetime
    available_at_utc: datetime
    start_utc: datetime
    step_minutes: int = Field(default=60, gt=0)
    values: dict[str, tuple[float | None, ...]] = Field(min_length=1)
    labels: tuple[str, ...] = Field(default=(), description="What must be said beside its two times: WEATHER_LABELS")
    is_synthetic: bool = False

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.available_at_utc < self.issued_at_utc:
            raise ValueError("weather cannot be known before it was issued")
        unknown = sorted(set(self.values) - set(WEATHER_UNITS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: no name of weather; known are {', '.join(WEATHER_UNITS)}")
        if len({len(column) for column in self.values.values()}) != 1:
            raise ValueError("its columns are not of one length")
        return self

    @property
    def end_utc(self) -> datetime:
        """The instant at which its last step ends."""
        steps = len(next(iter(self.values.values())))
        return self.start_utc + steps * timedelta(minutes=self.step_minutes)

    @property
    def times_utc(self) -> list[datetime]:
        """The instant at which each step begins."""
        steps = len(next(iter(self.values.values())))
        return [self.start_utc + place * timedelta(minutes=self.step_minutes) for place in range(steps)]
