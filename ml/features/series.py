"""One stream on a regular grid without holes in the time axis: what a forecast learns from and is asked about."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES
from data_quality.contracts.units import Behaviour, unit_of

Vector = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
QUARTER, HOUR, DAY = timedelta(minutes=CANONICAL_MINUTES), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Stream:
    """Series to forecast: a register of a meter, or a driver."""

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
class Series:
    """Values of consecutive steps from `start_utc` on; NaN is a gap. values[i] belongs to [start + i, start + i + 1).

    unit: of the values, an amount per step (kWh) or a level. Daily series have local dates, written as midnights UTC.
    """

    start_utc: datetime
    values: Vector
    step: timedelta = HOUR
    unit: str = "kwh"
    is_synthetic: bool = False

    @property
    def end_utc(self) -> datetime:
        """The instant at which the last step has ended."""
        return self.start_utc + len(self.values) * self.step

    @property
    def per_day(self) -> int:
        """Steps of a day of 24 hours."""
        return DAY // self.step

    @property
    def floor(self) -> float | None:
        """Zero where no value was ever below it: what never fed in cannot; else None."""
        known = self.values[~np.isnan(self.values)]
        return 0.0 if len(known) and float(known.min()) >= 0 else None

    def index(self, moment_utc: datetime) -> int:
        """Number of whole steps from the start to that instant."""
        return (moment_utc - self.start_utc) // self.step

    def time(self, index: int) -> datetime:
        """The instant at which that step begins."""
        return self.start_utc + index * self.step

    def until(self, moment_utc: datetime) -> "Series":
        """The steps that have ended at that instant."""
        return self.first(min(max(self.index(moment_utc), 0), len(self.values)))

    def first(self, length: int) -> "Series":
        """The first `length` steps."""
        return replace(self, values=self.values[:length])

    def digest(self) -> str:
        """SHA-256 of start, step and values."""
        head = f"{self.start_utc.isoformat()} {self.step} {self.unit}".encode()
        return hashlib.sha256(head + self.values.tobytes()).hexdigest()


def series_of(
    readings: pl.DataFrame,
    *,
    site: Site,
    stream: Stream,
    end_utc: datetime,
    step: timedelta = HOUR,
    as_of_utc: datetime | None = None,
) -> Series:
    """The stream by steps of 15 minutes or an hour, from its first reading to `end_utc`, as known at `as_of_utc`.

    readings: LAKE_SCHEMA, unique by key (as_of_utc None: all rows given). A step counts with all of its quarter hours,
    else it is NaN; amounts add up, levels average.
    """
    own = _known(readings, site, end_utc, as_of_utc).filter(
        (pl.col("meter_id") == stream.stream_id) & (pl.col("register") == stream.register)
    )
    if own.is_empty():
        return Series(end_utc, np.empty(0), step)
    start = own["interval_start_utc"].min()
    assert isinstance(start, datetime)  # noqa: S101  # the column is not empty and is a time
    # A stream that begins within an hour has that hour as a gap, not a grid of its own.
    start = start.replace(minute=start.minute // (step // timedelta(minutes=1)) * (step // timedelta(minutes=1)))
    length = max((end_utc - start) // step, 0)
    values = on_grid(own, start, length, step)
    return Series(start, values, step, str(own["unit"][0]), bool(own["is_synthetic"].any()))


def measured_on(
    readings: pl.DataFrame, *, site: Site, grid: Series, unit: str, as_of_utc: datetime | None = None
) -> Vector | None:
    """The site's first driver of that unit on the grid of a series; None where the site has none."""
    driver = next((each.driver_id for each in site.drivers if each.unit == unit), None)
    if driver is None:
        return None
    known = _known(readings, site, grid.end_utc, as_of_utc)
    rows = known.filter((pl.col("meter_id") == driver) & (pl.col("register") == "value"))
    return on_grid(rows, grid.start_utc, len(grid.values), grid.step)


def on_grid(rows: pl.DataFrame, start_utc: datetime, length: int, step: timedelta) -> Vector:
    """Quarter-hourly rows of one stream (LAKE_SCHEMA) as `length` steps: a level's mean, an amount's sum."""
    grid: Vector = np.full(length, np.nan)
    if rows.is_empty() or length == 0:
        return grid
    # A temperature of an hour is the mean of its quarters, an energy their sum.
    is_level = unit_of(rows["unit"][0]).behaviour is Behaviour.LEVEL
    value = pl.col("value").mean() if is_level else pl.col("value").sum()
    minutes = step // timedelta(minutes=1)
    steps = (
        rows.group_by(step=pl.col("interval_start_utc").dt.truncate(f"{minutes}m"))
        .agg(value=value, present=pl.len())
        .filter((pl.col("present") == minutes // CANONICAL_MINUTES) & (pl.col("step") >= start_utc))
        .with_columns(position=(pl.col("step") - start_utc).dt.total_minutes() // minutes)
        .filter(pl.col("position") < length)
    )
    grid[steps["position"].to_numpy()] = steps["value"].to_numpy()
    return grid


def _known(readings: pl.DataFrame, site: Site, end_utc: datetime, as_of_utc: datetime | None) -> pl.DataFrame:
    known = readings.filter(pl.col("site_id") == site.site_id)
    # Ended by then, not begun: a quarter hour in progress is not known.
    known = known.filter(pl.col("interval_start_utc").dt.offset_by(f"{CANONICAL_MINUTES}m") <= end_utc)
    return known if as_of_utc is None else known.filter(pl.col("recorded_at_utc") <= as_of_utc)
