"""The spool of an hour at 500 samples a second drained into files of quarter hours, against pandas making the same.

Run: `.venv/bin/python -m tests.bench.live_replay --seconds 3600`. pandas begins with an advantage: its lines stand in
plain text, without frames and checksums, and it neither waits for the disk nor looks for what was landed before.
"""

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controls.collector.drain import Drain
from controls.collector.spool import CLOSED, GRACE, QUARTER, SEGMENT_BYTES, Spool, read_piece
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.live.spool_frames import SAMPLES, frame, sample_lines
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.time import FixedClock
from tests.bench.measure import measured
from tests.live.live_sites import site_of

METERS = 500
FIRST = datetime(2026, 3, 4, 12, tzinfo=UTC)
COLUMNS = ["source", "point", "at_us", "value", "unit", "received_us", "seq", "quality"]


def bench(seconds: int = 3600) -> None:
    """One line: CPU seconds of both sides, and their ratio (above 1: ours is faster)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder, seconds)
        ours, pandas = (measured(f"tests.bench.live_replay:{way}", folder) for way in ("ours", "pandas_way"))
    if ours.answer != pandas.answer:
        raise AssertionError(f"the two sides landed other amounts of samples: {ours.answer} and {pandas.answer}")
    sys.stdout.write(
        f"replay  {ours.answer:>10,.0f} samples of the spool: {ours.cpu_s:.1f} s of CPU, {ours.peak_mib:.0f} MiB; "
        f"pandas {pandas.cpu_s:.1f} s, ratio {pandas.cpu_s / ours.cpu_s:.2f}, load {os.getloadavg()[0]:.1f}\n"
    )


def fill(folder: Path, seconds: int) -> None:
    """Pieces as the spool closes them, a commit a second, and beside each its lines as plain text."""
    points = [each.point for each in site_of(METERS).sources[0].points]
    begun_s, piece = 0, b""
    for second in range(seconds):
        at_utc = FIRST + timedelta(seconds=second)
        samples = [Sample(each, at_utc, (second + 1) / 1000, "kwh", at_utc, second + 1) for each in points]
        piece += frame(SAMPLES, sample_lines("line", samples))
        is_over = (second - GRACE.total_seconds()) % QUARTER.total_seconds() == 0
        if len(piece) >= SEGMENT_BYTES or is_over or second == seconds - 1:
            path = folder / f"{FIRST + timedelta(seconds=begun_s):%Y%m%dT%H%M%S%fZ}-00{CLOSED}"
            path.write_bytes(piece)
            path.with_suffix(".csv").write_bytes(read_piece(path).lines)
            begun_s, piece = second + 1, b""


def ours(folder: str) -> int:
    """The drain, from the closed pieces to the landing folder."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        home = Path(name)
        (home / "spool").mkdir()
        for path in Path(folder).glob(f"*{CLOSED}"):
            os.link(path, home / "spool" / path.name)
        now_utc = FIRST + timedelta(days=1)
        spool = Spool(home / "spool", clock=FixedClock(now_utc), limits=LiveSettings(keep_free_mb=0))
        drain = Drain(site_of(METERS), spool, landing=home / "landing", carry=home / "carry")
        return drain.run(now_utc=now_utc).samples


def pandas_way(folder: str) -> int:
    """The same files with pandas: read, drop what came twice, sort, one gzip a quarter hour."""
    import pandas as pd

    pieces = sorted(Path(folder).glob("*.csv"))
    samples = pd.concat([pd.read_csv(path, header=None, names=COLUMNS) for path in pieces]).drop_duplicates()
    samples["quarter"] = samples["at_us"] // 900_000_000
    with tempfile.TemporaryDirectory(dir=folder) as name:
        for quarter, rows in samples.groupby("quarter"):
            kept_rows = rows.drop(columns=["source", "quarter"]).sort_values(["point", "at_us"])
            kept_rows.to_csv(
                Path(name) / f"{quarter}.gz", index=False, compression={"method": "gzip", "compresslevel": 3}
            )
    return len(samples)


def warm(_work: object) -> None:
    """Nothing is made once."""


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seconds", type=int, default=3600)
    bench(options.parse_args().seconds)
