"""Organisations (organisation.yaml): entities and who owns them, sites by entity, the approach of consolidation.

Source: GHG Protocol Corporate Standard, chapters 3 and 5 (formulas 5.12). Checks raise ValueError.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from operator import not_
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationInfo, field_validator, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.budgets import Currency, Targets
from data_quality.contracts.site_file.meter import Carrier, Identifier
from data_quality.contracts.site_file.premises import AreaDefinition, Dated, PartId
from data_quality.contracts.text import each_id_once
from data_quality.contracts.time import overlapping

Approach = Literal["operational_control", "financial_control", "equity_share"]
Percent = Annotated[Decimal, Field(gt=0, le=100, max_digits=9, decimal_places=6)]
_Row = TypeVar("_Row")


class ApproachInForce(Dated):
    """The approach of consolidation over local days."""

    approach: Approach


class Stake(Dated):
    """Share of an entity that another one, or the organisation itself, holds."""

    owner: PartId
    share_percent: Percent


class Entity(Model):
    """A legal entity. owners: none means wholly the organisation's; what no owner of the file holds is of others."""

    entity: PartId
    name: str = Field(min_length=1, max_length=120)
    owners: tuple[Stake, ...] = ()

    @model_validator(mode="after")
    def _owned(self) -> Self:
        for owner, stakes in _by(self.owners, lambda each: each.owner).items():
            if overlapping([(each.valid_from, each.valid_to) for each in stakes]) is not None:
                raise ValueError(f"entity {self.entity!r}: two shares of {owner!r} hold on one day")
        for day in sorted({each.valid_from or date.min for each in self.owners}):
            held = [each for each in self.owners if each.holds_on(day)]
            if (total := sum((each.share_percent for each in held), Decimal(0))) > 100:
                raise ValueError(f"entity {self.entity!r}: its owners hold {total} % on {day}; expected at most 100")
        reached = date.min
        for first, second in pairwise(sorted(self.owners, key=lambda each: each.valid_from or date.min)):
            reached = max(reached, first.valid_to or date.max)
            if second.valid_from is not None and second.valid_from > reached:
                raise ValueError(f"entity {self.entity!r} has no owner from {reached} to {second.valid_from}")
        return self


class OwnedSite(Dated):
    """A site within an entity, from when it was acquired (valid_from) until it was sold (valid_to).

    share_percent: of the site that is the entity's. is_operated: under its operational control; is_controlled: under
    its financial control.
    """

    site: Identifier
    entity: PartId
    share_percent: Percent = Decimal(100)
    is_operated: bool = True
    is_controlled: bool = True
    subsector: str = Field(default="", max_length=60, description="Property subsector or branch, as a pack asks for it")
    # Left out where nobody states it: a file of before is the same file.
    hours_per_week: Decimal | None = Field(
        default=None, gt=0, le=168, exclude_if=lambda hours: hours is None, description="Opening hours, for benchmarks"
    )


class Delivery(Dated):
    """Energy that one site of the organisation sells another, measured by a meter of the buyer's: bought by nobody
    from outside, so it is left out of the buyer's part.
    """

    seller: Identifier
    buyer: Identifier
    meter: Identifier
    carrier: Carrier


class CurrencyRate(Dated):
    """One unit of a site's currency in that of the organisation."""

    currency: Currency
    rate: Decimal = Field(gt=0)
    source: str = Field(min_length=1, description="Where the rate stands")


class BaseYear(Model):
    """The year that reductions are counted from. recalculation_percent: the change of structure that restates it."""

    year: int = Field(ge=1990, le=2100)
    recalculation_percent: Decimal = Field(default=Decimal(5), ge=0, le=100)


class Organisation(Model):
    """A group of sites that is reported as one."""

    organisation: PartId
    name: str = Field(min_length=1, max_length=120)
    currency: Currency
    approaches: tuple[ApproachInForce, ...] = Field(min_length=1)
    entities: tuple[Entity, ...] = Field(min_length=1)
    sites: tuple[OwnedSite, ...] = Field(min_length=1)
    deliveries: tuple[Delivery, ...] = ()
    rates: tuple[CurrencyRate, ...] = ()
    floor_area: AreaDefinition | None = Field(default=None, description="Which area the organisation divides by")
    base_year: BaseYear | None = None
    targets: Targets = Field(default=(), exclude_if=not_, description="Emissions that were promised, with their source")

    @field_validator("approaches")
    @classmethod
    def _one_approach(cls, approaches: tuple[ApproachInForce, ...]) -> tuple[ApproachInForce, ...]:
        if overlapping([(each.valid_from, each.valid_to) for each in approaches]) is not None:
            raise ValueError("two approaches hold on one day")
        return approaches

    @field_validator("entities")
    @classmethod
    def _owned_without_rings(cls, entities: tuple[Entity, ...], info: ValidationInfo) -> tuple[Entity, ...]:
        names = [info.data.get("organisation", ""), *(each.entity for each in entities)]
        each_id_once("entity", names)
        above = {each.entity: {stake.owner for stake in each.owners} for each in entities}
        for entity, owners in above.items():
            for owner in sorted(owners):
                _expect(owner, names, f"an owner of {entity!r}")
            seen, level = set[str](), owners
            while level:
                if entity in level:
                    raise ValueError(f"{entity!r} owns a part of itself: ownership is a ring")
                seen |= level
                level = {owner for name in level for owner in above.get(name, set())} - seen
        return entities

    @field_validator("sites")
    @classmethod
    def _in_one_entity(cls, sites: tuple[OwnedSite, ...], info: ValidationInfo) -> tuple[OwnedSite, ...]:
        # Where the entities are at fault they say so themselves.
        for each in sites if "entities" in info.data else ():
            _expect(each.entity, [entity.entity for entity in info.data["entities"]], f"entity of {each.site!r}")
        for site, parts in _by(sites, lambda each: each.site).items():
            if (both := overlapping([(each.valid_from, each.valid_to) for each in parts])) is not None:
                first, second = (parts[at].entity for at in both)
                raise ValueError(f"{site!r} is in {first!r} and in {second!r} on one day")
        return sites

    @field_validator("deliveries")
    @classmethod
    def _between_sites(cls, deliveries: tuple[Delivery, ...], info: ValidationInfo) -> tuple[Delivery, ...]:
        for each in deliveries:
            for site_id in (each.seller, each.buyer) if "sites" in info.data else ():
                _expect(site_id, [own.site for own in info.data["sites"]], f"a site of {each.meter!r}")
            if each.seller == each.buyer:
                raise ValueError(f"{each.buyer!r} sells to itself by {each.meter!r}")
        return deliveries

    @field_validator("rates")
    @classmethod
    def _one_rate(cls, rates: tuple[CurrencyRate, ...]) -> tuple[CurrencyRate, ...]:
        for currency, own in _by(rates, lambda each: each.currency).items():
            if overlapping([(each.valid_from, each.valid_to) for each in own]) is not None:
                raise ValueError(f"{currency!r} has two rates on one day")
        return rates

    @cached_property
    def sha256(self) -> str:
        """Digest of what the file says, by key and not by order: what traces pin."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def approach_on(self, day: date) -> Approach:
        """The approach of a day. Raises BadInput where none is in force."""
        found = next((each.approach for each in self.approaches if each.holds_on(day)), None)
        if found is None:
            raise BadInput(f"{self.organisation!r} has no approach on {day}", reason="no_approach")
        return found

    def stated_base_year(self) -> BaseYear:
        """The base year. Raises BadInput where the file has none."""
        if self.base_year is None:
            raise BadInput(
                f"{self.organisation!r} has no base year",
                reason="no_base_year",
                mend="state base_year in organisation.yaml",
            )
        return self.base_year

    def rate_on(self, currency: str, day: date) -> Decimal:
        """One unit of a currency in the organisation's. Raises BadInput where no rate is stated."""
        if currency == self.currency:
            return Decimal(1)
        found = next((each.rate for each in self.rates if each.currency == currency and each.holds_on(day)), None)
        if found is None:
            raise BadInput(
                f"{self.organisation!r} states no rate of {currency} in {self.currency} on {day}",
                reason="no_rate",
                mend="put it under `rates` with its source",
            )
        return found


def _by(rows: Iterable[_Row], key: Callable[[_Row], str]) -> dict[str, list[_Row]]:
    found: defaultdict[str, list[_Row]] = defaultdict(list)
    for each in rows:
        found[key(each)].append(each)
    return found


def _expect(name: str, known: Iterable[str], what: str) -> None:
    if name not in (names := list(known)):
        raise ValueError(f"{name!r}, {what}, is not of this file; expected one of {', '.join(names)}")
