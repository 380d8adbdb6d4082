"""A site as data: one YAML file with meters, hierarchy, drivers, SEUs, assets, tariff, factors, column maps."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.supplier_bill import VarianceThreshold
from data_quality.contracts.tariff import Tariff
from data_quality.contracts.time import zone
from data_quality.contracts.units import unit_of


def _known_zone(name: str) -> str:
    try:
        zone(name)
    except BadInput as fault:
        raise ValueError(str(fault)) from fault
    return name


def _known_unit(code: str) -> str:
    try:
        return unit_of(code).code
    except BadInput as fault:
        raise ValueError(str(fault)) from fault


Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Lower-case name, file-safe")]
ZoneName = Annotated[str, AfterValidator(_known_zone)]
UnitCode = Annotated[str, AfterValidator(_known_unit)]


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


class Meter(Model):
    """One meter. Without `parent` it counts towards the site total of its carrier."""

    meter_id: Identifier
    name: str = ""
    carrier: Carrier = Carrier.ELECTRICITY
    parent: Identifier | None = None
    connected_load_kw: float | None = Field(default=None, gt=0)
    registers: tuple[Register, ...] = (Register(),)


class Driver(Model):
    """A relevant variable: production, operating hours, outdoor temperature. Kept in the lake like a meter."""

    driver_id: Identifier
    name: str = ""
    unit: UnitCode
    aggregation: Literal["sum", "mean"]


class SeuDriver(Model):
    """A driver of one SEU and why it is one."""

    driver_id: Identifier
    justification: str = Field(min_length=1)


class BaselinePeriod(Model):
    """Local dates, half-open."""

    start: date
    end: date

    @model_validator(mode="after")
    def _is_open(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"baseline ends ({self.end}) before it starts ({self.start})")
        return self


class Seu(Model):
    """A significant energy use (ISO 50001:2018, 6.3): meters, drivers, baseline period."""

    seu_id: Identifier
    name: str
    carrier: Carrier = Carrier.ELECTRICITY
    meters: tuple[Identifier, ...] = Field(min_length=1)
    is_aggregate: bool = Field(default=False, description="Overlaps other SEUs: never added to a total")
    is_active: bool = True
    drivers: tuple[SeuDriver, ...] = ()
    day_types: bool = Field(default=False, description="Offer weekend and holiday terms to the baseline")
    baseline: BaselinePeriod | None = None


class Asset(Model):
    """A device that plans may use one day; `template` names its control template, `params` its limits."""

    asset_id: Identifier
    name: str = ""
    kind: Literal["battery", "pv", "ev_charger", "heating_relay", "machine"]
    template: str = ""
    meter: Identifier | None = None
    address: str = Field(default="", description="host:port/unit or MQTT topic root; empty: the settings decide")
    params: dict[str, float] = {}


class EmissionFactorEntry(Model):
    """A dated location-based factor; valid on local dates [valid_from, valid_to)."""

    factor_id: str
    carrier: Carrier = Carrier.ELECTRICITY
    kgco2e_per_kwh: float = Field(ge=0)
    valid_from: date
    valid_to: date
    source: str = Field(min_length=1)
    recorded_at_utc: datetime | None = None


class ColumnMap(Model):
    """How a foreign table is read (cli.md, --map). Columns are names of the file's header.

    `match` is a glob on the file name; an empty one fits any file whose header holds the columns named here.
    """

    match: str = ""
    timestamp: str = "timestamp"
    value: str | None = None
    values: dict[str, str] = Field(default={}, description="Wide table: column -> meter or meter.register")
    meter: str | None = Field(default=None, description="Column that names the meter (long table)")
    meters: dict[str, Identifier] = Field(default={}, description="Foreign meter name -> meter_id")
    other_meters: Literal["quarantine", "skip"] = Field(
        default="quarantine",
        description="Rows of meters that are not of this site: kept as rejects, or counted and skipped",
    )
    where: dict[str, str] = Field(default={}, description="Keep rows whose column equals the value")
    register_id: Identifier = "import"
    unit: str | None = Field(default=None, description="Unit code, or the name of a column that holds it")
    zone: str | None = Field(default=None, description="Zone of times without offset")
    label: Literal["start", "end"] = "start"
    interval_minutes: int | None = Field(default=None, gt=0)
    zero_is_missing: bool = False
    date_format: str | None = Field(default=None, description="strptime format of the time column")
    date_formats: tuple[str, ...] = Field(default=(), description="Several date styles in one file, tried in order")
    midnight: Literal["start", "end"] = Field(
        default="start", description="end: 00:00 written with a date ends that date instead of starting it"
    )
    repeated_hour: Literal["both_passes", "first", "second"] = Field(
        default="both_passes",
        description="A repeated local hour that stands there once: rejected, or taken as the first or second pass",
    )
    until_next_row: bool = Field(
        default=False, description="A reading lasts until the next row of its stream (bills); the last row only ends it"
    )
    sheet: str | None = Field(default=None, description="Worksheet of a workbook; the first where none is named")
    decimal: Literal[".", ","] | None = Field(default=None, description="Decimal mark; inferred and shown where open")
    units: dict[str, str] = Field(default={}, description="Wide table: column -> unit code, before `unit`")
    multipliers: dict[str, float] = Field(default={}, description="Value column -> factor (transformer ratio, sign)")
    missing: tuple[str, ...] = Field(default=(), description='Values that mean "no reading"; "" is an empty cell')
    negative: Literal["quarantine", "keep"] = Field(
        default="quarantine", description="Negative amounts of one-way registers (import, export, charge, discharge)"
    )
    is_synthetic: bool = False

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        if self.date_format is not None and self.date_formats:
            raise ValueError("give date_format or date_formats, not both")
        if self.until_next_row and (self.interval_minutes is not None or self.label == "end"):
            raise ValueError("until_next_row goes with neither interval_minutes nor label: end")
        columns = {*self.values, self.value}
        for key, named in (("units", self.units), ("multipliers", self.multipliers)):
            for column in named:
                if column not in columns:
                    raise ValueError(f"{key}: {column!r} is no value column of this map")
        return self

    @property
    def formats(self) -> tuple[str, ...]:
        """Declared date formats, one or several; empty where the file's own style is to be found."""
        return self.date_formats or ((self.date_format,) if self.date_format is not None else ())


class Site(Model):
    """One site file."""

    site_id: Identifier
    name: str
    time_zone: ZoneName
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")
    country: str = Field(pattern=r"^[A-Z]{2}$", description="ISO 3166: public holidays")
    subdivision: str | None = None
    locale: str = "en"
    latitude_deg: float | None = Field(default=None, ge=-90, le=90)
    longitude_deg: float | None = Field(default=None, ge=-180, le=180)
    floor_area_m2: float | None = Field(default=None, gt=0)
    floor_area_definition: Literal["GIA", "NLA", "GFA"] | None = None
    weekly_rest: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ("sat", "sun")
    is_simulated: bool = Field(default=False, description="Devices of this site are our simulator's")
    meters: tuple[Meter, ...] = Field(min_length=1)
    drivers: tuple[Driver, ...] = ()
    seus: tuple[Seu, ...] = ()
    assets: tuple[Asset, ...] = ()
    tariffs: tuple[Tariff, ...] = ()
    factors: tuple[EmissionFactorEntry, ...] = ()
    column_maps: tuple[ColumnMap, ...] = ()
    forecast_targets: tuple[Identifier, ...] = Field(default=(), description="Streams that get a day-ahead forecast")
    price_stream: Identifier | None = Field(default=None, description="Driver with the import price; else the tariff")

    bill_variance: VarianceThreshold = Field(default=VarianceThreshold(), description="From when a bill's is told")

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        meters = [meter.meter_id for meter in self.meters]
        streams = meters + [driver.driver_id for driver in self.drivers]
        _unique("meter or driver", streams)
        _unique("SEU", [seu.seu_id for seu in self.seus])
        _unique("asset", [asset.asset_id for asset in self.assets])
        for meter in self.meters:
            if meter.parent is not None:
                _known(f"meter {meter.meter_id!r}: parent", meter.parent, meters)
        _no_loop({meter.meter_id: meter.parent for meter in self.meters})
        for seu in self.seus:
            for name in seu.meters:
                _known(f"SEU {seu.seu_id!r}: meter", name, meters)
            for driver in seu.drivers:
                _known(f"SEU {seu.seu_id!r}: driver", driver.driver_id, [d.driver_id for d in self.drivers])
        for target in self.forecast_targets:
            _known("forecast target", target, streams)
        if self.price_stream is not None:
            _known("price stream", self.price_stream, streams)
        for tariff in self.tariffs:
            if tariff.currency not in (None, self.currency):
                raise ValueError(f"tariff {tariff.tariff_id!r} is in {tariff.currency}, the site in {self.currency}")
        for asset in self.assets:
            if asset.meter is not None:
                _known(f"asset {asset.asset_id!r}: meter", asset.meter, meters)
        return self

    def meter(self, meter_id: str) -> Meter | None:
        """The meter of that id, or None where the site has none."""
        return next((meter for meter in self.meters if meter.meter_id == meter_id), None)

    def stream_ids(self) -> list[str]:
        """Ids that readings may carry: meters, then drivers."""
        return [meter.meter_id for meter in self.meters] + [driver.driver_id for driver in self.drivers]


def _unique(what: str, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} id stands twice: {', '.join(twice)}")


def _known(what: str, name: str, allowed: list[str]) -> None:
    if name not in allowed:
        raise ValueError(f"{what} {name!r} is not of this site; it has {', '.join(allowed) or 'none'}")


def _no_loop(parents: dict[str, str | None]) -> None:
    for start in parents:
        seen, node = {start}, parents[start]
        while node is not None:
            if node in seen:
                raise ValueError(f"meter hierarchy has a loop through {start!r}")
            seen.add(node)
            node = parents.get(node)
