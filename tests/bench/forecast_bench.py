"""Forecasts: training a meter-year, predicting a day, folds of many meters, and Liander's series beside OpenSTEF.

Run: `.venv/bin/python -m tests.bench.forecast_bench [--meters 100] [--no-liander]`. CPU seconds, one thread a process;
the baseline of training are three LightGBM quantile regressions of 300 trees on the same matrix in the same run.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ml.features.civil import civil_on
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES, feature_matrix
from ml.features.series import QUARTER, Series, Vector
from ml.features.weather_as_of import FixedWeather
from ml.forecasts.backtest import Forecasts, forecast_origins, joined, month_folds, run_folds, with_actual
from ml.forecasts.file_case import day_types_of
from ml.forecasts.forecast_model import Quantiles
from ml.forecasts.lifecycle.forecast_registry import FITTERS, fitter_of
from ml.forecasts.lifecycle.trial import FLOOR
from ml.forecasts.models.blend import training_origins
from ml.forecasts.models.load_features import LOAD, WEATHER
from ml.forecasts.uncertainty.scores import crps
from tests.bench.measure import measured

ROOT = Path(__file__).parents[2]
# Made by `make bench` from openstef.lock: it is no part of the product's own environment.
OPENSTEF = ROOT / ".bench" / "openstef" / "bin" / "python"
LIANDER = ROOT.parent / "shared" / "data" / "forecast_liander" / "load_15min_with_weather.parquet"
SERIES = {"287": 0.088, "307": 0.108, "435": 0.152}
# Both presets with quantiles; the better one is what ours is held against.
PRESETS = ("xgb_quantile", "xgb")
FIRST, DAYS, REFIT_DAYS = datetime(2020, 12, 10, tzinfo=UTC), 49, 7
START = datetime(2025, 1, 1, tzinfo=UTC)
TREES, QUANTILES = 300, (0.1, 0.5, 0.9)
FOLDS, CORES = 8, 2
TIMES = 25


def meter(seed: int, days: int = 365) -> Case:
    """A meter of an office with weather, hourly, seeded; calendar and weather reach two days further."""
    rng = np.random.default_rng(seed)
    length = (days + 2) * 24
    index = np.arange(length)
    hour, day = index % 24, index // 24
    degc = 10 - 11 * np.cos(2 * np.pi * (day - 20) / 365) - 4 * np.cos(2 * np.pi * (hour - 3) / 24)
    degc = degc + np.repeat(rng.normal(0, 3, days + 2), 24)
    busy = ((hour > 6) & (hour < 19) & ((day + 2) % 7 < 5)) * rng.uniform(10, 60)
    load = 20 + busy + rng.uniform(0.2, 2) * np.maximum(14 - degc, 0) + rng.uniform(0, 3) * np.maximum(degc - 18, 0)
    load = np.maximum(load * (1 + rng.normal(0, 0.05, length)), 0.1)
    civil = civil_on(day_types_of("DE", None), "Europe/Berlin", START, length)
    return Case(
        Series(START, load[: days * 24]), civil, FixedWeather(("temperature_degc",), degc[:, None]), horizon_steps=24
    )


def warm(work: Any) -> None:
    """Load what is imported late: it is no part of the work."""
    import lightgbm  # noqa: F401

    fitter_of(FLOOR).fit(meter(0, 60))


def fit_ours(algorithm: str, seed: str) -> float:
    """One meter-year with three quantiles, matrix and calibration included."""
    case = meter(int(seed))
    found = fitter_of(algorithm).fit(case).predict(case, len(case.series.values), 24)
    return float(found.p50.mean())


def fit_theirs(seed: str) -> float:
    """Three quantile regressions of the day ahead on our features, of which the making is counted too."""
    import lightgbm

    case = meter(int(seed))
    names = [name for name in FEATURES if name in (*LOAD, *WEATHER)]
    matrix = feature_matrix(case, training_origins(case, 24), 24, names)
    known = ~np.isnan(matrix.level)
    shares, total = case.series.values[matrix.step] / matrix.level, 0.0
    for quantile in QUANTILES:
        parameters = {"objective": "quantile", "alpha": quantile, "num_threads": 1, "verbosity": -1, "seed": 0}
        data = lightgbm.Dataset(matrix.inputs[known], label=shares[known], params={"verbosity": -1})
        booster = lightgbm.train(parameters, data, num_boost_round=TREES)
        total += float(booster.predict(matrix.inputs[:24], num_threads=1).mean())
    return total


def score_meter(seed: int) -> float:
    """CPU seconds of the last months of a meter, refitted each month and forecast day by day."""
    started = time.process_time()
    case = meter(seed)
    found = run_folds(case, (FITTERS[0],), month_folds(case, FOLDS), horizon=24)
    assert found[FITTERS[0].algorithm].counts.any()
    return time.process_time() - started


def bench_training() -> None:
    """Training and predicting one meter-year. Wanted: 5 s, three times the baseline's speed, 50 ms a day."""
    best = FITTERS[0]
    theirs = measured("tests.bench.forecast_bench:fit_theirs", 1)
    ours = measured("tests.bench.forecast_bench:fit_ours", best.algorithm, 1, repeat=2)
    case = meter(1)
    model, took = best.fit(case), list[float]()
    for _ in range(TIMES):
        started = time.process_time()
        model.predict(case, len(case.series.values), 24)
        took.append(time.process_time() - started)
    sys.stdout.write(
        f"forecast, {best.algorithm}: a meter-year with three quantiles in {ours.cpu_s:.2f} s CPU, "
        f"{theirs.cpu_s / ours.cpu_s:.1f} x as fast as three LightGBM fits ({theirs.cpu_s:.2f} s, "
        f"{TREES} trees each); a day in {1000 * statistics.median(took):.1f} ms; {ours.peak_mib:.0f} MiB\n"
    )
    sys.stdout.flush()


def bench_meters(meters: int) -> None:
    """Many meters on two cores. Wanted: 100 meters in 15 minutes, linear in meters."""
    found = []
    for count in sorted({max(meters // 2, 1), meters}):
        started = time.perf_counter()
        # Spawned: a forked one would inherit the locks of libraries whose threads it does not have.
        with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as pool:
            cpu_s = sum(pool.map(score_meter, range(count)))
        found.append((count, time.perf_counter() - started, cpu_s))
    count, wall_s, cpu_s = found[-1]
    each = [cpu / number for number, _, cpu in found]
    sys.stdout.write(
        f"folds: {count} meters x {FOLDS} months by {FITTERS[0].algorithm} in {wall_s:.0f} s on {CORES} cores, "
        f"{each[-1]:.1f} s CPU a meter ({each[0]:.1f} s where there are {found[0][0]}); "
        f"100 meters: {100 * each[-1] / CORES / 60:.1f} min\n"
    )


def liander(series: str) -> Case:
    """A series in UTC with the weather columns of its file that have a name of ours."""
    frame = pl.read_parquet(LIANDER).filter(pl.col("pid") == series).sort("timestamp_utc")
    start, end = frame["timestamp_utc"][0].astimezone(UTC), frame["timestamp_utc"][-1].astimezone(UTC) + QUARTER
    grid = pl.DataFrame({"timestamp_utc": pl.datetime_range(start, end, "15m", closed="left", eager=True)})
    whole = grid.join(
        frame.with_columns(pl.col("timestamp_utc").cast(grid.schema["timestamp_utc"])), "timestamp_utc", "left"
    )
    named = {
        "temperature_degc": pl.col("temp"),
        "humidity_percent": pl.col("humidity") * 100,
        "ghi_w_per_m2": pl.col("radiation") / 3600,
        "cloud_cover_percent": pl.col("clouds").clip(0, 100),
        "wind_speed_m_per_s": pl.col("windspeed_100m"),
        "wind_direction_deg": pl.col("winddeg"),
        "precipitation_mm": pl.col("rain"),
        "pressure_hpa": pl.col("pressure") / 100,
    }
    values: Vector = whole["load"].cast(pl.Float64).to_numpy()
    civil = civil_on(day_types_of("NL", None), "Europe/Amsterdam", start, len(values), QUARTER)
    weather = whole.select(**named).cast(pl.Float64).to_numpy()
    return Case(Series(start, values, QUARTER, "mw"), civil, FixedWeather(tuple(named), weather), horizon_steps=96)


def weeks(case: Case) -> list[list[int]]:
    """Origins at midnights UTC, by week of refitting."""
    days = [case.series.index(FIRST + timedelta(days=n)) for n in range(DAYS)]
    return [days[n : n + REFIT_DAYS] for n in range(0, DAYS, REFIT_DAYS)]


def ours_on(case: Case) -> tuple[Forecasts, float]:
    """Our best model on the protocol of OpenSTEF's side, and its CPU seconds."""
    started, parts = time.process_time(), []
    for origins in weeks(case):
        model = FITTERS[0].fit(case.before(origins[0]))
        parts.append(forecast_origins(model, case, origins, case.series.per_day))
    return joined(parts), time.process_time() - started


def openstef_on(case: Case, series: str, preset: str, table: Path) -> tuple[Forecasts, float]:
    """OpenSTEF's preset on the same days."""
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    request = {
        "file": str(table), "series": series, "model": preset, "days": [day.isoformat() for day in days],
        "refits": [day.isoformat() for day in days[::REFIT_DAYS]],
    }  # fmt: skip
    script = Path(__file__).with_name("openstef_side.py")
    done = subprocess.run([OPENSTEF, script], input=json.dumps(request), capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    rows = np.array(found["rows"]).reshape(DAYS, case.series.per_day, 3)
    answers = [Quantiles(*day.T) for day in rows]
    origins = [origin for week in weeks(case) for origin in week]
    return with_actual(case, origins, case.series.per_day, answers), found["fit_s"] + found["predict_s"]


def relative(case: Case, run: Forecasts, rows: Any) -> tuple[float, float]:
    """RMSE and CRPS over the range in which 98 % of the series lie."""
    part, values = run.where(rows), case.series.values[~np.isnan(case.series.values)]
    low, high = np.quantile(values, [0.01, 0.99])
    rmse = float(np.sqrt(np.mean((part.quantiles.p50 - part.actual) ** 2)))
    return rmse / (high - low), crps(part.actual, part.quantiles) / (high - low)


def bench_liander() -> None:
    """Three substations, day-ahead from midnight, refitted weekly. Wanted: below the figures of SERIES."""
    if not LIANDER.exists():
        sys.stdout.write("Liander: not measured, the series are not here\n")
        return
    # Made and left empty where its packages could not be had.
    words = [str(OPENSTEF), "-c", "import openstef"]
    is_there = OPENSTEF.exists() and not subprocess.run(words, capture_output=True, check=False).returncode
    if not is_there:
        sys.stdout.write("OpenSTEF: not measured, it is not in .bench/openstef (make bench puts it there)\n")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "liander.csv"
        pl.read_parquet(LIANDER).write_csv(table)
        for series, wanted in SERIES.items():
            case = liander(series)
            runs = {"ours": ours_on(case)}
            if is_there:
                runs |= {f"OpenSTEF {name}": openstef_on(case, series, name, table) for name in PRESETS}
            # The same quarter hours for all.
            rows = np.all([~np.isnan(run.actual) & run.quantiles.is_known for run, _ in runs.values()], axis=0)
            reported = []
            for name, (run, seconds) in runs.items():
                rmse, rcrps = relative(case, run, rows)
                reported.append(f"{name} {rmse:.1%}, rCRPS {rcrps:.2%} in {seconds:.0f} s")
            sys.stdout.write(f"Liander {series} (wanted below {wanted:.1%}): {'; '.join(reported)}\n")
            sys.stdout.flush()


def bench(meters: int = 4, *, has_liander: bool = True) -> None:
    """One line a model, one for many meters, one a series."""
    bench_training()
    bench_meters(meters)
    if has_liander:
        bench_liander()


def main() -> None:
    """The command line of this bench alone."""
    options = argparse.ArgumentParser(description="Forecasts against LightGBM and OpenSTEF, CPU seconds, same run.")
    options.add_argument("--meters", type=int, default=4, help="meters of the folds; the figure is of 100")
    options.add_argument("--no-liander", action="store_true", help="without the series beside OpenSTEF")
    chosen = options.parse_args()
    bench(chosen.meters, has_liander=not chosen.no_liander)


if __name__ == "__main__":
    for each in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(each, "1")
    main()
