"""Years of real electricity meters with their temperature, parted into those to develop with and those held out."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from ml.anomalies.monitor import watch
from ml.anomalies.params import DetectorParams
from ml.features.civil import civil_on
from ml.features.series import Series, Vector
from tests.ml.anomalies.faults import Fault, with_faults
from tests.ml.anomalies.office import types

HOUR = timedelta(hours=1)
# Buildings of the 72 labelled faults: neither developed with nor held out.
GIVEN = ("b25", "b40", "b105", "Bear_public_Valorie", "Fox_office_Joy", "Rat_education_Willie")
# Meters in local time, weather in UTC: hours of the standard clock behind it.
BEHIND = {"Fox": 7, "Rat": 5, "Bear": 8, "Robin": 0, "Panther": 5, "Cockatoo": 5}
LEAST_KNOWN = 0.9
Span = tuple[str, int, int]
Find = Callable[["RealMeter", Vector], list[Span]]


@dataclass(frozen=True)
class RealMeter:
    """A year by the hour, gaps up to six hours filled. temperature: by the hour, None where none is known."""

    building: str
    year: int
    values: Vector
    temperature: Vector | None

    @property
    def start_utc(self) -> datetime:
        """Its first hour."""
        return datetime(self.year, 1, 1, tzinfo=UTC)


def is_held_out(building: str) -> bool:
    """Whether nothing may be learned from, or set on, this building: one of three, by its name."""
    return int(hashlib.sha256(f"67 {building}".encode()).hexdigest(), 16) % 3 == 0


def real_meters(folder: Path, *, held_out: bool) -> Iterator[RealMeter]:
    """The meters of one part, a year each; those with too many gaps are left out."""
    for building, year, values, temperature in (*_cambridge(folder), *_genome(folder)):
        filled = _filled(values)
        if building in GIVEN or is_held_out(building) != held_out or np.isfinite(filled).mean() < LEAST_KNOWN:
            continue
        yield RealMeter(building, year, filled, temperature)


def cambridge_years(folder: Path) -> Iterator[RealMeter]:
    """Each year of each Cambridge meter, of whichever part; those with too many gaps are left out."""
    for building, year, values, temperature in _cambridge(folder):
        filled = _filled(values)
        if np.isfinite(filled).mean() >= LEAST_KNOWN:
            yield RealMeter(building, year, filled, temperature)


@dataclass
class Tally:
    """Faults by kind and whether each was found; events by kind and whether each is a fault; and hours."""

    found: list[tuple[str, bool]] = field(default_factory=list)
    right: list[tuple[str, bool]] = field(default_factory=list)
    # Both, event alone, fault alone.
    hours: Vector = field(default_factory=lambda: np.zeros(3))

    def add(self, faults: list[Fault], spans: list[Span], length: int) -> None:
        """One more meter."""
        is_fault, is_event = np.zeros(length, dtype=bool), np.zeros(length, dtype=bool)
        for fault in faults:
            is_fault[fault.first : fault.end] = True
        for _, first, end in spans:
            is_event[first:end] = True
        self.found += [(each.kind, bool(is_event[each.first : each.end].any())) for each in faults]
        self.right += [(kind, bool(is_fault[first:end].any())) for kind, first, end in spans]
        self.hours += [(is_fault & is_event).sum(), (is_event & ~is_fault).sum(), (is_fault & ~is_event).sum()]

    def recall(self, kind: str = "") -> float:
        """Share of faults found, of a kind or of all."""
        return float(np.mean([found for each, found in self.found if kind in ("", each)]))

    @property
    def precision(self) -> float:
        """Share of events that are faults."""
        return float(np.mean([right for _, right in self.right])) if self.right else 1.0

    @property
    def event_f1(self) -> float:
        """Harmonic mean of recall and precision."""
        return 2 * self.recall() * self.precision / max(self.recall() + self.precision, 1e-9)

    @property
    def hour_f1(self) -> float:
        """Harmonic mean of the hours' recall and precision."""
        both, event, fault = self.hours
        return float(2 * both / max(2 * both + event + fault, 1))

    def by_kind(self) -> dict[str, tuple[int, int]]:
        """Events of each kind: right and wrong."""
        counts = Counter(self.right)
        return {kind: (counts[kind, True], counts[kind, False]) for kind in sorted({kind for kind, _ in self.right})}


def monitor(
    meter: RealMeter, values: Vector, *, weather: bool = False, params: DetectorParams | None = None
) -> list[Span]:
    """Kind, first hour and hour after the last of each event of the product's monitor."""
    start = meter.start_utc
    given = {"temperature": meter.temperature} if weather and meter.temperature is not None else {}
    events = watch(Series(start, values), civil_on(types, "UTC", start, len(values)), params, **given).events
    return [(each.kind, (each.start_utc - start) // HOUR, (each.end_utc - start) // HOUR) for each in events]


def tally(meters: list[RealMeter], seed: int, find: Find = monitor) -> Tally:
    """Faults by a seed put into each meter, and what is found of them."""
    found = Tally()
    for place, meter in enumerate(meters):
        values, faults = with_faults(meter.values, seed + place)
        found.add(faults, find(meter, values), len(values))
    return found


def _cambridge(folder: Path) -> Iterator[tuple[str, int, Vector, Vector | None]]:
    place = folder / "sites_cambridge"
    rows = pl.read_parquet(place / "meters_hourly.parquet").with_columns(pl.col("building_id", "meter").cast(pl.Utf8))
    weather = pl.read_parquet(place / "weather_bedford_hourly.parquet")
    for year in (2018, 2019):
        temperature = _on(weather, "timestamp_utc", weather_column(weather), year)
        own = rows.filter((pl.col("meter") == "electricity") & (pl.col("timestamp_utc").dt.year() == year))
        for (building,), part in own.sort("building_id").group_by("building_id", maintain_order=True):
            values = _on(part, "timestamp_utc", "value", year)
            # A zero there is no reading.
            yield str(building), year, np.where(values == 0, np.nan, values), temperature


def _genome(folder: Path) -> Iterator[tuple[str, int, Vector, Vector | None]]:
    place = folder / "sites_bdg2"
    rows = pl.read_parquet(place / "electricity_hourly.parquet").with_columns(pl.col("building_id").cast(pl.Utf8))
    weather = pl.read_parquet(place / "weather_2016_hourly.parquet").with_columns(pl.col("site_id").cast(pl.Utf8))
    for year in (2016, 2017):
        own = rows.filter(pl.col("timestamp_local").dt.year() == year).sort("building_id")
        for (building,), part in own.group_by("building_id", maintain_order=True):
            site = str(building).partition("_")[0]
            there = weather.filter(pl.col("site_id") == site).with_columns(
                pl.col("timestamp_utc").dt.offset_by(f"-{BEHIND[site]}h")
            )
            temperature = _on(there, "timestamp_utc", "air_temperature_c", year) if year == 2016 else None
            yield str(building), year, _on(part, "timestamp_local", "kwh", year), temperature


def weather_column(frame: pl.DataFrame) -> str:
    """The column of air temperature."""
    return next(name for name in frame.columns if "temp" in name and "dew" not in name)


def _on(rows: pl.DataFrame, time: str, column: str, year: int) -> Vector:
    """A column by the hours of a year; NaN where there is no row."""
    start = datetime(year, 1, 1)  # noqa: DTZ001  # stored naive
    length = (datetime(year + 1, 1, 1) - start) // HOUR  # noqa: DTZ001
    values = np.full(length, np.nan)
    at = ((rows[time].dt.replace_time_zone(None) - start).dt.total_minutes() // 60).to_numpy()
    is_inside = (at >= 0) & (at < length)
    values[at[is_inside]] = rows[column].cast(pl.Float64).fill_null(float("nan")).to_numpy()[is_inside]
    return values


def _filled(values: Vector) -> Vector:
    """Gaps up to six hours as a line."""
    frame = pl.Series(values).fill_nan(None)
    lined = frame.interpolate().fill_null(float("nan")).to_numpy()
    gap = frame.is_null().rle().struct.unnest()
    length = np.repeat(gap["len"].to_numpy(), gap["len"].to_numpy())
    return np.asarray(np.where(frame.is_null().to_numpy() & (length > 6), np.nan, lined))
