"""Models of nights and drifts learned anew from faults put into real meters.

Run: `.venv/bin/python -m tests.bench.anomaly_learn ../shared/data FILE [seeds]`. Buildings that
tests/ml/anomalies/test_other_meters.py holds out are left out. Writes a table like ml/anomalies/learned.yaml; a table
that is taken over needs a new version, and limits in ml/anomalies/params.py that were looked at again.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from ml.anomalies.drift import AFTER, DriftWatch
from ml.anomalies.logistic import CUT, Features, learned
from ml.anomalies.monitor import watch
from ml.anomalies.nights import NightWaste
from ml.anomalies.params import DetectorParams
from ml.features.civil import civil_on
from ml.features.series import Series
from tests.ml.anomalies.faults import Fault, with_faults
from tests.ml.anomalies.office import types
from tests.ml.anomalies.test_other_meters import HELD_OUT, YEAR, clean_meters

# A drift cannot be told in its first days: they teach neither yes nor no.
UNTOLD_DAYS = 9
# Nothing is marked by a model while features are gathered: a drift that is found hides its own days.
NEVER = DetectorParams(night_odds=99, drift_odds=99, return_odds=99)
PENALTY = {"night": 0.1, "drift": 0.1, "returned": 0.3}
Rows = dict[str, list[tuple[Features, bool]]]


class Watching:
    """Keeps the features that the detectors look at while a meter is watched, by model and day."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[int, Features]] = {name: {} for name in PENALTY}
        self._night, self._see, self._patch = NightWaste.features, DriftWatch._see, pytest.MonkeyPatch()

    def __enter__(self) -> "Watching":
        def night(detector: NightWaste, day: int) -> Features | None:
            found = self._night(detector, day)
            if found is not None:
                self.kept["night"][day] = found
            return found

        def see(detector: DriftWatch, day: int) -> object:
            seen = self._see(detector, day)
            if seen is not None:
                self.kept["drift"][day] = seen.features
            before = detector.seen.get(day - AFTER)
            returned = detector.return_features(day, before) if before else None
            if returned is not None:
                self.kept["returned"][day] = returned
            return seen

        self._patch.setattr(NightWaste, "features", night)
        self._patch.setattr(DriftWatch, "_see", see)
        return self

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


def label(model: str, day: int, faults: list[Fault]) -> bool | None:
    """Whether a day of that model is one; None where it is uncertain."""
    kind = "night_waste" if model == "night" else "drift"
    spans = [(each.first // 24, each.end // 24) for each in faults if each.kind == kind]
    if model == "returned":
        return any(day == end + AFTER - 1 for _, end in spans)
    if model == "drift" and any(first <= day < first + UNTOLD_DAYS for first, _ in spans):
        return None
    return any(first <= day < end for first, end in spans)


def rows_of(folder: Path, seeds: range) -> Rows:
    """Features with their labels, of every meter and seed."""
    start = datetime(YEAR, 1, 1, tzinfo=UTC)
    rows: Rows = {name: [] for name in PENALTY}
    names = pl.read_parquet(folder / "sites_bdg2" / "electricity_hourly.parquet")["building_id"].cast(pl.Utf8).unique()
    meters = list(clean_meters(folder, tuple(sorted(set(names) - set(HELD_OUT)))))
    for seed in seeds:
        for place, clean in enumerate(meters):
            values, faults = with_faults(clean, seed * 1000 + place)
            with Watching() as watching:
                watch(Series(start, values), civil_on(types, "UTC", start, len(values)), NEVER)
            for name, kept in watching.kept.items():
                reported = ((features, label(name, day, faults)) for day, features in kept.items())
                rows[name] += [(features, yes) for features, yes in reported if yes is not None]
    return rows


def fitted(rows: list[tuple[Features, bool]], penalty: float) -> list[str]:
    """A model as lines of the file."""
    names = list(rows[0][0])
    values = np.array([[features[name] for name in names] for features, _ in rows])
    centre = np.median(values, axis=0)
    low, high = np.quantile(values, (0.05, 0.95), axis=0)
    scale = np.maximum((high - low) / 3.3, 1e-3)
    model = LogisticRegression(C=penalty, max_iter=2000)
    model.fit(np.clip((values - centre) / scale, -CUT, CUT), [yes for _, yes in rows])
    figures = zip(names, centre, scale, model.coef_[0], strict=True)
    lines = [f"    {name}: {{centre: {c:.4f}, scale: {s:.4f}, weight: {w:.3f}}}" for name, c, s, w in figures]
    return [f"  intercept: {model.intercept_[0]:.3f}", "  weights:", *lines]


def main() -> int:
    """Write the table; 2 where the words are not a folder, a file and a number of seeds."""
    if len(sys.argv) not in {3, 4}:
        print(__doc__)
        return 2
    rows = rows_of(Path(sys.argv[1]), range(1, 1 + int(sys.argv[3] if len(sys.argv) > 3 else 2)))
    lines = [f"version: {learned().version + 1}", "learned_from: Building Data Genome 2, with faults by seeds"]
    for name, penalty in PENALTY.items():
        lines += [f"{name}:", *fitted(rows[name], penalty)]
    Path(sys.argv[2]).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
