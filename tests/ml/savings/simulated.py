"""Buildings with a known saving: weather, a load of one of four shapes, noise with memory. Long run: python -m."""

import math
import sys
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from assets.kpi.enpi.savings_band import savings_uncertainty_kwh
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_midnight_utc
from ml.baselines.models.fit import fit_usage
from ml.baselines.savings.savings import Savings, savings
from ml.baselines.usage_tables.usage_table import Usage, usage_of

START, SPLIT = date(2022, 1, 1), date(2023, 1, 1)
ZONE = "UTC"


@dataclass(frozen=True)
class Building:
    """One simulated building: its usage over both periods, and what it saved, kWh."""

    usage: Usage
    saved_kwh: float
    rho: float
    report_start: date
    report_end: date


def noise(rng: np.random.Generator, n: int, rho: float) -> np.ndarray:
    """First-order autoregression with unit variance."""
    drawn, found = rng.normal(size=n + 200), np.zeros(n + 200)
    for i in range(1, n + 200):
        found[i] = rho * found[i - 1] + math.sqrt(1 - rho * rho) * drawn[i]
    return found[200:]


def weather(rng: np.random.Generator, n: int) -> np.ndarray:
    """Daily mean temperatures, degC: a yearly wave and weather that lasts for days."""
    return 10 - 9 * np.cos(2 * np.pi * (np.arange(n) - 15) / 365.25) + 3.3 * noise(rng, n, 0.75)


def building(
    seed: int,
    *,
    rho: float | None = None,
    report_days: int = 365,
    skip_days: int = 0,
    share: float | None = None,
    week: float = 0.0,
) -> Building:
    """A building with intercept only, heating, cooling or both; CV of its noise 5–30 %, ρ 0–0.8, saving 0–25 %.

    week: share by which weekends are lower; skip_days: between the baseline and the reporting period.
    """
    rng = np.random.default_rng(seed)
    n = (SPLIT - START).days
    days = n + skip_days + report_days
    temps = weather(rng, days)
    kind = seed % 4
    heat = rng.uniform(2, 12) if kind in (1, 3) else 0.0
    cool = rng.uniform(2, 12) if kind in (2, 3) else 0.0
    low = rng.uniform(12, 17)
    high = low + rng.uniform(1, 6)
    clean = rng.uniform(60, 200) + heat * np.maximum(low - temps, 0) + cool * np.maximum(temps - high, 0)
    dates = [START + timedelta(days=i) for i in range(days)]
    clean = clean * np.where([day.weekday() >= 5 for day in dates], 1 - week, 1.0)
    rho = float(rng.uniform(0, 0.8)) if rho is None else rho
    share = float(rng.uniform(0, 0.25)) if share is None else share
    energy = clean + rng.uniform(0.05, 0.30) * clean[:n].mean() * noise(rng, days, rho)
    saved = share * clean
    saved[: n + skip_days] = 0.0
    usage = daily_usage(dates, energy - saved, temps)
    start = SPLIT + timedelta(days=skip_days)
    return Building(usage, float(saved.sum()), rho, start, start + timedelta(days=report_days))


def daily_usage(dates: list[date], energy: np.ndarray, temps: np.ndarray, zone: str = ZONE) -> Usage:
    """Days with energy (nan: missing) and mean temperature."""
    readings = series(dates, energy, "energy_kwh", zone).drop_nulls()
    temperatures = series(dates, temps, "temp_degc", zone).drop_nulls()
    known = None if readings.is_empty() else readings
    return usage_of(known, temperatures=temperatures, frequency="daily", zone=zone)


def series(dates: list[date], values: np.ndarray, name: str, zone: str = ZONE) -> pl.DataFrame:
    """start_utc, minutes and one column, a row a local day; nan becomes null."""
    starts = [local_midnight_utc(day, zone) for day in dates]
    ends = [local_midnight_utc(day + timedelta(days=1), zone) for day in dates]
    return pl.DataFrame(
        {
            "start_utc": pl.Series(starts, dtype=pl.Datetime("us", "UTC")),
            "minutes": [int((end - start).total_seconds() // 60) for start, end in zip(starts, ends, strict=True)],
            name: pl.Series(values, dtype=pl.Float64).fill_nan(None),
        }
    )


def monthly_usage(found: Usage) -> Usage:
    """The same building's bills of calendar months (the zone is UTC)."""
    days = found.frame.select("start_utc", "energy_kwh", "temp_degc", minutes=pl.lit(1440, pl.Int64))
    bills = days.group_by_dynamic("start_utc", every="1mo").agg(pl.col("minutes").sum(), pl.col("energy_kwh").sum())
    temps = days.select("start_utc", "minutes", "temp_degc")
    return usage_of(bills, temperatures=temps, frequency="billing", zone=found.zone)


def result(made: Building, *, confidence: float = 0.9, billing: bool = False, resamples: int = 0) -> Savings:
    """The saving that the platform finds."""
    usage = monthly_usage(made.usage) if billing else made.usage
    fit = fit_usage(usage, start=START, end=SPLIT)
    assert not isinstance(fit, Finding), fit
    found = savings(
        fit,
        usage,
        report_start=made.report_start,
        report_end=made.report_end,
        confidence=confidence,
        measures=[made.report_start],
        resamples=resamples,
    )
    assert not isinstance(found, Finding), found
    return found


def covered(made: Building, found: Savings) -> bool:
    """Whether the true saving lies in the stated interval."""
    return found.interval_kwh[0] <= made.saved_kwh <= found.interval_kwh[1]


def signed_form(found: Savings) -> float:
    """The plain form as it is printed: a negative autocorrelation makes n′ exceed n."""
    band = found.band
    return savings_uncertainty_kwh(
        expected_kwh=found.expected_kwh,
        cvrmse=band.cvrmse,
        rho1=band.rho1,
        n=band.n,
        m=band.m,
        months=band.months,
        confidence=band.confidence,
        n_params=band.n_params,
        frequency="billing" if band.n <= 24 else "daily",
    )


def main(count: int) -> None:
    """Coverage of the stated band, and of the plain form beside it, printed as they come."""
    cases = [("daily, 12 months", {}, False), ("daily, 3 months", {"report_days": 90}, False)]
    cases += [("daily, 3 summer months", {"report_days": 90, "skip_days": 180}, False)]
    cases += [("daily, 24 months", {"report_days": 730}, False), ("monthly bills", {}, True)]
    cases += [(f"daily, rho {rho}", {"rho": rho}, False) for rho in (0.0, 0.5, 0.8)]
    for number, (name, options, billing) in enumerate(cases):
        hits = plain = signed = events = boot = 0
        ratios = []
        for seed in range(count):
            made = building(number * 100_000 + seed, **options)
            found = result(made, billing=billing, resamples=200)
            hits += covered(made, found)
            plain += abs(found.savings_kwh - made.saved_kwh) <= found.band.delta_e
            signed += abs(found.savings_kwh - made.saved_kwh) <= signed_form(found)
            boot += found.bootstrap.low <= made.saved_kwh <= found.bootstrap.high
            events += any(each.code == "non_routine_event" for each in found.findings)
            ratios.append(found.uncertainty_kwh / found.band.delta_e)
        print(  # noqa: T201
            f"{name}: {count} buildings, stated band covers {hits / count:.1%}, plain form {plain / count:.1%} "
            f"(n′ above n allowed: {signed / count:.1%}), "
            f"bootstrap {boot / count:.1%}; width {np.median(ratios):.2f} of the form; events flagged {events}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
