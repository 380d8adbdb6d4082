"""Ingestion throughput: a long CSV to typed, deduplicated, canonical 15-minute Parquet, against the same in pandas.

Both parse the file, refuse what is no reading, drop doubled rows, find each stream's step, and write one Parquet file
a month with the same columns. Ours also decides against what the lake holds, and keeps the manifest with its hashes.

The German file is the same amount of rows as a portal writes them: meter after meter, semicolons, decimal commas, local
times that end their quarter hours, no offset, cp1252. There pandas only reads, localises meter by meter and writes.
"""

import hashlib
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.readings.ingest.ingest_file import ingest_file
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import open_store
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.time import FixedClock
from tests.bench.measure import measured

METERS = 100
GERMAN = ColumnMap(
    match="lastgang.csv",
    timestamp="Zeitstempel",
    value="Wirkarbeit",
    meter="Zähler",
    meters={f"Zähler {number:03d}": f"m{number:03d}" for number in range(METERS)},
    encoding="cp1252",
    unit="kwh",
    zone="Europe/Berlin",
    label="end",
    decimal=",",
    date_format="%d.%m.%Y %H:%M",
)


def bench(rows: int = 10_000_000, repeat: int = 3, *, german: bool = False) -> dict[str, Any]:
    """`rows` quarter hours of 100 meters. Returns name, rows, ours_cpu_s, pandas_cpu_s, ratio, peak_mib (ours)."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / (GERMAN.match if german else "readings.csv")
        (_write_german if german else _write)(source, rows)
        ours = measured("tests.bench.ingest_bench:ours", source, repeat=repeat)
        way = "german_pandas" if german else "pandas_way"
        pandas = measured(f"tests.bench.ingest_bench:{way}", source, repeat=repeat)
    if not np.isclose(ours.answer, pandas.answer, rtol=1e-9):
        raise AssertionError(f"the two sides disagree: {ours.answer} and {pandas.answer} kWh")
    return {
        "name": "german" if german else "ingest",
        "rows": rows,
        "ours_cpu_s": round(ours.cpu_s, 2),
        "pandas_cpu_s": round(pandas.cpu_s, 2),
        "ratio": round(pandas.cpu_s / ours.cpu_s, 2),
        "peak_mib": round(ours.peak_mib),
    }


def growth(sizes: tuple[int, ...] = (1_000_000, 10_000_000, 30_000_000), repeat: int = 3) -> dict[str, Any]:
    """CPU seconds and peak memory by size, and the exponent of the growth from the first to the last."""
    found = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "readings.csv"
            _write(source, rows)
            found.append(measured("tests.bench.ingest_bench:ours", source, repeat=repeat))
    exponent = np.log(found[-1].cpu_s / found[0].cpu_s) / np.log(sizes[-1] / sizes[0])
    return {
        "sizes": sizes,
        "cpu_s": [round(each.cpu_s, 2) for each in found],
        "peak_mib": [round(each.peak_mib) for each in found],
        "exponent": round(float(exponent), 3),
    }


def _write(path: Path, rows: int) -> None:
    slots = rows // METERS
    start = datetime(2018, 1, 1, tzinfo=UTC)
    times = pl.datetime_range(start, start + timedelta(minutes=15 * (slots - 1)), "15m", eager=True, time_zone="UTC")
    values = np.random.default_rng(1).gamma(2.0, 3.0, size=slots * METERS).round(3)
    pl.DataFrame(
        {
            "meter": np.tile([f"m{number:03d}" for number in range(METERS)], slots),
            "timestamp": times.dt.strftime("%Y-%m-%dT%H:%M:%SZ").gather(np.repeat(np.arange(slots), METERS)),
            "kwh": values,
        }
    ).write_csv(path)


def _write_german(path: Path, rows: int) -> None:
    slots = rows // METERS
    first = datetime(2022, 12, 31, 23, 15, tzinfo=UTC)
    times = pl.datetime_range(first, first + timedelta(minutes=15 * (slots - 1)), "15m", eager=True, time_zone="UTC")
    values = np.random.default_rng(1).gamma(2.0, 3.0, size=slots * METERS).round(3)
    pl.DataFrame(
        {
            "Zähler": np.repeat(list(GERMAN.meters), slots),
            "Zeitstempel": times.dt.convert_time_zone("Europe/Berlin")
            .dt.strftime("%d.%m.%Y %H:%M")
            .gather(np.tile(np.arange(slots), METERS)),
            "Wirkarbeit": values,
        }
    ).write_csv(path, separator=";", decimal_comma=True)
    path.write_bytes(path.read_bytes().decode().encode("cp1252"))


def warm(work: Callable[[str], float]) -> None:
    """The same work on a small file."""
    with tempfile.TemporaryDirectory() as folder:
        if work is not german_pandas:
            _write(source := Path(folder) / "readings.csv", 1000 * METERS)
            work(str(source))
        if work is not pandas_way:
            _write_german(source := Path(folder) / GERMAN.match, 1000 * METERS)
            work(str(source))


def ours(source: str) -> float:
    """The file into an empty lake. Returns its kWh."""
    with tempfile.TemporaryDirectory() as folder:
        return _ours(Path(folder), Path(source))


def pandas_way(source: str) -> float:
    """The file into Parquet with pandas. Returns its kWh."""
    with tempfile.TemporaryDirectory() as folder:
        return _pandas(Path(folder), Path(source))


def german_pandas(source: str) -> float:
    """The German file read, localised and written with pandas, and nothing else. Returns its kWh."""
    import pandas as pd

    frame = pd.read_csv(source, sep=";", decimal=",", encoding="cp1252", dtype={"Zähler": "category"})
    times = pd.to_datetime(frame["Zeitstempel"], format="%d.%m.%Y %H:%M")
    by_meter = times.groupby(frame["Zähler"], observed=True)
    parts = [part.dt.tz_localize("Europe/Berlin", ambiguous="infer") for _, part in by_meter]
    ends = pd.concat(parts).sort_index().dt.tz_convert("UTC")
    frame["Zeitstempel"] = ends - pd.Timedelta("15min")
    with tempfile.TemporaryDirectory() as folder:
        frame.to_parquet(Path(folder) / "readings.parquet", compression="zstd", index=False)
    return float(frame["Wirkarbeit"].sum())


def _ours(root: Path, source: Path) -> float:
    site = Site.model_validate(
        {
            "site_id": "bench",
            "name": "Bench",
            "time_zone": "Europe/Berlin",
            "currency": "EUR",
            "country": "DE",
            "meters": [{"meter_id": f"m{number:03d}"} for number in range(METERS)],
            "column_maps": [GERMAN.model_dump()],
        }
    )
    store = open_store(f"sqlite:///{root / 'store.db'}")
    lake = Lake(root / "lake", store)
    clock = FixedClock(datetime(2030, 1, 1, tzinfo=UTC))
    report = ingest_file(
        source, site=site, lake=lake, quarantine=QuarantineStore(root / "q", store), clock=clock, regular_from_bytes=0
    )
    # That times are ends is told as a warning.
    if report.verdict != ("accept_with_warning" if source.name == GERMAN.match else "accept"):
        raise AssertionError(f"the bench's own file was not accepted: {report.message or report.reasons}")
    total = sum(channel.sum_kwh or 0.0 for channel in report.channels)
    store.close()
    return total


def _pandas(root: Path, source: Path) -> float:
    """The same file in pandas, written plainly: the same refusals, the same columns, the same month files."""
    import pandas as pd

    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    frame = pd.read_csv(source, dtype={"meter": "str"})
    frame["source_line"] = np.arange(2, len(frame) + 2)
    frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601")
    frame["kwh"] = pd.to_numeric(frame["kwh"], errors="coerce")
    known = [f"m{number:03d}" for number in range(METERS)]
    is_good = frame["meter"].isin(known) & np.isfinite(frame["kwh"]) & (frame["kwh"] <= 1e9) & (frame["kwh"] >= 0)
    is_good &= frame["timestamp"].notna() & (frame["timestamp"] <= pd.Timestamp("2030-01-01T00:05Z"))
    frame = frame[is_good].drop_duplicates(["meter", "timestamp", "kwh"])
    frame = frame[~frame.duplicated(["meter", "timestamp"], keep=False)].sort_values(["meter", "timestamp"])
    step = frame.groupby("meter")["timestamp"].diff()
    minutes = step.groupby(frame["meter"]).agg(lambda steps: steps.mode().iloc[0]).dt.total_seconds() / 60
    frame["source_minutes"] = frame["meter"].map(minutes).astype("int32")
    frame = frame[~(step.dt.total_seconds() / 60 < frame["source_minutes"])]
    frame["interval_start_utc"] = frame["timestamp"].dt.floor("15min")
    canonical = frame.groupby(["meter", "interval_start_utc"], as_index=False, sort=True).agg(
        value=("kwh", "sum"), source_line=("source_line", "min"), source_minutes=("source_minutes", "first")
    )
    canonical = canonical.rename(columns={"meter": "meter_id"}).assign(
        site_id="bench", register="import", interval_minutes=15, unit="kwh", quality_code=14, is_synthetic=False,
        batch_id=sha256[:32], recorded_at_utc=pd.Timestamp("2030-01-01T00:00Z"),
    )  # fmt: skip
    month = canonical["interval_start_utc"].dt.year * 100 + canonical["interval_start_utc"].dt.month
    for number, part in canonical.groupby(month, sort=True):
        file = root / "pandas" / f"m={number}" / "part.parquet"
        file.parent.mkdir(parents=True)
        part.to_parquet(file, compression="zstd", index=False)
        hashlib.sha256(file.read_bytes()).hexdigest()
    return float(canonical["value"].sum())
