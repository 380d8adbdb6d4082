"""Random meter trees with known parents: shared weather and schedules, unmetered rests, gaps, meter errors."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

START_UTC = datetime(2024, 1, 1, tzinfo=UTC)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """Hourly energies in kWh, [hours, meters], and the true parent of each meter (None: a root)."""

    names: tuple[str, ...]
    values: Floats
    parents: dict[str, str | None]

    def readings(self) -> pl.DataFrame:
        """The energies as rows, gaps left out."""
        hours = [START_UTC + timedelta(hours=at) for at in range(self.values.shape[0])]
        return (
            pl.DataFrame(self.values, schema=list(self.names))
            .with_columns(interval_start_utc=pl.Series(hours, dtype=pl.Datetime("us", "UTC")))
            .unpivot(index="interval_start_utc", variable_name="meter_id", value_name="value")
            .filter(pl.col("value").is_finite())
            .with_columns(register=pl.lit("import"), interval_minutes=pl.lit(60), unit=pl.lit("kwh"))
        )


def random_tree(
    seed: int,
    *,
    days: int = 200,
    roots: int = 1,
    leaves: int = 10,
    groups: int = 3,
    rest: float = 0.15,
    missing: float = 0.02,
    class_error: float = 0.005,
) -> Tree:
    """Leaves below groups below roots. rest: a parent's unmetered energy as a share of its children's, at most.

    Every leaf and every rest follows the same weather and working week; each has its own noise and its own switching.
    """
    rng = np.random.default_rng(seed)
    hours = days * 24
    common = _common(rng, hours)
    parents: dict[str, str | None] = {f"root{number}": None for number in range(roots)}
    for number in range(groups):
        parents[f"group{number}"] = f"root{rng.integers(roots)}"
    series: dict[str, Floats] = {}
    for number in range(leaves):
        name = f"leaf{number}"
        above = [f"group{at}" for at in range(groups)] + [f"root{at}" for at in range(roots)]
        parents[name] = above[rng.integers(len(above))]
        series[name] = _load(rng, common)
    for node in [name for name in parents if name.startswith(("group", "root"))][::-1]:
        below = [series[child] for child, parent in parents.items() if parent == node and child in series]
        total = np.sum(below, axis=0) if below else np.zeros(hours)
        # A node without children is a meter like any other.
        part = _load(rng, common)
        series[node] = total + (
            part * rest * rng.uniform(0.2, 1) * max(total.mean(), 1e-9) / part.mean() if below else part
        )
    names = tuple(parents)
    values = np.column_stack([series[name] for name in names])
    # A meter's class is mostly a constant gain; the rest of it changes from hour to hour.
    values *= 1 + class_error * (rng.uniform(-1, 1, values.shape[1]) + 0.2 * rng.normal(size=values.shape))
    values = _with_gaps(rng, values, missing)
    return Tree(names, np.round(values, 4), parents)


def _common(rng: np.random.Generator, hours: int) -> dict[str, Floats]:
    clock = np.arange(hours)
    hour, day = clock % 24, clock // 24
    season = -np.cos(2 * np.pi * day / 365.0)
    daily = np.repeat(_ar1(rng, hours // 24 + 1, 0.8), 24)[:hours]
    warmth = 10 + 10 * season + 4 * daily + 4 * np.sin(2 * np.pi * (hour - 9) / 24) + 0.5 * _ar1(rng, hours, 0.9)
    works = ((day % 7 < 5) & (hour >= 6) & (hour < 19)).astype(np.float64)
    pace = works * (1 + 0.1 * np.repeat(rng.normal(size=hours // 24 + 1), 24)[:hours] + 0.04 * rng.normal(size=hours))
    return {"warmth": warmth, "works": pace, "hour": hour.astype(np.float64)}


def _load(rng: np.random.Generator, common: dict[str, Floats]) -> Floats:
    hours = common["hour"].size
    size = np.exp(rng.normal(1.5, 0.8))
    kind = rng.integers(4)
    if kind == 0:
        shape = 0.3 + 0.7 * common["works"]
    elif kind == 1:
        shape = 0.2 + 0.08 * np.maximum(16 - common["warmth"], 0) + 0.05 * np.maximum(common["warmth"] - 20, 0)
    elif kind == 2:
        shape = 0.05 + (_ar1(rng, hours, 0.7) > 1.0) * rng.uniform(0.5, 1.5, hours)
    else:
        shape = 0.5 + 0.3 * np.sin(2 * np.pi * (common["hour"] - rng.uniform(0, 24)) / 24) + 0.3 * common["works"]
    noisy = shape * (1 + rng.uniform(0.05, 0.2) * _ar1(rng, hours, 0.5)) + 0.03 * np.abs(rng.normal(size=hours))
    return np.maximum(size * noisy, 0.0)


def _ar1(rng: np.random.Generator, count: int, rho: float) -> Floats:
    noise = rng.normal(size=count) * np.sqrt(1 - rho**2)
    found = np.empty(count)
    last = rng.normal()
    for at in range(count):
        last = rho * last + noise[at]
        found[at] = last
    return found


def _with_gaps(rng: np.random.Generator, values: Floats, missing: float) -> Floats:
    found = values.copy()
    hours = values.shape[0]
    for column in range(values.shape[1]):
        lost = 0
        while lost < missing * hours:
            length = int(rng.integers(1, 48))
            start = int(rng.integers(0, hours - length))
            found[start : start + length, column] = np.nan
            lost += length
    return found
