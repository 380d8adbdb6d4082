"""Hours and features: whole hours only, the site's own calendar, and never a look past the issue."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_quality.contracts.errors import BadInput
from ml.features.day_ahead import FEATURES, WEEK, _at, feature_matrix
from ml.features.hourly import Hours, Stream, calendar_of, hours_of, stream_of
from tests.ml.cases import RECORDED, plant, stream

SITE = plant()
START = datetime(2025, 3, 1, tzinfo=UTC)
M1 = Stream("m1", "import")


def hours(readings: pl.DataFrame, end: datetime, as_of: datetime | None = None) -> Hours:
    return hours_of(readings, site=SITE, stream=M1, end_utc=end, as_of_utc=as_of)


@pytest.mark.parametrize(
    ("target", "found", "shown"),
    [
        ("m1", Stream("m1", "import"), "meter:m1"),
        ("meter:m1", Stream("m1", "import"), "meter:m1"),
        ("pv", Stream("pv", "value"), "meter:pv"),
        ("meter:pv.export", Stream("pv", "export"), "meter:pv.export"),
        ("outdoor_degc", Stream("outdoor_degc", "value"), "meter:outdoor_degc"),
    ],
)
def test_a_target_names_one_register_of_one_stream(target: str, found: Stream, shown: str) -> None:
    assert stream_of(SITE, target) == found
    assert stream_of(SITE, target).target == shown
    assert stream_of(SITE, shown) == found


@pytest.mark.parametrize(("target", "says"), [("m9", "it has m1, m2, pv"), ("m1.export", "it has import")])
def test_an_unknown_target_names_what_there_is(target: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        stream_of(SITE, target)


def test_an_hour_counts_with_all_its_quarter_hours_and_is_a_gap_otherwise() -> None:
    readings = stream("m1", START, [1.0] * 12).filter(pl.col("source_line") != 6)
    found = hours(readings, START + timedelta(hours=3))
    assert np.array_equal(found.values, [4.0, np.nan, 4.0], equal_nan=True)


def test_levels_average_where_amounts_add_up() -> None:
    degc = stream("outdoor_degc", START, [1.0, 2.0, 3.0, 6.0], register="value", unit="degc")
    found = hours(pl.concat([degc, stream("m1", START, [1.0] * 4)]), START + timedelta(hours=1))
    assert (found.values.tolist(), found.temperature_degc.tolist()) == ([4.0], [3.0])


def test_an_hour_that_has_not_ended_at_the_issue_is_not_known() -> None:
    readings = stream("m1", START, [1.0] * 12)
    found = hours(readings, START + timedelta(hours=2, minutes=59))
    assert found.values.tolist() == [4.0, 4.0]
    assert found.end_utc == START + timedelta(hours=2)


def test_rows_recorded_after_the_instant_are_not_known() -> None:
    late = stream("m1", START + timedelta(hours=1), [1.0] * 4, recorded_at_utc=RECORDED + timedelta(days=1))
    readings = pl.concat([stream("m1", START, [1.0] * 4), late])
    assert np.isnan(hours(readings, START + timedelta(hours=2), RECORDED).values).tolist() == [False, True]


def test_a_stream_without_readings_is_empty() -> None:
    assert len(hours(stream("m2", START, [1.0]), START).values) == 0


def test_the_calendar_is_the_sites_own_on_the_day_that_summer_time_begins() -> None:
    calendar = calendar_of(SITE, datetime(2025, 3, 29, 23, tzinfo=UTC), 24)
    assert calendar.hour.tolist()[:4] == [0, 1, 3, 4]
    assert calendar.hour.tolist()[22:] == [23, 0]
    assert calendar.day_type.tolist()[:23] == [1] * 23
    assert calendar.day_type_after.tolist()[0] == 0


def test_holidays_are_days_of_their_own_type() -> None:
    new_year = calendar_of(SITE, datetime(2025, 12, 31, 23, tzinfo=UTC), 1)
    assert (int(new_year.day_type[0]), int(new_year.day_type_before[0])) == (2, 0)


VALUES = np.arange(40.0 * 24)
CALENDAR = calendar_of(SITE, START, len(VALUES) + 48)
ORIGIN = 30 * 24


def row_of(lead: int, values: np.ndarray = VALUES) -> dict[str, float]:
    matrix, _, hour = feature_matrix(Hours(START, values, values), CALENDAR, np.array([ORIGIN]), 48)
    assert hour[lead - 1] == ORIGIN + lead - 1
    return dict(zip(FEATURES, matrix[lead - 1].tolist(), strict=True))


def test_lags_have_their_names() -> None:
    """The value of hour i is i, so every lag can be read off."""
    first, last = row_of(1), row_of(48)
    assert (first["same_hour_newest"], first["same_hour_second"]) == (ORIGIN - 24, ORIGIN - 48)
    assert (last["same_hour_newest"], last["same_hour_second"]) == (ORIGIN + 47 - 48, ORIGIN + 47 - 72)
    assert first["same_hour_week"] == ORIGIN - WEEK
    assert first["same_hour_mean_4_weeks"] == ORIGIN - 2.5 * WEEK
    assert (first["last_hour"], last["last_hour"]) == (ORIGIN - 1, ORIGIN - 1)
    assert (first["mean_24_h"], first["min_24_h"], first["max_24_h"]) == (ORIGIN - 12.5, ORIGIN - 24, ORIGIN - 1)
    assert first["mean_24_h_week_before"] == ORIGIN - WEEK - 12.5


def test_a_gap_is_passed_over_and_an_unknown_past_stays_unknown() -> None:
    gap = VALUES.copy()
    gap[ORIGIN - WEEK] = np.nan
    assert row_of(1, gap)["same_hour_mean_4_weeks"] == ORIGIN - 3 * WEEK
    nothing = row_of(1, np.full(len(VALUES), np.nan))
    assert all(np.isnan(value) for name, value in nothing.items() if name.startswith(("same", "mean", "min", "max")))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 40 * 24 - 1), st.floats(-1e6, 1e6))
def test_no_feature_sees_past_its_origin(changed: int, value: float) -> None:
    other = VALUES.copy()
    other[changed] = value
    is_past = changed < ORIGIN
    before = feature_matrix(Hours(START, VALUES, VALUES), CALENDAR, np.array([ORIGIN]), 48)
    after = feature_matrix(Hours(START, other, other), CALENDAR, np.array([ORIGIN]), 48)
    if not is_past:
        assert np.array_equal(before[0], after[0], equal_nan=True)
        assert np.array_equal(before[1], after[1])


def test_a_look_at_or_past_the_origin_finds_nothing() -> None:
    found = _at(VALUES, np.array([ORIGIN - 1, ORIGIN, ORIGIN + 1, -1]), np.full(4, ORIGIN))
    assert np.isnan(found).tolist() == [False, True, True, True]


def test_the_guard_against_looking_ahead_can_fail() -> None:
    other = VALUES.copy()
    other[ORIGIN - 1] += 1.0
    assert row_of(1, other) != row_of(1)


def test_hours_until_an_instant_are_those_that_have_ended() -> None:
    whole = Hours(START, VALUES, VALUES)
    assert len(whole.until(START + timedelta(hours=5, minutes=59)).values) == 5
    assert len(whole.until(START - timedelta(days=1)).values) == 0
    assert whole.until(whole.end_utc).digest() == whole.digest()
    assert date(2025, 3, 1) == whole.start_utc.date()
