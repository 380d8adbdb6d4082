"""Two small buildings for the conformance cases: days and hours with known coefficients and a repeatable noise."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_midnight_utc
from ml.baselines.models.fit import Fit, fit_usage
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage, usage_of

ZONE = "UTC"
START, SPLIT, END = date(2022, 1, 1), date(2023, 1, 1), date(2024, 1, 1)
# kWh/day, and kWh/day and degree: what the fit has to find again.
# Between the two bases lies a band without either, so that both can be found.
BASE_KWH, HEATING, COOLING, HEATING_BASE_DEGC, COOLING_BASE_DEGC = 60.0, 5.0, 3.0, 14.0, 19.0


def temperatures(days: int = 730, *, seed: int = 1) -> Vector:
    """Daily means, degC, over years with a winter and a summer."""
    rng = np.random.default_rng(seed)
    # Coldest in the middle of January.
    wave: Vector = 11.0 - 11.0 * np.cos(2 * np.pi * (np.arange(days) - 15) / 365.25) + rng.normal(0.0, 3.0, days)
    return wave


def load(temps: Vector, *, noise: float = 4.0, seed: int = 2) -> Vector:
    """Energy, kWh per day, of those temperatures, with noise."""
    clean = BASE_KWH + HEATING * np.maximum(HEATING_BASE_DEGC - temps, 0.0)
    clean = clean + COOLING * np.maximum(temps - COOLING_BASE_DEGC, 0.0)
    found: Vector = clean + np.random.default_rng(seed).normal(0.0, noise, len(temps))
    return found


def frame(values: Vector, name: str, *, start: date = START, minutes: int = 1440) -> pl.DataFrame:
    """start_utc, minutes and a column; nan becomes null."""
    first = local_midnight_utc(start, ZONE)
    starts = [first + timedelta(minutes=minutes * i) for i in range(len(values))]
    return pl.DataFrame(
        {
            "start_utc": pl.Series(starts, dtype=pl.Datetime("us", "UTC")),
            "minutes": pl.Series([minutes] * len(values), dtype=pl.Int64),
            name: pl.Series(values, dtype=pl.Float64).fill_nan(None),
        }
    )


def days(energy: Vector, temps: Vector) -> Usage:
    """Daily usage from START on."""
    readings = frame(energy, "energy_kwh").drop_nulls()
    return usage_of(readings, temperatures=frame(temps, "temp_degc").drop_nulls(), frequency="daily", zone=ZONE)


def year() -> Usage:
    """The two years of the building as days."""
    temps = temperatures()
    return days(load(temps), temps)


def bills(lengths: list[int], energy: list[float], *, estimated: list[bool] | None = None) -> pl.DataFrame:
    """Bills from START on, of so many days each."""
    first = local_midnight_utc(START, ZONE)
    begins = [first + timedelta(days=sum(lengths[:i])) for i in range(len(lengths))]
    return pl.DataFrame(
        {
            "start_utc": pl.Series(begins, dtype=pl.Datetime("us", "UTC")),
            "minutes": pl.Series([1440 * each for each in lengths], dtype=pl.Int64),
            "energy_kwh": pl.Series(energy, dtype=pl.Float64),
            "is_estimated": pl.Series(estimated or [False] * len(lengths), dtype=pl.Boolean),
        }
    )


def billed(readings: pl.DataFrame) -> Usage:
    """Bills as usage, with the building's weather."""
    weather = frame(temperatures(), "temp_degc")
    return usage_of(readings, temperatures=weather, frequency="billing", zone=ZONE)


def month_bills() -> Usage:
    """The building's bills of calendar months."""
    monthly = frame(load(temperatures()), "energy_kwh").group_by_dynamic("start_utc", every="1mo")
    return billed(monthly.agg(pl.col("minutes").sum(), pl.col("energy_kwh").sum()).with_columns(is_estimated=False))


def hours(count_days: int = 365) -> Usage:
    """Hours: twice the load on weekdays from 8 to 18, and the day's weather with warmer afternoons."""
    n = count_days * 24
    rng = np.random.default_rng(3)
    hour = np.arange(n) % 24
    # Coldest at three in the morning.
    temps = np.repeat(temperatures(count_days), 24) - 4.0 * np.cos(2 * np.pi * (hour - 3) / 24)
    first = datetime(START.year, START.month, START.day)  # noqa: DTZ001
    weekday = np.array([(first + timedelta(hours=int(i))).weekday() < 5 for i in range(n)])
    at_work = weekday & (hour >= 8) & (hour < 18)
    energy = np.where(at_work, 10.0, 4.0) + 0.2 * np.maximum(14.0 - temps, 0.0) + rng.normal(0.0, 0.3, n)
    return usage_of(
        frame(energy, "energy_kwh", minutes=60),
        temperatures=frame(temps, "temp_degc", minutes=60),
        frequency="hourly",
        zone=ZONE,
    )


def fitted(usage: Usage, *, start: date = START, end: date = SPLIT, model: str = "auto") -> Fit:
    """A fit that must come about. Raises OurFault."""
    found = fit_usage(usage, start=start, end=end, model=model)
    if isinstance(found, Finding):
        raise OurFault(f"the conformance building has no {model} fit: {found.message}")
    return found


def codes(found: "Fit | Usage | Finding") -> set[str]:
    """Codes of the findings, those that block with an exclamation mark."""
    listed = (found,) if isinstance(found, Finding) else found.findings
    return {f"{each.code}!" if each.is_blocking else each.code for each in listed}
