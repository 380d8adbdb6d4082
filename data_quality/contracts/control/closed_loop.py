"""Messages between a closed loop and its site: readings and set-points, never how the site is made.

A policy sees what a real site would show (meters, thermometers that err, a weather service that errs) and answers with
the set-points that a real device would get (Device.commands). Nothing here says what is true.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from pydantic import Field

from data_quality.contracts.model import Model

# By asset id, then by capability (`set_switch_state`, `set_charge_power_kw`, ...), each in the unit of its name.
SetPoints = Mapping[str, Mapping[str, float]]


class SiteObservation(Model):
    """A look at the site. Powers are means since the last look, kW, by asset id; taken positive, given negative.

    states: as each device says of itself (kWh, degC); None: the sensor says nothing, or no car is there. load_kw: what
    no asset has its own meter for.
    """

    at_utc: datetime
    states: dict[str, float | None]
    drawn_kw: dict[str, float]
    load_kw: float
    import_kw: float = Field(ge=0)
    export_kw: float = Field(ge=0)
    outdoor_degc: float
    ghi_w_per_m2: float = Field(ge=0)


class Outlook(Model):
    """Forecasts of services outside the site at one instant: courses of the weather, equally likely, and known prices.

    outdoor_degc, ghi_w_per_m2: one course after the other, hourly from `start_utc` on; the first course
    is the central one. import_price_per_kwh, export_price_per_kwh: one value a quarter hour, as far as published.
    load_kw: one value an hour, of who foresees the load itself; None for all others.
    """

    start_utc: datetime
    outdoor_degc: tuple[tuple[float, ...], ...]
    ghi_w_per_m2: tuple[tuple[float, ...], ...]
    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    load_kw: tuple[float, ...] | None = None


class SiteAccount(Model):
    """Account of a span, as an auditor who may look inside the site would put it down.

    cost: paid less earned, in the site's currency, with what was left in each store valued against what was there.
    discomfort_kh: kelvin-hours outside the comfort band while somebody wanted it; breach_share: of hours.
    """

    cost: float
    kgco2e: float
    discomfort_kh: float
    breach_share: float
    cycles: float
    switchings: float
    import_kwh: float
    export_kwh: float
    pv_kwh: float

    @property
    def self_consumption(self) -> float | None:
        """Which share of the sun's energy stayed in the house; None where the sun gave nothing."""
        return (self.pv_kwh - self.export_kwh) / self.pv_kwh if self.pv_kwh > 0 else None


class ClosedSite(Protocol):
    """A site that advances only on request."""

    def look(self) -> SiteObservation:
        """Readings of its instruments now."""

    def outlook(self, hours: int) -> Outlook:
        """Forecast as of now."""

    def act(self, set_points: SetPoints, minutes: int) -> None:
        """Advance so many minutes with these set-points; a device without a set-point does as it does alone."""

    def lived(self) -> SiteAccount:
        """Account of all since it was opened."""

    def open_account(self) -> None:
        """Begins the account: earlier steps do not count."""
