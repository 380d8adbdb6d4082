"""From readings to intervals: local days, missing parts, zeros, gaps, bills."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.contracts.errors import BadInput
from ml.baselines.usage_tables.usage_table import Usage, usage_of
from tests.ml.baselines.cases import FIRST, HOURS, ZONE, bills, daily, hourly_temps, readings, weather, year


def found(usage: Usage) -> dict[str, object]:
    """Counts by code."""
    return {finding.code: finding.facts.get("count") for finding in usage.findings}


def test_days_of_23_and_25_hours_hold_what_was_read_in_them() -> None:
    usage = year("daily", np.ones(HOURS), None)
    by_day = dict(zip(usage.frame["local_start"].dt.date(), usage.frame["energy_kwh"], strict=True))
    assert usage.frame.height == 365
    assert by_day[date(2025, 3, 30)] == 23
    assert by_day[date(2025, 10, 26)] == 25
    assert sum(by_day.values()) == HOURS


def test_a_daily_reading_is_the_whole_day_s_also_where_summer_time_ends() -> None:
    start = datetime(2025, 10, 24, 22, tzinfo=UTC)
    rows = readings(np.array([10.0, 11.0, 12.0, 13.0]), minutes=1440, first=start).with_columns(
        start_utc=pl.Series([start + timedelta(hours=h) for h in (0, 24, 49, 73)], dtype=pl.Datetime("us", "UTC"))
    )
    usage = usage_of(rows, frequency="daily", zone=ZONE)
    assert usage.frame["energy_kwh"].to_list() == [10.0, 11.0, 12.0, 13.0]
    assert usage.frame["coverage"].to_list() == [1.0] * 4


def test_a_leap_year_has_366_days() -> None:
    values = np.ones(366 * 24)
    usage = usage_of(readings(values, first=datetime(2023, 12, 31, 23, tzinfo=UTC)), frequency="daily", zone=ZONE)
    assert usage.frame.height == 366
    assert usage.between(date(2024, 2, 29), date(2024, 3, 1)).frame["energy_kwh"].to_list() == [24.0]


def test_half_of_a_day_stands_for_the_day_and_less_does_not() -> None:
    energy = np.ones(HOURS)
    energy[24:36] = np.nan
    energy[48:61] = np.nan
    usage = year("daily", energy, None)
    assert usage.frame["energy_kwh"][:4].to_list() == [24.0, 24.0, None, 24.0]
    assert found(usage) == {"filled_intervals": 1, "poor_intervals": 1}


def test_zero_is_missing_for_electricity_and_not_for_gas() -> None:
    energy = np.ones(HOURS)
    energy[24:30] = 0.0
    rows = readings(energy)
    electric = usage_of(rows, frequency="daily", zone=ZONE)
    gas = usage_of(rows, frequency="daily", zone=ZONE, zero_is_missing=False)
    assert electric.frame["energy_kwh"][1] == 24.0
    assert gas.frame["energy_kwh"][1] == 18.0
    assert found(electric)["zeros_as_missing"] == 6
    assert "zeros_as_missing" not in found(gas)


def test_a_meter_that_reads_zero_on_ordinary_days_keeps_its_zeros() -> None:
    energy = np.tile(np.where(np.arange(24) < 6, 0.0, 1.0), 365)
    usage = year("daily", energy, None)
    assert usage.frame["energy_kwh"][10] == 18.0
    assert found(usage)["zeros_kept"] == 6 * 365


def test_zeros_that_a_person_calls_missing_are_missing_also_of_a_meter_that_often_reads_zero() -> None:
    energy = np.tile(np.where(np.arange(24) < 6, 0.0, 1.0), 365)
    usage = usage_of(readings(energy), frequency="daily", zone=ZONE, zero_is_missing=True)
    assert usage.frame["energy_kwh"][10] == 24.0
    assert found(usage)["zeros_as_missing"] == 6 * 365
    assert "zeros_kept" not in found(usage)


def test_a_bill_of_zero_that_a_person_calls_missing_is_no_bill() -> None:
    sent = bills(year("daily", np.ones(HOURS), None), [31, 28, 31]).with_columns(energy_kwh=pl.Series([300.0, 0, 310]))
    kept = usage_of(sent, frequency="billing", zone=ZONE)
    known = usage_of(sent, frequency="billing", zone=ZONE, zero_is_missing=True)
    assert kept.frame["energy_kwh"].to_list() == [300.0, 0.0, 310.0]
    assert known.frame["energy_kwh"].to_list() == [300.0, 310.0]
    assert found(known)["zeros_as_missing"] == 1


def test_two_readings_of_one_interval_are_refused() -> None:
    rows = readings(np.ones(48))
    with pytest.raises(BadInput, match="there twice") as fault:
        usage_of(pl.concat([rows, rows[5:6]]), frequency="daily", zone=ZONE)
    assert fault.value.reason == "duplicate_intervals"
    temps = weather(np.ones(48))
    with pytest.raises(BadInput, match="two temperatures"):
        usage_of(rows, temperatures=pl.concat([temps, temps[5:6]]), frequency="daily", zone=ZONE)


def test_gaps_of_the_weather_are_drawn_over_up_to_six_hours() -> None:
    temps = np.arange(HOURS, dtype=float)
    temps[100:106] = np.nan
    temps[200:207] = np.nan
    usage = year("hourly", np.ones(HOURS), temps)
    assert usage.frame["temp_degc"][100:106].to_list() == pytest.approx([100, 101, 102, 103, 104, 105])
    assert usage.frame["temp_degc"][200:207].null_count() == 7
    assert found(usage)["temperature_filled"] == 6


def test_negative_energy_is_named() -> None:
    energy = np.ones(HOURS)
    energy[:3] = -1.0
    assert found(year("hourly", energy, None))["negative_energy"] == 3


def test_days_are_too_coarse_for_an_hourly_model() -> None:
    with pytest.raises(BadInput, match="too long for a hourly model"):
        usage_of(readings(np.ones(30), minutes=1440), frequency="hourly", zone=ZONE)
    with pytest.raises(BadInput, match="no reading"):
        usage_of(readings(np.empty(0)), frequency="daily", zone=ZONE)


def test_a_driver_of_the_day_holds_for_its_hours_and_a_finer_one_is_averaged() -> None:
    days = pl.DataFrame({"start_utc": [FIRST], "minutes": [1440], "output": [7.0]}).with_columns(
        pl.col("start_utc").cast(pl.Datetime("us", "UTC"))
    )
    hourly = usage_of(readings(np.ones(48)), drivers=days, frequency="hourly", zone=ZONE)
    assert hourly.frame["output"].to_list() == [7.0] * 24 + [None] * 24
    hours = readings(np.arange(48.0)).rename({"energy_kwh": "output"})
    per_day = usage_of(readings(np.ones(48)), drivers=hours, frequency="daily", zone=ZONE)
    assert per_day.frame["output"].to_list() == [11.5, 35.5]
    assert per_day.drivers == ("output",)


def test_bills_have_days_and_the_mean_of_their_temperatures() -> None:
    rows = bills(daily(), [31, 28, 31])
    usage = usage_of(rows, temperatures=weather(hourly_temps()), frequency="billing", zone=ZONE)
    temps = daily().frame["temp_degc"].to_numpy()
    assert usage.frame["days"].to_list() == [31.0, 28.0, 31.0]
    assert usage.frame["temp_degc"].to_list() == pytest.approx(
        [temps[:31].mean(), temps[31:59].mean(), temps[59:90].mean()]
    )
    # The third bill reaches beyond 29 March.
    assert usage.between(date(2025, 1, 1), date(2025, 3, 30)).frame.height == 2


def test_short_and_long_bills_are_left_out_and_estimated_ones_merged() -> None:
    rows = bills(daily(), [31, 24, 36, 30, 30, 30]).with_columns(
        is_estimated=pl.Series([False, False, False, True, False, False])
    )
    usage = usage_of(rows, frequency="billing", zone=ZONE)
    assert usage.frame["days"].to_list() == [31.0, 30.0]
    assert found(usage) == {"estimated_merged": 1, "short_bills": 1, "long_bills": 2}
    two_monthly = usage_of(bills(daily(), [61, 60, 70, 71]), frequency="billing", zone=ZONE)
    assert two_monthly.frame["days"].to_list() == [61.0, 60.0, 70.0]


def test_an_estimated_bill_that_no_real_read_follows_is_told() -> None:
    rows = bills(daily(), [31, 28, 31, 30, 31]).with_columns(is_estimated=pl.Series([False, False, True, True, True]))
    usage = usage_of(rows, frequency="billing", zone=ZONE)
    assert usage.frame["days"].to_list() == [31.0, 28.0]
    assert found(usage) == {"estimated_left_out": 3}


def test_an_estimated_bill_without_energy_leaves_the_whole_unknown() -> None:
    rows = bills(daily(), [31, 28, 31, 30]).with_columns(is_estimated=pl.Series([False, True, False, False]))
    unknown = pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise(pl.col("energy_kwh")).alias("energy_kwh")
    usage = usage_of(rows.with_columns(unknown), frequency="billing", zone=ZONE)
    assert usage.frame["days"].to_list() == [31.0, 30.0]
    assert found(usage) == {"estimated_merged": 1, "bills_without_energy": 1, "long_bills": 1}


def test_bills_that_overlap_are_refused() -> None:
    rows = bills(daily(), [31, 30])
    twice = pl.concat([rows, rows[1:2].with_columns(pl.col("start_utc") - timedelta(days=3))])
    with pytest.raises(BadInput, match="overlaps"):
        usage_of(twice, frequency="billing", zone=ZONE)
    with pytest.raises(BadInput, match="needs bills"):
        usage_of(None, temperatures=weather(np.ones(48)), frequency="billing", zone=ZONE)


@given(st.lists(st.floats(0.001, 1e6), min_size=24, max_size=24 * 4))
def test_whole_days_lose_no_energy(values: list[float]) -> None:
    kept = values[: len(values) // 24 * 24]
    usage = usage_of(readings(np.array(kept)), frequency="daily", zone=ZONE)
    assert float(usage.frame["energy_kwh"].sum()) == pytest.approx(sum(kept), rel=1e-12)


def test_weather_alone_gives_rows_without_energy() -> None:
    usage = usage_of(None, temperatures=weather(np.ones(72)), frequency="daily", zone=ZONE)
    assert usage.frame["energy_kwh"].null_count() == 3
    assert usage.frame["temp_degc"].to_list() == [1.0, 1.0, 1.0]
