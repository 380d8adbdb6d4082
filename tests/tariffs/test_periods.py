"""Prices by local wall time: total, disjoint, dated."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.tariffs.periods import (
    PRICE,
    check_tariff,
    known_prices,
    price_sources,
    quarter_hour_prices,
    stream_price_at,
    stream_prices,
)
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from tests.kpi.seeded import PLANT, plant


def tariff(*periods: dict[str, object], **changes: object) -> Tariff:
    return Tariff.model_validate(
        {"tariff_id": "t", "valid_from": "2025-01-01", "valid_to": "2026-01-01", "periods": list(periods)} | changes
    )


def prices_on(day: date, following: date) -> pl.DataFrame:
    return quarter_hour_prices(plant(), day, following)


def test_a_weekday_has_day_and_night_prices_by_local_time() -> None:
    prices = prices_on(date(2025, 4, 1), date(2025, 4, 2))
    local = prices["interval_start_utc"].dt.convert_time_zone("Europe/Berlin").dt.time()
    by_time = dict(zip(local, prices["price_per_kwh"], strict=True))
    assert by_time[time(5, 45)] == Decimal("0.1987")
    assert by_time[time(6, 0)] == Decimal("0.312345")
    assert by_time[time(21, 45)] == Decimal("0.312345")
    assert by_time[time(22, 0)] == Decimal("0.1987")
    assert prices.schema["price_per_kwh"] == pl.Decimal(12, 6)


@pytest.mark.parametrize(("day", "quarter_hours"), [(30, 92), (31, 96)])
def test_a_short_day_has_fewer_prices(day: int, quarter_hours: int) -> None:
    assert prices_on(date(2025, 3, day), date(2025, 3, 31) if day == 30 else date(2025, 4, 1)).height == quarter_hours


def test_the_hour_that_the_clock_repeats_is_priced_twice() -> None:
    site = plant(
        tariffs=[
            {
                **PLANT["tariffs"][0],
                "periods": [  # type: ignore[index]
                    {"period_id": "two", "price_per_kwh": 9.0, "start": "02:00", "end": "03:00"},
                    {"period_id": "else", "price_per_kwh": 1.0, "start": "03:00", "end": "02:00"},
                ],
            }
        ]
    )
    autumn = quarter_hour_prices(site, date(2025, 10, 26), date(2025, 10, 27))
    spring = quarter_hour_prices(site, date(2025, 3, 30), date(2025, 3, 31))
    assert (autumn["price_per_kwh"] == 9).sum() == 8
    assert (spring["price_per_kwh"] == 9).sum() == 0


def test_a_public_holiday_has_its_own_price() -> None:
    assert set(prices_on(date(2025, 5, 1), date(2025, 5, 2))["price_per_kwh"]) == {Decimal("0.21")}


def test_outside_its_validity_a_tariff_gives_no_price() -> None:
    prices = prices_on(date(2025, 2, 28), date(2025, 3, 2))
    by_day = prices.group_by(
        pl.col("interval_start_utc").dt.convert_time_zone("Europe/Berlin").dt.date().alias("day")
    ).agg(pl.col("price_per_kwh").null_count(), pl.col("tariff_id").null_count().alias("ids"))
    assert sorted(by_day.rows()) == [(date(2025, 2, 28), 96, 96), (date(2025, 3, 1), 0, 0)]


def test_a_site_without_tariff_has_no_price() -> None:
    assert (
        quarter_hour_prices(plant(tariffs=[]), date(2025, 4, 1), date(2025, 4, 2))["price_per_kwh"].null_count() == 96
    )


def test_a_gap_between_periods_is_refused_with_its_local_time() -> None:
    with pytest.raises(
        BadInput, match=r"tariff t: exactly one period must hold on a weekday at 20:00 .* found none of day"
    ):
        check_tariff(tariff({"period_id": "day", "price_per_kwh": 1.0, "start": "00:00", "end": "20:00"}))


def test_overlapping_periods_are_refused_by_name() -> None:
    with pytest.raises(BadInput, match="on a weekend at 10:00 local time, found all and extra"):
        check_tariff(
            tariff(
                {"period_id": "all", "price_per_kwh": 1.0},
                {
                    "period_id": "extra",
                    "price_per_kwh": 2.0,
                    "day_types": ["weekend"],
                    "start": "10:00",
                    "end": "11:00",
                },
            )
        )


def test_two_tariffs_in_force_on_one_day_are_refused() -> None:
    flat = {"valid_from": "2025-01-01", "valid_to": "2025-06-02", "periods": [{"period_id": "p", "price_per_kwh": 1.0}]}
    later = {"tariff_id": "b", **flat, "valid_from": "2025-06-01", "valid_to": "2026-01-01"}
    site = plant(tariffs=[later, {"tariff_id": "a", **flat}])
    with pytest.raises(BadInput, match="tariffs a and b are both in force on 2025-06-01"):
        quarter_hour_prices(site, date(2025, 1, 1), date(2025, 1, 2))


def test_a_price_with_seven_decimals_is_refused_and_not_rounded() -> None:
    with pytest.raises(BadInput, match=r"0\.1234567 has more than six decimals"):
        check_tariff(tariff({"period_id": "p", "price_per_kwh": 0.1234567}))


@given(st.lists(st.integers(1, 95), unique=True, max_size=6))
def test_any_cut_of_the_day_into_periods_is_total_and_disjoint(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 96]
    periods = [
        {
            "period_id": f"p{first}",
            "price_per_kwh": 1.0,
            "start": time(first * 15 // 60, first * 15 % 60),
            "end": time(last * 15 // 60 % 24, last * 15 % 60),
        }
        for first, last in itertools.pairwise(edges)
    ]
    check_tariff(tariff(*periods))
    if len(periods) > 1:
        with pytest.raises(BadInput):
            check_tariff(tariff(*periods[1:]))


def test_a_price_stream_takes_the_place_of_the_tariff() -> None:
    site = plant(
        drivers=[{"driver_id": "spot", "unit": "per_kwh", "aggregation": "mean"}], price_stream="spot", seus=[]
    )
    at = datetime(2025, 4, 1, tzinfo=UTC)
    row = dict.fromkeys(LAKE_SCHEMA) | {
        "meter_id": "spot",
        "unit": "per_kwh",
        "interval_start_utc": at,
        "value": -0.0123456,
        "recorded_at_utc": at,
    }
    newer = row | {"value": 0.05, "recorded_at_utc": at.replace(hour=1)}
    readings = pl.DataFrame([newer, row], schema=LAKE_SCHEMA, orient="row")
    assert stream_prices(site, readings[1:])["price_per_kwh"].to_list() == [Decimal("-0.012346")]  # type: ignore[index]
    prices = known_prices(site, date(2025, 4, 1), date(2025, 4, 2), readings)
    assert prices.height == 96
    assert prices.drop_nulls().rows() == [(at, Decimal("0.050000"))]
    assert stream_prices(plant(), readings) is None
    assert price_sources(site, Carrier.ELECTRICITY, date(2025, 4, 1), date(2025, 4, 2)) == ["spot"]
    assert price_sources(plant(), Carrier.ELECTRICITY, date(2025, 4, 1), date(2025, 4, 2)) == ["tou"]


def test_a_price_holds_until_another_begins_or_the_stream_ends() -> None:
    at = datetime(2025, 4, 1, tzinfo=UTC)
    rows = [(at + timedelta(minutes=15 * each), price) for each, price in enumerate([1, 1, 2, 2, None])]
    prices = pl.DataFrame(
        rows, schema={"interval_start_utc": pl.Datetime("us", "UTC"), "price_per_kwh": PRICE}, orient="row"
    )
    change, end = at + timedelta(minutes=30), at + timedelta(minutes=60)
    assert stream_price_at(prices, at + timedelta(minutes=20)) == (1, change, 2)
    assert stream_price_at(prices, change) == (2, end, None)
    assert stream_price_at(prices.head(4), change) == (2, end, None)
    for instant in (at - timedelta(seconds=1), end, end + timedelta(hours=1)):
        assert stream_price_at(prices, instant) == (None, None, None)


def site_with(**parts: object) -> Site:
    base = {"tariff_id": "t", "valid_from": "2025-01-01", "valid_to": "2026-01-01"}
    return plant(tariffs=[base | parts])


def test_charges_per_kwh_of_supplier_and_grid_add_up_to_one_price() -> None:
    site = site_with(
        periods=[{"period_id": "p", "price_per_kwh": "0.21"}],
        energy=[{"charge_id": "grid", "price_per_kwh": "0.055"}],
    )
    assert set(quarter_hour_prices(site, date(2025, 4, 1), date(2025, 4, 2))["price_per_kwh"]) == {Decimal("0.265")}


@pytest.mark.parametrize(
    "energy",
    [
        {"charge_id": "e", "periods": [{"period_id": "p", "tiers": [{"price": 1, "up_to": 9}, {"price": 2}]}]},
        {"charge_id": "e", "series": {}},
        {
            "charge_id": "e",
            "by_register": True,
            "periods": [{"period_id": "day", "price_per_kwh": 1}, {"period_id": "night", "price_per_kwh": 2}],
        },
    ],
)
def test_a_price_that_is_not_known_before_the_bill_is_null_and_never_zero(energy: dict[str, object]) -> None:
    prices = quarter_hour_prices(site_with(energy=[energy]), date(2025, 4, 1), date(2025, 4, 2))
    assert prices["price_per_kwh"].null_count() == 96
    assert prices["tariff_id"].unique().to_list() == ["t"]


def test_a_clock_of_utc_counts_the_sites_days_beside() -> None:
    site = site_with(
        clock="utc",
        periods=[
            {"period_id": "free", "price_per_kwh": 1, "day_types": ["weekend", "holiday"]},
            {"period_id": "work", "price_per_kwh": 2, "day_types": ["weekday"]},
        ],
    )
    # Monday 7 April 2025 begins at 22:00 UTC of Sunday.
    prices = quarter_hour_prices(site, date(2025, 4, 7), date(2025, 4, 8))["price_per_kwh"].to_list()
    assert prices == [1] * 8 + [2] * 88


def test_a_tariff_in_another_currency_than_the_site_is_refused() -> None:
    with pytest.raises(ValidationError, match="tariff 't' is in USD, the site in EUR"):
        site_with(currency="USD", periods=[{"period_id": "p", "price_per_kwh": 1}])
