"""One stream as hours without holes in the time axis: what a forecast may look at, and the calendar beside it."""

import hashlib
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.sites.calendar import day_types
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import Behaviour, unit_of

Vector = npt.NDArray[np.float64]
QUARTERS = 60 // CANONICAL_MINUTES
HOUR = timedelta(hours=1)
DAY_TYPE_CODES = {"weekday": 0, "weekend": 1, "holiday": 2}


@dataclass(frozen=True)
class Stream:
    """What is forecast: a register of a meter, or a driver."""

    stream_id: str
    register: str

    @property
    def target(self) -> str:
        """The name that forecasts carry: meter:main, or meter:grid.export for a register other than import."""
        return f"meter:{self.stream_id}" + ("" if self.register in {"import", "value"} else f".{self.register}")


def stream_of(site: Site, target: str) -> Stream:
    """The stream that `main`, `meter:main` or `meter:grid.export` names. Raises BadInput naming the site's streams.

    Without a register it is `import` where the meter has one, else the meter's first.
    """
    stream_id, _, register = target.removeprefix("meter:").removeprefix("driver:").partition(".")
    meter = site.meter(stream_id)
    if meter is None:
        if stream_id in {driver.driver_id for driver in site.drivers}:
            return Stream(stream_id, "value")
        known = ", ".join(site.stream_ids())
        raise BadInput(f"forecast target {target!r} is not of this site; it has {known}", reason="unknown_target")
    registers = [item.register_id for item in meter.registers]
    if register and register not in registers:
        raise BadInput(
            f"meter {stream_id!r} has no register {register!r}; it has {', '.join(registers)}", reason="unknown_target"
        )
    return Stream(stream_id, register or ("import" if "import" in registers else registers[0]))


@dataclass(frozen=True)
class Hours:
    """Hourly values from `start_utc` on; NaN is a gap. values[i] belongs to [start + i h, start + (i + 1) h)."""

    start_utc: datetime
    values: Vector
    temperature_degc: Vector
    is_synthetic: bool = False

    @property
    def end_utc(self) -> datetime:
        """The instant at which the last hour has ended."""
        return self.start_utc + len(self.values) * HOUR

    def index(self, moment_utc: datetime) -> int:
        """Number of whole hours from the start to that instant."""
        return (moment_utc - self.start_utc) // HOUR

    def until(self, moment_utc: datetime) -> "Hours":
        """The hours that have ended at that instant."""
        end = min(max(self.index(moment_utc), 0), len(self.values))
        return replace(self, values=self.values[:end], temperature_degc=self.temperature_degc[:end])

    def digest(self) -> str:
        """SHA-256 of start and values."""
        text = self.start_utc.isoformat().encode() + self.values.tobytes() + self.temperature_degc.tobytes()
        return hashlib.sha256(text).hexdigest()


def hours_of(
    readings: pl.DataFrame, *, site: Site, stream: Stream, end_utc: datetime, as_of_utc: datetime | None = None
) -> Hours:
    """The stream by the hour, from its first reading to `end_utc`, as known at `as_of_utc` (None: all rows given).

    readings: LAKE_SCHEMA, unique by key. An hour counts with all four quarter hours, else it is NaN; amounts
    add up, levels average. The site's first driver in degC comes along as temperature.
    """
    known = readings.filter(pl.col("site_id") == site.site_id)
    # Ended by then, not begun: a quarter hour in progress is not known.
    known = known.filter(pl.col("interval_start_utc").dt.offset_by(f"{CANONICAL_MINUTES}m") <= end_utc)
    if as_of_utc is not None:
        known = known.filter(pl.col("recorded_at_utc") <= as_of_utc)
    own = known.filter((pl.col("meter_id") == stream.stream_id) & (pl.col("register") == stream.register))
    if own.is_empty():
        nothing = np.empty(0)
        return Hours(end_utc, nothing, nothing)
    start = own["interval_start_utc"].min()
    assert isinstance(start, datetime)  # noqa: S101  # the column is not empty and is a time
    # A stream that begins within an hour has that hour as a gap, not a grid of its own.
    start = start.replace(minute=0, second=0, microsecond=0)
    length = max((end_utc - start) // HOUR, 0)
    values = _on_grid(own, start, length)
    temperature = next((item.driver_id for item in site.drivers if item.unit in {"degc", "degf"}), None)
    degc = known.filter((pl.col("meter_id") == (temperature or "")) & (pl.col("register") == "value"))
    return Hours(start, values, _on_grid(degc, start, length), bool(own["is_synthetic"].any()))


def _on_grid(rows: pl.DataFrame, start: datetime, length: int) -> Vector:
    grid: Vector = np.full(length, np.nan)
    if rows.is_empty() or length == 0:
        return grid
    # A temperature of an hour is the mean of its quarters, an energy their sum.
    is_level = unit_of(rows["unit"][0]).behaviour is Behaviour.LEVEL
    value = pl.col("value").mean() if is_level else pl.col("value").sum()
    hours = (
        rows.group_by(hour=pl.col("interval_start_utc").dt.truncate("1h"))
        .agg(value=value, present=pl.len())
        .filter((pl.col("present") == QUARTERS) & (pl.col("hour") >= start))
        .with_columns(position=(pl.col("hour") - start).dt.total_hours())
        .filter(pl.col("position") < length)
    )
    grid[hours["position"].to_numpy()] = hours["value"].to_numpy()
    return grid


@dataclass(frozen=True)
class Calendar:
    """The site's civil calendar for each hour of a grid, int arrays of one length."""

    hour: npt.NDArray[np.int64]
    weekday: npt.NDArray[np.int64]
    day_of_year: npt.NDArray[np.int64]
    day_type: npt.NDArray[np.int64]
    day_type_before: npt.NDArray[np.int64]
    day_type_after: npt.NDArray[np.int64]


def calendar_of(site: Site, start_utc: datetime, length: int) -> Calendar:
    """Local hour, weekday (Monday 1), day of the year and day type (weekday 0, weekend 1, holiday 2) per hour."""
    ends = start_utc + length * HOUR
    moments = pl.datetime_range(start_utc, ends, "1h", closed="left", time_zone="UTC", eager=True)
    local = moments.dt.convert_time_zone(site.time_zone)
    dates = local.dt.date()
    # A day more on either side, for the day types before and after.
    first, last = _date(dates.min()) - timedelta(days=1), _date(dates.max()) + timedelta(days=2)
    types = day_types(site, first, last)["day_type"].to_list()
    codes = np.array([DAY_TYPE_CODES[name] for name in types], dtype=np.int64)
    position = (dates - first).dt.total_days().to_numpy()
    return Calendar(
        hour=local.dt.hour().to_numpy().astype(np.int64),
        weekday=local.dt.weekday().to_numpy().astype(np.int64),
        day_of_year=local.dt.ordinal_day().to_numpy().astype(np.int64),
        day_type=codes[position],
        day_type_before=codes[position - 1],
        day_type_after=codes[position + 1],
    )


def _date(value: object) -> date:
    assert isinstance(value, date)  # noqa: S101  # the grid is not empty
    return value
