"""The irradiance in hourly baselines on held meters: months that no fit has seen, with it and without. See __main__."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import fit_usage
from ml.baselines.usage_tables.usage_table import SUN, Usage, usage_of
from tests.conftest import SHARED_DATA

# Every third month is never trained on.
HELD = 3
INSTANT = pl.Datetime("us", "UTC")
BRUSSELS, LONDON, AMSTERDAM, DENVER = "Europe/Brussels", "Europe/London", "Europe/Amsterdam", "Etc/GMT+7"


class Scored(NamedTuple):
    """RMSE of held months without and with the irradiance offered, and the model that was then taken."""

    name: str
    plain: float
    offered: float
    model: str

    @property
    def ratio(self) -> float:
        """Below one: better with it."""
        return self.offered / self.plain


def scored(name: str, usage: Usage, is_held: pl.Expr | None = None) -> Scored | None:
    """The meter's held months predicted by two fits of the others; None where one is refused."""
    held = pl.col("local_start").dt.month() % HELD == 0 if is_held is None else is_held
    training = usage.with_frame(usage.frame.with_columns(energy_kwh=pl.when(~held).then("energy_kwh")))
    first, last = (usage.frame["local_start"].dt.date()[each] for each in (0, -1))
    errors, models = [], []
    held_usage = usage.with_frame(usage.frame.filter(held & pl.col("energy_kwh").is_not_null()))
    for each in (training.with_frame(training.frame.drop(SUN)), training):
        fit = fit_usage(each, start=first, end=last)
        if isinstance(fit, Finding):
            return None
        errors.append(held_usage.frame["energy_kwh"].to_numpy() - fit.predict(held_usage))
        models.append(fit.model)
    # Of the same hours: those that know their irradiance.
    known = np.isfinite(errors[0]) & np.isfinite(errors[1])
    plain, offered = (float(np.sqrt(np.mean(each[known] ** 2))) for each in errors)
    return Scored(name, plain, offered, models[1])


def hourly(frame: pl.DataFrame, value: str, name: str, minutes: int = 60) -> pl.DataFrame:
    """start_utc, minutes and one column."""
    start = pl.col("start_utc").cast(INSTANT)
    return frame.select(start, minutes=pl.lit(minutes, pl.Int64), **{name: pl.col(value).cast(pl.Float64)}).drop_nulls()


def usage(
    energy: pl.DataFrame, weather: pl.DataFrame, *, zone: str, temp: str, sun: str, minutes: int = 60, step: int = 60
) -> Usage:
    """An hourly usage of `energy` (start_utc, kwh) and weather (start_utc, temp, sun)."""
    return usage_of(
        hourly(energy, "kwh", "energy_kwh", step).sort("start_utc"),
        temperatures=hourly(weather, temp, "temp_degc", minutes).sort("start_utc"),
        irradiance=hourly(weather, sun, SUN, minutes).sort("start_utc"),
        frequency="hourly", zone=zone, zero_is_missing=False,
    )  # fmt: skip


def homes(folder: Path, kind: str = "electricity") -> Iterator[tuple[str, Usage]]:
    """Belgian homes of 2016."""
    place = folder / "homes_opengrid"
    weather = _started(pl.read_parquet(place / "weather_hourly_2016.parquet"), "timestamp_utc")
    rows = _started(pl.read_parquet(place / f"{kind}_hourly_2016.parquet"), "timestamp_utc")
    for (name,), each in rows.with_columns(kwh=pl.col("power_w") / 1000).group_by("home_id", maintain_order=True):
        query = {"zone": BRUSSELS, "temp": "temperature_c", "sun": "global_irradiance_w_m2"}
        yield f"home {name} {kind}", usage(each, weather, **query)  # type: ignore[arg-type]


def cambridge(folder: Path, kind: str, first: int = 2018) -> Iterator[tuple[str, Usage]]:
    """University buildings over two years, the second of which is held."""
    place, years = folder / "sites_cambridge", pl.col("start_utc").dt.year().is_in([first, first + 1])
    weather = _started(pl.read_parquet(place / "weather_bedford_hourly.parquet"), "timestamp_utc").filter(years)
    rows = _started(pl.read_parquet(place / "meters_hourly.parquet"), "timestamp_utc").filter(years)
    # A zero is a missing reading here.
    rows = rows.filter(pl.col("meter") == kind, pl.col("value") > 0).with_columns(kwh="value")
    for (name,), each in rows.group_by("building_id", maintain_order=True):
        query = {"zone": LONDON, "temp": "air_temperature_c", "sun": "global_irradiance_w_m2"}
        yield f"{name} {kind}", usage(each, weather, **query)  # type: ignore[arg-type]


def liander(folder: Path) -> Iterator[tuple[str, Usage]]:
    """Dutch substations in winter, net of what feeds in; MW as if kWh."""
    rows = pl.read_parquet(folder / "forecast_liander" / "load_15min_with_weather.parquet")
    time = next(name for name, kind in rows.schema.items() if isinstance(kind, pl.Datetime))
    rows = _started(rows, time).with_columns(kwh=pl.col("load") / 4, sun=pl.col("radiation") / 3600)
    for (name,), each in rows.group_by("pid", maintain_order=True):
        query = {"zone": AMSTERDAM, "temp": "temp", "sun": "sun", "minutes": 15, "step": 15}
        yield f"substation {name}", usage(each, each, **query)  # type: ignore[arg-type]


def split(folder: Path) -> Iterator[tuple[str, Usage]]:
    """Dutch substations from August to October, some with fields of modules; no temperature is held."""
    rows = pl.read_parquet(folder / "forecast_liander" / "substation_solar_wind_split_15min.parquet")
    time = next(name for name, kind in rows.schema.items() if isinstance(kind, pl.Datetime))
    key = next(name for name, kind in rows.schema.items() if kind in (pl.String, pl.Categorical))
    rows = _started(rows, time).with_columns(kwh=pl.col("total_substation") / 4, none=pl.lit(None, pl.Float64))
    for (name,), each in rows.group_by(key, maintain_order=True):
        query = {"zone": AMSTERDAM, "temp": "none", "sun": "radiation", "minutes": 15, "step": 15}
        yield f"substation {name}", usage(each, each, **query)  # type: ignore[arg-type]


def roof(folder: Path) -> Iterator[tuple[str, Usage]]:
    """A measured roof behind the meter of each of three homes: net of it, from April 2011 on."""
    weather = pl.read_parquet(folder / "pv" / "system50_satellite_weather_30min.parquet")
    power = pl.read_parquet(folder / "pv" / "system50_ac_power_15min.parquet")
    weather, power = (_local(each, "measured_on", 7) for each in (weather, power))
    rng = np.random.default_rng(4)
    shape = 0.5 + 0.4 * np.exp(-(((np.arange(24) - 19) / 3.0) ** 2)) + 0.2 * np.exp(-(((np.arange(24) - 7) / 2.0) ** 2))
    for share in (0.25, 1.0):
        hour = power["start_utc"].dt.offset_by("-7h").dt.hour().to_numpy()
        load = shape[hour] * rng.gamma(12.0, 1 / 12.0, power.height)
        each = power.with_columns(kwh=(pl.Series(load) - share * pl.col("ac_power_2") / 1000) / 4)
        query = {"zone": DENVER, "temp": "temp_air", "sun": "ghi", "minutes": 30, "step": 15}
        yield f"home with {share:.0%} of a roof", usage(each, weather, **query)  # type: ignore[arg-type]


def _started(frame: pl.DataFrame, time: str) -> pl.DataFrame:
    column = pl.col(time)
    is_naive = getattr(frame.schema[time], "time_zone", None) is None
    return frame.with_columns(start_utc=(column.dt.replace_time_zone("UTC") if is_naive else column).cast(INSTANT))


def _local(frame: pl.DataFrame, time: str, hours: int) -> pl.DataFrame:
    column = pl.col(time)
    kind = frame.schema[time]
    if getattr(kind, "time_zone", None) is None:
        column = column.dt.offset_by(f"{hours}h").dt.replace_time_zone("UTC")
    return frame.with_columns(start_utc=column.cast(INSTANT)).sort("start_utc")


SETS: dict[str, Callable[[Path], Iterator[tuple[str, Usage]]]] = {
    "homes": homes,
    "homes_gas": lambda folder: homes(folder, "gas"),
    "cambridge": lambda folder: cambridge(folder, "electricity"),
    "cambridge_gas": lambda folder: cambridge(folder, "gas"),
    "cambridge_later": lambda folder: cambridge(folder, "electricity", 2020),
    "cambridge_gas_later": lambda folder: cambridge(folder, "gas", 2020),
    "liander": liander,
    "split": split,
    "roof": roof,
}
# Of few months every third week is held.
WEEKS = {name: pl.col("local_start").dt.week() % HELD == 0 for name in ("liander", "split")}
# The year after the one that was fitted.
YEARS = {
    f"cambridge{kind}{later}": pl.col("local_start").dt.year() == year
    for kind in ("", "_gas")
    for later, year in (("", 2019), ("_later", 2021))
}


def all_of(name: str, folder: Path, most: int = 99) -> list[Scored]:
    """Every meter of a set."""
    found = []
    for place, (meter, each) in enumerate(SETS[name](folder)):
        if place >= most:
            break
        one = scored(meter, each, (WEEKS | YEARS).get(name))
        found += [] if one is None else [one]
    return found


if __name__ == "__main__":
    for wanted in sys.argv[1:] or list(SETS):
        made = all_of(wanted, SHARED_DATA)
        for one in made:
            sys.stdout.write(f"  {one.name}: RMSE {one.plain:.4g} without, {one.offered:.4g} offered, {one.model}\n")
        ratios = [one.ratio for one in made]
        taken = [one.ratio for one in made if "_sun_" in one.model]
        sys.stdout.write(
            f"{wanted}: {len(made)} meters, taken by {len(taken)}; median ratio {np.median(ratios):.4f}, worst "
            f"{max(ratios):.4f}; where taken {np.median(taken) if taken else float('nan'):.4f}\n"
        )
