"""A meter as data: carrier, place in the hierarchy, registers with their units, gas factors, dated events."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from operator import not_
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.accuracy import limit_of
from data_quality.contracts.site_file.meter_event import MeterEvent
from data_quality.contracts.time import overlapping
from data_quality.contracts.units import UNITS, unit_of


def _known_unit(code: str) -> str:
    try:
        return unit_of(code).code
    except BadInput as fault:
        raise ValueError(fault.message) from fault


def _unit_or_column(name: str) -> str:
    # Nobody knows the columns of a file to come: what is nearly a unit is one that is misspelt.
    if name.strip().lower() not in (*UNITS, *_UNIT_COLUMNS) and (meant := did_you_mean(name, list(UNITS))):
        message = f"unknown unit {name!r}, or a column of units that is called nearly like one"
        raise ValueError(message) from BadInput(message, mend=meant)
    return name


# What exports call their column of units, where that is near to a unit's code.
_UNIT_COLUMNS = ("unit", "units", "unite", "unità", "unidad", "measure")


Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Lower-case name, file-safe")]


UnitCode = Annotated[str, AfterValidator(_known_unit)]


UnitOrColumn = Annotated[str, AfterValidator(_unit_or_column)]


class Carrier(StrEnum):
    """Energy carriers and water. Compressed air and steam made on site are secondary: never added to totals."""

    ELECTRICITY = "electricity"
    NATURAL_GAS = "natural_gas"
    HEAT = "heat"
    STEAM = "steam"
    COMPRESSED_AIR = "compressed_air"
    COOLING = "cooling"
    WATER = "water"


class Register(Model):
    """One register of a meter."""

    register_id: Identifier = "import"
    unit: UnitCode = Field(default="kwh", description="Unit of a source that names none")
    kind: Literal["interval", "cumulative"] = Field(
        default="interval", description="cumulative: sources hold states of the display, not amounts"
    )
    digits: int | None = Field(default=None, ge=3, le=15, description="Digits before the decimal mark of the display")
    wraps_at: Decimal | None = Field(
        default=None, gt=0, le=Decimal(10) ** 15, description="First value that the display lacks, where not 10^digits"
    )
    resolution: Decimal | None = Field(default=None, gt=0, description="Value of the last digit, in `unit`")
    # Current and voltage transformers: behind 200:5 A a display that counts 1 stands for 40.
    multiplier: Decimal = Field(default=Decimal(1), gt=0, le=Decimal(10) ** 6, description="Today's, after all events")

    @model_validator(mode="after")
    def _is_one_way_to_wrap(self) -> Self:
        if self.digits is not None and self.wraps_at is not None and self.wraps_at != Decimal(10) ** self.digits:
            raise ValueError(f"digits {self.digits} and wraps_at {self.wraps_at} say two things; give one")
        return self


# Made on site from electricity or fuel unless a meter says `is_secondary: false` (formulas 5.1).
MADE_ON_SITE = frozenset({Carrier.COMPRESSED_AIR, Carrier.STEAM})


class ParentSpan(Model):
    """The meter above, over local days [valid_from, valid_to); an end left out is open."""

    parent: Identifier
    valid_from: date | None = None
    valid_to: date | None = None

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.valid_from is not None and self.valid_to is not None and self.valid_to <= self.valid_from:
            raise ValueError(f"parent {self.parent!r} ends ({self.valid_to}) before it starts ({self.valid_from})")
        return self


class GasFactors(Model):
    """Conversion of gas volume to energy on local dates [valid_from, valid_to): kWh = m3 * volume_correction *
    calorific_value_mj_per_m3 / 3.6 (formulas 5.1). Stated by the supplier, never assumed.
    """

    valid_from: date
    valid_to: date | None = Field(default=None, description="Open where none is given")
    volume_correction: float = Field(default=1.0, gt=0, description="From metered to standard conditions")
    calorific_value_mj_per_m3: float = Field(gt=0)
    # Of natural gas they differ by about a tenth: a factor of the other basis is wrong by as much.
    basis: Literal["gross", "net"] = Field(default="gross", description="Must be that of the emission factor")
    source: str = Field(min_length=1, description="Bill, contract or network operator that states it")


class Meter(Model):
    """One meter. Without a parent it counts towards the site total of its carrier, unless it is virtual or secondary.

    `parent` holds always; `parents` are dated instead. `formula` makes it virtual: it is computed, never read.
    """

    meter_id: Identifier
    name: str = ""
    carrier: Carrier = Carrier.ELECTRICITY
    parent: Identifier | None = None
    parents: tuple[ParentSpan, ...] = Field(default=(), description="Dated parents, in place of `parent`")
    formula: str | None = Field(default=None, description="Sum, difference or scaling of meters: main - lights")
    made_from: tuple[Identifier, ...] = Field(default=(), description="Meters whose energy makes this one's")
    is_secondary: bool | None = Field(
        default=None, description="Made on site of energy that is metered already; left out: by made_from and carrier"
    )
    connected_load_kw: float | None = Field(default=None, gt=0)
    # Left out where nothing is said: whatever is hashed of a site stays as it was.
    fuse_a: float | None = Field(
        default=None, gt=0, exclude_if=not_, description="Main fuse of each of three phases, A: 35 of 3 x 35 A"
    )
    load_share: tuple[float, float, float] | None = Field(
        default=None, exclude_if=not_, description="Shares of the load on L1, L2 and L3; left out: a third each"
    )
    accuracy_class: str = Field(
        default="", exclude_if=not_, description="As printed on it: A, B, C (EN 50470-3), 0.5S (IEC 62053), 1.5 (gas)"
    )
    registers: tuple[Register, ...] = (Register(),)
    events: tuple[MeterEvent, ...] = Field(default=(), description="What happened to the meter, dated")

    @model_validator(mode="after")
    def _shares_are_whole(self) -> Self:
        shares = self.load_share or (1.0,)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"meter {self.meter_id!r}: load_share: expected three shares that add up to 1")
        return self

    @model_validator(mode="after")
    def _class_is_known(self) -> Self:
        if self.accuracy_class and self.is_virtual:
            raise ValueError(f"meter {self.meter_id!r}: accuracy_class: it is computed; give those of its inputs")
        if self.accuracy_class:
            limit_of(self.carrier.value, self.accuracy_class)
        return self

    @model_validator(mode="after")
    def _hierarchy_is_single(self) -> Self:
        if self.parent is not None and self.parents:
            raise ValueError(f"meter {self.meter_id!r}: parents: parent is given too; give one of them")
        twice = overlapping([(span.valid_from, span.valid_to) for span in self.parents])
        if twice is not None:
            one, two = (self.parents[at] for at in twice)
            since = max(one.valid_from or date.min, two.valid_from or date.min)
            when = "always" if since == date.min else f"on {since}"
            raise ValueError(
                f"meter {self.meter_id!r}: parents: two at one time, {one.parent!r} and {two.parent!r} {when}"
            )
        if self.meter_id in self.made_from:
            raise ValueError(f"meter {self.meter_id!r}: made_from: it cannot be made from itself")
        if self.made_from and self.is_secondary is False:
            raise ValueError(f"meter {self.meter_id!r}: is_secondary: it is made from others, so it is secondary")
        return self

    @property
    def is_virtual(self) -> bool:
        """True where the meter is computed from others and never read."""
        return self.formula is not None

    @property
    def is_made_on_site(self) -> bool:
        """True for a secondary carrier: its energy is metered already as that of its makers (resolution C0.36)."""
        if self.is_secondary is not None:
            return self.is_secondary
        return bool(self.made_from) or self.carrier in MADE_ON_SITE

    def parent_on(self, on_date: date | None = None) -> str | None:
        """The meter above on a local day; without a day, as the hierarchy stands after its last change."""
        if self.parent is not None or not self.parents:
            return self.parent
        day = date.max if on_date is None else on_date
        for span in self.parents:
            starts, ends = span.valid_from or date.min, span.valid_to or date.max
            # date.max stands for "after the last change": no day lies before an open end then.
            if starts <= day < ends or (span.valid_to is None and day == date.max):
                return span.parent
        return None

    @model_validator(mode="after")
    def _events_fit_the_registers(self) -> Self:
        for event in self.events:
            allowed = [register.register_id for register in self.registers]
            if event.register_id not in allowed:
                raise ValueError(f"event of register {event.register_id!r}, but the meter has {', '.join(allowed)}")
        return self

    gas_factors: tuple[GasFactors, ...] = Field(
        default=(), description="Of a gas meter with one register in m3, as counted, and one in kwh, as derived"
    )

    @model_validator(mode="before")
    @classmethod
    def _water_is_a_volume(cls, given: Any) -> Any:
        """A water meter whose registers are not named counts m3: kWh of water would stand in a total of energy."""
        if isinstance(given, dict) and given.get("carrier") == Carrier.WATER and "registers" not in given:
            return {**given, "registers": ({"unit": "m3"},)}
        return given

    @model_validator(mode="after")
    def _water_is_no_energy(self) -> Self:
        if self.carrier is Carrier.WATER and self.register_in("kwh") is not None:
            raise ValueError("water is counted in m3 (or l, ft3 …), never in a unit of energy")
        return self

    @model_validator(mode="after")
    def _gas_factors_fit(self) -> Self:
        if not self.gas_factors:
            return self
        kinds = [unit_of(register.unit).canonical for register in self.registers]
        if self.carrier is not Carrier.NATURAL_GAS or kinds.count("m3") != 1 or kinds.count("kwh") != 1:
            raise ValueError("gas_factors need carrier natural_gas, one register in m3 and one in kwh")
        spans = sorted((each.valid_from, each.valid_to or date.max) for each in self.gas_factors)
        if any(end <= start for start, end in spans):
            raise ValueError("gas_factors: valid_to must be after valid_from")
        if any(after[0] < before[1] for before, after in pairwise(spans)):
            raise ValueError("gas_factors overlap: on each date at most one may hold")
        return self

    def register_in(self, canonical: str) -> str | None:
        """The first register whose unit is of this kind (kwh, m3 …), or None."""
        return next((each.register_id for each in self.registers if unit_of(each.unit).canonical == canonical), None)


def check_multipliers(meter: Meter, time_zone: str) -> None:
    """Each change of multiplier begins where the one before ended; the last is what the register has today."""
    for register in meter.registers:
        mine = [event for event in meter.events if event.register_id == register.register_id]
        mine.sort(key=lambda event: event.at_utc(time_zone))
        changes = [event for event in mine if event.multiplier_new is not None]
        today = [*changes[1:], None] if changes else []
        for event, following in zip(changes, today, strict=True):
            wanted = register.multiplier if following is None else following.multiplier_old
            if event.multiplier_new != wanted:
                raise ValueError(
                    f"meter {meter.meter_id!r}, register {register.register_id!r}: multiplier_new "
                    f"{event.multiplier_new} at {event.at:%Y-%m-%d %H:%M}, but it goes on with {wanted}"
                )


class HourlyInstrument(Model):
    """Place of the hours of a recorded instrument.

    Its kilograms per kWh, its amount and its quality criteria are those of the factor store; the stream says in which
    hour its energy was made.
    """

    factor_id: str = Field(min_length=1, description="Of the certificate or contract in the factor store")
    stream: str = Field(min_length=1, description="Driver in kWh: energy made in each interval for this instrument")
