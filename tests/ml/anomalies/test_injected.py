"""The labelled faults of six real meters: how many are found, and how many events are none."""

from datetime import UTC, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml.anomalies.monitor import watch
from ml.features.civil import civil_on
from ml.features.series import Series
from tests.ml.anomalies.office import types

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def judged(shared_data: Path) -> pl.DataFrame:
    """A row a label: kind, is_found; and a row an event that no label explains: kind null, is_found false."""
    folder = shared_data / "anomaly"
    labels = pl.read_csv(folder / "injected_labels.csv.gz", try_parse_dates=True)
    series = pl.read_parquet(folder / "injected_series_hourly.parquet").with_columns(pl.col("series_id").cast(pl.Utf8))
    rows: list[tuple[str | None, bool]] = []
    for (name,), part in series.sort("timestamp").group_by("series_id", maintain_order=True):
        start = part["timestamp"][0].replace(tzinfo=UTC)
        values = part["kwh"].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
        events = watch(Series(start, values), civil_on(types, "UTC", start, len(values))).events
        own = [
            (row["kind"], row["start"].replace(tzinfo=UTC), row["end"].replace(tzinfo=UTC) + HOUR)
            for row in labels.filter(pl.col("series_id") == name).iter_rows(named=True)
        ]
        rows += [(kind, any(e.start_utc < end and e.end_utc > begin for e in events)) for kind, begin, end in own]
        rows += [(None, any(e.start_utc < end and e.end_utc > begin for _, begin, end in own)) for e in events]
    return pl.DataFrame(rows, schema={"kind": pl.Utf8, "is_right": pl.Boolean}, orient="row")


def share(judged: pl.DataFrame, which: pl.Expr) -> float:
    return float(np.mean(judged.filter(which)["is_right"].to_list()))


def test_most_faults_are_found_and_few_events_are_none(judged: pl.DataFrame) -> None:
    is_label = pl.col("kind").is_not_null()
    assert judged.filter(is_label).height == 72
    assert share(judged, is_label) >= 0.92
    assert share(judged, ~is_label) >= 0.85


@pytest.mark.parametrize("kind", ["drift", "stuck", "night_waste"])
def test_faults_that_simple_rules_miss_are_found(judged: pl.DataFrame, kind: str) -> None:
    assert share(judged, pl.col("kind") == kind) >= 0.8
