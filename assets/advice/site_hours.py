"""The hours of a site over whole local days, as the kinds of recommendation read them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from assets.bills.engine.bill_load import Load
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.control.what_if import WhatIfVariant
from data_quality.contracts.site_file.measure_cost import MeasureCost


@dataclass(frozen=True)
class MeterHours:
    """One meter: kWh of each hour (NaN: not read), price and emission of a kWh (NaN: unknown).

    roles: of ROLES in kinds.yaml; above: its parent meters, the nearest first; is_leaf: no other meter is below it.
    """

    meter_id: str
    roles: frozenset[str]
    above: tuple[str, ...]
    is_leaf: bool
    kwh: np.ndarray
    price_per_kwh: np.ndarray
    kgco2e_per_kwh: np.ndarray


@dataclass(frozen=True)
class WeatherSlope:
    """A degree-day term of an approved baseline: kWh a day per kelvin below (hdd) or above (cdd) the base."""

    meters: tuple[str, ...]
    term: str
    base_degc: float
    kwh_per_k_day: float
    standard_error: float
    baseline: str


@dataclass(frozen=True)
class Supply:
    """The site's supply by the bill engine: load with kvarh where metered, its dated tariffs, the site's day types."""

    load: Load
    tariffs: tuple[Tariff, ...]
    time_zone: str
    currency: str
    day_types: dict[date, DayType] | None = None


@dataclass(frozen=True)
class Charger:
    """A charger of cars with a meter of its own: its power, and the local hour at which its car leaves each day."""

    meter_id: str
    max_kw: float
    departure_hour: int


@dataclass(frozen=True)
class SiteHours:
    """Hours [start, end) of local days. hour: of the local clock; day: number of the local day from 0.

    is_free: weekend or holiday; activity: production or people (None: no driver tells); outdoor_degc likewise.
    declared_degc: bases of degree days by term, as the site declares them. overbilled: excess by stored bill.
    what_ifs: variants of stored what-ifs, of each change those of the newest that tried it. costs: as the site states
    them; known_on: the local day on which one has to hold.
    """

    site_id: str
    start: date
    end: date
    hour: np.ndarray
    day: np.ndarray
    is_free: np.ndarray
    meters: tuple[MeterHours, ...]
    outdoor_degc: np.ndarray | None = None
    activity: np.ndarray | None = None
    declared_degc: Mapping[str, float] | None = None
    slopes: tuple[WeatherSlope, ...] = ()
    supply: Supply | None = None
    overbilled: Mapping[str, Decimal] | None = None
    chargers: tuple[Charger, ...] = ()
    what_ifs: tuple[WhatIfVariant, ...] = ()
    costs: tuple[MeasureCost, ...] = ()
    known_on: date | None = None

    @property
    def months(self) -> float:
        """The length of the period: calendar months where they are whole, else days of a mean month."""
        whole = (self.end.year - self.start.year) * 12 + self.end.month - self.start.month
        return float(whole) if self.end.day == self.start.day else (self.end - self.start).days / 365.25 * 12

    def of_role(self, role: str) -> list[MeterHours]:
        """Meters of a role that no other meter of the same role is above."""
        found = [each for each in self.meters if role in each.roles]
        names = {each.meter_id for each in found}
        return [each for each in found if not names.intersection(each.above)]

    def meter(self, meter_id: str) -> MeterHours | None:
        """The meter of that id, or None."""
        return next((each for each in self.meters if each.meter_id == meter_id), None)
