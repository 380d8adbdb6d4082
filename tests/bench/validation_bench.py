"""Validation throughput: every rule over 10 million readings, against the same rules in pandas, and against reading
the Parquet file that they come from.

Both sides start from the readings as a table in memory and end with the slots that each rule flagged; both must flag
the same number of them. The pandas side (pandas_rules.py) is written as one writes it there: groupby, pivot, rolling.
"""

import tempfile
import time
from datetime import UTC, datetime, timedelta
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from data_quality.reading_grid import grids_of
from data_quality.validate import validate
from tests.data_quality.flags import BITS, flags_of

METERS = 100
START = datetime(2023, 1, 2, tzinfo=UTC)
SMALL, REPEATS = 10, 3


def bench(rows: int = 10_000_000) -> dict[str, Any]:
    """`rows` quarter hours of 100 meters with seeded faults of every kind.

    Returns name, rows, ours_cpu_s, pandas_cpu_s, ratio, read_cpu_s, per_read (ours over reading the file), exponent
    (growth from a tenth of the rows), flagged (slots per rule, the same on both sides).
    """
    with tempfile.TemporaryDirectory() as folder:
        # The growth is a ratio of two short times: each is the best of a few, or a busy neighbour would make it.
        small = _timed(Path(folder) / "small.parquet", rows // SMALL)
        path = Path(folder) / "readings.parquet"
        ours = _timed(path, rows)
        started = time.process_time()
        theirs = _pandas(path)
        pandas_cpu_s = time.process_time() - started - theirs.pop("read_cpu_s")
    if theirs != ours["flagged"]:
        raise AssertionError(f"the two sides flag other slots: {ours['flagged']} and {theirs}")
    return {
        "name": "validate",
        "rows": ours["rows"],
        "ours_cpu_s": round(ours["cpu_s"], 2),
        "pandas_cpu_s": round(pandas_cpu_s, 2),
        "ratio": round(pandas_cpu_s / ours["cpu_s"], 2),
        "read_cpu_s": round(ours["read_cpu_s"], 2),
        "per_read": round(ours["cpu_s"] / ours["read_cpu_s"], 2),
        "exponent": round(log10(ours["cpu_s"] / small["cpu_s"]) / log10(SMALL), 3),
        "flagged": ours["flagged"],
    }


def _timed(path: Path, rows: int) -> dict[str, Any]:
    """Best of REPEATS runs: rows, cpu_s, read_cpu_s, and the flagged slots per rule."""
    size = write_readings(path, rows)
    runs = [_once(path) for _ in range(REPEATS)]
    best = {name: min(run[name] for run in runs) for name in ("cpu_s", "read_cpu_s")}
    return {"rows": size, "flagged": runs[0]["flagged"], **best}


def _once(path: Path) -> dict[str, Any]:
    started = time.process_time()
    readings = pl.read_parquet(path)
    read_cpu_s = time.process_time() - started
    started = time.process_time()
    found = validate(grids_of(readings))
    flags = flags_of(found.judged[0])
    cpu_s = time.process_time() - started
    flagged = {rule: int((flags & bit > 0).sum()) for rule, bit in BITS.items()}
    return {"cpu_s": cpu_s, "read_cpu_s": read_cpu_s, "flagged": flagged}


def _pandas(path: Path) -> dict[str, Any]:
    import pandas as pd

    from tests.bench.pandas_rules import flagged_slots

    started = time.process_time()
    frame = pd.read_parquet(path, columns=["meter_id", "interval_start_utc", "value"])
    read_cpu_s = time.process_time() - started
    return {**flagged_slots(frame), "read_cpu_s": read_cpu_s}


def write_readings(path: Path, rows: int) -> int:
    """Lake rows of METERS meters: an office week with noise, and in every tenth meter one fault of each kind.

    Whole days only. Returns how many rows it wrote.
    """
    slots = rows // METERS // 96 * 96
    rng = np.random.default_rng(3)
    values = _loads(rng, slots)
    _seed_faults(rng, values)
    times = pl.datetime_range(
        START, START + timedelta(minutes=15 * (slots - 1)), "15m", eager=True, time_zone="UTC", time_unit="us"
    )
    place = pl.Series(np.tile(np.arange(slots, dtype=np.uint32), METERS))
    names = [f"m{number:03d}" for number in range(METERS)]
    pl.DataFrame(
        {
            "meter_id": pl.Series(names).gather(np.repeat(np.arange(METERS, dtype=np.uint32), slots)),
            "register": pl.repeat("import", values.size, eager=True),
            "interval_start_utc": times.gather(place),
            "source_minutes": pl.repeat(15, values.size, dtype=pl.Int32, eager=True),
            "value": values.ravel(),
            "unit": pl.repeat("kwh", values.size, eager=True),
            "quality_code": pl.repeat(0, values.size, dtype=pl.Int32, eager=True),
        }
    ).write_parquet(path, compression="zstd")
    return values.size


def _loads(rng: np.random.Generator, slots: int) -> NDArray[np.float64]:
    slot = np.arange(slots)
    hour, is_work = (slot % 96) / 4, slot // 96 % 7 < 5
    shape = 1 + 0.8 * np.exp(-(((hour - 13) / 4) ** 2)) * np.where(is_work, 1.0, 0.3)
    return (rng.uniform(2, 40, (METERS, 1)) * shape * rng.gamma(400, 1 / 400, (METERS, slots))).round(3)


def _seed_faults(rng: np.random.Generator, values: NDArray[np.float64]) -> None:
    """Spike, stuck, dead, negative, wrong unit, out of range, jump and shifted clock, each at its own time."""
    slots, day = values.shape[1], 96
    first_day = 60 if slots > 100 * day else slots // day // 2
    for row in range(0, METERS, 10):
        faults = rng.permutation(8)
        starts = np.linspace(first_day, slots // day - 14, 8).astype(int) * day
        for kind, start in zip(faults, starts, strict=True):
            part, usual = values[row], values[row, :day].max()
            if kind == 0:
                part[start + 40 : start + 43] = 6 * usual
            elif kind == 1:
                part[start : start + 60] = part[start]
            elif kind == 2:
                part[start : start + 80] = 0.0
            elif kind == 3:
                part[start : start + 4] = -1.0
            elif kind == 4:
                part[start : start + 3 * day] *= 10
            elif kind == 5:
                part[start : start + 20] = 9 * usual
            elif kind == 6:
                part[start + 50] += 1.2 * usual
            else:
                part[start : start + 9 * day] = np.roll(part, 12)[start : start + 9 * day]
    values.round(3, out=values)
