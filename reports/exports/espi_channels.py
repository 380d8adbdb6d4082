"""Readings of a site as ESPI channels: one for each register of a meter, with its unit, intervals and exact values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import polars as pl

from assets.readings.readers.espi_format.espi_types import COMMODITIES, FLOWS
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import QUANTUM_DECIMALS, of_quanta, unit_of

# Canonical unit -> uom, and the power of ten from that uom to the unit: kWh is 10^3 Wh.
UOM_OF = {"kwh": (72, 3), "kvarh": (73, 3), "kvah": (71, 3), "m3": (42, 0)}
BULK_QUANTITY, DELTA_DATA = 1, 4
ENERGY_KIND, VOLUME_KIND = 12, 0
_COMMODITY_OF = {name: code for code, name in reversed(COMMODITIES.items())} | {"electricity": 1}
_FLOW_OF = {name: code for code, name in FLOWS.items()}
# Columns of an interval: start_s and seconds (epoch, length), quanta (1e-9 of the unit), quality (ESPI code).
INTERVALS = ("start_s", "seconds", "quanta", "quality")
NO_UNIT = "no_espi_unit"


@dataclass(frozen=True, eq=False)
class Channel:
    """One register of a meter. intervals: INTERVALS, by time; a state has no length.

    value = whole number x 10 ** power_of_ten in `uom`, exactly; commodity and flow are ESPI's codes.
    """

    meter: Meter
    register: str
    unit: str
    intervals: pl.DataFrame
    is_state: bool = False
    synthetic: int = 0

    @property
    def uom(self) -> int:
        """ESPI's code of the unit."""
        return UOM_OF[self.unit][0]

    @cached_property
    def decimals(self) -> int:
        """Powers of ten that every value is a multiple of: so many digits less are written."""
        values, found = self.intervals["quanta"], 0
        # A whole Wh is the coarsest that anybody expects.
        most = QUANTUM_DECIMALS - UOM_OF[self.unit][1]
        while found < most and not (values % 10 ** (found + 1) != 0).any():
            found += 1
        return found

    @property
    def power_of_ten(self) -> int:
        """Exponent of the values as they are written."""
        return self.decimals - QUANTUM_DECIMALS + UOM_OF[self.unit][1]

    @property
    def commodity(self) -> int:
        """ESPI's code of the carrier."""
        return _COMMODITY_OF.get(self.meter.carrier.value, 0)

    @property
    def flow(self) -> int:
        """ESPI's code of the direction: a register of another name counts what is delivered."""
        return _FLOW_OF.get(self.register, _FLOW_OF["import"])

    @cached_property
    def usual_quality(self) -> int:
        """The commonest quality code, which only other intervals need to state."""
        found = self.intervals["quality"].mode().sort()
        return int(found[0]) if found.len() else int(QualityCode.RAW)

    @property
    def total(self) -> Decimal:
        """Sum of the amounts in the unit; of states the last less the first."""
        values = self.intervals["quanta"]
        if not values.len():
            return Decimal(0)
        return of_quanta(int(values[-1] - values[0]) if self.is_state else int(values.sum()))

    @property
    def length_s(self) -> int | None:
        """Length of every interval, where it is one."""
        lengths = self.intervals["seconds"].unique()
        return int(lengths[0]) if lengths.len() == 1 else None


def amounts(site: Site, readings: pl.DataFrame) -> tuple[list[Channel], dict[str, int]]:
    """Channels of readings (LAKE_SCHEMA, unique and sorted by key), and rows left out by reason.

    An interval that a source stated longer than a quarter hour, and that stands whole, is written as it was stated.
    """
    meters = {meter.meter_id: meter for meter in site.meters}
    channels, left = [], dict[str, int]()
    for (meter_id, register, unit), part in readings.partition_by(
        "meter_id", "register", "unit", as_dict=True, maintain_order=True
    ).items():
        if str(unit) not in UOM_OF or str(meter_id) not in meters:
            left[NO_UNIT] = left.get(NO_UNIT, 0) + part.height
            continue
        synthetic = int(part["is_synthetic"].sum())
        meter = meters[str(meter_id)]
        channels.append(Channel(meter, str(register), str(unit), _intervals(part), synthetic=synthetic))
    return channels, left


def states(meter: Meter, register: Register, reads: pl.DataFrame, *, is_synthetic: bool) -> Channel | None:
    """Channel of a cumulative register's states (READ_SCHEMA, one unit, by time); None for a unit that ESPI lacks."""
    unit = unit_of(register.unit)
    if unit.canonical not in UOM_OF:
        return None
    factor = Decimal(str(unit.factor))
    quanta = [int((value * factor).scaleb(QUANTUM_DECIMALS).to_integral_value()) for value in reads["value"]]
    intervals = pl.DataFrame(
        {"start_s": reads["at_utc"].dt.epoch("s"), "quanta": quanta},
        schema_overrides={"quanta": pl.Int64},
    ).with_columns(seconds=pl.lit(0, pl.Int64), quality=pl.lit(int(QualityCode.RAW), pl.Int32))
    count = reads.height if is_synthetic else 0
    return Channel(
        meter, register.register_id, unit.canonical, intervals.select(INTERVALS), is_state=True, synthetic=count
    )


def qualities(channels: Iterable[Channel]) -> Mapping[int, int]:
    """ESPI quality code -> intervals that have it."""
    found: dict[int, int] = {}
    for channel in channels:
        for code, count in channel.intervals["quality"].value_counts().iter_rows():
            found[code] = found.get(code, 0) + count
    return dict(sorted(found.items()))


def span(channels: Iterable[Channel]) -> tuple[datetime, datetime] | None:
    """Begin of the first interval and end of the last; None where there is none."""
    times = pl.concat(
        [each.intervals.select("start_s", end=pl.col("start_s") + pl.col("seconds")) for each in channels]
    )
    if times.is_empty():
        return None
    first, last = times.select(
        pl.from_epoch(pl.col("start_s").min()).dt.replace_time_zone("UTC"),
        pl.from_epoch(pl.col("end").max()).dt.replace_time_zone("UTC"),
    ).row(0)
    return first, last


def _intervals(part: pl.DataFrame) -> pl.DataFrame:
    """Quarter hours as their source stated them: those of one longer interval are one again, where all are there."""
    quarters = part.select(
        start_s=pl.col("interval_start_utc").dt.epoch("s"),
        seconds=pl.col("interval_minutes").cast(pl.Int64) * 60,
        quanta=(pl.col("value") * 10**QUANTUM_DECIMALS).round().cast(pl.Int64),
        quality="quality_code",
        stated=pl.col("source_minutes").cast(pl.Int64) * 60,
        of=pl.struct("batch_id", "source_line", "source_minutes", "quality_code"),
    )
    is_next = (pl.col("start_s") == (pl.col("start_s") + pl.col("seconds")).shift()) & (
        pl.col("of") == pl.col("of").shift()
    )
    runs = quarters.with_columns(run=(~is_next.fill_null(value=False)).cum_sum())
    # A run is whole where it has the stated length; a correction of one quarter hour breaks its interval up.
    is_whole = (pl.col("seconds").sum().over("run") == pl.col("stated")) & (pl.col("stated") > pl.col("seconds"))
    runs = runs.with_columns(run=pl.when(is_whole).then("run").otherwise(pl.int_range(pl.len()) + pl.len()))
    return (
        runs.group_by("run", maintain_order=True)
        .agg(pl.col("start_s").first(), pl.col("seconds", "quanta").sum(), pl.col("quality").first())
        .select(INTERVALS)
    )
