"""A tariff, whole: what is charged, when, in which order, and how it is rounded (formulas 5.11).

The same object makes the bill, the cost KPI and the optimiser's terms. Every part but the price is optional: a site
file needs `tariff_id`, the dates and `periods`.
"""

from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from data_quality.contracts.billing.tariff_calendar import Calendar, ClockName, Money
from data_quality.contracts.billing.tariff_charges import (
    CapacityCharge,
    DemandCharge,
    EnergyCharge,
    Export,
    FixedCharge,
    GasConversion,
    Metering,
    Minimum,
    ReactiveCharge,
    Rider,
    Tax,
    TouPeriod,
)
from data_quality.contracts.model import Model
from data_quality.contracts.text import twice_in

Rounding = Literal["line", "none"]
TariffKind = Literal[
    "time_of_use", "tiered", "demand_ratchet", "capacity", "day_colours", "dynamic_hourly", "dynamic_half_hourly"
]
# ISO 4217: currencies whose minor unit is not a hundredth.
MINOR_DIGITS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND"), 0),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}


def minor_digits(currency: str) -> int:
    """Decimals of the currency's minor unit: 2 for most."""
    return MINOR_DIGITS.get(currency, 2)


class Tariff(Model):
    """Charges of one supply in force on local dates [valid_from, valid_to).

    At each quarter hour exactly one period of every energy charge holds (assets/tariffs/periods.py proves it).
    `periods` are those of the first energy charge, named "energy"; `energy` holds further ones. Lines stand on the
    bill in the order: energy, demand, capacity, reactive, fixed, riders, export, credits, minimum, taxes.
    """

    # Version of this format: a later one can then be distinguished.
    language: Literal[1] = 1
    tariff_id: str
    name: str = ""
    supplier: str = ""
    version: str = ""
    source: str = ""
    prices: Literal["own", "published", "example"] = Field(
        default="own",
        exclude_if=lambda prices: prices == "own",
        description="A contract's own, those of a public source, or made up to show the structure",
    )
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$", description="ISO 4217; none: the site's")
    time_zone: str | None = Field(default=None, description="IANA name; none: the site's, or that of the request")
    clock: ClockName = Field(
        default="local", description="Clock of the windows: wall clock, standard time all year, or UTC"
    )
    commodity: Literal["electricity", "gas", "heat", "steam", "cooling", "compressed_air", "water"] = "electricity"
    # Open ends that a zone's offset and a timestamp in nanoseconds still hold: date.min and date.max they do not.
    valid_from: date = date(1900, 1, 1)
    valid_to: date = date(2200, 1, 1)
    calendar: Calendar = Calendar()
    periods: tuple[TouPeriod, ...] = ()
    tier_basis: Literal["period", "total", "in_time_order"] = "period"
    energy: tuple[EnergyCharge, ...] = ()
    demand: tuple[DemandCharge, ...] = ()
    capacity: tuple[CapacityCharge, ...] = ()
    reactive: tuple[ReactiveCharge, ...] = ()
    fixed: tuple[FixedCharge, ...] = ()
    riders: tuple[Rider, ...] = ()
    export_price_per_kwh: Money = Decimal(0)
    export: Export | None = None
    metering: Metering = Metering()
    minimum: Minimum = Minimum()
    taxes: tuple[Tax, ...] = ()
    gas: GasConversion | None = None
    rounding: Rounding = "line"
    proration: Literal["days", "none"] = Field(
        default="days", description="Of monthly amounts and tier limits where a bill covers a part of a month"
    )

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.valid_to <= self.valid_from:
            raise ValueError(f"tariff {self.tariff_id!r} ends ({self.valid_to}) before it starts ({self.valid_from})")
        if not self.periods and not self.energy:
            raise ValueError(f"tariff {self.tariff_id!r} needs periods or an energy charge")
        names = self.charge_ids()
        if twice := twice_in(names):
            raise ValueError(f"tariff {self.tariff_id!r}: charge id appears twice: {', '.join(twice)}")
        if self.export is not None and self.export_price_per_kwh:
            raise ValueError(f"tariff {self.tariff_id!r}: give export or export_price_per_kwh, not both")
        self._check_published_days()
        seasons = {season.season_id for season in self.calendar.seasons}
        timed = [period for charge in self.energy_charges for period in charge.periods]
        per_m3 = [period.period_id for period in timed if period.price_per_m3 is not None]
        if per_m3 and self.commodity != "water":
            raise ValueError(f"tariff {self.tariff_id!r}: price_per_m3 is that of commodity water: {per_m3[0]}")
        timed += self.export.periods if self.export else ()
        every = [*timed, *(period for charge in self.demand for period in charge.periods)]
        names += [period.period_id for period in every] + ([self.export.charge_id] if self.export else [])
        if marked := next((name for name in names if "@" in name), None):
            raise ValueError(
                f"tariff {self.tariff_id!r}: {marked!r} has an @, with which a bill that is split marks its parts; "
                "expected a name without"
            )
        for period in every:
            for window in period.when:
                if foreign := sorted(set(window.seasons) - seasons):
                    raise ValueError(f"period {period.period_id!r}: unknown season {', '.join(foreign)}")
        self._check_shares()
        return self

    @property
    def first_day(self) -> date:
        """Day of the first hours of valid_from: the one before, where days start later than at 00:00."""
        return self.valid_from - timedelta(days=1 if self.calendar.first_quarter else 0)

    def _check_published_days(self) -> None:
        """Days that are published one by one end: a colour that nobody has announced must not pass for the rest."""
        days = self.calendar.published_days
        if not days:
            return
        if not {"valid_from", "valid_to"} <= self.model_fields_set:
            raise ValueError(
                f"tariff {self.tariff_id!r} has seasons of published days: it needs valid_from and valid_to, the day "
                "after the last that is published"
            )
        if outside := [day for day in days if not self.first_day <= day < self.valid_to]:
            raise ValueError(
                f"tariff {self.tariff_id!r}: {outside[0]} of a season lies outside valid_from and valid_to"
            )

    @cached_property
    def energy_charges(self) -> tuple[EnergyCharge, ...]:
        """Every charge per kWh, `periods` first."""
        own = (
            (EnergyCharge(charge_id="energy", periods=self.periods, tier_basis=self.tier_basis),)
            if self.periods
            else ()
        )
        return own + self.energy

    @cached_property
    def export_terms(self) -> Export:
        """Price of surplus; a price of zero where none is stated."""
        return self.export or Export(price_per_kwh=self.export_price_per_kwh)

    def _check_shares(self) -> None:
        """A share of a line that never stands above it is a charge of nothing, which nobody would miss on the bill."""
        above = {"energy", "demand", "capacity", "reactive", "fixed"}
        lines = (*self.energy_charges, *self.demand, *self.capacity, *self.reactive, *self.fixed)
        above |= {charge.charge_id for charge in lines}
        for component, shares in (("rider", self.riders), ("tax", self.taxes)):
            if component == "tax":
                above |= {"export", self.export_terms.charge_id, "credit", "minimum"}
            for share in shares:
                if foreign := sorted(set(share.of) - above):
                    raise ValueError(
                        f"{component} {share.charge_id!r} is of {', '.join(foreign)}, which no line above it is; "
                        f"expected {', '.join(sorted(above))}"
                    )
                above |= {component, share.charge_id}

    @property
    def billed_unit(self) -> str:
        """Unit of its energy charges: kWh, or cubic metres of water."""
        return "m3" if self.commodity == "water" else "kWh"

    def charge_ids(self) -> list[str]:
        """Ids of all charges, in the order of their lines."""
        parts = (self.demand, self.capacity, self.reactive, self.fixed, self.riders, self.taxes)
        return [charge.charge_id for charge in self.energy_charges] + [c.charge_id for part in parts for c in part]

    def is_in_force(self, day: date) -> bool:
        """True on local dates [valid_from, valid_to)."""
        return self.valid_from <= day < self.valid_to


class Source(Model):
    """Publication that a shipped tariff stands on. dated: as it says, empty where it does not; read: what of it."""

    publication: str
    dated: str = ""
    read: str


class TariffSource(Model):
    """A shipped tariff's structure, where it holds, and the publications behind it. lacks: what is not stated of it."""

    title: str
    country: str = Field(pattern=r"^[A-Z]{2}$")
    kind: TariffKind
    sources: tuple[Source, ...] = Field(min_length=1)
    lacks: str = ""


class TariffFile(Model):
    """A file with several dated tariffs of one supply: a bill over a change of price is split by date."""

    language: Literal[1] = 1
    about: TariffSource | None = None
    tariffs: tuple[Tariff, ...] = Field(min_length=1)
