"""Exactly one period at each instant: proven on every kind of day, and watched at every quarter hour of ten years."""

from datetime import UTC, date, datetime, time
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.tariffs.calendar_layout import check_periods, tariff_day_types
from assets.tariffs.compiled import Grid, compile_tariff
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import Holiday, easter
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc

ZONES = ("Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe")
FIRST, LAST = date(2020, 1, 1), date(2030, 1, 1)


def tariff(*periods: dict[str, Any], **parts: Any) -> Tariff:
    return Tariff.model_validate({"tariff_id": "t", "currency": "EUR", "periods": list(periods), **parts})


def priced(period_id: str, **when: Any) -> dict[str, Any]:
    return {"period_id": period_id, "price_per_kwh": "0.1", **when}


def holding(known: Tariff, zone: str) -> np.ndarray:
    """Number of periods in each quarter hour of ten years, counted window by window from the wall clock."""
    grid = pl.datetime_range(
        local_midnight_utc(FIRST, zone), local_midnight_utc(LAST, zone), "15m",
        closed="left", time_unit="us", time_zone="UTC", eager=True,
    ).dt.convert_time_zone(zone)  # fmt: skip
    days = grid.dt.date()
    off = {day for rule in known.calendar.holidays or () for year in range(2019, 2031) for day in rule.dates(year)}
    is_holiday = days.is_in(list(off)).to_numpy() if off else np.zeros(len(grid), dtype=bool)
    is_weekend = (grid.dt.weekday() >= 6).to_numpy()
    minute = (grid.dt.hour().cast(pl.Int32) * 60 + grid.dt.minute()).to_numpy()
    month = grid.dt.month().to_numpy()
    month_day = (month.astype(int) * 100 + grid.dt.day().to_numpy()).astype(int)
    count = np.zeros(len(grid), dtype=int)
    for period in known.periods:
        held = np.zeros(len(grid), dtype=bool)
        for window in period.when:
            types = {"weekday": ~is_weekend & ~is_holiday, "weekend": is_weekend & ~is_holiday, "holiday": is_holiday}
            on = np.any([types[name] for name in window.day_types], axis=0)
            start, end = window.start.hour * 60 + window.start.minute, window.end.hour * 60 + window.end.minute or 1440
            inside = (minute >= start) & (minute < end) if start < end else (minute >= start) | (minute < end)
            if window.months:
                on &= np.isin(month, window.months)
            for season in known.calendar.seasons:
                if season.season_id in window.seasons:
                    a, b = (int(text.replace("-", "")) for text in (season.start, season.end))
                    on &= (month_day >= a) & (month_day < b) if a < b else (month_day >= a) | (month_day < b)
            held |= on & inside
        count += held
    return count


edges = st.lists(st.integers(1, 95), unique=True, min_size=1, max_size=4).map(lambda cuts: [0, *sorted(cuts), 96])


def _time(quarter: int) -> time:
    return time(quarter * 15 // 60 % 24, quarter * 15 % 60)


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(weekdays=edges, free_days=edges, month=st.integers(2, 11), has_seasons=st.booleans())
def test_any_cut_is_total_and_disjoint_at_every_quarter_hour_of_ten_years(
    weekdays: list[int], free_days: list[int], month: int, has_seasons: bool, zone: str
) -> None:
    summer = {"season_id": "summer", "start": f"{month:02d}-15", "end": f"{month + 1:02d}-10"}
    winter = {"season_id": "winter", "start": summer["end"], "end": summer["start"]}
    periods = []
    for season in ("summer", "winter") if has_seasons else ("",):
        for types, cuts in ((["weekday"], weekdays), (["weekend", "holiday"], free_days)):
            periods += [
                priced(
                    f"{season}{types[0]}{first}", day_types=types, start=_time(first), end=_time(last),
                    **({"seasons": [season]} if season else {}),
                )
                for first, last in pairwise(cuts)
            ]  # fmt: skip
    calendar = {
        "weekend": ["sat", "sun"],
        "holidays": [{"month_day": "12-25"}, {"easter_offset_days": 1}, {"on": "2024-02-29"}],
        "seasons": [summer, winter],
    }
    known = tariff(*periods, calendar=calendar)
    check_periods(known)
    slots = (local_midnight_utc(LAST, zone) - local_midnight_utc(FIRST, zone)).total_seconds() / 900
    compiled = compile_tariff(known, Grid(local_midnight_utc(FIRST, zone), 15, int(slots), zone))
    laid = compiled.energy["energy"]
    assert laid is not None
    assert (holding(known, zone) == 1).all()
    assert laid.size == int(slots)
    assert (laid >= 0).all()
    # Without one of them there is a hole, and it is found.
    with pytest.raises(BadInput, match="exactly one period must hold"):
        check_periods(tariff(*periods[1:], calendar=calendar))


@pytest.mark.parametrize("zone", ZONES)
def test_a_hole_of_one_quarter_hour_is_seen_by_both_counts(zone: str) -> None:
    known = tariff(priced("day", start="06:00", end="22:00"), priced("night", start="22:00", end="05:45"))
    assert (holding(known, zone) == 0).any()
    with pytest.raises(BadInput, match="at 05:45 local time, found none of day, night"):
        check_periods(known)


def test_a_hole_in_one_month_names_the_month() -> None:
    known = tariff(priced("a", months=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]))
    with pytest.raises(BadInput, match="on a weekday in December at 00:00"):
        check_periods(known)


def test_an_overlap_of_seasons_names_both_periods() -> None:
    seasons = [
        {"season_id": "summer", "start": "04-01", "end": "10-02"},
        {"season_id": "winter", "start": "10-01", "end": "04-01"},
    ]
    known = tariff(
        priced("warm", seasons=["summer"]), priced("cold", seasons=["winter"]), calendar={"seasons": seasons}
    )
    with pytest.raises(BadInput, match=r"in October \(summer, winter\) at 00:00 local time, found warm and cold"):
        check_periods(known)


def test_demand_periods_may_leave_hours_free_but_not_overlap() -> None:
    def charge(*periods: dict[str, Any]) -> Tariff:
        return tariff(priced("all"), demand=[{"charge_id": "d", "periods": list(periods)}])

    peak = {"period_id": "peak", "price_per_kw": 1, "start": "08:00", "end": "20:00"}
    check_periods(charge(peak))
    with pytest.raises(BadInput, match=r"charge d: exactly one period .* found peak and late"):
        check_periods(charge(peak, {"period_id": "late", "price_per_kw": 1, "start": "19:00", "end": "23:00"}))


def test_the_tariffs_own_holidays_stand_before_the_sites() -> None:
    days = [date(2025, 5, 1), date(2025, 5, 2), date(2025, 5, 3)]
    site_types = ["holiday", "weekday", "weekend"]
    own = tariff(priced("all"), calendar={"holidays": [{"on": "2025-05-02"}]})
    assert tariff_day_types(own, days, given=site_types) == ["weekday", "holiday", "weekend"]  # type: ignore[arg-type]
    assert tariff_day_types(tariff(priced("all")), days, given=site_types) == site_types  # type: ignore[arg-type]
    assert tariff_day_types(tariff(priced("all")), days) == ["weekday", "weekday", "weekend"]


@pytest.mark.parametrize(
    ("month_day", "observed", "day"),
    [("12-31", "next_monday", date(2023, 1, 2)), ("01-01", "nearest_weekday", date(2021, 12, 31))],
)
def test_a_holiday_that_is_observed_in_the_next_or_last_year_counts_there(
    month_day: str, observed: str, day: date
) -> None:
    own = tariff(priced("all"), calendar={"holidays": [{"month_day": month_day, "observed": observed}]})
    assert tariff_day_types(own, [day]) == ["holiday"]


@pytest.mark.parametrize(
    ("year", "boxing", "off"),
    [
        (2021, "next_monday", [27, 28]),
        (2022, "next_monday", [26, 27]),
        (2022, "no", [26, 27]),
        (2024, "next_monday", [25, 26]),
        (2026, "next_monday", [25, 28]),
    ],
)
def test_two_holidays_of_a_weekend_are_observed_on_two_days(year: int, boxing: str, off: list[int]) -> None:
    rules = [{"month_day": "12-25", "observed": "next_monday"}, {"month_day": "12-26", "observed": boxing}]
    days = [date(year, 12, day) for day in range(25, 30)]
    for holidays in (rules, rules[::-1]):
        types = tariff_day_types(tariff(priced("all"), calendar={"holidays": holidays}), days)
        assert [day.day for day, kind in zip(days, types, strict=True) if kind == "holiday"] == off


@pytest.mark.parametrize(
    ("rule", "year", "day"),
    [
        ({"month": 11, "weekday": "thu", "nth": 4}, 2025, date(2025, 11, 27)),
        ({"month": 5, "weekday": "mon", "nth": -1}, 2025, date(2025, 5, 26)),
        ({"month": 12, "weekday": "wed", "nth": -1}, 2025, date(2025, 12, 31)),
        ({"easter_offset_days": -2}, 2024, date(2024, 3, 29)),
        ({"month_day": "07-04", "observed": "nearest_weekday"}, 2026, date(2026, 7, 3)),
        ({"month_day": "12-26", "observed": "next_monday"}, 2026, date(2026, 12, 28)),
        ({"month_day": "02-29"}, 2024, date(2024, 2, 29)),
    ],
)
def test_a_holiday_rule_gives_its_date(rule: dict[str, Any], year: int, day: date) -> None:
    assert Holiday.model_validate(rule).dates(year) == [day]


def test_easter_is_right_over_a_century() -> None:
    # Published dates; 2038 and 2019 are late ones, 2008 an early one.
    assert [easter(year) for year in (2008, 2019, 2024, 2038)] == [
        date(2008, 3, 23),
        date(2019, 4, 21),
        date(2024, 3, 31),
        date(2038, 4, 25),
    ]


def test_a_year_without_the_day_has_no_such_holiday() -> None:
    assert Holiday.model_validate({"month_day": "02-29"}).dates(2025) == []
    assert Holiday.model_validate({"month": 2, "weekday": "thu", "nth": 5}).dates(2025) == []


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({}, "given by on"),
        ({"on": "2025-01-01", "month_day": "01-01"}, "given by on"),
        ({"month": 5, "nth": 1}, "weekday"),
    ],
)
def test_a_holiday_rule_is_exactly_one_rule(rule: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Holiday.model_validate(rule)


def test_a_clock_without_summer_time_moves_the_window_on_the_wall() -> None:
    def nights(clock: str, zone: str = "Europe/London", month: int = 7) -> np.ndarray:
        known = tariff(
            priced("night", start="00:30", end="07:30"), priced("day", start="07:30", end="00:30"), clock=clock
        )
        start = datetime(2024, month, 1, tzinfo=UTC)
        laid = compile_tariff(known, Grid(start, 30, 48, zone)).energy["energy"]
        assert laid is not None
        return np.flatnonzero(laid == 0)

    assert nights("utc").tolist() == list(range(1, 15))
    assert nights("standard").tolist() == list(range(1, 15))
    # The wall clock is an hour ahead in July.
    assert nights("local").tolist() == [*range(13), 47]
    # Ireland's law has its standard time in summer; its meters have Greenwich time all year.
    for month in (1, 7):
        assert nights("standard", "Europe/Dublin", month).tolist() == list(range(1, 15))


def test_a_load_without_a_slot_has_no_periods() -> None:
    known = tariff(priced("night", start="00:30", end="07:30"), priced("day", start="07:30", end="00:30"))
    laid = compile_tariff(known, Grid(datetime(2024, 7, 1, tzinfo=UTC), 15, 0, "UTC")).energy["energy"]
    assert laid is not None
    assert laid.size == 0


def test_a_load_coarser_than_the_windows_is_refused() -> None:
    known = tariff(priced("night", start="00:30", end="07:30"), priced("day", start="07:30", end="00:30"))
    with pytest.raises(BadInput, match="the period changes inside the load's 60-minute interval at 2024-07-01 00:00"):
        compile_tariff(known, Grid(datetime(2024, 7, 1, tzinfo=UTC), 60, 24, "UTC"))
