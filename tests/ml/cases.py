"""Small sites and readings with known answers, shared by the tests of this folder."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from assets.kpi.enpi.daily import INTERCEPT
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.baselines.baseline import Baseline, BaselineType, Coefficient
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.site_file.site import Driver, Seu, SeuDriver, Site
from data_quality.contracts.time import local_midnight_utc
from ml.baselines.models.statistics import fit_statistics

ZONE = "Europe/Berlin"
QUARTER = timedelta(minutes=15)
RECORDED = datetime(2026, 1, 1, tzinfo=UTC)


def plant(*, drivers: tuple[str, ...] = ("production", "outdoor_degc"), day_types: bool = False) -> Site:
    """One SEU with two meters; production adds up, outdoor temperature averages; home has two registers."""
    return Site(
        site_id="plant",
        name="Plant",
        time_zone=ZONE,
        currency="EUR",
        country="DE",
        meters=(
            Meter(meter_id="m1"),
            Meter(meter_id="m2"),
            Meter(meter_id="pv", registers=(Register(register_id="value"), Register(register_id="export"))),
        ),
        drivers=(
            Driver(driver_id="production", unit="count", aggregation="sum"),
            Driver(driver_id="outdoor_degc", unit="degc", aggregation="mean"),
        ),
        seus=(
            Seu(
                seu_id="line",
                name="Line",
                meters=("m1", "m2"),
                drivers=tuple(SeuDriver(driver_id=name, justification="it runs with it") for name in drivers),
                day_types=day_types,
            ),
        ),
        forecast_targets=("m1",),
    )


def stream(
    meter_id: str,
    start_utc: datetime,
    values: list[float],
    *,
    register: str = "import",
    unit: str = "kwh",
    **more: object,
) -> pl.DataFrame:
    """Consecutive quarter hours of one stream from `start_utc`, as the lake gives them."""
    n = len(values)
    columns = {
        "site_id": ["plant"] * n,
        "meter_id": [meter_id] * n,
        "register": [register] * n,
        "interval_start_utc": [start_utc + index * QUARTER for index in range(n)],
        "interval_minutes": [15] * n,
        "source_minutes": [15] * n,
        "value": values,
        "unit": [unit] * n,
        "quality_code": [0] * n,
        "source_line": list(range(1, n + 1)),
        "is_synthetic": [False] * n,
        "batch_id": ["b"] * n,
        "recorded_at_utc": [RECORDED] * n,
    }
    columns |= {name: [value] * n for name, value in more.items()}
    return pl.DataFrame(columns, schema=LAKE_SCHEMA)


def quarters(start: date, end: date) -> int:
    """Quarter hours of the local days [start, end)."""
    return int((local_midnight_utc(end, ZONE) - local_midnight_utc(start, ZONE)) / QUARTER)


def whole_days(meter_id: str, start: date, end: date, value: float, **more: object) -> pl.DataFrame:
    """The same value in every quarter hour of the local days [start, end)."""
    register = {} if meter_id.startswith("m") else {"register": "value"}
    return stream(
        meter_id,
        local_midnight_utc(start, ZONE),
        [value] * quarters(start, end),
        **{**register, **more},  # type: ignore[arg-type]
    )


def day_table(
    start: date, days: int, energy: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], *, seed: int = 1
) -> pl.DataFrame:
    """A daily table with random production (0 on Sundays) and a yearly temperature wave; energy of their arrays."""
    rng = np.random.default_rng(seed)
    dates = [start + timedelta(days=index) for index in range(days)]
    is_weekend = np.array([day.weekday() >= 5 for day in dates], dtype=float)
    production = rng.uniform(800.0, 1500.0, days)
    temperature = 10.0 - 10.0 * np.cos(2 * np.pi * np.arange(days) / 365.25) + rng.normal(0.0, 3.0, days)
    values = energy(production, temperature, is_weekend) + 0.0
    return pl.DataFrame(
        {
            "local_date": dates,
            "hours": [24.0] * days,
            "day_type": ["weekend" if flag else "weekday" for flag in is_weekend],
            "energy_kwh": np.round(values, 9),
            "coverage": [1.0] * days,
            "coverage_worst_meter": [1.0] * days,
            "estimated_share": [0.0] * days,
            "is_synthetic": [True] * days,
            "production": np.round(production, 9),
            "outdoor_degc": np.round(temperature, 9),
            "is_weekend": is_weekend.astype(int),
            "is_holiday": [0] * days,
        }
    )


def noise(days: int, sigma: float, *, seed: int = 2) -> np.ndarray:
    """Independent normal errors, kWh."""
    return np.random.default_rng(seed).normal(0.0, sigma, days)


def baseline(
    coefficients: dict[str, float],
    *,
    findings: tuple[Finding, ...] = (),
    ranges: dict[str, tuple[float, float]] | None = None,
) -> Baseline:
    """A baseline with these coefficients and the statistics of a made-up fit."""
    y = np.array([10.0, 12.0, 11.0, 14.0, 13.0, 15.0])
    days = [date(2025, 1, 1) + timedelta(days=index) for index in range(6)]
    terms = {INTERCEPT: 0.0, **coefficients}
    return Baseline(
        seu_id="line",
        site_id="plant",
        baseline_type=BaselineType.ENB,
        model="ols_daily",
        feature_order=tuple(name for name in terms if name != INTERCEPT),
        coefficients=tuple(
            Coefficient(name=name, value=value, standard_error=1.0, ci_low=value - 1, ci_high=value + 1, p_value=0.01)
            for name, value in terms.items()
        ),
        driver_ranges=ranges or {},
        train_start=date(2024, 1, 1),
        train_end=date(2025, 1, 1),
        confidence=0.9,
        statistics=fit_statistics(y=y, predicted=y + 0.5, held_out=y - 0.5, p=2, days=days),
        findings=findings,
        dataset_digest="d" * 64,
        is_synthetic=False,
    )


def hourly_load(
    hours: int, start_utc: datetime, *, seed: int = 3, meter_id: str = "m1", sigma: float = 0.3
) -> pl.DataFrame:
    """A load with a daily and a weekly shape, kWh per hour spread over quarter hours, a little noise."""
    rng = np.random.default_rng(seed)
    index = np.arange(hours)
    moments = [start_utc + timedelta(hours=int(step)) for step in index]
    weekday = np.array([moment.weekday() for moment in moments])
    hour = np.array([moment.hour for moment in moments])
    shape = 10.0 + 6.0 * np.sin(np.pi * np.clip(hour - 6, 0, 12) / 12.0) * np.where(weekday < 5, 1.0, 0.3)
    trend = 1.0 + 0.1 * np.sin(index / 500.0)
    load = np.maximum(shape * trend + rng.normal(0.0, sigma, hours), 0.1)
    return stream(meter_id, start_utc, np.round(np.repeat(load / 4.0, 4), 9).tolist())
