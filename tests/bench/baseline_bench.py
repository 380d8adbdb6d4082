"""Baselines: the balance-point search, a portfolio fitted whole, and hourly models; statsmodels in the same run.

Run: `.venv/bin/python -m tests.bench.baseline_bench [--meters 1000] [--rivals 2]`. Seconds are CPU seconds of one
thread; the rival is `statsmodels.api.OLS(...).fit()` once a model, and its formula interface for hourly models.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from ml.baselines.models.choose import CALTRACK_BASES_DEGC
from ml.baselines.models.fit import Fit, fit_portfolio
from ml.baselines.models.forms import month_numbers
from ml.baselines.models.hourly_model import KNOTS, hourly_form, solve_hourly
from ml.baselines.models.search import MIN_DAYS, MIN_DEGREE_DAYS
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage, usage_of
from tests.ml.baselines.searching import search_many

ONE_THREAD = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
START, END = date(2025, 1, 1), date(2026, 1, 1)
ZONE = "Europe/Berlin"
HOLIDAYS = [date(2025, 1, 1), date(2025, 4, 18), date(2025, 5, 1), date(2025, 10, 3), date(2025, 12, 25)]


def clocked(work: Callable[[], Any]) -> tuple[Any, float]:
    """The answer and the CPU seconds of this process."""
    started = time.process_time()
    answer = work()
    return answer, time.process_time() - started


def weather(rng: np.random.Generator) -> Vector:
    """A year of hourly temperatures, degC."""
    hours = np.arange(8760)
    season = 10.0 - 11.0 * np.cos(2 * np.pi * (hours / 24 - 20) / 365)
    day = -4.0 * np.cos(2 * np.pi * (hours % 24 - 3) / 24)
    temps: Vector = season + day + np.repeat(rng.normal(0, 3, 365), 24)
    return temps


def daily_loads(meters: int, temps: Vector, rng: np.random.Generator) -> Vector:
    """(meters, 365) kWh per day, each with its own balance points, slopes and weekend."""
    daily = temps.reshape(365, 24).mean(axis=1)
    cold = np.maximum(rng.uniform(12, 17, (meters, 1)) - daily, 0) * rng.uniform(1, 6, (meters, 1))
    hot = np.maximum(daily - rng.uniform(17, 21, (meters, 1)), 0) * rng.uniform(1, 6, (meters, 1))
    weekend = ((np.arange(365) + 2) % 7 >= 5) * rng.uniform(0, 40, (meters, 1))
    loads: Vector = 120 + cold + hot - weekend + rng.normal(0, 8, (meters, 365))
    return loads


def usage(temps: Vector, hourly_kwh: Vector, frequency: Any) -> Usage:
    """A year of one meter."""
    first = datetime(2024, 12, 31, 23, tzinfo=UTC)
    times = pl.datetime_range(first, first + timedelta(hours=8759), "1h", time_unit="us", eager=True)
    minutes = pl.Series([60] * 8760, dtype=pl.Int64)
    readings = pl.DataFrame({"start_utc": times, "minutes": minutes, "energy_kwh": hourly_kwh})
    degc = pl.DataFrame({"start_utc": times, "minutes": minutes, "temp_degc": temps})
    return usage_of(readings, temperatures=degc, frequency=frequency, zone=ZONE, holidays=HOLIDAYS)


def rival_search(y: Vector, temps: Vector, bases: Vector) -> tuple[int, float, float, Vector]:
    """Every model of the CalTRACK grid by statsmodels: models fitted, bases and coefficients of the best."""
    import statsmodels.api as sm

    # Bases without a degree day make a rank-deficient model: the rival says so each time.
    warnings.simplefilter("ignore")
    ones, best, fitted = np.ones(len(y)), (-np.inf, 0.0, 0.0, np.empty(0)), 1
    for low in bases:
        cold = np.maximum(low - temps, 0)
        for high in bases[bases >= low]:
            hot = np.maximum(temps - high, 0)
            result = sm.OLS(y, np.column_stack([ones, cold, hot])).fit()
            fitted += 1
            enough = all((part > 0).sum() >= MIN_DAYS and part.sum() >= MIN_DEGREE_DAYS for part in (cold, hot))
            if enough and (result.params > 0).all() and result.rsquared_adj > best[0]:
                best = (float(result.rsquared_adj), float(low), float(high), np.asarray(result.params))
    return fitted, best[1], best[2], best[3]


def bench_search(meters: int, rivals: int) -> dict[str, float]:
    """CPU seconds a meter of both sides, and the largest difference of a coefficient, relative."""
    rng = np.random.default_rng(7)
    temps = weather(rng)
    daily, loads = temps.reshape(365, 24).mean(axis=1), daily_loads(meters, temps, rng)
    search_many(loads[:1], daily, bases_degc=CALTRACK_BASES_DEGC, needs_positive_intercept=True)

    def ours() -> list[Any]:
        # Blocks of meters, as fit_portfolio searches them.
        parts = [loads[first : first + 64] for first in range(0, meters, 64)]
        return [
            search_many(part, daily, bases_degc=CALTRACK_BASES_DEGC, needs_positive_intercept=True) for part in parts
        ]

    found, ours_s = clocked(ours)
    rival_search(loads[0][:50], daily[:50], CALTRACK_BASES_DEGC[:3])
    theirs_s, worst, fitted = 0.0, 0.0, 0
    for meter in range(rivals):
        (fitted, low, high, values), seconds = clocked(partial(rival_search, loads[meter], daily, CALTRACK_BASES_DEGC))
        theirs_s += seconds
        best = found[0].shapes["both"]
        same = CALTRACK_BASES_DEGC[best.heating[meter]] == low and CALTRACK_BASES_DEGC[best.cooling[meter]] == high
        slopes = np.array([best.slope_h[meter], best.slope_c[meter]])
        worst = max(worst, float(np.max(np.abs(slopes / values[1:] - 1)))) if same else float("inf")
    return {
        "models": fitted,
        "ours_s": ours_s / meters,
        "theirs_s": theirs_s / rivals,
        "ratio": (theirs_s / rivals) / (ours_s / meters),
        "worst": worst,
    }


def bench_portfolio(meters: int) -> dict[str, float]:
    """CPU and wall seconds of choosing and fitting all meters, with statistics and findings."""
    rng = np.random.default_rng(8)
    temps = weather(rng)
    one = usage(temps, np.ones(8760), "daily")
    loads = daily_loads(meters, temps, rng)
    usages = [one.with_frame(one.frame.with_columns(energy_kwh=pl.Series(load))) for load in loads]
    fit_portfolio(usages[:2], start=START, end=END)
    wall = time.perf_counter()
    fits, cpu_s = clocked(lambda: fit_portfolio(usages, start=START, end=END))
    return {
        "meters": sum(isinstance(each, Fit) for each in fits),
        "cpu_s": cpu_s,
        "wall_s": time.perf_counter() - wall,
    }


def bench_hourly(meters: int, rivals: int) -> dict[str, float]:
    """CPU seconds a meter-year of time of week and temperature: ours with occupancy, knots and held-out months."""
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(9)
    temps = weather(rng)
    hours = np.arange(8760)
    busy = ((hours % 24 > 6) & (hours % 24 < 19) & (((hours // 24 + 2) % 7) < 5)) * 6.0
    load = 5 + busy + 0.3 * np.maximum(14 - temps, 0) + 0.4 * np.maximum(temps - 18, 0) + rng.normal(0, 1, 8760)
    one = usage(temps, np.maximum(load, 0.1), "hourly").between(START, END)
    y, folds = one.frame["energy_kwh"].to_numpy(), month_numbers(one)

    def ours() -> Any:
        form = hourly_form(one, y, knots_degc=KNOTS["caltrack"], holidays=False)
        return solve_hourly(form, one, y, folds=folds)

    ours()
    found, ours_s = clocked(lambda: [ours() for _ in range(meters)])
    week = found[0].form.hours(one)
    pieces = found[0].form.pieces(one, week)
    table = {"y": y, "tow": found[0].form.levels(week)} | {f"p{j}": pieces[:, j] for j in range(pieces.shape[1])}
    formula = "y ~ 0 + C(tow) + " + " + ".join(f"p{j}" for j in range(pieces.shape[1]))
    theirs, theirs_s = clocked(lambda: [smf.ols(formula, table).fit() for _ in range(rivals)])
    values = np.asarray(theirs[0].params)
    return {
        "ours_s": ours_s / meters,
        "theirs_s": theirs_s / rivals,
        "ratio": (theirs_s / rivals) / (ours_s / meters),
        "worst": float(np.max(np.abs(found[0].values - values) / np.max(np.abs(values)))),
    }


def main(given: Sequence[str] | None = None) -> int:
    """Print one line a bench. given: options; those of the command line where left out."""
    options = argparse.ArgumentParser(description="Baselines against statsmodels, CPU seconds, same run.")
    options.add_argument("--meters", type=int, default=1000, help="meters of the portfolio")
    options.add_argument("--rivals", type=int, default=2, help="meters that statsmodels fits too")
    chosen = options.parse_args(given)
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):
        # Libraries read their number of threads when they are loaded: once more, from the start.
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
        arguments = sys.argv[1:] if given is None else given
        os.execv(sys.executable, [sys.executable, "-m", "tests.bench.baseline_bench", *arguments])  # noqa: S606
    found = bench_search(chosen.meters, chosen.rivals)
    sys.stdout.write(
        f"balance points: {found['models']:.0f} models a meter, ours {found['ours_s'] * 1e3:.3f} ms, "
        f"statsmodels {found['theirs_s'] * 1e3:.0f} ms a meter, ratio {found['ratio']:,.0f}, "
        f"slopes differ by {found['worst']:.1e}\n"
    )
    found = bench_portfolio(chosen.meters)
    sys.stdout.write(
        f"portfolio: {found['meters']:.0f} meters chosen, fitted and judged in {found['cpu_s']:.2f} s CPU, "
        f"{found['wall_s']:.2f} s wall\n"
    )
    found = bench_hourly(10, 1)
    sys.stdout.write(
        f"hourly: ours {found['ours_s'] * 1e3:.1f} ms, statsmodels formula {found['theirs_s'] * 1e3:.0f} ms a "
        f"meter-year, ratio {found['ratio']:,.0f}, coefficients differ by {found['worst']:.1e}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
