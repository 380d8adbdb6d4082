"""Charges of a tariff: energy, demand, fixed amounts, riders, taxes, export, metering arrangements. One model each.

Rates are exact decimals in the tariff's currency. When they hold stands in tariff_calendar.py; the arithmetic in
assets/tariffs and assets/bills.
"""

from datetime import datetime, time
from decimal import Decimal
from functools import cached_property
from operator import not_
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from data_quality.contracts.billing.tariff_calendar import DAY_TYPES, DayType, Money, Month, Window
from data_quality.contracts.model import Model
from data_quality.contracts.text import twice_in

Component = Literal[
    "energy", "demand", "capacity", "reactive", "fixed", "rider", "export", "credit", "minimum", "tax", "carried"
]
ItemName = Literal[
    "energy_generation_fee",
    "energy_delivery_fee",
    "energy_usage_fee",
    "administrative_fee",
    "tax",
    "energy_generation_credit",
    "energy_delivery_credit",
    "administrative_credit",
    "payment",
    "information",
]


# Whose charge a line is: of who sells the energy, of who runs the grid, of the state (taxes and levies).
Owner = Literal["supplier", "distributor", "state"]
LineOwner = Literal["supplier", "distributor", "state", "unknown"]
# Fields that were added later are left out where they say nothing: the hash of a site's file stays what it was.
_OWNER_STATED = "Who it belongs to; nobody guesses it: without one its lines are of `unknown`"


class Step(Model):
    """A step of kWh inside a block of hours use; cumulative from zero, the last without end."""

    price: Money
    up_to_kwh: Decimal | None = Field(default=None, gt=0)


class Tier(Model):
    """One block of energy or demand, bounded from above by `up_to`, cumulatively from zero; none for the last.

    up_to_unit: kwh of the bill period, kwh per day of it, kwh per kW of billed demand ("hours use"), or kw for demand.
    A block of hours use may have steps of kWh instead of one price; a block of demand an amount a month instead of a
    price per kW: then demand that lies in it costs that amount, and no other block's.
    """

    price: Money | None = None
    steps: tuple[Step, ...] = ()
    amount: Money | None = Field(
        default=None,
        exclude_if=lambda amount: amount is None,
        description="Of a block of demand: per month, whatever the kW in it",
    )
    up_to: Decimal | None = Field(default=None, gt=0)
    # kwh_per_kw is a block of hours use (Wright tariff): 200 kWh per kW are the first 200 hours at full demand.
    up_to_unit: Literal["kwh", "kwh_per_day", "kwh_per_kw", "kw"] = "kwh"

    @model_validator(mode="after")
    def _has_price_or_steps(self) -> Self:
        if [self.price is None, not self.steps, self.amount is None].count(False) != 1:
            raise ValueError("a tier needs a price or steps, and not both; one of demand may have an amount instead")
        bounds = [step.up_to_kwh for step in self.steps]
        rising = [bound for bound in bounds if bound is not None]
        if bounds and (None in bounds[:-1] or bounds[-1] is not None or rising != sorted(set(rising))):
            raise ValueError("steps of a tier must rise, and only the last must have no up_to_kwh")
        return self


class _Timed(Model):
    """One window written in place, or several under `windows`."""

    period_id: str
    day_types: tuple[DayType, ...] = DAY_TYPES
    start: time = time(0)
    end: time = time(0)
    seasons: tuple[str, ...] = ()
    months: tuple[Month, ...] = ()
    windows: tuple[Window, ...] = Field(default=(), description="Several windows, instead of the keys above")

    @model_validator(mode="after")
    def _is_one_window_or_several(self) -> Self:
        inline = {"day_types", "start", "end", "seasons", "months"} & self.model_fields_set
        if self.windows and inline:
            raise ValueError(f"period {self.period_id!r}: give windows or {', '.join(sorted(inline))}, not both")
        for edge in (self.start, self.end):
            if edge.minute % 15 or edge.second or edge.microsecond:
                raise ValueError(f"period {self.period_id!r} must start and end on a quarter hour, got {edge}")
        return self

    @cached_property
    def when(self) -> tuple[Window, ...]:
        """The windows in which the period holds."""
        if self.windows:
            return self.windows
        whole = {"day_types": self.day_types, "start": self.start, "end": self.end}
        return (Window.model_validate({**whole, "seasons": self.seasons, "months": self.months}),)


class TouPeriod(_Timed):
    """One energy price, or tiers of them, and when it holds."""

    price_per_kwh: Money | None = None
    price_per_m3: Money | None = Field(default=None, description="Of a water tariff, in place of price_per_kwh")
    tiers: tuple[Tier, ...] = ()
    sell_price_per_kwh: Money | None = Field(default=None, description="Credit per kWh of surplus (net_metering_money)")

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if (self.price is None) == (not self.tiers) or None not in (self.price_per_kwh, self.price_per_m3):
            raise ValueError(f"period {self.period_id!r} needs price_per_kwh or tiers, and not both")
        check_tiers(self.period_id, self.tiers, units={"kwh", "kwh_per_day", "kwh_per_kw"})
        return self

    @property
    def price(self) -> Money | None:
        """Its single price, of a kWh or of a cubic metre; None where it has tiers."""
        return self.price_per_m3 if self.price_per_kwh is None else self.price_per_kwh

    @cached_property
    def blocks(self) -> tuple[Tier, ...]:
        """Its tiers; a single price is one tier without end."""
        return self.tiers if self.price is None else (Tier(price=self.price),)


class SeriesPrice(Model):
    """A price by reference: factor × the series' price + adder, per kWh, held within [floor, cap]."""

    series: str = Field(default="spot", description="Name of the price series that the bill is given")
    factor: Money = Decimal(1)
    adder_per_kwh: Money = Decimal(0)
    floor_per_kwh: Money | None = None
    cap_per_kwh: Money | None = None

    def rate(self, price: Decimal, *, is_floored: bool = False) -> Decimal:
        """Price of a kWh where the series has that price; is_floored: never below zero."""
        found = price * self.factor + self.adder_per_kwh
        if self.floor_per_kwh is not None:
            found = max(found, self.floor_per_kwh)
        if self.cap_per_kwh is not None:
            found = min(found, self.cap_per_kwh)
        return max(found, Decimal(0)) if is_floored else found


class Charge(Model):
    """Common fields of every charge: a name, the kind of its lines, and whose it is."""

    charge_id: str
    description: str = ""
    kind: ItemName = "energy_usage_fee"
    party: str = Field(default="", description="Name of the supplier, grid operator, …: whose charge it is")
    owner: Owner | None = Field(default=None, exclude_if=not_, description=_OWNER_STATED)


class EnergyCharge(Charge):
    """A charge per kWh imported: by periods, by one price, or by reference to a real-time price."""

    periods: tuple[TouPeriod, ...] = ()
    price_per_kwh: Money | None = None
    series: SeriesPrice | None = None
    tier_basis: Literal["period", "total", "in_time_order"] = Field(
        default="period",
        description="Tiers fill by each period's own kWh; by the total, shared pro rata; or as the kWh come in",
    )
    by_register: bool = Field(
        default=False, description="Periods are the meter's registers; the tariff does not say their hours"
    )

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        _check_one_price(f"energy charge {self.charge_id!r}", self)
        return self

    @cached_property
    def all_periods(self) -> tuple[TouPeriod, ...]:
        """Its periods; one price is one period; empty for a price by reference."""
        return _priced_periods(self)


class Ratchet(Model):
    """Demand is at least `share` of the highest of the last `months` months (formulas 5.11), or the mean of them."""

    rule: Literal["highest", "mean"] = Field(
        default="highest",
        exclude_if=lambda rule: rule == "highest",
        description="mean: billed is the mean of the months looked back on, instead of a floor",
    )
    share: Decimal = Field(default=Decimal(1), gt=0, le=1)
    share_of_month: tuple[Decimal, ...] = Field(
        default=(), description="January to December: the share at which that month's demand counts, instead of share"
    )
    # Eleven and the present one make the twelve months of the usual ratchet clause.
    months: int = Field(default=11, ge=1, le=24, description="How many months back")
    includes_current: bool = Field(default=False, description="The present month is one of them")
    of_months: tuple[Month, ...] = Field(default=(), description="Only these months set it; empty: all")
    of_periods: tuple[str, ...] = Field(
        default=(), description="The highest of these demand periods sets it; empty: each period its own"
    )

    @model_validator(mode="after")
    def _twelve_shares(self) -> Self:
        if self.share_of_month and len(self.share_of_month) != 12:
            raise ValueError(f"share_of_month needs 12 values, got {len(self.share_of_month)}")
        if any(not 0 <= share <= 1 for share in self.share_of_month):
            raise ValueError("share_of_month needs shares from 0 to 1")
        if self.rule == "mean" and self.of_periods:
            raise ValueError("a mean over months is of each period by itself: of_periods is that of the highest")
        return self

    def share_in(self, month: int) -> Decimal:
        """The share at which demand of that calendar month counts."""
        return self.share_of_month[month - 1] if self.share_of_month else self.share

    def is_set_in(self, month: int) -> bool:
        """True where demand of that calendar month counts."""
        return not self.of_months or month in self.of_months


class DemandPeriod(_Timed):
    """One demand price, or tiers of them, and the hours whose highest demand it is charged on."""

    price_per_kw: Money | None = None
    tiers: tuple[Tier, ...] = ()

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        if (self.price_per_kw is None) == (not self.tiers):
            raise ValueError(f"demand period {self.period_id!r} needs price_per_kw or tiers, and not both")
        check_tiers(self.period_id, self.tiers, units={"kw"})
        return self

    @cached_property
    def blocks(self) -> tuple[Tier, ...]:
        """Its tiers; a single price is one tier without end."""
        if self.tiers or self.price_per_kw is None:
            return self.tiers
        return (Tier(price=self.price_per_kw, up_to_unit="kw"),)


class DemandCharge(Charge):
    """A charge per kW (or kVA) of highest average demand. Periods are disjoint; hours in none are free of it.

    method block: averages of fixed windows; rolling: a window that moves by sub_interval_minutes.
    billed = max(measured, ratchet, minimum, contracted share), then power factor, then rounding of the demand.
    """

    kind: ItemName = "energy_delivery_fee"
    unit: Literal["kw", "kva"] = "kw"
    # A peak across two blocks shows by half in each; a rolling window sees it whole.
    method: Literal["block", "rolling"] = "block"
    window_minutes: int = Field(default=15, gt=0, le=1440)
    sub_interval_minutes: int = Field(default=5, gt=0)
    periods: tuple[DemandPeriod, ...] = Field(min_length=1)
    peaks: int = Field(default=1, ge=1, le=31, description="Mean of so many highest values, one a day")
    # The system's own peaks, known only afterwards: 5CP of PJM, the former Triads of Britain.
    coincident_at: tuple[datetime, ...] = Field(
        default=(), description="Published instants: demand is the mean at those of the bill period, not the maximum"
    )
    ratchet: Ratchet | None = None
    minimum_kw: Decimal = Field(default=Decimal(0), ge=0)
    contracted_kw: Decimal | None = Field(default=None, gt=0)
    contracted_share: Decimal = Field(default=Decimal(0), ge=0, le=1, description="Least share of contracted_kw")
    # At a lower power factor the same kW need more kVA of wire and transformer: the clause bills what is occupied.
    reference_power_factor: Decimal | None = Field(
        default=None, gt=0, le=1, description="Demand x reference / measured where the power factor is below it"
    )
    demand_decimals: int | None = Field(default=None, ge=0, le=6, description="Billed demand is rounded half up to so")

    @field_validator("coincident_at")
    @classmethod
    def _with_offset(cls, moments: tuple[datetime, ...]) -> tuple[datetime, ...]:
        for moment in moments:
            if moment.tzinfo is None:
                raise ValueError(f"coincident instant {moment.isoformat()} needs an offset")
        return moments

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        _unique_periods(self.charge_id, self.periods)
        if self.contracted_share and self.contracted_kw is None:
            raise ValueError(f"demand charge {self.charge_id!r}: contracted_share needs contracted_kw")
        if self.method == "rolling" and self.window_minutes % self.sub_interval_minutes:
            raise ValueError(f"demand charge {self.charge_id!r}: the window must hold whole sub-intervals")
        names = {period.period_id for period in self.periods}
        if self.ratchet is not None and (foreign := sorted(set(self.ratchet.of_periods) - names)):
            raise ValueError(f"demand charge {self.charge_id!r}: ratchet of unknown period {', '.join(foreign)}")
        return self


class CapacityCharge(Charge):
    """Contracted power: so much per contracted kW (or kVA), and per kW that the measured maximum exceeds it."""

    kind: ItemName = "energy_delivery_fee"
    unit: Literal["kw", "kva"] = "kw"
    contracted: Decimal = Field(gt=0, description="kW or kVA by contract")
    price_per_unit: Money
    per: Literal["day", "month", "year"] = "month"
    excess_price_per_unit: Money = Decimal(0)
    excess_above_share: Decimal = Field(default=Decimal(1), ge=1, description="1.05: five per cent are tolerated")
    window_minutes: int = Field(default=15, gt=0, le=1440)


class ReactiveCharge(Charge):
    """A charge per kvarh beyond tan phi times the active energy of the bill period."""

    kind: ItemName = "energy_delivery_fee"
    # kvarh by kWh; 0.5 is a power factor (cos phi) of about 0.89.
    tan_phi: Decimal = Field(ge=0, description="0.5 allows half as many kvarh as kWh")
    price_per_kvarh: Money


class FixedCharge(Charge):
    """A fixed amount per day, month, year or bill."""

    kind: ItemName = "administrative_fee"
    amount: Money
    per: Literal["day", "month", "year", "bill"] = "month"


class Rider(Charge):
    """An addition or discount, evaluated in the order of the list: a share of lines above, or per kWh, kW or day.

    of: ids of charges or names of components; empty: every line above. A share is taken of rounded lines.
    """

    kind: ItemName = "administrative_fee"
    # Of lines as they are printed: a customer can check it on paper.
    share: Decimal | None = Field(default=None, description="0.05 adds five per cent; negative: a discount")
    price_per_kwh: Money | None = None
    price_per_kw: Money | None = Field(default=None, description="Per kW of the highest billed demand")
    price_per_day: Money | None = None
    of: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_one_rate(self) -> Self:
        rates = (self.share, self.price_per_kwh, self.price_per_kw, self.price_per_day)
        if sum(rate is not None for rate in rates) != 1:
            raise ValueError(f"rider {self.charge_id!r} needs one of share, price_per_kwh, price_per_kw, price_per_day")
        return self


class Tax(Model):
    """A tax as a share of lines, in the order of the list; later taxes may stand on earlier ones.

    of: ids of charges or names of components; empty: every line above except taxes.
    """

    charge_id: str
    description: str = ""
    share: Decimal = Field(ge=0)
    of: tuple[str, ...] = ()
    owner: Owner | None = Field(default=None, exclude_if=not_, description=_OWNER_STATED)


class Export(Model):
    """Price of energy fed in. A negative price is paid by the customer, unless negative_prices is zero."""

    charge_id: str = "export"
    description: str = ""
    kind: ItemName = "energy_generation_credit"
    owner: Owner | None = Field(default=None, exclude_if=not_, description=_OWNER_STATED)
    periods: tuple[TouPeriod, ...] = ()
    price_per_kwh: Money | None = None
    series: SeriesPrice | None = None
    negative_prices: Literal["pay", "zero"] = "pay"
    cap_kw: Decimal | None = Field(default=None, gt=0, description="Feed-in above this power is not paid")
    cap_kwh: Decimal | None = Field(default=None, gt=0, description="Not paid beyond so many kWh a bill period")

    @model_validator(mode="after")
    def _has_one_price(self) -> Self:
        _check_one_price(f"export {self.charge_id!r}", self)
        return self

    @cached_property
    def all_periods(self) -> tuple[TouPeriod, ...]:
        """Its periods; one price is one period; empty for a price by reference."""
        return _priced_periods(self)


class Metering(Model):
    """Arrangement of load and generation meters.

    net_billing: netted in each interval, surplus paid by `export`, also where the bill becomes negative;
    net_billing_carry: the same, but credit lowers following bills and never makes one negative;
    net_metering_energy: netted over the bill period per energy period, surplus kWh carried;
    net_metering_money: the same, surplus turned to money at the sell price and carried;
    buy_all_sell_all: all load is bought, all generation sold.
    """

    arrangement: Literal[
        "net_billing", "net_billing_carry", "net_metering_energy", "net_metering_money", "buy_all_sell_all"
    ] = "net_billing"
    netting_minutes: Literal[0, 60] = Field(
        default=0, exclude_if=not_, description="Net billing over whole hours; 0: over each interval of the load"
    )
    true_up_month: Month = Field(default=12, description="With its bill credits left over are settled")
    true_up: Literal["pay", "expire", "keep"] = "pay"
    payout_per_kwh: Money = Field(default=Decimal(0), description="For kWh credits left over at true-up")
    credit_applies: Literal["same_bill", "next_bill"] = "same_bill"
    credit_offsets: Literal["energy", "bill"] = Field(
        default="energy", description="Money credit lowers energy lines only, or the whole bill before taxes"
    )
    payout_basis: Literal["period", "total"] = Field(
        default="period", description="kWh paid out: what each period has left, or the surplus of all periods netted"
    )
    carry_by_hours: tuple[int, ...] = Field(
        default=(), description="Surplus moves to next bill's period at the same weekday hour; empty: the same period"
    )

    @field_validator("carry_by_hours")
    @classmethod
    def _hours_of_a_day(cls, hours: tuple[int, ...]) -> tuple[int, ...]:
        if any(not 0 <= hour < 24 for hour in hours):
            raise ValueError(f"hours must be 0 to 23, got {hours}")
        return hours


class Minimum(Model):
    """The least that a bill, or the year ending with the true-up month, comes to, before taxes."""

    monthly: Money = Decimal(0)
    daily: Money = Field(default=Decimal(0), exclude_if=not_, description="Per day of the bill, on top of monthly")
    annual: Money = Decimal(0)
    year_ends_with: Month = 12

    def of_bill(self, months: Decimal, days: int) -> Decimal:
        """Least amount of a bill of so many months (a share where it is a part of one) and days."""
        return self.monthly * months + self.daily * days


class GasConversion(Model):
    """Cubic metres to kWh: m3 x volume correction x calorific value / 3.6. A value that changes is a dated tariff."""

    calorific_value_mj_per_m3: Decimal = Field(gt=0)
    volume_correction: Decimal = Field(default=Decimal(1), gt=0)

    def kwh_per_m3(self) -> Decimal:
        """Factor in kWh per m3, to the precision of the decimal context."""
        # A kWh has 3.6 MJ. British bills: 1.02264 x 39.5 / 3.6 = 11.22 kWh per m3.
        return self.calorific_value_mj_per_m3 * self.volume_correction / Decimal("3.6")


def check_tiers(name: str, tiers: tuple[Tier, ...], *, units: set[str]) -> None:
    """Bounds of one unit rise, only the last tier has none, units fit. Raises ValueError naming period and tier."""
    last: Tier | None = None
    for number, tier in enumerate(tiers, start=1):
        where = f"period {name!r}, tier {number}"
        if (tier.up_to is None) != (number == len(tiers)):
            raise ValueError(f"{where}: the last tier, and no other, must have no up_to: every amount has one price")
        if (tier.amount is None) != (tiers[0].amount is None) or (tier.amount is not None and "kw" not in units):
            raise ValueError(f"{where}: an amount is that of every tier of a demand period, or of none")
        if tier.up_to is None:
            continue
        if tier.up_to_unit not in units:
            raise ValueError(f"{where}: unit {tier.up_to_unit}, expected {' or '.join(sorted(units))}")
        if last is not None and tier.up_to_unit != last.up_to_unit:
            raise ValueError(f"{where}: unit {tier.up_to_unit} after {last.up_to_unit}; tiers have one unit")
        if last is not None and last.up_to is not None and tier.up_to <= last.up_to:
            raise ValueError(f"{where}: up_to {tier.up_to} must be above the {last.up_to} before it")
        last = tier


def _check_one_price(what: str, charge: EnergyCharge | Export) -> None:
    if sum([bool(charge.periods), charge.price_per_kwh is not None, charge.series is not None]) != 1:
        raise ValueError(f"{what} needs one of periods, price_per_kwh, series")
    _unique_periods(charge.charge_id, charge.periods)


def _priced_periods(charge: EnergyCharge | Export) -> tuple[TouPeriod, ...]:
    if charge.periods or charge.price_per_kwh is None:
        return charge.periods
    return (TouPeriod(period_id="all", price_per_kwh=charge.price_per_kwh),)


def _unique_periods(charge: str, periods: tuple[_Timed, ...]) -> None:
    names = [period.period_id for period in periods]
    if twice := twice_in(names):
        raise ValueError(f"charge {charge!r}: period appears twice: {', '.join(twice)}")
