"""Issues of weather: written once, never changed, queried as they were known."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from assets.stores.ledgers.forecasts import WeatherStore
from assets.stores.transactions import Store
from data_quality.contracts.control.weather_issue import WEATHER_UNITS, WeatherIssue
from data_quality.contracts.time import FixedClock

START, HOUR = datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1)


def issue(
    degc: float = 1.0, *, issued_h: int = 0, known_h: int | None = None, begins_h: int = 0, label: str = ""
) -> WeatherIssue:
    return WeatherIssue(
        source="feed",
        issued_at_utc=START + issued_h * HOUR,
        available_at_utc=START + (issued_h if known_h is None else known_h) * HOUR,
        start_utc=START + begins_h * HOUR,
        values={"temperature_degc": (degc, None, degc)},
        labels=(label,) if label else (),
        is_synthetic=True,
    )


def known_issues(weather: WeatherStore, start_h: int, end_h: int, *, by_h: int | None = None) -> list[WeatherIssue]:
    by = None if by_h is None else START + by_h * HOUR
    return weather.known("home", start_utc=START + start_h * HOUR, end_utc=START + end_h * HOUR, available_by_utc=by)


def test_an_issue_comes_back_as_it_was_given(store: Store, clock: FixedClock) -> None:
    weather = WeatherStore(store)
    assert weather.add("home", [issue()], clock) == 1
    assert known_issues(weather, 0, 3) == [issue()]
    assert weather.known("other", start_utc=START, end_utc=START + HOUR) == []


def test_the_same_content_twice_writes_nothing(store: Store, clock: FixedClock) -> None:
    weather = WeatherStore(store)
    assert weather.add("home", [issue(), issue()], clock) == 1
    assert weather.add("home", [issue()], clock) == 0
    assert weather.add("home", [issue(2.0)], clock) == 1
    assert weather.add("other", [issue()], clock) == 1


def test_a_service_that_says_the_same_an_hour_later_has_issued_nothing_new(store: Store, clock: FixedClock) -> None:
    weather, fetched = WeatherStore(store), "issued_as_fetched"
    assert weather.add("home", [issue(1.0, label=fetched)], clock) == 1
    assert weather.add("home", [issue(1.0, issued_h=1, label=fetched)], clock) == 0
    assert weather.add("home", [issue(2.0, issued_h=2, label=fetched)], clock) == 1
    # What it said first is news again once it said something else.
    assert weather.add("home", [issue(1.0, issued_h=3, label=fetched)], clock) == 1
    assert weather.newest_available_utc("home") == START + 3 * HOUR
    assert weather.newest_available_utc("other") is None


def test_only_what_was_known_by_then_and_tells_of_the_span_is_found(store: Store, clock: FixedClock) -> None:
    weather = WeatherStore(store)
    weather.add("home", [issue(3.0, issued_h=6, begins_h=6), issue(2.0, issued_h=1, known_h=4), issue()], clock)
    assert [each.values["temperature_degc"][0] for each in known_issues(weather, 0, 99)] == [1.0, 2.0, 3.0]
    assert [each.values["temperature_degc"][0] for each in known_issues(weather, 0, 99, by_h=3)] == [1.0]
    assert known_issues(weather, 3, 6) == []
    assert len(known_issues(weather, 8, 9)) == 1


def test_an_issue_that_was_recorded_later_is_not_seen_as_of_before(store: Store, clock: FixedClock) -> None:
    weather = WeatherStore(store)
    weather.add("home", [issue()], clock)
    span = {"start_utc": START, "end_utc": START + HOUR}
    assert len(weather.known("home", **span, as_of_utc=clock.now_utc())) == 1
    assert weather.known("home", **span, as_of_utc=clock.now_utc() - HOUR) == []


@pytest.mark.parametrize("statement", ["UPDATE weather_issues SET weather = '{}'", "DELETE FROM weather_issues"])
def test_an_issue_is_never_changed(store: Store, clock: FixedClock, statement: str) -> None:
    WeatherStore(store).add("home", [issue()], clock)
    with pytest.raises(sa.exc.DBAPIError, match="weather_issues is append-only"), store.begin() as connection:
        connection.execute(sa.text(statement))


def test_two_months_of_four_issues_a_day_are_read_in_a_blink(store: Store, clock: FixedClock) -> None:
    """A sixth of a year: 240 issues of a week of hours with eight names."""
    names = list(WEATHER_UNITS)[:8]
    columns = {name: tuple(n % 37 + 0.25 for n in range(168)) for name in names}
    issues = [
        WeatherIssue(
            source="feed",
            issued_at_utc=START + n * 6 * HOUR,
            available_at_utc=START + n * 6 * HOUR,
            start_utc=START + n * 6 * HOUR,
            values=columns,
        )
        for n in range(240)
    ]
    weather = WeatherStore(store)
    assert weather.add("home", issues, clock) == 240
    began = time.perf_counter()
    assert len(known_issues(weather, 0, 24 * 365)) == 240
    assert time.perf_counter() - began < 10
