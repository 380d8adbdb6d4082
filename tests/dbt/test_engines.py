"""Both engines must build the same marts, and pure Python must find the same values in the lake."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.carbon.factor_choice.factor_view import known_factors
from assets.kpi.from_readings import scope_meters
from assets.stores.warehouse.marts import ENPI_MARTS, KPI_MARTS, MARTS, read_mart
from data_quality.contracts.time import Period
from tests.dbt.conftest import World
from tests.kpi.oracle.values import kpi_value

COLUMNS = {"consumption_kwh": "energy_kwh", "peak_15min_kw": "peak_kw", "cost": "cost"} | {
    name: name for name in ("emission_kgco2e", "load_factor", "eui_kwh_per_m2")
}


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_every_model_data_test_and_unit_test_passes(world: World, engine: str) -> None:
    for tag in ("kpi", "enpi"):
        outcome = getattr(world, engine).outcomes[tag]
        assert outcome.is_success, outcome.failed
        assert {"model", "test", "unit_test"} <= {node.resource_type for node in outcome.nodes}


@pytest.mark.parametrize("name", list(MARTS))
def test_both_engines_publish_the_same_mart(world: World, name: str) -> None:
    ours, theirs = (read_mart(built.marts_dir, name) for built in (world.duckdb, world.postgres))
    assert ours.height > 0
    assert ours.schema == theirs.schema
    # Decimals, texts, instants and flags to the last digit; doubles to 1e-9.
    assert_frame_equal(ours, theirs, check_exact=False, rel_tol=1e-9, abs_tol=0)
    decimals = [column for column, kind in ours.schema.items() if not kind.is_float()]
    assert_frame_equal(ours.select(decimals), theirs.select(decimals), check_exact=True)


@pytest.mark.parametrize("name", list(MARTS))
def test_a_published_mart_is_in_key_order_and_its_key_is_unique(world: World, name: str) -> None:
    mart, key = read_mart(world.duckdb.marts_dir, name), list(MARTS[name])
    assert_frame_equal(mart, mart.sort(key))
    assert not mart.select(key).is_duplicated().any()


@pytest.mark.parametrize("grain", ["day", "month", "year"])
def test_python_finds_every_kpi_of_the_marts_in_the_lake_to_the_last_digit(world: World, grain: str) -> None:
    compared = 0
    for site in world.sites.values():
        readings = world.lake.history(site.site_id)
        mart = read_mart(world.duckdb.marts_dir, f"mart_scope__{grain}_kpi", site_id=site.site_id)
        if grain == "day":  # with gaps, DST days, and one day without readings
            mart = pl.concat(
                [mart.filter(pl.col("covered_minutes") > 0), mart.filter(pl.col("covered_minutes") == 0)[:2]]
            )
        for row in mart.to_dicts():
            period = Period(label="", start=row["period_start"], end=row["period_end"], time_zone=site.time_zone)
            for kpi, column in COLUMNS.items():
                got = kpi_value(
                    kpi,
                    site=site,
                    scope=row["scope"],
                    period=period,
                    readings=readings,
                    factors=known_factors(site, world.lake.store),
                )
                want = row[column]
                if isinstance(want, float):
                    want = Decimal(repr(want))
                if kpi == "eui_kwh_per_m2":
                    assert want is None  # twelve days are no year
                assert got == want, (row["scope"], row["period_start"], kpi)
                compared += want is not None
    assert compared > 30


def test_python_finds_every_difference_to_the_baseline_to_the_last_digit(world: World) -> None:
    site = world.sites["plant"]
    readings = world.lake.history(site.site_id)
    months = read_mart(world.duckdb.marts_dir, "mart_seu__month_enpi", site_id="plant")
    for row in months.filter(pl.col("compared_days") > 0).to_dicts():
        end = date(row["month_start"].year, row["month_start"].month + 1, 1)
        period = Period(label="", start=row["month_start"], end=end, time_zone=site.time_zone)
        of_seu = world.expected.filter((pl.col("site_id") == "plant") & (pl.col("seu_id") == row["seu_id"]))
        for kpi in ("delta_kwh", "savings_kwh"):
            scope = f"seu:{row['seu_id']}"
            got = kpi_value(
                kpi,
                site=site,
                scope=scope,
                period=period,
                readings=readings,
                factors=known_factors(site, world.lake.store),
                expected=of_seu,
            )
            assert got == row[kpi]


def test_hours_days_months_and_years_hold_the_same_energy(world: World) -> None:
    hours = read_mart(world.duckdb.marts_dir, "mart_meter__hour_energy")
    by_meter = hours.group_by("site_id", scope=pl.format("meter:{}", "meter_id")).agg(
        pl.col("energy_kwh").sum(), pl.col("cost").sum(), pl.col("covered_minutes").cast(pl.Int64).sum()
    )
    for grain in ("day", "month", "year"):
        mart = read_mart(world.duckdb.marts_dir, f"mart_scope__{grain}_kpi").filter(
            pl.col("scope").str.starts_with("meter")
        )
        sums = mart.group_by("site_id", "scope").agg(pl.col("energy_kwh", "cost", "covered_minutes").sum())
        assert_frame_equal(sums, by_meter, check_row_order=False, check_column_order=False)


def test_days_of_23_and_25_hours_expect_that_many_quarter_hours(world: World) -> None:
    days = read_mart(world.duckdb.marts_dir, "mart_scope__day_kpi", site_id="plant")
    for day, hours in ((date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 4, 1), 24)):
        row = days.filter((pl.col("period_start") == day) & (pl.col("scope") == "seu:moulding")).to_dicts()[0]
        assert (row["hours"], row["expected_minutes"]) == (hours, hours * 60 * 2)


def test_a_day_without_readings_stands_in_the_mart_as_null_and_not_as_zero(world: World) -> None:
    days = read_mart(world.duckdb.marts_dir, "mart_scope__day_kpi", site_id="plant")
    empty = days.filter(pl.col("period_start") == date(2025, 6, 1))
    assert empty.height == len(set(days["scope"]))
    assert empty["covered_minutes"].sum() == 0
    assert all(empty[column].is_null().all() for column in ("energy_kwh", "peak_kw", "load_factor", "cost"))


def test_energy_without_a_tariff_is_unpriced_and_not_free(world: World) -> None:
    days = read_mart(world.duckdb.marts_dir, "mart_scope__day_kpi", site_id="plant")
    after = days.filter((pl.col("period_start") == date(2025, 10, 27)) & (pl.col("scope") == "site:plant")).to_dicts()[
        0
    ]
    assert after["cost"] is None
    assert after["unpriced_minutes"] == after["covered_minutes"] > 0
    values = read_mart(world.duckdb.marts_dir, "mart_site__kpi_values", site_id="office").filter(
        pl.col("kpi") == "cost"
    )
    assert values["value"].is_null().all()
    assert (values["coverage"] == 0).all()


def test_the_site_total_counts_each_kwh_once_and_no_gas_water_or_export(world: World) -> None:
    assert scope_meters(world.sites["plant"], "site:plant") == ("main", "annex")
    day = read_mart(world.duckdb.marts_dir, "mart_scope__day_kpi", site_id="plant").filter(
        pl.col("period_start") == date(2025, 4, 1)
    )
    energy = dict(day.select("scope", "energy_kwh").iter_rows())
    assert energy["site:plant"] == energy["meter:main"] + energy["meter:annex"]
    assert not {"meter:pv", "meter:water"} & set(energy)


def test_only_the_marts_of_the_interface_exist(world: World) -> None:
    names = {path.name for path in world.duckdb.marts_dir.iterdir()}
    assert names == set(KPI_MARTS) | set(ENPI_MARTS)
