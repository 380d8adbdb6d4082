"""Shared measurement and verification data as usage."""

from collections.abc import Collection
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from ml.baselines.usage_tables.usage_table import Frequency, Usage, usage_of

SITES = ("il-electricity-cdd-hdd", "il-gas-hdd-only", "il-gas-intercept-only")
INSTANT = pl.Datetime("us", "UTC")


def series(path: Path, name: str) -> pl.DataFrame:
    """start_utc, minutes up to the next row, and the value; the last row only ends the one before."""
    raw = pl.read_csv(path, infer_schema_length=0)
    starts = [datetime.fromisoformat(text).astimezone(UTC) for text in raw[raw.columns[0]]]
    frame = pl.DataFrame({"start_utc": pl.Series(starts, dtype=INSTANT), name: raw[raw.columns[1]].cast(pl.Float64)})
    length = (pl.col("start_utc").shift(-1) - pl.col("start_utc")).dt.total_minutes()
    return frame.with_columns(minutes=length).head(-1)


def eemeter(folder: Path, site: str, kind: str) -> Usage:
    """One sample: kind is daily, hourly, billing_monthly or billing_bimonthly; gas stays in therms."""
    temps = series(folder / "il-tempF.csv.gz", "temp_degc").with_columns((pl.col("temp_degc") - 32) / 1.8)
    energy = series(folder / f"{site}-{kind}.csv.gz", "energy_kwh")
    frequency: Frequency = "hourly" if kind == "hourly" else "daily" if kind == "daily" else "billing"
    return usage_of(
        energy,
        temperatures=temps,
        frequency=frequency,
        zone="America/Chicago",
        zero_is_missing="gas" not in site,
        unit="therm" if "gas" in site else "kWh",
    )


def cambridge(folder: Path, building: str, meter: str, *, holidays: Collection[date] = ()) -> Usage:
    """Days of one meter of the estate, zeros missing, London's calendar."""
    readings = pl.scan_parquet(folder / "meters_hourly.parquet")
    rows = readings.filter((pl.col("building_id") == building) & (pl.col("meter") == meter)).collect()
    weather = pl.read_parquet(folder / "weather_bedford_hourly.parquet")
    return usage_of(
        _hours(rows, "value", "energy_kwh"),
        temperatures=_hours(weather, "air_temperature_c", "temp_degc"),
        frequency="daily",
        zone="Europe/London",
        holidays=holidays,
        zero_is_missing=True,
        # The protocol of the figures: 22 of 24 hours.
        min_present=22 / 24,
    )


def _hours(frame: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    time = pl.col("timestamp_utc")
    aware = time if frame.schema["timestamp_utc"] == INSTANT else time.dt.replace_time_zone("UTC").cast(INSTANT)
    return frame.select(start_utc=aware, minutes=pl.lit(60, pl.Int64), **{name: pl.col(column)}).sort("start_utc")
