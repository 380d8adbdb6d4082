"""Figures of the day-ahead load forecast on the public sets, by the house's own backtest (data/FIGURES.md).

Run: `.venv/bin/python -m tests.bench.forecast_figures [cambridge bdg2_weather bdg2] [--months-apart 1] [--only NAME]`.
Two processes. Prints a line a building and the medians: NRMSE, WAPE, the floor's NRMSE, coverage of P10 to P90.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, date, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from assets.sites.calendar import usual_holidays
from ml.features.civil import civil_on
from ml.features.forecast_case import Case
from ml.features.series import Series, Vector
from ml.features.weather_as_of import NO_WEATHER, FixedWeather
from ml.forecasts.backtest import month_folds, run_folds, score_together
from ml.forecasts.models.ensemble import EnsembleFitter
from ml.forecasts.models.naive import SameHourLastWeekFitter

DATA = Path(__file__).parents[2].parent / "shared" / "data"
# What the figures ask for: median NRMSE of the set.
WANTED = {"cambridge": 0.072, "bdg2_weather": 0.123, "bdg2": 0.133}
# Meters whose clock is not that of their zone (README of the set).
CLOCKS = {"Fox": "America/Phoenix", "Rat": "Etc/GMT+5"}
CAMBRIDGE = {
    "air_temperature_c": "temperature_degc",
    "relative_humidity_pct": "humidity_percent",
    "global_irradiance_w_m2": "ghi_w_per_m2",
}
BDG2 = {"air_temperature_c": "temperature_degc", "dew_temperature_c": "dew_point_degc"}


def cambridge(name: str) -> tuple[Case, int]:
    """A building of 2018 and 2019, and the months to be forecast."""
    folder = DATA / "sites_cambridge"
    end = datetime(2020, 1, 1, tzinfo=UTC)
    rows = pl.read_parquet(folder / "meters_hourly.parquet").filter(
        (pl.col("meter") == "electricity") & (pl.col("building_id") == name) & (pl.col("timestamp_utc") < end)
    )
    weather = pl.read_parquet(folder / "weather_bedford_hourly.parquet")
    return case_of(rows.select("timestamp_utc", "value"), weather.rename(CAMBRIDGE), "Europe/London", "GB"), 12


def bdg2(name: str, *, with_weather: bool) -> tuple[Case, int]:
    """A building of 2016 (with weather) or of 2016 and 2017, and the months to be forecast."""
    folder = DATA / "sites_bdg2"
    about = pl.read_csv(folder / "metadata.csv.gz").filter(pl.col("building_id") == name).row(0, named=True)
    zone = CLOCKS.get(about["site_id"], about["timezone"])
    end = date(2017 if with_weather else 2018, 1, 1)
    rows = pl.read_parquet(folder / "electricity_hourly.parquet").filter(
        (pl.col("building_id") == name) & (pl.col("timestamp_local").dt.date() < end)
    )
    # Of an hour that a clock shows twice the first; of one that it never shows none.
    moment = pl.col("timestamp_local").dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    rows = rows.select(timestamp_utc=moment.dt.convert_time_zone("UTC"), value=pl.col("kwh")).drop_nulls(
        "timestamp_utc"
    )
    weather = None
    if with_weather:
        weather = pl.read_parquet(folder / "weather_2016_hourly.parquet").rename(BDG2)
        weather = weather.filter(pl.col("site_id") == about["site_id"])
    country = "GB" if about["site_id"] == "Robin" else "US"
    return case_of(rows, weather, zone, country), 6 if with_weather else 12


def case_of(rows: pl.DataFrame, weather: pl.DataFrame | None, zone: str, country: str) -> Case:
    """Zeros are missing (README of the sets)."""
    start, end = rows["timestamp_utc"].min(), rows["timestamp_utc"].max()
    assert isinstance(start, datetime)
    assert isinstance(end, datetime)
    length = (end - start) // timedelta(hours=1) + 1
    values = _on_grid(rows, "value", start, length)
    values[values == 0] = np.nan

    def types(first: date, last: date) -> Mapping[date, str]:
        holidays = usual_holidays(country, first, last)
        days = [first + timedelta(days=n) for n in range((last - first).days)]
        return {day: "holiday" if day in holidays else "weekend" if day.weekday() > 4 else "weekday" for day in days}

    given = NO_WEATHER
    if weather is not None:
        names = [name for name in (*CAMBRIDGE.values(), *BDG2.values()) if name in weather.columns]
        names = list(dict.fromkeys(names))
        given = FixedWeather(tuple(names), np.column_stack([_on_grid(weather, name, start, length) for name in names]))
    return Case(Series(start, values), civil_on(types, zone, start, length + 25), given, horizon_steps=24)


def _on_grid(rows: pl.DataFrame, column: str, start: datetime, length: int) -> Vector:
    at = (
        (rows["timestamp_utc"].dt.replace_time_zone(None).dt.replace_time_zone("UTC") - start)
        .dt.total_hours()
        .to_numpy()
    )
    grid: Vector = np.full(length, np.nan)
    inside = (at >= 0) & (at < length)
    grid[at[inside]] = rows[column].cast(pl.Float64).to_numpy()[inside]
    return grid


def measure(task: tuple[str, str, int]) -> tuple[str, dict[str, float]]:
    """Scores of one building of one set, every so many months."""
    kind, name, apart = task
    case, months = cambridge(name) if kind == "cambridge" else bdg2(name, with_weather=kind == "bdg2_weather")
    began = time.process_time()
    folds = month_folds(case, months)[::apart]
    runs = run_folds(case, [EnsembleFitter(), SameHourLastWeekFitter()], folds, horizon=24)
    scores, _ = score_together(runs, scale=1.0)
    ours, floor = scores["ensemble"], scores["same_hour_last_week"]
    return name, {
        "nrmse": ours.nrmse,
        "wape": ours.wape,
        "pinball": ours.pinball,
        "coverage": ours.coverage_p10_p90,
        "n": ours.n,
        "floor": floor.nrmse,
        "cpu_s_a_fold": (time.process_time() - began) / len(folds),
    }


def names_of(kind: str) -> list[str]:
    """Buildings of a set."""
    if kind == "cambridge":
        meters = pl.read_csv(DATA / "sites_cambridge" / "meters.csv.gz").filter(pl.col("meter") == "electricity")
        return sorted(meters["building_id"].to_list())
    return sorted(pl.read_csv(DATA / "sites_bdg2" / "metadata.csv.gz")["building_id"].to_list())


def main() -> None:
    """Run the sets and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(WANTED))
    parser.add_argument("--months-apart", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    with ProcessPoolExecutor(given.processes, mp_context=get_context("spawn")) as pool:
        for kind in given.sets:
            tasks = [(kind, name, given.months_apart) for name in names_of(kind) if given.only in name]
            found = {}
            for name, one in pool.map(measure, tasks):
                found[name] = one
                print(f"{kind} {name:24} " + " ".join(f"{key} {value:.4g}" for key, value in one.items()), flush=True)
            every = list(found.values())
            hours = sum(one["n"] for one in every)
            print(
                f"{kind}: median NRMSE {statistics.median(one['nrmse'] for one in every):.2%}, "
                f"wanted {WANTED[kind]:.1%}, median WAPE {statistics.median(one['wape'] for one in every):.2%}, "
                f"coverage {sum(one['coverage'] * one['n'] for one in every) / hours:.1%} "
                f"({min(one['coverage'] for one in every):.1%} to {max(one['coverage'] for one in every):.1%}), "
                f"better than last week {sum(one['nrmse'] < one['floor'] for one in every)} of {len(every)}, "
                f"{statistics.mean(one['cpu_s_a_fold'] for one in every):.2f} CPU s a fold",
                flush=True,
            )


if __name__ == "__main__":
    main()
