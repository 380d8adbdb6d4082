"""Hours and features: whole hours only, the site's own calendar, and never a look past the issue."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_quality.contracts.errors import BadInput
from ml.features.civil import civil_of
from ml.features.feature import Rows
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES, feature_matrix
from ml.features.series import QUARTER, Series, Stream, measured_on, series_of, stream_of
from ml.features.weather_as_of import FixedWeather
from tests.ml.cases import RECORDED, plant, stream

SITE = plant()
START = datetime(2025, 3, 1, tzinfo=UTC)
M1 = Stream("m1", "import")


def hours(readings: pl.DataFrame, end: datetime, as_of: datetime | None = None) -> Series:
    return series_of(readings, site=SITE, stream=M1, end_utc=end, as_of_utc=as_of)


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


@pytest.mark.parametrize(("target", "message"), [("m9", "it has m1, m2, pv"), ("m1.export", "it has import")])
def test_an_unknown_target_names_what_there_is(target: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        stream_of(SITE, target)


def test_an_hour_counts_with_all_its_quarter_hours_and_is_a_gap_otherwise() -> None:
    readings = stream("m1", START, [1.0] * 12).filter(pl.col("source_line") != 6)
    found = hours(readings, START + timedelta(hours=3))
    assert np.array_equal(found.values, [4.0, np.nan, 4.0], equal_nan=True)


def test_levels_average_where_amounts_add_up() -> None:
    degc = stream("outdoor_degc", START, [1.0, 2.0, 3.0, 6.0], register="value", unit="degc")
    both = pl.concat([degc, stream("m1", START, [1.0] * 4)])
    found = hours(both, START + timedelta(hours=1))
    measured = measured_on(both, site=SITE, grid=found, unit="degc")
    assert measured is not None
    assert (found.values.tolist(), measured.tolist()) == ([4.0], [3.0])


def test_quarter_hours_stay_quarter_hours() -> None:
    readings = stream("m1", START + QUARTER, [1.0, 2.0, 3.0])
    found = series_of(readings, site=SITE, stream=M1, end_utc=START + 4 * QUARTER, step=QUARTER)
    assert (found.start_utc, found.values.tolist(), found.per_day) == (START + QUARTER, [1.0, 2.0, 3.0], 96)


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
    civil = civil_of(SITE, datetime(2025, 3, 29, 23, tzinfo=UTC), 24)
    assert civil.hour.tolist()[:4] == [0, 1, 3, 4]
    assert civil.hour.tolist()[22:] == [23, 0]
    assert civil.day_type.tolist()[:23] == [1] * 23
    assert civil.day_type_after.tolist()[0] == 0
    assert civil.midnights.tolist() == [0, 23]
    assert civil.day.tolist() == [0] * 23 + [1]


@pytest.mark.parametrize(("day", "steps"), [(date(2025, 3, 30), 92), (date(2025, 10, 26), 100)])
def test_days_of_92_and_100_quarter_hours_are_days(day: date, steps: int) -> None:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=26)
    civil = civil_of(SITE, start, 96 * 4, QUARTER)
    number = (day - civil.first_day).days
    assert int((civil.day == number).sum()) == steps


def test_the_same_clock_goes_by_local_time_over_the_change_of_clocks() -> None:
    civil = civil_of(SITE, datetime(2025, 3, 28, 23, tzinfo=UTC), 72)
    noon = int(np.flatnonzero((civil.hour == 12) & (civil.day == 1))[0])
    before = int(civil.same_clock(np.array([noon]), 1)[0])
    assert (noon - before, int(civil.hour[before])) == (23, 12)


def test_holidays_are_days_of_their_own_type() -> None:
    new_year = civil_of(SITE, datetime(2025, 12, 31, 23, tzinfo=UTC), 1)
    assert (int(new_year.day_type[0]), int(new_year.day_type_before[0])) == (2, 0)


# Before the change of clocks, so that lags can be counted in hours.
BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
VALUES = np.arange(40.0 * 24) + 1
CIVIL = civil_of(SITE, BEGIN, len(VALUES) + 48)
ORIGIN, WEEK = 30 * 24, 168


def case(values: np.ndarray = VALUES, weather: np.ndarray = VALUES, *, is_ahead: bool = False) -> Case:
    known = FixedWeather(("temperature_degc",), weather[:, None], is_ahead=is_ahead)
    return Case(Series(BEGIN, values), CIVIL, known)


def row_of(lead: int, of: Case | None = None) -> dict[str, float]:
    """The features of one lead; those of the series as amounts again."""
    matrix = feature_matrix(of or case(), np.array([ORIGIN]), 48, tuple(FEATURES))
    assert matrix.step[lead - 1] == ORIGIN + lead - 1
    row = dict(zip(matrix.names, matrix.inputs[lead - 1].tolist(), strict=True))
    level = matrix.level[lead - 1]
    return {name: value * level if FEATURES[name].is_levelled else value for name, value in row.items()}


def test_lags_have_their_names() -> None:
    """The value of hour i is i + 1, so every lag can be read off."""
    first, last = row_of(1), row_of(48)
    wanted = {
        "same_hour_newest": ORIGIN - 24,
        "same_hour_second": ORIGIN - 48,
        "same_hour_week": ORIGIN - WEEK,
        "same_hour_mean_4_weeks": ORIGIN - 2.5 * WEEK,
        "last_step": ORIGIN - 1,
        "mean_1_day": ORIGIN - 12.5,
        "min_1_day": ORIGIN - 24,
        "max_1_day": ORIGIN - 1,
        "mean_1_day_week_before": ORIGIN - WEEK - 12.5,
    }
    assert {name: first[name] for name in wanted} == pytest.approx({name: at + 1 for name, at in wanted.items()})
    assert last["same_hour_newest"] == pytest.approx(ORIGIN + 47 - 48 + 1)
    assert last["same_hour_second"] == pytest.approx(ORIGIN + 47 - 72 + 1)


def test_a_gap_is_passed_over_and_an_unknown_past_stays_unknown() -> None:
    gap = VALUES.copy()
    gap[ORIGIN - WEEK] = np.nan
    assert row_of(1, case(gap))["same_hour_mean_4_weeks"] == pytest.approx(ORIGIN - 3 * WEEK + 1)
    nothing = row_of(1, case(np.full(len(VALUES), np.nan)))
    assert all(np.isnan(value) for name, value in nothing.items() if FEATURES[name].is_levelled)


def test_measured_weather_ends_at_the_origin_and_given_weather_does_not() -> None:
    measured, given_ = row_of(3), row_of(3, case(is_ahead=True))
    assert np.isnan(measured["temperature_degc"])
    assert given_["temperature_degc"] == ORIGIN + 2 + 1
    assert measured["temperature_newest_degc"] == ORIGIN + 2 - 24 + 1


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 40 * 24 - 1), st.floats(-1e6, 1e6))
def test_no_feature_sees_past_its_origin(changed: int, value: float) -> None:
    other = VALUES.copy()
    other[changed] = value
    if changed >= ORIGIN:
        names = tuple(FEATURES)
        before, after = (feature_matrix(case(each, each), np.array([ORIGIN]), 48, names) for each in (VALUES, other))
        assert np.array_equal(before.inputs, after.inputs, equal_nan=True)
        assert np.array_equal(before.level, after.level)


def test_a_look_at_or_past_the_origin_finds_nothing() -> None:
    rows = Rows(case(), np.array([ORIGIN]), 4)
    found = rows.value(np.array([ORIGIN - 1, ORIGIN, ORIGIN + 1, -1]))
    assert np.isnan(found).tolist() == [False, True, True, True]


def test_the_guard_against_looking_ahead_can_fail() -> None:
    other = VALUES.copy()
    other[ORIGIN - 1] += 1.0
    assert row_of(1, case(other)) != row_of(1)


def test_steps_until_an_instant_are_those_that_have_ended() -> None:
    whole = Series(BEGIN, VALUES)
    assert len(whole.until(BEGIN + timedelta(hours=5, minutes=59)).values) == 5
    assert len(whole.until(BEGIN - timedelta(days=1)).values) == 0
    assert whole.until(whole.end_utc).digest() == whole.digest()
    assert Series(BEGIN, VALUES, QUARTER).digest() != whole.digest()
