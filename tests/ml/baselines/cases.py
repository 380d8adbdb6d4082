"""Years of made-up usage whose truth is known."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_clean import READINGS
from ml.baselines.usage_tables.usage_table import Frequency, Usage, usage_of

ZONE = "Europe/Berlin"
START, END = date(2025, 1, 1), date(2026, 1, 1)
HOLIDAYS = (date(2025, 1, 1), date(2025, 4, 18), date(2025, 5, 1), date(2025, 10, 3), date(2025, 12, 25))
HOURS = 8760
FIRST = datetime(2024, 12, 31, 23, tzinfo=UTC)


def hourly_temps(seed: int = 1) -> Vector:
    """8,760 temperatures, degC, from the local 1 January 2025 on."""
    rng = np.random.default_rng(seed)
    hours = np.arange(HOURS)
    season = 10.0 - 11.0 * np.cos(2 * np.pi * (hours / 24 - 20) / 365)
    temps: Vector = season - 4.0 * np.cos(2 * np.pi * (hours % 24 - 3) / 24) + np.repeat(rng.normal(0, 3, 365), 24)
    return temps


def readings(values: Vector, *, minutes: int = 60, first: datetime = FIRST) -> pl.DataFrame:
    """Rows of `usage_of`: nan is no row."""
    frame = pl.DataFrame(
        {
            "start_utc": [first + timedelta(minutes=minutes * n) for n in range(len(values))],
            "minutes": [minutes] * len(values),
            "energy_kwh": values,
        },
        schema=READINGS,
    )
    return frame.filter(pl.col("energy_kwh").is_not_nan())


def weather(values: Vector, *, first: datetime = FIRST) -> pl.DataFrame:
    """Hourly temperatures; nan is no row."""
    return readings(values, first=first).rename({"energy_kwh": "temp_degc"})


def year(
    frequency: Frequency,
    energy: Vector,
    temps: Vector | None,
    *,
    drivers: pl.DataFrame | None = None,
    holidays: Sequence[date] = HOLIDAYS,
) -> Usage:
    """Hourly energy and temperatures of 2025 as usage."""
    return usage_of(
        readings(energy),
        temperatures=None if temps is None else weather(temps),
        drivers=drivers,
        frequency=frequency,
        zone=ZONE,
        holidays=holidays,
    )


def with_energy(usage: Usage, energy: Vector) -> Usage:
    """The same rows with other energy; nan is missing."""
    return usage.with_frame(usage.frame.with_columns(energy_kwh=pl.Series(energy).fill_nan(None)))


def daily(
    *, base: float = 100.0, heating: float = 0.0, cooling: float = 0.0, weekend: float = 0.0, noise: float = 0.0,
    seed: int = 3, heating_base: float = 14.0, cooling_base: float = 18.0,
) -> Usage:  # fmt: skip
    """365 days whose use is a known line of degree days and weekends."""
    usage = year("daily", np.ones(HOURS), hourly_temps())
    temps = usage.frame["temp_degc"].to_numpy()
    rng = np.random.default_rng(seed)
    energy = (
        base
        + heating * np.maximum(heating_base - temps, 0)
        + cooling * np.maximum(temps - cooling_base, 0)
        + weekend * usage.frame["is_weekend"].to_numpy()
        + rng.normal(0, 1, len(temps)) * noise
    )
    return with_energy(usage, energy)


def fitted(usage: Usage, *, model: str = "auto", start: date = START, end: date = END) -> Fit:
    """A fit that must be one."""
    found = fit_usage(usage, start=start, end=end, model=model)
    assert isinstance(found, Fit), found
    return found


def codes(fit: Fit) -> set[str]:
    """Codes of its findings."""
    return {finding.code for finding in fit.findings}


def bills(usage: Usage, lengths: Sequence[int]) -> pl.DataFrame:
    """Daily usage summed to bills of so many days each, from its first day on."""
    energy = usage.frame["energy_kwh"].to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(int)
    times = usage.frame["start_utc"].to_list()
    ends = usage.frame["end_utc"].to_list()
    rows = [
        (
            times[first],
            (ends[first + days - 1] - times[first]) // timedelta(minutes=1),
            energy[first : first + days].sum(),
        )
        for first, days in zip(starts, lengths, strict=True)
    ]
    return pl.DataFrame(rows, schema=READINGS, orient="row")
