"""Costs of measures as a person states them in the site file: of a kind of recommendation, a meter's, or a variant."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import combinations
from typing import Literal, Protocol, Self

from pydantic import Field, model_validator

from data_quality.contracts.model import Model
from data_quality.contracts.site_file.meter import Identifier, Meter
from data_quality.contracts.site_file.premises import check_named
from data_quality.contracts.text import each_id_once

MeasureKind = Literal[
    "base_load", "start_stop", "simultaneous", "setpoint", "compressed_air", "demand_charge", "power_factor",
    "billing_fault", "contracted_power", "ev_hours", "pv", "battery", "tariff_switch", "heat_pump",
]  # fmt: skip
# What a size is bought in, by kind; any other measure costs as a whole.
_PER = {"pv": "kw", "heat_pump": "kw", "battery": "kwh"}


class MeasureCost(Model):
    """The cost of a measure, and who says so. It holds on the local dates [stated_on, valid_until].

    money: in the currency, of the whole measure or for each unit of size that is bought (per); most_money: where it is
    a range. meter: of that meter's measure alone; variant: of what a what-if calls so. The most exact one counts.
    """

    cost_id: Identifier
    kind: MeasureKind
    meter: Identifier | None = None
    variant: str = ""
    money: float = Field(ge=0)
    most_money: float | None = Field(default=None, description="The high end of a range")
    per: Literal["kw", "kwh"] | None = None
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217: that of the site")
    source: str = Field(min_length=1, max_length=200, description="An offer, an invoice, a price list")
    stated_on: date
    valid_until: date | None = None
    lifetime_years: int | None = Field(
        default=None, ge=1, le=60, exclude_if=lambda years: years is None, description="How long it will save"
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.most_money is not None and self.most_money < self.money:
            raise ValueError(f"most_money ({self.most_money:g}) is less than money ({self.money:g})")
        if self.valid_until is not None and self.valid_until < self.stated_on:
            raise ValueError(f"the cost is valid until {self.valid_until}, and was stated on {self.stated_on}, later")
        if self.per is not None and self.per != (known := _PER.get(self.kind)):
            raise ValueError(f"per {self.per}: a {self.kind} is bought " + (f"per {known}" if known else "as a whole"))
        return self

    @property
    def low(self) -> float:
        """The low end."""
        return self.money

    @property
    def high(self) -> float:
        """The high end."""
        return self.money if self.most_money is None else self.most_money

    def holds(self, day: date) -> bool:
        """True where it holds on a local day."""
        return self.stated_on <= day and (self.valid_until is None or day <= self.valid_until)


class DiscountRate(Model):
    """Percent that money of a year later is worth less, and who says so. It holds on [stated_on, valid_until].

    Savings are counted at the prices of their period, so it is a rate above inflation.
    """

    percent: float = Field(ge=0, le=40, description="Of a year")
    source: str = Field(min_length=1, max_length=200, description="A decision, a policy, a loan")
    stated_on: date
    valid_until: date | None = None

    @model_validator(mode="after")
    def _is_in_percent(self) -> Self:
        # Nobody discounts by a fifth of a percent.
        if 0 < self.percent < 0.2:
            raise ValueError(f"{self.percent:g} %: a share? Then write {self.percent * 100:g}")
        if self.valid_until is not None and self.valid_until < self.stated_on:
            raise ValueError(f"the rate is valid until {self.valid_until}, and was stated on {self.stated_on}, later")
        return self

    def holds(self, day: date) -> bool:
        """True where it holds on a local day."""
        return self.stated_on <= day and (self.valid_until is None or day <= self.valid_until)


def lifetime_of(costs: Sequence[MeasureCost], kind: str, *, meter: str, source: str) -> MeasureCost | None:
    """The stated cost from which a measure has its price, where it says how long the measure saves.

    source: of the price that the measure was advised with. None where none of its source says a lifetime, or several
    say different ones.
    """
    found = [each for each in costs if each.kind == kind and each.source == source and each.meter in (None, meter)]
    exact = [each for each in found if each.meter is not None] or found
    stated = [each for each in exact if each.lifetime_years is not None]
    return stated[0] if len({each.lifetime_years for each in stated}) == 1 else None


def cost_of(
    costs: Sequence[MeasureCost], kind: str, day: date, *, meter: str = "", variant: str = ""
) -> MeasureCost | None:
    """The cost that holds on a day for a measure: of its meter or variant, else of its kind; None where none does."""
    found = [each for each in costs if each.kind == kind and each.holds(day)
             and each.meter in (None, meter) and each.variant in ("", variant)]  # fmt: skip
    return max(found, key=lambda each: (each.meter is not None, bool(each.variant)), default=None)


class _Priced(Protocol):
    @property
    def meters(self) -> tuple[Meter, ...]: ...
    @property
    def currency(self) -> str: ...
    @property
    def measure_costs(self) -> tuple[MeasureCost, ...]: ...


def check_costs(site: _Priced) -> None:
    """Costs are in the site's currency, of its meters, and one a measure and day. Raises ValueError."""
    each_id_once("cost", [each.cost_id for each in site.measure_costs])
    for each in site.measure_costs:
        if each.currency != site.currency:
            raise ValueError(f"cost {each.cost_id!r}: it is in {each.currency}, the site in {site.currency}")
        if each.meter is not None:
            check_named(f"cost {each.cost_id!r}: meter", each.meter, [meter.meter_id for meter in site.meters])
    for one, other in combinations(site.measure_costs, 2):
        same = (one.kind, one.meter, one.variant) == (other.kind, other.meter, other.variant)
        both = max(one.stated_on, other.stated_on)
        if same and one.holds(both) and other.holds(both):
            first, second = sorted((one, other), key=lambda each: each.stated_on)
            mend = f"valid_until: {both - timedelta(days=1)} would end that one"
            raise ValueError(f"cost {second.cost_id!r}: {first.cost_id!r} holds on {both} too; {mend}")
