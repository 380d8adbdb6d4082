"""Energy use and what drives it, one row an interval: what every baseline model is fitted on and applied to.

Pure: frames in, one `Usage` out, every interval that was dropped, filled or merged counted in a finding. Files are
read in read_usage.py; models stand in fit.py.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_midnight_utc
from ml.baselines.usage_tables.usage_clean import cleaned, count_finding, declared_zeros, filled_temperatures

Frequency = Literal["hourly", "daily", "billing"]
# CalTRACK 2.2.2.1: a total of intervals needs half of them; the missing are given the mean of the present.
MIN_PRESENT = 0.5
# Global horizontal irradiance, W/m2: what the sun gives windows, and modules behind the meter.
SUN = "ghi_w_per_m2"
COLUMNS = (
    "start_utc",
    "end_utc",
    "local_start",
    "days",
    "energy_kwh",
    "temp_degc",
    "is_weekend",
    "is_holiday",
    "is_day_off",
    "coverage",
)
DAILY_TEMPS: dict[str, pl.DataType] = {"local_date": pl.Date(), "temp_degc": pl.Float64()}


@dataclass(frozen=True, slots=True)
class Usage:
    """One meter's energy and drivers.

    frame: one row an interval, ascending and without overlap: start_utc, end_utc, local_start (wall clock), days
    (length in local days: 1.0 for a day, hours / 24 for an hour, 28 … 35 for a month's bill), energy_kwh (null where
    missing), temp_degc (mean; null where unknown), is_weekend, is_holiday, coverage (0–1), then one Float64 column a
    driver, and of hours ghi_w_per_m2 where the weather has it. daily_temps: local_date, temp_degc of every day, of
    which a bill's degree days are means.
    unit: what energy_kwh is in: kWh, or the volume unit that no one stated a heat value for.
    """

    frequency: Frequency
    zone: str
    frame: pl.DataFrame
    drivers: tuple[str, ...] = ()
    daily_temps: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DAILY_TEMPS))
    unit: str = "kWh"
    findings: tuple[Finding, ...] = ()

    def between(self, start: date, end: date) -> "Usage":
        """The intervals that lie within the local dates [start, end): a bill that reaches beyond them is none."""
        began = self.frame["local_start"].to_numpy()
        # By the wall clock, on which a day is a day: one of 25 hours ends at midnight too.
        seconds = np.rint(self.frame["days"].to_numpy() * 86_400).astype("timedelta64[s]")
        inside = (began >= np.datetime64(start)) & (began + seconds <= np.datetime64(end))
        return self if inside.all() else self.with_frame(self.frame.filter(inside))

    def with_frame(self, frame: pl.DataFrame) -> "Usage":
        """The same meter with other rows."""
        return replace(self, frame=frame)


def usage_of(
    readings: pl.DataFrame | None,
    *,
    temperatures: pl.DataFrame | None = None,
    drivers: pl.DataFrame | None = None,
    irradiance: pl.DataFrame | None = None,
    frequency: Frequency,
    zone: str,
    holidays: Collection[date] = (),
    zero_is_missing: bool | None = None,
    min_present: float = MIN_PRESENT,
    unit: str = "kWh",
    span: tuple[date, date] | None = None,
) -> Usage:
    """The usage of one meter from its readings.

    readings: start_utc, minutes, energy_kwh, and optionally is_estimated (bills); None for weather alone (a typical
    year). temperatures: start_utc, minutes, temp_degc. drivers: start_utc, minutes and one column a driver; finer ones
    are averaged, coarser ones hold for the intervals within. irradiance: start_utc, minutes, ghi_w_per_m2; of hours the
    frame then has that column, which a model may use. holidays: local dates. zero_is_missing: as declared; None
    is CalTRACK 2.2.1.4 for electricity: missing, unless the meter often reads zero. span: local dates [start, end) of
    the rows; those of the readings if None. Raises BadInput for readings coarser than `frequency`, or none at all.
    """
    temps, temp_findings = filled_temperatures(temperatures)
    names: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    if frequency == "billing":
        from ml.baselines.usage_tables.usage_clean import bill_rows

        if readings is None:
            raise BadInput("a model of bills needs bills", reason="no_rows")
        known, findings = declared_zeros(readings, is_missing=bool(zero_is_missing))
        # A bill that says nothing is left out, as one that was never sent: an estimate must not be merged with it.
        grid, more = bill_rows(known.drop_nulls("energy_kwh") if zero_is_missing else known, zone=zone)
        findings += more
        daily = daily_means(temps, zone)
        frame, names = _with_bill_drivers(_bill_temperatures(grid, daily), drivers)
    else:
        grid = _grid(readings, temps, frequency=frequency, zone=zone, span=span)
        known, findings = cleaned(readings, zone=zone, zero_is_missing=zero_is_missing)
        if readings is not None:
            _refuse_coarse(known, frequency)
        frame, more = _with_energy(grid, known, frequency, min_present)
        findings += more
        frame = _with_means(frame, temps, ["temp_degc"], frequency)
        names = _driver_names(drivers)
        frame = _with_means(frame, drivers, list(names), frequency)
        if irradiance is not None and frequency == "hourly" and SUN not in names:
            frame, offered = _with_means(frame, irradiance, [SUN], frequency), (SUN,)
        daily = pl.DataFrame(schema=DAILY_TEMPS)
    frame = _with_day_types(frame, holidays).select(*COLUMNS, *names, *offered)
    return Usage(frequency, zone, frame, names, daily, unit, (*findings, *temp_findings))


def _driver_names(drivers: pl.DataFrame | None) -> tuple[str, ...]:
    return () if drivers is None else tuple(name for name in drivers.columns if name not in ("start_utc", "minutes"))


def _with_day_types(frame: pl.DataFrame, holidays: Collection[date]) -> pl.DataFrame:
    """The frame with 0/1 columns of its local dates: weekend, public holiday, either of them."""
    day = pl.col("local_start").dt.date()
    known = pl.Series(sorted(holidays), dtype=pl.Date)
    # Polars counts Monday as 1. Files name no site, so its days of rest are taken to be Saturday and Sunday.
    weekend, holiday = day.dt.weekday() >= 6, day.is_in(known.implode())
    kinds = {"is_weekend": weekend, "is_holiday": holiday, "is_day_off": weekend | holiday}
    return frame.with_columns([flag.cast(pl.Float64).alias(name) for name, flag in kinds.items()])


def daily_means(temps: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Mean temperature of each local day (local_date, temp_degc): formulas 5.9, mean-temperature method."""
    if temps.is_empty():
        return pl.DataFrame(schema=DAILY_TEMPS)
    local = pl.col("start_utc").dt.convert_time_zone(zone).dt.date()
    return (
        temps.drop_nulls("temp_degc")
        .group_by(local_date=local)
        .agg(pl.col("temp_degc").mean(), hours=pl.col("minutes").sum() / 60)
        # As for energy: half of a day says what the day was like, less does not.
        .filter(pl.col("hours") >= 12)
        .select("local_date", "temp_degc")
        .sort("local_date")
    )


def _grid(
    readings: pl.DataFrame | None,
    temps: pl.DataFrame,
    *,
    frequency: Frequency,
    zone: str,
    span: tuple[date, date] | None,
) -> pl.DataFrame:
    """start_utc, end_utc, local_start, days of every interval of the span."""
    source = temps if readings is None else readings
    if source.is_empty():
        raise BadInput("there is no reading", reason="no_rows")
    first, last = source["start_utc"].min(), source["start_utc"].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)  # noqa: PT018, S101
    local = pl.Series([first, last]).dt.convert_time_zone(zone).dt.date()
    low, high = span or (local[0], local[1] + timedelta(days=1))
    if frequency == "hourly":
        start, end = local_midnight_utc(low, zone), local_midnight_utc(high, zone)
        hours = pl.datetime_range(start, end, "1h", closed="left", time_unit="us", time_zone="UTC", eager=True)
        grid = pl.DataFrame({"start_utc": hours})
        ends = pl.col("start_utc") + timedelta(hours=1)
        return grid.with_columns(end_utc=ends, days=pl.lit(1.0 / 24.0), local_start=_wall(zone))
    days = [low + timedelta(days=n) for n in range((high - low).days + 1)]
    midnights = pl.Series([local_midnight_utc(day, zone) for day in days], dtype=pl.Datetime("us", "UTC"))
    grid = pl.DataFrame({"start_utc": midnights[:-1], "end_utc": midnights[1:]})
    return grid.with_columns(days=pl.lit(1.0), local_start=_wall(zone))


def _wall(zone: str) -> pl.Expr:
    return pl.col("start_utc").dt.convert_time_zone(zone).dt.replace_time_zone(None)


def _refuse_coarse(known: pl.DataFrame, frequency: Frequency) -> None:
    # Days that follow each other in a file may span a hole: what counts is the commonest length.
    # A day of 25 hours is a day.
    limit = 60 if frequency == "hourly" else 25 * 60
    longest = known["minutes"].median()
    if isinstance(longest, float) and longest > limit:
        raise BadInput(
            f"readings of {longest:.0f} minutes are too long for a {frequency} model", reason="too_coarse_for_model"
        )


def _with_energy(
    grid: pl.DataFrame, known: pl.DataFrame, frequency: Frequency, min_present: float
) -> tuple[pl.DataFrame, list[Finding]]:
    """The grid with energy_kwh and coverage; intervals with too little of their readings have null."""
    if known.is_empty():
        return grid.with_columns(energy_kwh=pl.lit(None, pl.Float64), coverage=pl.lit(0.0)), []
    placed = _placed(known.drop_nulls("energy_kwh"), grid)
    sums = placed.group_by("_slot").agg(pl.col("energy_kwh").sum(), _minutes=pl.col("minutes").sum())
    length = (pl.col("end_utc") - pl.col("start_utc")).dt.total_minutes()
    # A reading of a day is the whole day's, of 1,440 minutes or not: a source may know no summer time.
    share = (pl.col("_minutes").fill_null(0) / length).clip(upper_bound=1.0)
    is_day = pl.col("_minutes") >= 23 * 60
    frame = grid.join(sums, left_on="start_utc", right_on="_slot", how="left", maintain_order="left").with_columns(
        coverage=pl.when(is_day).then(1.0).otherwise(share) if _holds_days(known) else share
    )
    # Divided by its coverage, a sum gives the missing readings the mean of the present.
    enough = pl.col("coverage") >= min_present
    frame = frame.with_columns(energy_kwh=pl.when(enough).then(pl.col("energy_kwh") / pl.col("coverage")))
    partial = frame.filter(enough & (pl.col("coverage") < 1.0)).height
    poor = frame.filter((pl.col("coverage") > 0) & ~enough).height
    kind = "hours" if frequency == "hourly" else "days"
    findings = [
        count_finding("filled_intervals", partial, f"{kind} miss part of their readings: filled with their mean"),
        count_finding("poor_intervals", poor, f"{kind} with under {min_present:.0%} of their readings are left out"),
    ]
    return frame.drop("_minutes"), [each for each in findings if each is not None]


def _holds_days(known: pl.DataFrame) -> bool:
    longest = known["minutes"].max()
    return isinstance(longest, int) and longest >= 23 * 60


def _placed(rows: pl.DataFrame, grid: pl.DataFrame) -> pl.DataFrame:
    """Rows with `_slot`, the start of the interval that they begin in; rows outside of all are left out."""
    slots = grid.select(_slot="start_utc", _end="end_utc")
    joined = rows.sort("start_utc").join_asof(slots, left_on="start_utc", right_on="_slot", strategy="backward")
    return joined.filter(pl.col("_slot").is_not_null() & (pl.col("start_utc") < pl.col("_end"))).drop("_end")


def _with_means(
    frame: pl.DataFrame, source: pl.DataFrame | None, names: list[str], frequency: Frequency
) -> pl.DataFrame:
    """The frame with the mean of each named column over each interval; null where unknown or too little is."""
    if source is None or source.is_empty():
        return frame.with_columns([pl.lit(None, pl.Float64).alias(name) for name in names])
    longest = source["minutes"].max()
    if frequency == "hourly" and isinstance(longest, int) and longest > 60:
        # One value a day holds for each hour of it.
        held = source.sort("start_utc").with_columns(_until=pl.col("start_utc") + pl.duration(minutes="minutes"))
        joined = frame.join_asof(held.drop("minutes"), on="start_utc", strategy="backward")
        # The last value known is not carried over a hole.
        is_held = pl.col("start_utc") < pl.col("_until")
        return joined.with_columns([pl.when(is_held).then(pl.col(n)).alias(n) for n in names]).drop("_until")
    placed = _placed(source, frame)
    length = (pl.col("end_utc") - pl.col("start_utc")).dt.total_minutes()
    parts = [pl.col(name).mean() for name in names]
    minutes = [pl.col("minutes").filter(pl.col(name).is_not_null()).sum().alias(f"_{name}") for name in names]
    means = placed.group_by("_slot").agg(*parts, *minutes)
    joined = frame.join(means, left_on="start_utc", right_on="_slot", how="left", maintain_order="left")
    known = [pl.when(pl.col(f"_{n}") >= MIN_PRESENT * length).then(pl.col(n)).alias(n) for n in names]
    return joined.with_columns(known).drop([f"_{name}" for name in names])


def _bill_temperatures(grid: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Bills with the mean of their days' temperatures; null where more than 10 % of the days have none."""
    if daily.is_empty():
        return grid.with_columns(temp_degc=pl.lit(None, pl.Float64))
    days = bill_days(grid).join(daily, on="local_date", how="inner")
    means = days.group_by("_row").agg(pl.col("temp_degc").mean(), _days=pl.len())
    rows = grid.with_row_index("_row").with_columns(pl.col("_row").cast(pl.Int64))
    joined = rows.join(means, on="_row", how="left", maintain_order="left")
    is_known = pl.col("_days") >= 0.9 * pl.col("days")
    return joined.with_columns(temp_degc=pl.when(is_known).then("temp_degc")).drop("_days", "_row")


def bill_days(frame: pl.DataFrame) -> pl.DataFrame:
    """_row (place in the frame) and local_date of every local day of every bill (local_start, days)."""
    return (
        frame.with_row_index("_row")
        .select(
            pl.col("_row").cast(pl.Int64),
            local_date=pl.date_ranges(
                pl.col("local_start").dt.date(),
                pl.col("local_start").dt.date() + pl.duration(days=pl.col("days").cast(pl.Int64)),
                closed="left",
            ),
        )
        .explode("local_date")
    )


def _with_bill_drivers(frame: pl.DataFrame, drivers: pl.DataFrame | None) -> tuple[pl.DataFrame, tuple[str, ...]]:
    if drivers is None:
        return frame, ()
    names = _driver_names(drivers)
    placed = _placed(drivers, frame)
    means = placed.group_by("_slot").agg([pl.col(name).mean() for name in names])
    return frame.join(means, left_on="start_utc", right_on="_slot", how="left", maintain_order="left"), names
