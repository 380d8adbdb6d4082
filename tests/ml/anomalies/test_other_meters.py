"""Faults put by other seeds into real meters that no limit was set on: events, hours and drifts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml.anomalies.monitor import watch
from ml.features.civil import civil_on
from ml.features.series import Series, Vector
from tests.ml.anomalies.faults import Fault, with_faults
from tests.ml.anomalies.office import types

HOUR, YEAR = timedelta(hours=1), 2017
# Buildings whose readings the models did not learn from.
HELD_OUT = (
    "Bear_education_Rebecca",
    "Fox_office_Thelma",
    "Fox_public_Bart",
    "Panther_lodging_Cora",
    "Rat_education_Carmela",
    "Robin_office_Serena",
)


def clean_meters(folder: Path, names: tuple[str, ...] = HELD_OUT) -> Iterator[Vector]:
    """A year of each building, hourly; gaps are filled."""
    rows = pl.read_parquet(folder / "sites_bdg2" / "electricity_hourly.parquet")
    rows = rows.with_columns(pl.col("building_id").cast(pl.Utf8)).filter(pl.col("timestamp_local").dt.year() == YEAR)
    start = datetime(YEAR, 1, 1, tzinfo=UTC)
    every = pl.datetime_range(start, start + 365 * 24 * HOUR, HOUR, closed="left", time_unit="us", eager=True)
    hours = pl.DataFrame({"timestamp_local": every.dt.replace_time_zone(None)})
    for name in names:
        own = rows.filter(pl.col("building_id") == name).with_columns(pl.col("timestamp_local").cast(pl.Datetime("us")))
        values = hours.join(own, on="timestamp_local", how="left").sort("timestamp_local")["kwh"].cast(pl.Float64)
        yield values.interpolate().fill_null(strategy="backward").fill_null(strategy="forward").to_numpy().copy()


def judged(clean: Vector, seed: int) -> tuple[list[Fault], list[bool], list[bool], Vector]:
    """Faults; whether each was found; whether each event is a fault; hours that are both, event alone, fault alone."""
    values, faults = with_faults(clean, seed)
    start = datetime(YEAR, 1, 1, tzinfo=UTC)
    events = watch(Series(start, values), civil_on(types, "UTC", start, len(values))).events
    spans = [((each.start_utc - start) // HOUR, (each.end_utc - start) // HOUR) for each in events]
    is_fault, is_event = np.zeros(len(values), dtype=bool), np.zeros(len(values), dtype=bool)
    for fault in faults:
        is_fault[fault.first : fault.end] = True
    for first, end in spans:
        is_event[first:end] = True
    hours = np.array([(is_fault & is_event).sum(), (is_event & ~is_fault).sum(), (is_fault & ~is_event).sum()])
    is_found = [bool(is_event[each.first : each.end].any()) for each in faults]
    return faults, is_found, [bool(is_fault[first:end].any()) for first, end in spans], hours.astype(float)


@pytest.fixture(scope="module")
def held_out(shared_data: Path) -> list[tuple[list[Fault], list[bool], list[bool], Vector]]:
    return [judged(clean, 7000 + place) for place, clean in enumerate(clean_meters(shared_data))]


def test_faults_of_other_meters_are_found(held_out: list[tuple[list[Fault], list[bool], list[bool], Vector]]) -> None:
    assert len(held_out) == len(HELD_OUT)
    assert np.mean([found for _, each, _, _ in held_out for found in each]) >= 0.88
    assert np.mean([right for _, _, each, _ in held_out for right in each]) >= 0.8


def test_hours_of_other_meters_agree(held_out: list[tuple[list[Fault], list[bool], list[bool], Vector]]) -> None:
    both, event, fault = np.sum([hours for _, _, _, hours in held_out], axis=0)
    assert 2 * both / (2 * both + event + fault) >= 0.6
