"""Denominators and parts of a site: areas, people, products, buildings, zones, tenants, degree days, contracts.

Everything dated holds over local days [valid_from, valid_to); an end left out is open. Checks raise ValueError.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol, Self

from pydantic import Field, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.hierarchy import breakpoints
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.text import each_id_once
from data_quality.contracts.time import overlapping

PartId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Lower-case name, file-safe")]
AreaDefinition = Annotated[
    str,
    Field(
        pattern=r"^\S(.{0,78}\S)?$",
        description="What the area counts, in one line. GIA is gross internal area (within the outer walls), NLA net "
        "lettable area (what tenants pay for), GFA gross floor area (with the walls); any other name stands as it is",
    ),
]
SHARE_DECIMALS = 6
# What is left of a kind's whole once its parts are taken out; a part of this name may be declared to give it facts.
REMAINDER = {"building": "common", "zone": "common", "tenant": "landlord", "asset": "other"}


class Dated(Model):
    """Holds over local days [valid_from, valid_to)."""

    valid_from: date | None = Field(default=None, description="Open where none is given")
    valid_to: date | None = Field(default=None, description="Exclusive; open where none is given")

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} must be after valid_from {self.valid_from}")
        return self

    def holds_on(self, day: date) -> bool:
        """True on the days of the span."""
        return (self.valid_from or date.min) <= day and (self.valid_to is None or day < self.valid_to)


class FloorArea(Dated):
    """A floor area and what it counts: GIA, NLA, GFA, or what the country calls it (BGF, NRF, SHON …)."""

    m2: Decimal = Field(gt=0, max_digits=12, decimal_places=3)
    definition: AreaDefinition


class Headcount(Dated):
    """People who belong there on average: a headcount, not who is inside at one moment."""

    persons: Decimal = Field(gt=0, max_digits=12, decimal_places=3)


class RenewableContract(Dated):
    """Share of the bought electricity that a contract or certificates claim as renewable."""

    share: Decimal = Field(ge=0, le=1, decimal_places=SHARE_DECIMALS)
    source: str = Field(min_length=1, description="Contract, supplier's label or certificates")


class PartMeter(Dated):
    """A meter of a part: whole, or a share of it, stated or by the floor area of those who share it."""

    meter: PartId
    share: Decimal | None = Field(default=None, gt=0, le=1, decimal_places=SHARE_DECIMALS, description="0.25 = 25 %")
    by_area: bool = Field(default=False, description="Share = own floor area by that of all who share the meter so")

    @model_validator(mode="after")
    def _is_one_rule(self) -> Self:
        if self.by_area and self.share is not None:
            raise ValueError(f"meter {self.meter!r}: give share or by_area, not both")
        return self

    @property
    def is_whole(self) -> bool:
        """True where nobody else has a part of the meter."""
        return not self.by_area and self.share in (None, Decimal(1))


class Part(Model):
    """A building, zone or tenant: its meters or shares of meters, with dated floor area and people."""

    name: str = ""
    meters: tuple[PartMeter, ...] = ()
    floor_areas: tuple[FloorArea, ...] = ()
    occupants: tuple[Headcount, ...] = ()

    @property
    def part_id(self) -> str:
        """The id by which its scope is named."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _facts_hold_alone(self) -> Self:
        _alone("floor_areas", self.floor_areas)
        _alone("occupants", self.occupants)
        for meter in dict.fromkeys(each.meter for each in self.meters):
            _alone(f"meter {meter!r}", [each for each in self.meters if each.meter == meter])
        return self


class Building(Part):
    """A building of the site."""

    building_id: PartId

    @property
    def part_id(self) -> str:
        """Its building_id."""
        return self.building_id


class Zone(Part):
    """A part of a building: floors, a hall, a wing."""

    zone_id: PartId
    building: PartId | None = None

    @property
    def part_id(self) -> str:
        """Its zone_id."""
        return self.zone_id


class Tenant(Part):
    """Somebody who uses a part of the site: energy and cost are allocated, no invoice is written."""

    tenant_id: PartId

    @property
    def part_id(self) -> str:
        """Its tenant_id."""
        return self.tenant_id


class Product(Model):
    """Product, counted by a driver of aggregation sum; `seus` are divided by it too, like the site."""

    product_id: PartId
    name: str = ""
    driver: PartId
    seus: tuple[PartId, ...] = ()


class DegreeDays(Model):
    """Which temperature makes degree days, against which bases, by which method (formulas 5.9)."""

    driver: PartId
    station: str = Field(min_length=1, description="Where the temperature comes from")
    method: Literal["mean", "hourly"] = Field(default="mean", description="Of the day's mean, or hour by hour")
    # 15.5 degC is the base in Britain, 18 in most other places (formulas 5.9): no two bases may be compared.
    heating_base_degc: Decimal = Field(default=Decimal("15.5"), ge=-10, le=30, decimal_places=2)
    cooling_base_degc: Decimal = Field(default=Decimal("18"), ge=0, le=40, decimal_places=2)


class Generation(Model):
    """A meter of on-site renewable generation and the register that counts it."""

    meter: PartId
    register_id: PartId = "value"


class Premises(Model):
    """Denominators and parts of a site's KPIs."""

    floor_areas: tuple[FloorArea, ...] = Field(default=(), description="Dated, in place of the site's floor_area_m2")
    occupants: tuple[Headcount, ...] = ()
    buildings: tuple[Building, ...] = ()
    zones: tuple[Zone, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    products: tuple[Product, ...] = ()
    degree_days: DegreeDays | None = None
    renewable_contracts: tuple[RenewableContract, ...] = ()
    generation: tuple[Generation, ...] = Field(default=(), description="Where left out: the meters of pv assets")

    @model_validator(mode="after")
    def _ids_and_spans_are_single(self) -> Self:
        for what in ("floor_areas", "occupants", "renewable_contracts"):
            _alone(what, getattr(self, what))
        for kind, parts in self.parts().items():
            each_id_once(kind, [part.part_id for part in parts])
            for part in parts:
                if part.part_id == REMAINDER[kind] and part.meters:
                    raise ValueError(f"{kind} {part.part_id!r} is what the others leave; it names no meters of its own")
        each_id_once("product", [product.product_id for product in self.products])
        known = [building.building_id for building in self.buildings]
        for zone in self.zones:
            if zone.building is not None and zone.building not in known:
                raise ValueError(
                    f"zone {zone.zone_id!r}: building {zone.building!r} is not of this site; "
                    f"it has {', '.join(known) or 'none'}"
                )
        return self

    def parts(self) -> Mapping[str, Sequence[Part]]:
        """Buildings, zones and tenants by kind, in file order."""
        return {"building": self.buildings, "zone": self.zones, "tenant": self.tenants}


def part_edges(premises: Premises) -> set[date]:
    """The local dates on which a part's meters, or the areas by which they are shared, change."""
    dated: list[Dated] = [each for parts in premises.parts().values() for part in parts for each in part.meters]
    dated += [each for parts in premises.parts().values() for part in parts for each in part.floor_areas]
    return {edge for each in dated for edge in (each.valid_from, each.valid_to) if edge is not None}


class Place(Protocol):
    """Ids of a site file other than those of its premises, as far as premises may name them."""

    @property
    def premises(self) -> Premises:
        """The premises to check."""

    @property
    def floor_area_m2(self) -> float | None:
        """One area for all days."""

    @property
    def drivers(self) -> Sequence[Any]:
        """Streams of the site that are no meters."""

    @property
    def seus(self) -> Sequence[Any]:
        """Significant energy uses."""

    @property
    def meters(self) -> Sequence[Meter]:
        """Meters, virtual ones among them."""

    def meter(self, meter_id: str) -> Meter | None:
        """The meter of that name."""


def check_premises(site: Place) -> None:
    """Raise ValueError where premises name what the site has not, or share out a meter twice or in part too much."""
    premises = site.premises
    if premises.floor_areas and site.floor_area_m2 is not None:
        raise ValueError("premises: floor_areas: floor_area_m2 is given too; give one of them")
    sums = [driver.driver_id for driver in site.drivers if driver.aggregation == "sum"]
    levels = [driver.driver_id for driver in site.drivers if driver.unit in ("degc", "degf")]
    seus = [seu.seu_id for seu in site.seus]
    for product in premises.products:
        check_named(f"product {product.product_id!r}: driver of aggregation sum", product.driver, sums)
        for seu_id in product.seus:
            check_named(f"product {product.product_id!r}: SEU", seu_id, seus)
    if premises.degree_days is not None:
        check_named("degree_days: driver in degc", premises.degree_days.driver, levels)
    for each in premises.generation:
        check_named("generation: meter", each.meter, [meter.meter_id for meter in site.meters])
        found = site.meter(each.meter)
        registers = [register.register_id for register in found.registers] if found else []
        check_named(f"generation: register of meter {each.meter!r}", each.register_id, registers)
    for kind, parts in premises.parts().items():
        for day in sorted({date.min, *part_edges(premises), *breakpoints(site.meters)}):
            _check_parts(site, kind, parts, day)


def _check_parts(site: Place, kind: str, parts: Sequence[Part], day: date) -> None:
    """On that day every meter is shared by one rule, up to the whole, and stands below no other allocated meter."""
    shares: dict[str, list[tuple[Part, PartMeter]]] = {}
    for part in parts:
        for given in part.meters:
            if given.holds_on(day):
                meter = site.meter(given.meter)
                allowed = [each.meter_id for each in site.meters]
                check_named(f"{kind} {part.part_id!r}: meter", given.meter, allowed)
                if meter is not None and (meter.is_virtual or meter.is_made_on_site):
                    made = "virtual" if meter.is_virtual else "a secondary carrier"
                    raise ValueError(f"{kind} {part.part_id!r}: meter {given.meter!r} is {made}; name what it is of")
                shares.setdefault(given.meter, []).append((part, given))
    when = "" if day == date.min else f" on {day}"
    for name, sharers in shares.items():
        _check_sharers(kind, name, sharers, day, when)
        above = site.meter(name)
        carrier = above.carrier if above is not None else None
        while above is not None and (above := site.meter(above.parent_on(day) or "")) is not None:
            # Heat made from metered gas stands below the gas meter, and is another energy.
            if above.meter_id in shares and above.carrier == carrier:
                raise ValueError(
                    f"{kind} {sharers[0][0].part_id!r}: meter {name!r} is below {above.meter_id!r}, "
                    f"which is given to {kind} {shares[above.meter_id][0][0].part_id!r} already{when}"
                )


def _check_sharers(kind: str, name: str, sharers: list[tuple[Part, PartMeter]], day: date, when: str) -> None:
    owners = ", ".join(repr(part.part_id) for part, _ in sharers)
    if len(sharers) > 1 and any(given.is_whole for _, given in sharers):
        raise ValueError(f"meter {name!r} is given whole and shared{when}: {kind}s {owners}")
    if len({given.by_area for _, given in sharers}) > 1:
        raise ValueError(f"meter {name!r} is shared by area and by stated shares{when}: {kind}s {owners}")
    # Less than the whole is no fault: the rest is the remainder's (REMAINDER).
    total = sum((given.share or Decimal(0) for _, given in sharers), Decimal(0))
    if total > 1:
        raise ValueError(f"shares of meter {name!r} add up to {total}, more than 1{when}: {kind}s {owners}")
    for part, given in sharers:
        if given.by_area and not any(area.holds_on(day) for area in part.floor_areas):
            raise ValueError(f"{kind} {part.part_id!r} shares meter {name!r} by area, but has no floor area{when}")


def _alone(what: str, dated: Sequence[Dated]) -> None:
    twice = overlapping([(each.valid_from, each.valid_to) for each in dated])
    if twice is not None:
        second = dated[twice[1]]
        raise ValueError(f"{what}: two hold at one time, from {second.valid_from or 'the beginning'}")


def check_named(what: str, name: str, allowed: Sequence[str]) -> None:
    """Check that names of a site file are of the site. Raises ValueError with the names there are."""
    if name not in allowed:
        message = f"{what} {name!r} is not of this site; it has {', '.join(allowed) or 'none'}"
        raise ValueError(message) from BadInput(message, mend=did_you_mean(name, list(allowed)))
