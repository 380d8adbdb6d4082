"""A forecast of a site in addition to the day-ahead ones: target, step and horizon."""

from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Identifier

DAY_MINUTES = 24 * 60
What = Literal["stream", "base_load", "daily_energy", "daily_peak", "daily_carbon"]
# A week by quarter hours or hours, a month by days: beyond that a forecast is a climatology.
MAX_HORIZON_H = {15: 7 * 24, 60: 7 * 24, DAY_MINUTES: 31 * 24}
_DEFAULT_HORIZON_H = {15: 48, 60: 7 * 24, DAY_MINUTES: 31 * 24}


class ForecastTarget(Model):
    """One forecast. Without `what` it is of the stream itself: a meter's energy, a driver's price or intensity.

    base_load is the site's own, so it names no stream; days are local ones, a peak is the mean kW of 15 minutes.
    """

    target: Identifier | None = Field(default=None, description="Meter or driver; none for base_load")
    register_id: Identifier | None = Field(default=None, description="import, or the meter's first, where left out")
    what: What = "stream"
    step_minutes: Literal[15, 60] = Field(default=60, description="Of a stream or the base load; days are days")
    horizon_h: int | None = Field(default=None, ge=1, description="48 by quarter hours, 168 by hours, 744 by days")
    time_to_live_minutes: int | None = Field(
        default=None, ge=15, description="As long a forecast is handed out again; one step, of days six hours"
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.what == "base_load") != (self.target is None):
            raise ValueError("base_load is of the whole site and names no target; every other forecast names one")
        if self.is_daily and "step_minutes" in self.model_fields_set:
            raise ValueError(f"{self.what} is by days: leave step_minutes out")
        longest = MAX_HORIZON_H[self.minutes]
        if self.hours > longest or (self.is_daily and self.hours % 24):
            raise ValueError(f"horizon_h {self.hours}: expected up to {longest}, of daily forecasts whole days")
        return self

    @property
    def is_daily(self) -> bool:
        """True where its step is a local day."""
        return self.what.startswith("daily_")

    @property
    def minutes(self) -> int:
        """Of a step."""
        return DAY_MINUTES if self.is_daily else self.step_minutes

    @property
    def hours(self) -> int:
        """Reach of the forecast."""
        return self.horizon_h or _DEFAULT_HORIZON_H[self.minutes]
