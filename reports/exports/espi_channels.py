"""Readings of a site as ESPI channels: one for each register of a meter, with its unit, intervals and exact values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import polars as pl

from assets.readings.cumulative.register_index import DatedEvent
from assets.readings.readers.espi_format.espi_types import COMMODITIES, FLOWS
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.meter_event import EventKind
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import QUANTUM_DECIMALS, of_quanta, unit_of

# Canonical unit -> uom, and the power of ten from that uom to the unit: kWh is 10^3 Wh.
UOM_OF = {"kwh": (72, 3), "kvarh": (73, 3), "kvah": (71, 3), "m3": (42, 0)}
BULK_QUANTITY, DELTA_DATA = 1, 4
# Volume is 58 in the newest list, which readers in use do not know; 0, not applicable, all of them do.
ENERGY_KIND, VOLUME_KIND = 12, 0
# UnitMultiplierKind has no other powers of ten; a value is an Int48.
_POWERS = frozenset({-12, -9, -6, -3, -2, -1, 0, 1, 2, 3, 6, 9, 12})
_INT48 = 1 << 47
_COMMODITY_OF = {name: code for code, name in reversed(COMMODITIES.items())} | {"electricity": 1}
_FLOW_OF = {name: code for code, name in FLOWS.items()} | {"discharge": 19}
# Columns of an interval: start_s and seconds (epoch, length), quanta (1e-9 of the unit), quality (ESPI code); of a
# channel with a currency also cost, in its hundred-thousandths, null where it is not known.
INTERVALS = ("start_s", "seconds", "quanta", "quality")
NO_UNIT = "no_espi_unit"
# ISO 4217 -> number, of the currencies that ESPI lists.
CURRENCIES = {
    "AUD": 36, "CAD": 124, "CNY": 156, "DKK": 208, "INR": 356, "JPY": 392, "NOK": 578, "SEK": 752, "CHF": 756,
    "GBP": 826, "USD": 840, "EUR": 978,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Channel:
    """One register of a meter. intervals: INTERVALS, by time; a state has no length.

    value = whole number x 10 ** power_of_ten in `uom`, exactly; commodity and flow are ESPI's codes. part: of states,
    which count of the display they are (its series, and a number after each event that begins another), else empty.
    currency: ISO 4217's number, of a channel with costs.
    """

    meter: Meter
    register: str
    unit: str
    intervals: pl.DataFrame
    is_state: bool = False
    synthetic: int = 0
    part: str = ""
    currency: int | None = None

    @property
    def name(self) -> str:
        """Name of the channel among those of its meter."""
        return f"{self.register}_state{self.part}" if self.is_state else self.register

    @property
    def uom(self) -> int:
        """ESPI's code of the unit."""
        return UOM_OF[self.unit][0]

    @cached_property
    def decimals(self) -> int:
        """Powers of ten that every value is a multiple of and ESPI has: so many digits less are written.

        Raises BadInput where a value has more digits than ESPI takes.
        """
        values, shift = self.intervals["quanta"], UOM_OF[self.unit][1] - QUANTUM_DECIMALS
        # A whole Wh is the coarsest that anybody expects.
        offered = [each for each in range(1, 1 - shift) if each + shift in _POWERS]
        found = max((each for each in offered if not (values % 10**each != 0).any()), default=0)
        if not (values // 10**found).is_between(-_INT48, _INT48 - 1).all():
            raise _too_long(self.meter, self.register)
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
        plain = self.register.removeprefix("apparent_").removeprefix("reactive_")
        return _FLOW_OF.get(plain, _FLOW_OF["import"])

    @cached_property
    def usual_quality(self) -> int:
        """The commonest quality code, which only other intervals need to state."""
        found = self.intervals["quality"].mode().sort()
        return int(found[0]) if found.len() else int(QualityCode.RAW)

    @property
    def total(self) -> Decimal | None:
        """Sum of the amounts in the unit; of states the last less the first, None where the display ever fell."""
        values = self.intervals["quanta"]
        if not self.is_state:
            return of_quanta(int(values.sum()))
        return of_quanta(int(values[-1] - values[0])) if values.len() and values.is_sorted() else None

    @property
    def cost(self) -> Decimal | None:
        """Cost of all intervals in the currency; None where that of one is not known."""
        if self.currency is None or self.intervals["cost"].has_nulls():
            return None
        return Decimal(int(self.intervals["cost"].sum())).scaleb(-5)

    @property
    def length_s(self) -> int | None:
        """Length of every interval, where it is one."""
        lengths = self.intervals["seconds"].unique()
        return int(lengths[0]) if lengths.len() == 1 else None


def amounts(
    site: Site, readings: pl.DataFrame, costs: tuple[str, pl.DataFrame] | None = None
) -> tuple[list[Channel], dict[str, int]]:
    """Channels of readings (LAKE_SCHEMA, unique and sorted by key), and rows left out by reason.

    An interval that a source stated longer than a quarter hour, and that stands whole, is written as it was stated.
    costs: a meter, and lake.interval_cost of what it imports, in a currency of CURRENCIES.
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
        meter, currency, rows = meters[str(meter_id)], None, part
        if costs is not None and (meter_id, register, unit) == (costs[0], "import", "kwh"):
            rows, currency = part.join(_costs(costs[1]), on="interval_start_utc", how="left"), CURRENCIES[site.currency]
        made = _intervals(rows)
        channels.append(Channel(meter, str(register), str(unit), made, synthetic=synthetic, currency=currency))
    return channels, left


def states(
    meter: Meter,
    register: Register,
    reads: pl.DataFrame,
    events: Sequence[DatedEvent] = (),
    *,
    is_synthetic: bool,
) -> list[Channel]:
    """Channels of one series of a cumulative register (READ_SCHEMA, by time): what the display counts, multiplier
    included; another channel after each event (of this register, by time) that begins another count.

    None for a unit that ESPI lacks. Raises BadInput: a state of more digits than ESPI takes.
    """
    if unit_of(register.unit).canonical not in UOM_OF:
        return []
    breaks = [each for each in events if each.event.kind is not EventKind.ROLLOVER]
    shown = list(zip(reads["at_utc"].dt.epoch("s"), reads["value"], reads["unit"], strict=True))
    first = next((each.event.multiplier_old for each in breaks if each.event.multiplier_old is not None), None)
    multiplier, found = first or register.multiplier, list[Channel]()
    series = reads["series"][0] if reads.height else ""
    for number in range(len(breaks) + 1):
        until = breaks[number] if number < len(breaks) else None
        here = [each for each in shown if until is None or _is_before(each, until)]
        shown = shown[len(here) :]
        if here:
            part = (f".{series}" if series else "") + (f".{number + 1}" if breaks else "")
            count = len(here) if is_synthetic else 0
            intervals = _state_rows(meter, register, here, multiplier)
            unit = unit_of(register.unit).canonical
            found.append(Channel(meter, register.register_id, unit, intervals, True, count, part))
        multiplier = (until and until.event.multiplier_new) or multiplier
    return found


def _is_before(shown: tuple[int, Decimal, str], event: DatedEvent) -> bool:
    """True for a read before the event; at its instant, unless the display shows its new beginning."""
    if shown[0] != event.epoch_s:
        return shown[0] < event.epoch_s
    return shown[1] != event.event.begins_at or shown[1] == event.event.ends_at


def _state_rows(
    meter: Meter, register: Register, shown: Sequence[tuple[int, Decimal, str]], multiplier: Decimal
) -> pl.DataFrame:
    quanta = [
        int((value * Decimal(str(unit_of(unit).factor)) * multiplier).scaleb(QUANTUM_DECIMALS).to_integral_value())
        for _, value, unit in shown
    ]
    if max(quanta) >= 1 << 63:
        raise _too_long(meter, register.register_id)
    starts = pl.Series("start_s", [at for at, _, _ in shown], pl.Int64)
    return pl.DataFrame({"start_s": starts, "quanta": pl.Series(quanta, dtype=pl.Int64)}).select(
        "start_s",
        pl.lit(0, pl.Int64).alias("seconds"),
        "quanta",
        pl.lit(int(QualityCode.RAW), pl.Int32).alias("quality"),
    )


def _too_long(meter: Meter, register: str) -> BadInput:
    message = f"{meter.meter_id}.{register}: a value has more digits than the 48 bits of ESPI take; leave its meter out"
    return BadInput(message, reason="too_many_digits")


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
        cost="cost" if "cost" in part.columns else pl.lit(None, pl.Int64),
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
        .agg(
            pl.col("start_s").first(),
            pl.col("seconds", "quanta").sum(),
            pl.col("quality").first(),
            cost=pl.when(pl.col("cost").is_not_null().all()).then(pl.col("cost").sum()),
        )
        .select(*INTERVALS, *(["cost"] if "cost" in part.columns else []))
    )


def _costs(costs: pl.DataFrame) -> pl.DataFrame:
    """Known costs of quarter hours as hundred-thousandths, which add up to what all of them cost."""
    known = costs.filter(pl.col("energy_cost").is_not_null(), pl.col("cost_finding").is_null()).sort(
        "interval_start_utc"
    )
    nano = (pl.col("energy_cost") + pl.col("other_cost")).to_physical().cast(pl.Int64)
    running = (nano.cum_sum() + 5_000) // 10_000
    return known.select("interval_start_utc", cost=running - running.shift(fill_value=0))
