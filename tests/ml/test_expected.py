"""Expected energy: coefficients by name, the intercept once a day, unknown where a driver is unknown."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.kpi.enpi.daily import degree_day_feature, driver_of, expected_days, feature_table
from data_quality.contracts.errors import OurFault
from tests.ml.cases import baseline, day_table

MODEL = baseline({"intercept": 40.0, "production": 0.5, "outdoor_degc": -1.5})


def days(production: list[float | None], temperature: list[float | None]) -> pl.DataFrame:
    start = date(2025, 1, 1)
    dates = pl.date_range(start, date(2025, 1, len(production)), eager=True)
    schema = {"local_date": pl.Date, "production": pl.Float64, "outdoor_degc": pl.Float64}
    return pl.DataFrame({"local_date": dates, "production": production, "outdoor_degc": temperature}, schema=schema)


def assert_quarter(table: pl.DataFrame) -> None:
    """Three days: 3 · 40 + 0.5 · (100 + 200 + 300) − 1.5 · (0 + 2 + 4) = 120 + 300 − 9."""
    assert expected_days(MODEL, table)["expected_kwh"].sum() == 411.0


THREE = days([100.0, 200.0, 300.0], [0.0, 2.0, 4.0])


def test_a_period_is_the_sum_of_its_days_so_the_intercept_counts_once_a_day() -> None:
    assert_quarter(THREE)


@pytest.mark.parametrize(
    "change",
    [THREE.head(2), THREE.with_columns(production=pl.col("production") + 1.0), THREE.sum().with_columns(THREE[:1, 0])],
    ids=["a day lost", "another driver", "drivers of the period in one row"],
)
def test_the_golden_period_notices(change: pl.DataFrame) -> None:
    with pytest.raises(AssertionError):
        assert_quarter(change)


def test_columns_are_found_by_name_whatever_their_order() -> None:
    turned = THREE.select("outdoor_degc", "production", "local_date")
    assert expected_days(MODEL, turned).equals(expected_days(MODEL, THREE))


def test_a_day_without_its_driver_has_no_expected_value() -> None:
    table = days([100.0, None], [0.0, 2.0])
    assert expected_days(MODEL, table)["expected_kwh"].to_list() == [90.0, None]


def test_a_driver_outside_its_training_range_is_extrapolation() -> None:
    model = baseline({"intercept": 1.0, "production": 1.0}, ranges={"production": (100.0, 200.0)})
    table = days([99.0, 100.0, 200.0, 201.0, None], [0.0] * 5)
    assert expected_days(model, table)["is_extrapolated"].to_list() == [True, False, False, True, False]


def test_a_baseline_without_drivers_says_the_same_every_day() -> None:
    answer = expected_days(baseline({"intercept": 7.5}), THREE)
    assert answer["expected_kwh"].to_list() == [7.5] * 3
    assert answer["is_extrapolated"].to_list() == [False] * 3


def test_degree_days_are_computed_from_their_name() -> None:
    names = (degree_day_feature("outdoor_degc", "hdd", 15.5), degree_day_feature("outdoor_degc", "cdd", 18))
    assert names == ("outdoor_degc.hdd_15.5", "outdoor_degc.cdd_18")
    assert driver_of(names[0]) == "outdoor_degc"
    table = feature_table(days([None] * 4, [10.0, 15.5, 20.0, None]), names)
    assert table[names[0]].to_list() == [5.5, 0.0, 0.0, None]
    assert table[names[1]].to_list() == [0.0, 0.0, 2.0, None]


def test_a_missing_column_is_our_fault() -> None:
    with pytest.raises(OurFault, match="no column production"):
        expected_days(MODEL, THREE.drop("production"))


def test_coefficients_that_do_not_follow_the_feature_order_are_refused() -> None:
    wrong = MODEL.model_copy(update={"feature_order": ("outdoor_degc", "production")})
    with pytest.raises(OurFault, match="are not the intercept and"):
        expected_days(wrong, THREE)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 30), st.integers(1, 29))
def test_two_halves_expect_what_the_whole_expects(n: int, cut: int) -> None:
    table = day_table(date(2025, 1, 1), n, lambda p, t, w: p)
    whole = expected_days(MODEL, table)
    assert pl.concat([expected_days(MODEL, table.head(cut)), expected_days(MODEL, table.slice(cut))]).equals(whole)
