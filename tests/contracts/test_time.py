"""Half-open local periods, and days of 23, 24 and 25 hours."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import (
    FixedClock,
    Period,
    SystemClock,
    local_day_hours,
    months_of,
    parse_instant,
    parse_period,
    zone,
)

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", date(2024, 1, 1), date(2025, 1, 1)),
        ("2025-Q4", date(2025, 10, 1), date(2026, 1, 1)),
        ("2025-12", date(2025, 12, 1), date(2026, 1, 1)),
        ("2024-02-29", date(2024, 2, 29), date(2024, 3, 1)),
        ("2025-01-15/2025-02-15", date(2025, 1, 15), date(2025, 2, 15)),
    ],
)
def test_a_period_is_half_open(text: str, start: date, end: date) -> None:
    period = parse_period(text, BERLIN)
    assert (period.start, period.end) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "", "2025-Q5", "2025-13", "2025-02-30", "25", "2025-02-01/2025-02-01", "x/y", "9999", "9999-12-31", "0001",
        "2025-01-01/9999-12-31",
    ],
)  # fmt: skip
def test_a_period_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="period"):
        parse_period(text, BERLIN)


def test_a_leap_year_and_the_months_of_summer_time_have_their_own_hours() -> None:
    assert parse_period("2024", BERLIN).hours == 8784
    assert parse_period("2025-03", BERLIN).hours == 31 * 24 - 1
    assert parse_period("2025-10", BERLIN).hours == 31 * 24 + 1
    assert parse_period("2025-10", BERLIN).days == 31
    assert local_day_hours(date(2025, 4, 6), "Australia/Lord_Howe") == 24.5


def test_two_neighbouring_periods_share_no_instant() -> None:
    first, second = parse_period("2025-Q1", BERLIN), parse_period("2025-Q2", BERLIN)
    assert first.end_utc == second.start_utc == datetime(2025, 3, 31, 22, tzinfo=UTC)


@settings(deadline=None)
@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 900))
def test_the_months_of_a_period_tile_it(start: date, days: int) -> None:
    period = Period(label="x", start=start, end=start + timedelta(days=days), time_zone=BERLIN)
    months = months_of(period)
    assert months[0].start == period.start
    assert months[-1].end == period.end
    assert all(one.end == other.start for one, other in pairwise(months))
    assert sum(month.hours for month in months) == pytest.approx(period.hours)


def test_an_instant_without_offset_needs_a_zone() -> None:
    assert parse_instant("2025-07-01T00:00+02:00") == datetime(2025, 6, 30, 22, tzinfo=UTC)
    assert parse_instant("2025-07-01T00:00", BERLIN) == datetime(2025, 6, 30, 22, tzinfo=UTC)
    assert parse_instant("2025-10-26T02:00", BERLIN, fold=1) == datetime(2025, 10, 26, 1, tzinfo=UTC)
    for text, sentence in (("2025-07-01T00:00", "no offset"), ("soon", "ISO 8601")):
        with pytest.raises(BadInput, match=sentence):
            parse_instant(text)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../../etc/passwd", "Europe"])
def test_an_unknown_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(BadInput, match="such as Europe/Berlin"):
        zone(name, file="s.yaml", line=3)


def test_clocks_speak_utc_and_a_fixed_one_moves_only_when_told() -> None:
    clock = FixedClock(datetime(2025, 1, 1, 1, tzinfo=UTC))
    clock.advance(timedelta(hours=1))
    assert clock.now_utc() == datetime(2025, 1, 1, 2, tzinfo=UTC)
    assert SystemClock().now_utc().utcoffset() == timedelta(0)
