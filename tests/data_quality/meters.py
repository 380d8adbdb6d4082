"""Grids and frames for the tests of validation: an office week that is known to the last digit."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_quality.reading_grid import Grid, Stream

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def office(days: int, *, step_minutes: int = 60, seed: int = 1, base_kw: float = 10.0) -> NDArray[np.float64]:
    """Energy per slot of an office: base load, a bell at 13 h, a third of it at the weekend, four percent of noise."""
    per_day = 1440 // step_minutes
    slot = np.arange(days * per_day)
    hour, is_work = (slot % per_day) * step_minutes / 60, slot // per_day % 7 < 5
    bell = np.exp(-(((hour - 13) / 3) ** 2)) * np.where(is_work, 1.0, 0.3)
    noise = np.random.default_rng(seed).normal(1, 0.04, len(slot))
    return np.round(base_kw * (1 + 2 * bell) * noise * step_minutes / 60, 3)


def grid(*rows: NDArray[np.float64], step_minutes: int = 60, **facts: object) -> Grid:
    """A grid of meters m0, m1 … from START on."""
    streams = tuple(
        Stream(f"m{number}", cadence_minutes=step_minutes, **facts)  # type: ignore[arg-type]
        for number in range(len(rows))
    )
    return Grid(streams, START, step_minutes, np.array(rows))


def quarter_rows(
    meter_id: str, values: NDArray[np.float64], *, start: datetime = START, source_minutes: int = 15, code: int = 0
) -> pl.DataFrame:
    """Canonical quarter-hour rows of one meter."""
    times = [start + timedelta(minutes=15 * number) for number in range(len(values))]
    return pl.DataFrame(
        {
            "meter_id": meter_id,
            "register": "import",
            "interval_start_utc": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "source_minutes": pl.Series([source_minutes] * len(values), dtype=pl.Int32),
            "value": values,
            "unit": "kwh",
            "quality_code": pl.Series([code] * len(values), dtype=pl.Int32),
        }
    )


def wide(frame: pl.DataFrame, *, name: str, time: str, value: str, step_minutes: int = 60) -> Grid:
    """A grid of a long table of a public data set; times without zone are taken as UTC."""
    frame = frame.select(
        pl.col(name).cast(pl.String).alias("meter"),
        pl.col(time).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("time"),
        pl.col(value).cast(pl.Float64).alias("value"),
    )
    first, last = frame["time"].min(), frame["time"].max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    names = sorted(frame["meter"].unique().to_list())
    slots = (last - first) // timedelta(minutes=step_minutes) + 1
    values = np.full((len(names), slots), np.nan)
    for row, meter in enumerate(names):
        own = frame.filter(pl.col("meter") == meter)
        at = ((own["time"] - first).dt.total_minutes() // step_minutes).to_numpy()
        values[row, at] = own["value"].to_numpy()
    return Grid(tuple(Stream(meter, cadence_minutes=step_minutes) for meter in names), first, step_minutes, values)
