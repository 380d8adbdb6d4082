"""Readings on a grid: where each lands, what becomes of gaps, estimates, cadences and zones."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.errors import OurFault
from data_quality.reading_grid import Stream, grid_of, grids_of
from tests.data_quality.meters import START, quarter_rows


def test_readings_land_in_their_slots_and_gaps_stay_gaps() -> None:
    rows = quarter_rows("a", np.array([1.0, 2.0, 3.0, 4.0]))
    (found,) = grids_of(rows.filter(pl.col("value") != 3.0))
    assert found.values[0].tolist()[:2] == [1.0, 2.0]
    assert np.isnan(found.values[0, 2])
    assert (found.instant(3), found.end_utc) == (START + timedelta(minutes=45), START + timedelta(hours=1))


def test_an_hourly_source_is_judged_by_the_hour_with_its_own_values() -> None:
    # 10.1 kWh in an hour is 2.525 a quarter; the hour must be 10.1 again, to the last digit.
    rows = quarter_rows("a", np.repeat([10.1 / 4, 0.3 / 4], 4), source_minutes=60)
    (found,) = grids_of(rows)
    assert (found.step_minutes, found.values[0].tolist()) == (60, [10.1, 0.3])


def test_an_hour_with_a_quarter_missing_is_a_gap() -> None:
    rows = quarter_rows("a", np.ones(8), source_minutes=60)
    (found,) = grids_of(rows.filter(pl.col("interval_start_utc") != START + timedelta(minutes=15)))
    assert np.isnan(found.values[0, 0])
    assert found.values[0, 1] == 4.0


def test_streams_of_other_cadence_get_a_grid_of_their_own() -> None:
    rows = pl.concat([quarter_rows("a", np.ones(8)), quarter_rows("b", np.ones(8), source_minutes=60)])
    assert [(each.step_minutes, each.streams[0].meter_id) for each in grids_of(rows)] == [(15, "a"), (60, "b")]


def test_an_hourly_source_of_a_half_hour_zone_keeps_its_hours() -> None:
    start = START + timedelta(minutes=30)
    rows = quarter_rows("a", np.repeat([1.0, 2.0], 4), start=start, source_minutes=60)
    (found,) = grids_of(rows, start_utc=START - timedelta(hours=1), end_utc=start + timedelta(hours=2))
    assert found.start_utc == START - timedelta(hours=1, minutes=30)
    assert found.values[0, -2:].tolist() == [4.0, 8.0]


def test_an_estimate_is_no_evidence() -> None:
    rows = pl.concat(
        [quarter_rows("a", np.ones(4)), quarter_rows("a", np.ones(2), start=START + timedelta(hours=1), code=8)]
    )
    (found,) = grids_of(rows)
    assert found.estimated is not None
    assert found.estimated[0].tolist() == [False] * 4 + [True] * 2
    assert np.isnan(found.values[0, 4:]).all()


def test_the_order_of_the_rows_does_not_matter() -> None:
    rows = pl.concat([quarter_rows(name, np.arange(96.0) + number) for number, name in enumerate("abc")])
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=1)
    assert np.array_equal(grids_of(rows)[0].values, grids_of(shuffled)[0].values)


def test_rows_outside_of_the_span_are_left_out() -> None:
    rows = quarter_rows("a", np.arange(12.0))
    (found,) = grids_of(rows, start_utc=START + timedelta(hours=1), end_utc=START + timedelta(hours=2))
    assert found.values[0].tolist() == [4.0, 5.0, 6.0, 7.0]


def test_a_known_stream_without_readings_is_a_row_of_gaps() -> None:
    (found,) = grids_of(quarter_rows("b", np.ones(4)), known=[Stream("a", plate_kw=9.0), Stream("b")])
    assert [stream.meter_id for stream in found.streams] == ["a", "b"]
    assert np.isnan(found.values[0]).all()
    assert found.streams[0].plate_kw == 9.0


def test_no_readings_make_no_grid() -> None:
    assert grids_of(quarter_rows("a", np.ones(1)).clear()) == []


@pytest.mark.parametrize("minutes", [7, 45, 120])
def test_a_step_that_does_not_divide_the_hour_is_refused(minutes: int) -> None:
    rows = quarter_rows("a", np.ones(8))
    with pytest.raises(OurFault, match="15, 30 or 60"):
        grid_of(rows, streams=[Stream("a")], step_minutes=minutes, start_utc=START, end_utc=START + timedelta(hours=2))
