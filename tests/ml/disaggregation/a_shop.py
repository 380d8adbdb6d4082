"""A shop by the hour whose cooling, lighting and ventilation are known, as files of a circuit and its sub-meters."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ml.features.series import Vector

START = datetime(2025, 1, 6, tzinfo=UTC)
WEEKS = 8


def loads(weeks: int = WEEKS, seed: int = 1) -> dict[str, Vector]:
    """KWh of each hour by sub-meter, and `other`, which has none."""
    random = np.random.default_rng(seed)
    hours = np.arange(weeks * 168)
    is_open = (hours % 24 >= 8) & (hours % 24 < 20) & (hours % 168 < 144)
    starts = random.random(len(hours)) < 0.12
    oven = np.convolve(starts, [1, 1], mode="full")[: len(hours)] > 0
    return {
        "lighting": np.where(is_open, 6.0, 0.4) + random.random(len(hours)) * 0.2,
        "oven": np.where(oven, 25.0 + random.random(len(hours)), 0.0),
        "server": 3.0 + 0.1 * random.random(len(hours)),
        "other": 2.0 + np.where(is_open, 3.0, 0.0) * random.random(len(hours)),
    }


def write_energy(path: Path, kwh: Vector) -> Path:
    """A file timestamp,kwh; a gap has no row."""
    rows = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},{each:.4f}" for n, each in enumerate(kwh) if each == each]
    path.write_text("\n".join(["timestamp,kwh", *rows]) + "\n")
    return path


def write_submeters(path: Path, meters: dict[str, Vector], first: int = 0, until: int | None = None) -> Path:
    """A file meter,timestamp,kwh of the hours [first, until)."""
    rows = [
        f"{name},{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},{kwh[n]:.4f}"
        for name, kwh in meters.items()
        for n in range(len(kwh))[first:until]
    ]
    path.write_text("\n".join(["meter,timestamp,kwh", *rows]) + "\n")
    return path
