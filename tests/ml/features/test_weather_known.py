"""Weather known to a forecast: the past as measured, the rest as it was forecast by then, and no future."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.control.weather_issue import WeatherIssue
from ml.features.series import DAY, HOUR, Series
from ml.features.weather_as_of import FixedWeather, WeatherAsOf, issued_weather

START = datetime(2025, 3, 29, tzinfo=UTC)
HOURS = 40
GRID = Series(START, np.zeros(HOURS))
NAMES = ("temperature_degc", "ghi_w_per_m2")
Values = list[float | None]


def issue(
    begins_h: float,
    degc: Values,
    *,
    issued_h: float,
    known_h: float | None = None,
    minutes: int = 60,
    **more: Values,
) -> WeatherIssue:
    return WeatherIssue(
        source="test",
        issued_at_utc=START + issued_h * HOUR,
        available_at_utc=START + (issued_h if known_h is None else known_h) * HOUR,
        start_utc=START + begins_h * HOUR,
        step_minutes=minutes,
        values={"temperature_degc": tuple(degc), **{name: tuple(each) for name, each in more.items()}},
    )


def temperatures(weather: WeatherAsOf, *pairs: tuple[int, int]) -> list[float | None]:
    """The temperature of (step, origin) pairs; None unknown."""
    found = weather.at(np.array([step for step, _ in pairs]), np.array([origin for _, origin in pairs]))
    column = found[:, weather.names.index("temperature_degc")]
    return [None if np.isnan(value) else float(value) for value in column]


def test_the_newest_issue_known_at_the_origin_counts() -> None:
    weather = issued_weather([issue(0, [1.0] * 9, issued_h=0), issue(0, [2.0] * 9, issued_h=4)], GRID)
    assert temperatures(weather, (6, 3), (6, 4), (6, 8), (9, 8)) == [1.0, 2.0, 2.0, None]


def test_weather_that_arrives_after_the_issue_of_a_forecast_is_not_used_for_it() -> None:
    weather = issued_weather([issue(0, [1.0] * 9, issued_h=0), issue(0, [2.0] * 9, issued_h=1, known_h=4.25)], GRID)
    # Known a quarter of an hour after the fourth hour began: the forecast of that hour is made without it.
    assert temperatures(weather, (6, 3), (6, 4), (6, 5)) == [1.0, 1.0, 2.0]


def test_an_old_issue_that_arrives_late_does_not_replace_a_newer_one() -> None:
    weather = issued_weather(
        [issue(0, [1.0] * 9, issued_h=0, known_h=6), issue(0, [2.0] * 9, issued_h=2, known_h=2)], GRID
    )
    assert temperatures(weather, (7, 1), (7, 2), (7, 6)) == [None, 2.0, 2.0]


def test_what_the_newest_issue_does_not_tell_is_taken_from_the_one_before() -> None:
    older = issue(0, [1.0] * 9, issued_h=0, ghi_w_per_m2=[5.0] * 9)
    newer = issue(0, [2.0, None, 2.0], issued_h=1)
    weather = issued_weather([older, newer], GRID)
    found = weather.at(np.array([0, 1, 2, 3]), np.full(4, 2))
    assert found.tolist() == [[2.0, 5.0], [1.0, 5.0], [2.0, 5.0], [1.0, 5.0]]


def test_before_the_origin_the_measured_weather_stands_and_after_it_the_forecast() -> None:
    measured = FixedWeather(("temperature_degc",), np.array([[10.0], [11.0], [np.nan], [13.0]]), is_ahead=False)
    weather = issued_weather([issue(0, [1.0] * 9, issued_h=-1)], GRID, measured=measured)
    assert temperatures(weather, (0, 4), (1, 4), (2, 4), (3, 4), (3, 3), (5, 4)) == [10.0, 11.0, 1.0, 13.0, 1.0, 1.0]


def test_a_matrix_of_measured_weather_is_cut_at_the_origin_whatever_it_says_of_itself() -> None:
    measured = FixedWeather(("temperature_degc",), np.arange(9.0)[:, None], is_ahead=True)
    assert temperatures(issued_weather([], GRID, measured=measured), (3, 4), (4, 4), (5, 4)) == [3.0, None, None]


def test_without_issues_nothing_is_known() -> None:
    weather = issued_weather([], GRID)
    assert weather.names == ()
    assert weather.at(np.array([1, 2]), np.array([1, 1])).shape == (2, 0)


def test_hours_stand_in_each_of_their_quarters_and_rain_in_equal_parts() -> None:
    quarters = Series(START, np.zeros(8), timedelta(minutes=15))
    weather = issued_weather([issue(0, [1.0, 2.0], issued_h=-1, precipitation_mm=[4.0, 8.0])], quarters)
    found = weather.at(np.arange(8), np.zeros(8, dtype=np.int64))
    assert found.tolist() == [[1.0, 1.0]] * 4 + [[2.0, 2.0]] * 4


def test_quarters_make_an_hour_only_where_all_are_there_and_winds_do_not_average_through_south() -> None:
    issues = issue(
        0.5, [1.0] * 2 + [1.0, 2.0, 3.0, 4.0], issued_h=-1, minutes=15,
        precipitation_mm=[1.0] * 6, wind_direction_deg=[0.0] * 2 + [350.0, 350.0, 10.0, 10.0],
    )  # fmt: skip
    weather = issued_weather([issues], GRID)
    found = weather.at(np.array([0, 1, 2]), np.zeros(3, dtype=np.int64))
    assert np.isnan(found[[0, 2]]).all()
    by_name = dict(zip(weather.names, found[1].tolist(), strict=True))
    assert by_name["temperature_degc"] == 2.5
    assert by_name["precipitation_mm"] == 4.0
    assert min(by_name["wind_direction_deg"], 360 - by_name["wind_direction_deg"]) == pytest.approx(0.0, abs=1e-9)


def test_a_daily_grid_has_the_days_of_its_zone() -> None:
    days = Series(datetime(2025, 1, 1, tzinfo=UTC), np.zeros(3), DAY)
    start = datetime(2024, 12, 31, 23, tzinfo=UTC)
    issues = WeatherIssue(
        source="test",
        issued_at_utc=start,
        available_at_utc=start,
        start_utc=start,
        values={"temperature_degc": tuple([1.0] * 24 + [3.0] * 24)},
    )
    weather = issued_weather([issues], days, time_zone="Europe/Berlin")
    assert temperatures(weather, (0, 0), (1, 0), (2, 0)) == [1.0, 3.0, None]
    assert temperatures(issued_weather([issues], days), (0, 0)) == [pytest.approx((23 * 1.0 + 3.0) / 24)]


@st.composite
def issues(draw: st.DrawFn) -> list[WeatherIssue]:
    """Issues in any order, that begin, end and become known anywhere about the grid."""
    value = st.none() | st.integers(-20, 40).map(float)
    found = []
    for _ in range(draw(st.integers(0, 6))):
        issued = draw(st.integers(-8, 4 * HOURS)) / 4
        length, minutes = draw(st.integers(1, 30)), draw(st.sampled_from([15, 60, 180]))
        degc = draw(st.lists(value, min_size=length, max_size=length))
        sun = draw(st.lists(value, min_size=length, max_size=length))
        known = issued + draw(st.integers(0, 40)) / 4
        begins = draw(st.integers(-20, HOURS))
        found.append(issue(begins, degc, issued_h=issued, known_h=known, minutes=minutes, ghi_w_per_m2=sun))
    return found


measured_hours = st.lists(st.none() | st.integers(-20, 40).map(float), min_size=HOURS, max_size=HOURS)
STEPS = np.arange(-2, HOURS + 30)


def measured_of(values: Sequence[float | None]) -> FixedWeather:
    return FixedWeather(("temperature_degc",), np.array(values, dtype=float)[:, None], is_ahead=False)


def seen(reported: list[WeatherIssue], measured: list[float | None], origin: int) -> np.ndarray:
    weather = issued_weather(reported, GRID, measured=measured_of(measured))
    found = np.full((len(STEPS), len(NAMES)), np.nan)
    for place, name in enumerate(weather.names):
        found[:, NAMES.index(name)] = weather.at(STEPS, np.full(len(STEPS), origin))[:, place]
    return found


def poisoned(reported: list[WeatherIssue], origin: int) -> list[WeatherIssue]:
    """Every value that was not known at the origin is another, and what becomes known after it is more."""
    then = START + origin * HOUR
    known = [each for each in reported if each.available_at_utc <= then]
    later = [
        each.model_copy(update={"values": {name: tuple(777.0 for _ in column) for name, column in each.values.items()}})
        for each in reported
        if each.available_at_utc > then
    ]
    more = issue(-20, [888.0] * 200, issued_h=-20, known_h=origin + 0.25, ghi_w_per_m2=[888.0] * 200)
    return [*later, more, *known]


@given(issues(), measured_hours, st.integers(-3, HOURS + 5))
def test_nothing_that_was_not_known_at_the_origin_changes_what_is_seen_there(
    told: list[WeatherIssue], measured: list[float | None], origin: int
) -> None:
    before = seen(told, measured, origin)
    future = [value if step < origin else 999.0 for step, value in enumerate(measured)]
    assert np.array_equal(before, seen(poisoned(told, origin), future, origin), equal_nan=True)


def test_the_poison_is_seen_by_whoever_looks_ahead() -> None:
    issues = [issue(0, [1.0] * 30, issued_h=0), issue(0, [2.0] * 30, issued_h=9)]
    # One step later the second issue is known: there its poison shows.
    assert not np.array_equal(
        seen(issues, [1.0] * HOURS, 9), seen(poisoned(issues, 8), [1.0] * HOURS, 9), equal_nan=True
    )


@given(issues(), measured_hours, st.integers(0, HOURS))
def test_what_is_seen_is_what_a_search_through_all_issues_finds(
    told: list[WeatherIssue], measured: list[float | None], origin: int
) -> None:
    hourly = [each for each in told if each.step_minutes == 60]
    then, found = START + origin * HOUR, seen(hourly, measured, origin)
    for row, step in enumerate(STEPS):
        known = [each for each in hourly if each.available_at_utc <= then]
        known.sort(key=lambda each: (each.issued_at_utc, each.available_at_utc))
        for column, name in enumerate(NAMES):
            place = [(each, step - int((each.start_utc - START) / HOUR)) for each in known]
            size = [each.values[name][at] for each, at in place if 0 <= at < len(each.values[name])]
            wanted = next((value for value in reversed(size) if value is not None), None) if step >= 0 else None
            own = measured[step] if 0 <= step < min(origin, HOURS) else None
            wanted = own if column == 0 and own is not None else wanted
            assert found[row, column] == wanted or (wanted is None and np.isnan(found[row, column]))
