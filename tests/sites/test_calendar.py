"""The local calendar: days of 23, 24 and 25 hours, holidays, quarter hours."""

from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sites.calendar import check_calendar, day_types, quarter_hours
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site


def site(**changes: object) -> Site:
    fields: dict[str, object] = {
        "site_id": "plant",
        "name": "Plant",
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        "country": "DE",
        "subdivision": "BW",
        "meters": (Meter(meter_id="main"),),
    }
    return Site.model_validate(fields | changes)


def test_summer_time_makes_days_of_23_and_25_hours() -> None:
    days = day_types(site(), date(2025, 3, 29), date(2025, 3, 32 - 1))
    assert days["hours"].to_list() == [24.0, 23.0]
    assert day_types(site(), date(2025, 10, 26), date(2025, 10, 27))["hours"].to_list() == [25.0]


def test_a_leap_year_has_366_days_and_8784_hours() -> None:
    days = day_types(site(), date(2024, 1, 1), date(2025, 1, 1))
    assert (days.height, days["hours"].sum()) == (366, 8784.0)


def test_a_holiday_comes_before_the_weekend_and_a_subdivision_has_its_own() -> None:
    # 2026-11-01 (All Saints, Baden-Wuerttemberg) is a Sunday; 2024-11-01 a Friday.
    types = day_types(site(), date(2026, 10, 31), date(2026, 11, 3))
    assert types["day_type"].to_list() == ["weekend", "holiday", "weekday"]
    assert types["holiday"].to_list() == [None, "All Saints' Day", None]
    berlin = day_types(site(subdivision="BE"), date(2024, 11, 1), date(2024, 11, 2))
    assert berlin["day_type"].to_list() == ["weekday"]


def test_the_weekly_rest_is_the_sites_own() -> None:
    friday_rest = site(weekly_rest=("fri",), country="AE", subdivision=None, time_zone="Asia/Dubai")
    types = day_types(friday_rest, date(2025, 5, 8), date(2025, 5, 11))
    assert types["day_type"].to_list() == ["weekday", "weekend", "weekday"]


def test_an_empty_span_has_no_day() -> None:
    assert day_types(site(), date(2025, 1, 1), date(2025, 1, 1)).is_empty()
    assert quarter_hours(site(), date(2025, 1, 1), date(2025, 1, 1)).is_empty()


def test_the_repeated_hour_stands_twice_in_local_time_and_once_in_utc() -> None:
    grid = quarter_hours(site(), date(2025, 10, 26), date(2025, 10, 27))
    assert grid.height == 100
    assert grid["interval_start_utc"].n_unique() == 100
    assert grid.filter(pl.col("local_time") == time(2, 15)).height == 2
    assert grid["interval_start_utc"][0] == datetime(2025, 10, 25, 22, tzinfo=UTC)
    assert grid.columns == ["site_id", "interval_start_utc", "local_date", "local_time", "day_type"]


ZONES = ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "UTC"]


@settings(deadline=None)
@given(st.sampled_from(ZONES), st.dates(date(2018, 1, 1), date(2030, 1, 1)), st.integers(1, 40))
def test_quarter_hours_of_a_span_are_its_hours_times_four(zone: str, start: date, length: int) -> None:
    place = site(time_zone=zone)
    end = start + timedelta(days=length)
    grid = quarter_hours(place, start, end)
    assert grid.height == 4 * day_types(place, start, end)["hours"].sum()
    assert grid["local_date"].n_unique() == length
    assert grid["interval_start_utc"].is_sorted()
    assert grid["day_type"].null_count() == 0


def test_an_unknown_country_or_subdivision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInput, match=r"known are .*DE"):
        check_calendar(site(country="QQ"))
    with pytest.raises(BadInput, match="unknown subdivision 'ZZ' of country DE"):
        check_calendar(site(subdivision="ZZ"))
