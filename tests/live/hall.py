"""A hall with live points, and the samples of its source in a quarter hour."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controls.collector.drain import Drain, Drained
from controls.collector.spool import GRACE, Spool
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.spool_frames import refusal_lines, sample_lines
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.readings.rooms import plant

QUARTER = datetime(2025, 12, 1, 10, tzinfo=UTC)
POINTS = [
    {"point": "main/wh", "stream": "main", "what": "register", "unit": "wh", "topic": "main"},
    {"point": "press/n", "stream": "press", "what": "pulses", "unit": "kwh", "value_per_pulse": "0.001", "topic": "p"},
    {"point": "sub/kwh", "stream": "sub", "what": "interval", "unit": "kwh", "interval_minutes": 5, "topic": "s"},
    {"point": "roof", "stream": "outdoor_degc", "what": "mean", "unit": "degc", "topic": "roof"},
    {"point": "main/kw", "stream": "main", "what": "live", "unit": "kw", "topic": "main"},
]
COUNTER = {"kind": "cumulative"}


def hall(*, is_synthetic: bool = False) -> Site:
    """The plant with a source `hall`: a register, a pulse counter, an amount, a temperature, a power."""
    return plant(
        meters=(
            {"meter_id": "main", "registers": [COUNTER]},
            {"meter_id": "press", "registers": [COUNTER]},
            {"meter_id": "sub"},
        ),
        sources=[{"source_id": "hall", "kind": "mqtt", "points": POINTS, "is_synthetic": is_synthetic}],
    )


def sample(
    point: str, at_s: float, value: float, unit: str = "wh", *, late_s: float = 0.03, quality: str = "measured"
) -> Sample:
    """A sample at_s seconds after the first quarter hour's start."""
    at_utc = QUARTER + timedelta(seconds=at_s)
    return Sample(point, at_utc, value, unit, at_utc + timedelta(seconds=late_s), None, quality)


def register(first_s: int, last_s: int, step_s: float = 1, *, point: str = "main/wh", unit: str = "wh") -> list[Sample]:
    """A counter that counts one a second, from first_s until before last_s; 1,000,000 at the start."""
    times = [first_s + step_s * place for place in range(int((last_s - first_s) / step_s))]
    return [sample(point, at_s, 1_000_000 + at_s, unit) for at_s in times]


def drained(
    folder: Path,
    samples: Iterable[Sample] = (),
    *,
    refusals: Iterable[Refusal] = (),
    at_s: float = 900 + GRACE.total_seconds(),
) -> Drained:
    """Spool them, and drain into folder/landing, at_s seconds after the first quarter hour's start."""
    now_utc = QUARTER + timedelta(seconds=at_s)
    spool = Spool(folder / "spool", clock=FixedClock(now_utc), limits=LiveSettings(keep_free_mb=0))
    spool.start()
    reported = list(samples)
    lines, refused = sample_lines("hall", reported), refusal_lines("hall", refusals)
    if lines or refused:
        spool.put(lines, refused, len(reported), lambda is_kept: None if is_kept else pytest.fail("not kept"))
    spool.close()
    return Drain(hall(), spool, landing=folder / "landing", carry=folder / "carry").run(now_utc=now_utc)
