"""A site as data: one YAML file with meters, drivers, SEUs, assets, tariff, factors, column maps."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cached_property, partial
from itertools import pairwise
from math import isfinite
from operator import not_
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from data_quality.contracts.baselines.baseline import StatusRule
from data_quality.contracts.billing.shipped_tariffs import Tariffs
from data_quality.contracts.billing.supplier_bill import VarianceThreshold
from data_quality.contracts.control.plan import Objective
from data_quality.contracts.control.plan_scenario import Risk
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, StatedUncertainty, check_all
from data_quality.contracts.site_file.alert_rule import AlertRule, check_rules
from data_quality.contracts.site_file.budgets import Budgets, Targets
from data_quality.contracts.site_file.disaggregated_circuit import DisaggregatedCircuit, check_disaggregation
from data_quality.contracts.site_file.forecast_target import ForecastTarget
from data_quality.contracts.site_file.hierarchy import check_hierarchy
from data_quality.contracts.site_file.live_source import LiveSource, SignalSources, check_relays, check_sources
from data_quality.contracts.site_file.measure_cost import DiscountRate, MeasureCost, check_costs
from data_quality.contracts.site_file.meter import (
    Carrier,
    HourlyInstrument,
    Identifier,
    Meter,
    UnitCode,
    UnitOrColumn,
    check_multipliers,
)
from data_quality.contracts.site_file.mv_project import MvProject, StaticFactor
from data_quality.contracts.site_file.premises import AreaDefinition, Premises, check_named, check_premises
from data_quality.contracts.site_file.school_holiday import SchoolHoliday, check_apart
from data_quality.contracts.site_file.sheddable_load import SheddableLoad, check_loads
from data_quality.contracts.site_file.state_meter import check_state_meters
from data_quality.contracts.site_file.vee import ValidationRules
from data_quality.contracts.site_file.weather_feed import WeatherFeed
from data_quality.contracts.text import each_id_once
from data_quality.contracts.time import zone

# Unless a use has its own.
_USUAL = StatusRule()


def _known_zone(name: str) -> str:
    try:
        zone(name)
    except BadInput as fault:
        raise ValueError(str(fault)) from fault
    return name


def _kilograms(value: float) -> float:
    # No fuel comes near five kilograms.
    if value > 5:
        raise ValueError(f"more than any fuel: grams, or per MWh? Then write {value / 1000:g} (kilograms per kWh)")
    return value


ZoneName = Annotated[str, AfterValidator(_known_zone)]
# What spreadsheets of Europe, Japan and Korea write beside UTF-8; no byte of the single-byte ones tells which it is.
_OneByte = Literal["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp850", "iso-8859-1", "iso-8859-2", "iso-8859-15"]
Encoding = Literal[_OneByte, "cp932", "cp949", "utf-16-le", "utf-16-be"]
ClockText = Annotated[str, Field(pattern=r"^(?:[01]\d|2[0-3]):[0-5]\d$|^24:00$", description="Time of day, HH:MM")]


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
    static_factors: tuple[StaticFactor, ...] = Field(default=(), description="Dated; a change asks for a review")
    status_rule: StatusRule = Field(
        default=_USUAL,
        exclude_if=lambda rule: rule == _USUAL,
        description="From which deviation it is a warning, and critical",
    )


class Asset(Model):
    """A device that plans may use one day; `template` names its control template, `params` its limits."""

    asset_id: Identifier
    name: str = ""
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="One that plans know, or another that nothing plans")
    template: str = ""
    meter: Identifier | None = None
    proven_by: str = Field(
        default="",
        exclude_if=not_,
        description="The metering asset that shows what it does; empty: the site's only grid meter",
    )
    state_meter: Identifier | None = Field(
        default=None,
        exclude_if=not_,
        description="The driver that holds its state: a charge in percent, a temperature in degc",
    )
    address: str = Field(default="", description="host:port/unit or MQTT topic root; empty: the settings decide")
    params: dict[str, JsonValue] = {}

    @field_validator("params", mode="after")
    @classmethod
    def _is_finite(cls, params: dict[str, JsonValue]) -> dict[str, JsonValue]:
        odd = [name for name, value in params.items() if isinstance(value, float) and not isfinite(value)]
        if odd:
            raise ValueError(f"{', '.join(odd)}: not a finite number")
        return params

    @property
    def numbers(self) -> dict[str, float]:
        """The params that are plain numbers: ratings, capacities, limits."""
        return {
            name: float(value)
            for name, value in self.params.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }


class EmissionFactorEntry(StatedUncertainty):
    """A dated location-based factor; valid on local dates [valid_from, valid_to)."""

    factor_id: str
    carrier: Carrier = Carrier.ELECTRICITY
    kgco2e_per_kwh: Annotated[float, AfterValidator(_kilograms)] = Field(ge=0, description="Kilograms per kWh")
    valid_from: date
    valid_to: date
    source: str = Field(min_length=1)
    recorded_at_utc: datetime | None = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.valid_to <= self.valid_from:
            raise ValueError(f"factor {self.factor_id!r} ends ({self.valid_to}) before it starts ({self.valid_from})")
        return self


class ColumnMap(Model):
    """Column map of a foreign table (cli.md, --map). Columns are names of the file's header.

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
    unit: UnitOrColumn | None = Field(default=None, description="Unit code, or the name of a column that holds it")
    zone: ZoneName | None = Field(default=None, description="Zone of times without offset")
    label: Literal["start", "end"] = "start"
    interval_minutes: int | None = Field(default=None, gt=0)
    zero_is_missing: bool = False
    date_format: str | None = Field(
        default=None,
        description="strptime format of the time column; %s: seconds, %Q: milliseconds since 1970 in UTC; %Z at its "
        "end: the name of an offset that the zone has, such as EST",
    )
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
    header_line: int | None = Field(
        default=None, ge=1, le=1000, description="Line of the column names, where titles stand above them"
    )
    data_line: int | None = Field(
        default=None, ge=2, le=1000, description="Line of the first reading, where units or remarks stand above it"
    )
    encoding: Encoding | None = Field(default=None, description="Of a text that is neither UTF-8 nor marked UTF-16")
    clock: str | None = Field(
        default=None, description="Column of the time of day, where `timestamp` is the date alone"
    )
    date_columns: tuple[str, ...] = Field(
        default=(),
        description="Columns of month and day, and where there are any of hour and minute, where `timestamp` is the "
        "year alone",
    )
    clock_from: Literal[0, 1] | None = Field(
        default=None,
        description="`clock` numbers the intervals of a day, of interval_minutes each, from 0 or 1: hour 1 begins at "
        "midnight, a day of 25 hours ends with 25",
    )
    clocks: dict[str, ClockText] = Field(
        default={}, description="Wide by the clock: column -> time of day (00:15); `timestamp` is the date"
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="Decimal mark; inferred and shown where open")
    thousands: Literal[".", ",", " ", "'"] | None = Field(default=None, description="What parts thousands: 1.234,5")
    units: dict[str, UnitCode] = Field(default={}, description="Wide table: column -> unit code, before `unit`")
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
        if self.date_columns and not (2 <= len(self.date_columns) <= 4 and self.clock is None and not self.clocks):
            raise ValueError("date_columns names month and day, perhaps hour and minute, and goes with no clock")
        if self.clocks and (self.clock is not None or self.values):
            raise ValueError("clocks goes with neither clock nor values")
        if self.clock_from is not None and (self.clock is None or self.interval_minutes is None):
            raise ValueError("clock_from needs clock and interval_minutes")
        if self.clocks and self.value is not None:
            raise ValueError("clocks names the value columns: give no value beside it")
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise ValueError(f"thousands {self.thousands!r} is the decimal mark too; give decimal")
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
    floor_area_definition: AreaDefinition | None = None
    # Friday and Saturday in much of the Middle East: a weekday is not the same everywhere.
    weekly_rest: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ("sat", "sun")
    school_holidays: tuple[SchoolHoliday, ...] = Field(
        default=(),
        exclude_if=not_,
        description="Of years that stand here they count alone; of others those of the subdivision, where known",
    )
    is_simulated: bool = Field(default=False, description="Devices of this site are our simulator's")
    meters: tuple[Meter, ...] = Field(min_length=1)
    drivers: tuple[Driver, ...] = ()
    seus: tuple[Seu, ...] = ()
    projects: tuple[MvProject, ...] = Field(default=(), description="Measures whose savings are verified")
    assets: tuple[Asset, ...] = ()
    tariffs: Tariffs = Field(default=(), description="Each whole, or the name of a shipped one")
    factors: tuple[EmissionFactorEntry, ...] = ()
    hourly_certificates: tuple[HourlyInstrument, ...] = Field(
        default=(), description="Hours of recorded certificates and contracts; the grid's own are a driver's"
    )
    column_maps: tuple[ColumnMap, ...] = ()
    forecast_targets: tuple[Identifier, ...] = Field(default=(), description="Streams that get a day-ahead forecast")
    forecasts: tuple[ForecastTarget, ...] = Field(
        default=(),
        exclude_if=not_,
        description="Further forecasts: by quarter hours, for a week, of days, of the base load, of prices",
    )
    price_stream: Identifier | None = Field(default=None, description="Driver with the import price; else the tariff")
    objective: Objective = Field(
        default=Objective(),
        exclude_if=lambda objective: objective.is_default,
        description="What plans are to be good at; else the least money",
    )
    risk: Risk | None = Field(
        default=None, exclude_if=not_, description="Plan over scenarios of the forecasts; else on their P50 alone"
    )
    plan_steps: Literal["moving"] | None = Field(
        default=None,
        exclude_if=not_,
        description="Plan 48 h in steps of 15 min, 1 h and 3 h (move blocking); else 24 h of quarter hours",
    )
    weather_feed: WeatherFeed | None = Field(default=None, exclude_if=not_, description="Source of weather forecasts")
    sources: tuple[LiveSource, ...] = Field(
        default=(), exclude_if=not_, description="What tells or is asked live, beside the files of the landing folder"
    )
    validation: ValidationRules = Field(default=ValidationRules(), description="Rules of validation that differ")
    bill_variance: VarianceThreshold = Field(default=VarianceThreshold(), description="From when a bill's is told")
    premises: Premises = Field(default=Premises(), description="What KPIs divide by and divide among")
    budgets: Budgets | None = Field(default=None, exclude_if=not_, description="What a month may cost and emit")
    alert_rules: tuple[AlertRule, ...] = Field(default=(), exclude_if=not_, description="Limits, severities, mutes")
    sheddable_loads: tuple[SheddableLoad, ...] = Field(default=(), exclude_if=not_, description="Shed for events")
    signal_sources: SignalSources = Field(default=(), exclude_if=not_, description="Senders of grid signals")
    disaggregation: tuple[DisaggregatedCircuit, ...] = Field(
        default=(), exclude_if=not_, description="Circuits whose energy is shared out among classes of load"
    )
    measure_costs: tuple[MeasureCost, ...] = Field(default=(), exclude_if=not_, description="What measures cost")
    discount_rate: DiscountRate | None = Field(default=None, exclude_if=not_, description="What later money is worth")
    targets: Targets = Field(default=(), exclude_if=not_, description="Emissions that were promised, with their source")

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        check_all(_references(self))
        return self

    def meter(self, meter_id: str) -> Meter | None:
        """The meter of that id, or None where the site has none."""
        return self._meters_by_id.get(meter_id)

    def stream_name(self, stream_id: str) -> str:
        """Name of a meter or driver of the site: its name, or its id in words where the file gives none."""
        meter = self.meter(stream_id)
        named = meter.name if meter else next((e.name for e in self.drivers if e.driver_id == stream_id), "")
        return named or stream_id.replace("_", " ")

    def source_name(self, source_id: str) -> str:
        """Name of a live source for people: its name, or its id in words where the file gives none."""
        named = next((each.name for each in self.sources if each.source_id == source_id), "")
        return named or source_id.replace("_", " ")

    @cached_property
    def _meters_by_id(self) -> dict[str, Meter]:
        # The first of two of one name, which the validators refuse: they ask here before.
        return {meter.meter_id: meter for meter in reversed(self.meters)}

    def above(self, meter_id: str) -> list[str]:
        """The meters that it hangs below, the nearest first, as the hierarchy stands after its last change."""
        found: list[str] = []
        while (meter := self.meter(found[-1] if found else meter_id)) is not None:
            parent = meter.parent_on()
            if parent is None:
                break
            found.append(parent)
        return found

    def stream_ids(self) -> list[str]:
        """Ids that readings may carry: meters that are read, then drivers."""
        read = [meter.meter_id for meter in self.meters if not meter.is_virtual]
        return read + [driver.driver_id for driver in self.drivers]


def _references(site: Site) -> Iterator[Callable[[], object]]:
    """Checks over a whole site file, all reported at once; each raises ValueError."""
    meters, drivers = [meter.meter_id for meter in site.meters], [driver.driver_id for driver in site.drivers]
    # In the lake a driver is a stream like any meter's: both share one set of names.
    streams, assets = meters + drivers, [asset.asset_id for asset in site.assets]
    yield partial(each_id_once, "meter or driver", streams)
    yield partial(each_id_once, "SEU", [seu.seu_id for seu in site.seus])
    yield partial(each_id_once, "asset", assets)
    for meter in site.meters:
        if meter.parent is not None:
            yield partial(check_named, f"meter {meter.meter_id!r}: parent", meter.parent, meters)
    yield partial(check_hierarchy, site.meters)
    for seu in site.seus:
        for name in seu.meters:
            yield partial(check_named, f"SEU {seu.seu_id!r}: meter", name, meters)
        for driver in seu.drivers:
            yield partial(check_named, f"SEU {seu.seu_id!r}: driver", driver.driver_id, drivers)
    for target in site.forecast_targets:
        yield partial(check_named, "forecast target", target, streams)
    places = (_check_forecasts, _check_hours, check_premises, _check_place, check_rules, check_relays, check_costs)
    yield from (partial(check, site) for check in places)
    yield partial(check_apart, site.school_holidays)
    yield partial(check_loads, site, meters, drivers, assets)
    yield partial(check_disaggregation, site, drivers)
    if site.price_stream is not None:
        yield partial(check_named, "price stream", site.price_stream, streams)
    # The rule plant_balance is declared by its energy use.
    validated = ["*", *streams, *(seu.seu_id for seu in site.seus)]
    for declared in site.validation.meters:
        yield partial(check_named, "validation: meter", declared.meter, validated)
    for asset in site.assets:
        if asset.meter is not None:
            yield partial(check_named, f"asset {asset.asset_id!r}: meter", asset.meter, meters)
        if asset.proven_by:
            # What it says of itself is its claim, and no proof of it.
            others = [name for name in assets if name != asset.asset_id]
            yield partial(check_named, f"asset {asset.asset_id!r}: proven_by", asset.proven_by, others)
    stored = {asset.asset_id: asset.state_meter for asset in site.assets}
    yield partial(check_state_meters, stored, {driver.driver_id: driver.unit for driver in site.drivers})
    for meter in site.meters:
        yield partial(check_multipliers, meter, site.time_zone)
    yield partial(check_sources, site.sources, site, [asset.asset_id for asset in site.assets if asset.template])
    projects = [project.project_id for project in site.projects]
    yield partial(each_id_once, "SEU or project", list({seu.seu_id: 0 for seu in site.seus}) + projects)
    yield from (partial(_check_project, project, site) for project in site.projects)
    yield from (partial(_check_currency, site, place) for place in range(len(site.tariffs)))


def _check_place(site: Site) -> None:
    if site.weather_feed is not None and site.weather_feed.url and None in (site.latitude_deg, site.longitude_deg):
        raise ValueError("weather_feed: a service is asked for a place; give latitude_deg and longitude_deg")


def _check_currency(site: Site, place: int) -> None:
    tariff = site.tariffs[place]
    if tariff.currency not in (None, site.currency):
        raise ValueError(f"tariff {tariff.tariff_id!r} is in {tariff.currency}, the site in {site.currency}")


def _check_project(project: MvProject, site: Site) -> None:
    what = f"project {project.project_id!r}"
    if project.seu is not None:
        check_named(f"{what}: SEU", project.seu, [seu.seu_id for seu in site.seus])
    for name in project.meters:
        check_named(f"{what}: meter", name, [meter.meter_id for meter in site.meters])
    for name in project.drivers:
        check_named(f"{what}: driver", name, [driver.driver_id for driver in site.drivers])


def _check_forecasts(site: Site) -> None:
    meters = [meter.meter_id for meter in site.meters]
    drivers = [driver.driver_id for driver in site.drivers]
    for forecast in site.forecasts:
        if forecast.target is not None:
            # Days add up or peak; a price does neither.
            check_named("forecast: meter", forecast.target, meters if forecast.is_daily else [*meters, *drivers])
    named = [f"{one.target or ''} {one.register_id or ''} {one.what} {one.minutes} min" for one in site.forecasts]
    each_id_once("forecast", [" ".join(name.split()) for name in named])


def check_factors(site: Site) -> None:
    """No two factors of one carrier may hold on the same day. Raises BadInput naming both."""
    for carrier in Carrier:
        ordered = sorted(
            (entry for entry in site.factors if entry.carrier == carrier), key=lambda entry: entry.valid_from
        )
        for first, second in pairwise(ordered):
            if second.valid_from < first.valid_to:
                raise BadInput(
                    f"factors {first.factor_id} and {second.factor_id} for {carrier} both hold on {second.valid_from}",
                    reason="factor_overlap",
                )


def _check_hours(site: Site) -> None:
    """Hours of instruments stand in drivers in kWh, one for each instrument; those of the grid in kgCO2e per kWh."""
    if site.objective.carbon_stream is not None:
        per_kwh = [driver.driver_id for driver in site.drivers if driver.unit == "kgco2e_per_kwh"]
        check_named("objective: driver in kgco2e_per_kwh", site.objective.carbon_stream, per_kwh)
    kwh = [driver.driver_id for driver in site.drivers if driver.unit == "kwh"]
    for held in site.hourly_certificates:
        check_named(f"hourly certificate {held.factor_id!r}: driver in kwh", held.stream, kwh)
    each_id_once("hourly certificate", [each.factor_id for each in site.hourly_certificates])
