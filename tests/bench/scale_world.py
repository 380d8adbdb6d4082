"""Sites of any size for the bench of scale: a project folder and its meter files, the same bytes for the same seed.

One use a meter, one driver for all, quarter hours of whole months from 2025 on; the site file says that it is
simulated, so that every figure made of it says so too. Run: python -m tests.bench.scale_world FOLDER --meters 1000.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from data_quality.contracts.time import local_midnight_utc, months_after

ZONE, SITE, FIRST = "Europe/Berlin", "scale", date(2025, 1, 1)
# As concentrators hand over: a file of a month holds so many meters at most.
METERS_A_FILE = 1000
# So many meters have a forecast of their own: a backtest costs seconds, and people look at few.
METERS_A_FORECAST = 100


def names_of(meters: int) -> list[str]:
    """Ids of the meters, in order."""
    return [f"m{number:05d}" for number in range(meters)]


def site_text(meters: int, months: int, targets: int = 0) -> str:
    """The site file. targets: how many meters have a forecast of their own; 0: one in METERS_A_FORECAST."""
    end, names = months_after(FIRST, months), names_of(meters)
    forecast = names[:targets] or names[::METERS_A_FORECAST]
    period = f"{{start: {FIRST}, end: {end}}}"
    lines = [
        f"site_id: {SITE}\nname: Scale {meters}\ntime_zone: {ZONE}\ncurrency: EUR\ncountry: DE\nis_simulated: true",
        "floor_area_m2: 1500\nfloor_area_definition: GIA\nmeters:",
        *(f"  - {{meter_id: {name}}}" for name in names),
        "drivers:\n  - {driver_id: outdoor_degc, unit: degc, aggregation: mean}\nseus:",
        *(
            f"  - {{seu_id: use_{name}, name: Use {name}, meters: [{name}], baseline: {period}, "
            "drivers: [{driver_id: outdoor_degc, justification: the hall is heated by it}]}"
            for name in names
        ),
        f"forecast_targets: [{', '.join(forecast)}]",
        "tariffs:\n  - {tariff_id: flat, valid_from: 2020-01-01, valid_to: 2030-01-01, "
        "periods: [{period_id: all, price_per_kwh: 0.21}]}",
        f"factors:\n  - {{factor_id: grid, kgco2e_per_kwh: 0.38, valid_from: {FIRST}, valid_to: 2027-01-01, "
        "source: invented}",
    ]
    return "\n".join(lines) + "\n"


def quarters(first: date, after: date) -> pl.DataFrame:
    """Quarter hours of the local days [first, after): their start, what a clock shows then, and the outdoor degC."""
    bounds = (local_midnight_utc(day, ZONE) for day in (first, after))
    starts = pl.datetime_range(*bounds, interval="15m", closed="left", eager=True, time_unit="us", time_zone="UTC")
    local = starts.dt.convert_time_zone(ZONE)
    day = local.dt.ordinal_day().to_numpy()
    hour = local.dt.hour().to_numpy()
    # Of the date alone: a month is the same in whatever project it stands.
    degc = 10 - 9 * np.cos(2 * np.pi * day / 365.25) - 3 * np.cos(2 * np.pi * hour / 24) + (day * 5 % 11) / 2 - 2.5
    return pl.DataFrame(
        {"start": starts, "hour": hour, "weekday": local.dt.weekday(), "degc": pl.Series(degc).round(1)}
    )


def month_files(folder: Path, meters: int, month: date, seed: int) -> Iterator[Path]:
    """Write the files of one month and give their paths: the driver's, and one for each thousand meters."""
    grid = quarters(month, months_after(month, 1))
    moment = grid["start"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    path = folder / f"drivers-{month:%Y-%m}.csv"
    pl.DataFrame({"timestamp": moment, "outdoor_degc": grid["degc"]}).write_csv(path)
    yield path
    shape = np.where((grid["hour"] >= 6) & (grid["hour"] < 18) & (grid["weekday"] < 6), 1.3, 0.8)
    heat = np.maximum(16.0 - grid["degc"].to_numpy(), 0.0)
    names = names_of(meters)
    for first in range(0, meters, METERS_A_FILE):
        own = names[first : first + METERS_A_FILE]
        rng = np.random.default_rng((seed, month.toordinal(), first))
        numbers = np.arange(first, first + len(own))
        base, slope = 1.0 + numbers % 17, 0.05 * (1 + numbers % 5)
        values = (base[:, None] * shape + slope[:, None] * heat) * rng.normal(1.0, 0.03, (len(own), grid.height))
        path = folder / f"meters-{month:%Y-%m}-{first:05d}.csv"
        pl.DataFrame(
            {
                "meter": pl.Series(own).gather(np.repeat(np.arange(len(own)), grid.height)),
                "timestamp": moment.gather(np.tile(np.arange(grid.height), len(own))),
                "kwh": values.ravel().round(3),
            }
        ).write_csv(path)
        yield path


def main() -> int:
    """Make the project and its files; their paths are printed in order."""
    options = argparse.ArgumentParser(description="A synthetic site of any size.")
    options.add_argument("folder", type=Path)
    options.add_argument("--meters", type=int, default=200)
    options.add_argument("--months", type=int, default=1)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    from orchestration.starter.project_files import make_project

    folder: Path = chosen.folder
    files = folder / "given"
    files.mkdir(parents=True, exist_ok=True)
    given = folder / f"{SITE}.yaml"
    given.write_text(site_text(chosen.meters, chosen.months))
    make_project(folder / "project", given)
    for number in range(chosen.months):
        for path in month_files(files, chosen.meters, months_after(FIRST, number), chosen.seed):
            sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
