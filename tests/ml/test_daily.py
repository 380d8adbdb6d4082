"""The daily table: gaps stay visible, days are local, every stream follows its own rule."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.kpi.enpi.daily import seu_days
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Driver, Seu, SeuDriver
from data_quality.contracts.time import local_midnight_utc
from tests.ml.cases import ZONE, plant, stream, whole_days

SITE = plant()
SEU = SITE.seus[0]
MAR_30, OCT_26 = date(2025, 3, 30), date(2025, 10, 26)


def table(readings: pl.DataFrame, start: date, days: int = 1) -> pl.DataFrame:
    return seu_days(readings, site=SITE, seu=SEU, start=start, end=start + timedelta(days=days))


def full_day(day: date, **values: float) -> pl.DataFrame:
    streams = {"m1": 1.0, "m2": 0.5, "production": 2.0, "outdoor_degc": 8.0, **values}
    return pl.concat([whole_days(name, day, day + timedelta(days=1), value) for name, value in streams.items()])


@pytest.mark.parametrize(("day", "hours"), [(MAR_30, 23), (date(2025, 6, 3), 24), (OCT_26, 25)])
def test_a_local_day_has_its_own_number_of_hours_and_full_coverage(day: date, hours: int) -> None:
    row = table(full_day(day), day).row(0, named=True)
    assert (row["hours"], row["coverage"], row["coverage_worst_meter"]) == (hours, 1.0, 1.0)
    assert row["energy_kwh"] == hours * 4 * 1.5
    assert (row["production"], row["outdoor_degc"]) == (hours * 4 * 2.0, 8.0)


def test_every_day_of_the_period_has_a_row_even_without_readings() -> None:
    days = table(full_day(date(2025, 6, 3)), date(2025, 6, 2), days=3)
    assert days["local_date"].to_list() == [date(2025, 6, 2), date(2025, 6, 3), date(2025, 6, 4)]
    assert days["energy_kwh"].to_list() == [None, 144.0, None]
    assert days["coverage"].to_list() == [0.0, 1.0, 0.0]
    assert days["production"].to_list() == [None, 192.0, None]
    assert days["is_synthetic"].to_list() == [False, False, False]


def test_a_partial_day_keeps_its_sum_and_shows_its_coverage() -> None:
    day = date(2025, 6, 3)
    readings = full_day(day).filter(~((pl.col("meter_id") == "m1") & (pl.col("source_line") > 48)))
    row = table(readings, day).row(0, named=True)
    assert row["energy_kwh"] == 48 * 1.0 + 96 * 0.5
    assert (row["coverage"], row["coverage_worst_meter"]) == (0.75, 0.5)


def test_a_meter_that_is_silent_all_day_is_the_worst_meter() -> None:
    day = date(2025, 6, 3)
    row = table(full_day(day).filter(pl.col("meter_id") != "m2"), day).row(0, named=True)
    assert (row["coverage"], row["coverage_worst_meter"], row["energy_kwh"]) == (0.5, 0.0, 96.0)


def test_a_driver_with_too_many_gaps_is_unknown_and_with_few_is_filled_by_its_mean() -> None:
    day = date(2025, 6, 3)
    few = full_day(day).filter(~((pl.col("meter_id") == "production") & (pl.col("source_line") > 90)))
    assert table(few, day)["production"][0] == 192.0
    many = full_day(day).filter(~((pl.col("meter_id") == "production") & (pl.col("source_line") > 80)))
    assert table(many, day)["production"][0] is None


def test_streams_of_another_cadence_register_unit_or_site_change_nothing() -> None:
    day = date(2025, 6, 3)
    readings = full_day(day)
    start = local_midnight_utc(day, ZONE)
    foreign = pl.concat(
        [
            stream("m1", start, [7.0] * 96, register="export"),
            stream("m1", start, [7.0] * 96, unit="kvarh", register="reactive"),
            stream("pv", start, [7.0] * 10),
            stream("m2", start, [7.0] * 96).with_columns(site_id=pl.lit("elsewhere")),
        ]
    )
    assert table(pl.concat([foreign, readings]), day).equals(table(readings, day))


def test_estimated_and_synthetic_rows_are_shown_as_such() -> None:
    day = date(2025, 6, 3)
    is_estimated = (pl.col("meter_id") == "m1") & (pl.col("source_line") <= 48)
    readings = full_day(day).with_columns(
        quality_code=pl.when(is_estimated).then(8).otherwise(pl.col("quality_code")).cast(pl.Int32),
        is_synthetic=pl.col("meter_id") == "production",
    )
    row = table(readings, day).row(0, named=True)
    assert (row["estimated_share"], row["is_synthetic"]) == (0.25, True)


def test_a_day_is_weekend_or_holiday_but_never_both() -> None:
    sunday_holiday, saturday = date(2025, 4, 20), date(2025, 4, 19)
    site = plant().model_copy(update={"subdivision": "BB"})  # Easter Sunday is a public holiday in Brandenburg
    days = seu_days(full_day(saturday), site=site, seu=SEU, start=saturday, end=sunday_holiday + timedelta(days=1))
    assert days.select("is_weekend", "is_holiday").rows() == [(1, 0), (0, 1)]


def test_a_driver_may_not_be_called_like_a_column() -> None:
    driver = Driver(driver_id="coverage", unit="count", aggregation="sum")
    seu = Seu(
        seu_id="x", name="x", meters=("m1",), drivers=(SeuDriver(driver_id="coverage", justification="no reason"),)
    )
    site = SITE.model_copy(update={"drivers": (driver,), "seus": (seu,)})
    with pytest.raises(BadInput, match="name of a column"):
        seu_days(full_day(MAR_30), site=site, seu=seu, start=MAR_30, end=OCT_26)


quanta = st.lists(st.integers(min_value=-(10**12), max_value=10**13), min_size=1, max_size=96)


@settings(deadline=None, max_examples=30)
@given(quanta)
def test_a_day_is_the_exact_sum_of_its_quarter_hours_in_any_order(values: list[int]) -> None:
    start: datetime = local_midnight_utc(date(2025, 6, 3), ZONE)
    readings = stream("m1", start, [value / 10**9 for value in values])
    exact = sum((Decimal(value) for value in values), Decimal(0)) / 10**9
    shuffled = readings.sample(fraction=1.0, shuffle=True, seed=len(values))
    for frame in (readings, shuffled):
        assert round(Decimal(table(frame, date(2025, 6, 3))["energy_kwh"][0]), 9) == exact
