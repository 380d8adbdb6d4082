"""The KPI catalogue: what stands in it is computed, what is computed stands in it, and Python finds the same values."""

import csv
from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from assets.carbon.factor_choice.factor_view import known_factors
from assets.carbon.inventory.energies import site_energies
from assets.carbon.inventory.site_footprint import site_footprint
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.time import Period
from orchestration.warehouse.dbt import PROJECT_DIR
from tests.dbt.conftest import World
from tests.kpi.oracle.values import KPIS, kpi_value
from tests.kpi.oracle.weather import degree_days

CATALOGUE = {
    row["kpi"]: row for row in csv.DictReader((PROJECT_DIR / "seeds" / "kpi_catalogue.csv").open(encoding="utf-8"))
}
VALUES = ("mart_site__kpi_values", "mart_scope__rolling_kpi", "mart_portfolio__kpi_values", "mart_seu__kpi_values")


def rows_of(world: World, name: str = "mart_site__kpi_values", **wanted: Any) -> list[dict[str, Any]]:
    """Rows of a mart of long shape whose columns have these values."""
    return read_mart(world.duckdb.marts_dir, name).filter(**wanted).to_dicts()


def test_every_kpi_of_the_marts_stands_in_the_catalogue_and_the_other_way_round(world: World) -> None:
    found = {kpi for name in VALUES for kpi in read_mart(world.duckdb.marts_dir, name)["kpi"].unique()}
    assert found == set(CATALOGUE) == set(KPIS)


def test_unit_grain_and_kind_of_scope_of_every_row_are_those_of_the_catalogue(world: World) -> None:
    for name in VALUES:
        for row in read_mart(world.duckdb.marts_dir, name).to_dicts():
            told = CATALOGUE[row["kpi"]]
            is_money = told["unit"] == "currency"
            assert row["unit"] in ({"EUR", "INR"} if is_money else {told["unit"]})
            assert row["grain"] in told["grains"].split()
            assert row["scope"].split(":")[0].split("/")[0] in told["scopes"].split(), row


def test_every_finding_of_a_row_is_named_by_its_kpi(world: World) -> None:
    for name in VALUES[:2]:
        for row in read_mart(world.duckdb.marts_dir, name).drop_nulls("finding").to_dicts():
            assert row["finding"] in CATALOGUE[row["kpi"]]["warning"], row


def test_a_row_without_a_value_says_why_and_never_reads_zero(world: World) -> None:
    empty = [row for name in VALUES[:3] for row in rows_of(world, name) if row["value"] is None]
    assert len(empty) > 100
    assert all(row["finding"] and row["exact"] is None for row in empty)
    assert len({row["finding"] for row in empty}) >= 10


@pytest.mark.parametrize("grain", ["day", "month", "year"])
def test_python_finds_every_row_of_the_catalogue_in_the_lake(world: World, grain: str) -> None:
    days = {date(2025, 3, 30), date(2025, 4, 1), date(2025, 6, 1)}
    compared: dict[str, int] = defaultdict(int)
    for site in world.sites.values():
        readings = world.lake.history(site.site_id)
        for row in rows_of(world, site_id=site.site_id, grain=grain):
            if grain == "day" and row["period_start"] not in days:
                continue
            if grain == "month" and row["period_start"].month not in (3, 4, 6):
                continue
            span = Period(label="", start=row["period_start"], end=row["period_end"], time_zone=site.time_zone)
            got = kpi_value(
                row["kpi"],
                site=site,
                scope=row["scope"],
                period=span,
                readings=readings,
                factors=known_factors(site, world.lake.store),
            )
            assert got == as_decimal(row), row
            compared[row["kpi"]] += got is not None
    assert len([kpi for kpi, count in compared.items() if count]) >= 6


def as_decimal(row: dict[str, Any]) -> Decimal | None:
    """The exact value of a sum, the double of a ratio."""
    if row["exact"] is not None:
        return Decimal(row["exact"])
    return None if row["value"] is None else Decimal(repr(row["value"]))


@pytest.mark.parametrize("kpi", ["consumption_kwh", "cost", "emission_kgco2e"])
@pytest.mark.parametrize("kind", ["building", "zone", "tenant"])
def test_parts_and_what_they_leave_are_the_whole_to_the_last_digit(world: World, kpi: str, kind: str) -> None:
    compared = 0
    for grain in ("day", "month", "year"):
        rows = rows_of(world, site_id="plant", kpi=kpi, grain=grain, carrier="electricity")
        whole = {row["period_start"]: row["exact"] for row in rows if row["scope"] == "site:plant"}
        parts: dict[date, Decimal] = defaultdict(Decimal)
        for row in rows:
            if row["scope"].startswith(f"{kind}:") and row["exact"] is not None:
                parts[row["period_start"]] += row["exact"]
        for start, total in parts.items():
            if kind == "zone" and start < date(2025, 4, 1):
                continue  # the cellar is a zone from 31 March on
            assert total == whole[start], (grain, start)
            compared += total != 0
    assert compared > 3


def test_gas_by_floor_area_is_all_of_the_gas(world: World) -> None:
    rows = rows_of(world, site_id="plant", kpi="consumption_kwh", grain="year", carrier="natural_gas")
    energy = {row["scope"]: row["exact"] for row in rows}
    parts = energy["tenant:bob/natural_gas"], energy["tenant:cat/natural_gas"]
    assert sum(parts) == energy["site:plant/natural_gas"]
    assert abs(parts[1] - 2 * parts[0]) < Decimal("0.1") * parts[0]


@pytest.mark.parametrize("kpi", ["consumption_kwh", "consumption_m3", "cost", "emission_kgco2e"])
def test_days_make_months_and_months_make_the_year(world: World, kpi: str) -> None:
    by_grain = {
        grain: {
            scope: sum(row["exact"] or Decimal(0) for row in rows_of(world, kpi=kpi, grain=grain, scope=scope))
            for scope in {row["scope"] for row in rows_of(world, kpi=kpi, grain="year")}
        }
        for grain in ("day", "month", "year")
    }
    assert by_grain["day"] == by_grain["month"] == by_grain["year"]
    assert any(total for total in by_grain["year"].values())


def test_the_portfolio_is_the_sum_of_its_sites_and_adds_no_two_currencies(world: World) -> None:
    sums = rows_of(world, "mart_portfolio__kpi_values", grain="year", kpi="cost")
    assert {row["unit"] for row in sums} == {"EUR", "INR"}
    total = rows_of(world, "mart_portfolio__kpi_values", grain="year", kpi="consumption_kwh", scope="portfolio")
    sites = [
        rows_of(world, site_id=name, grain="year", kpi="consumption_kwh", scope=f"site:{name}")[0]["exact"]
        for name in world.sites
    ]
    assert [row["exact"] for row in total] == [sum(sites)]
    # The office has no factor at all: what is known of one site is no portfolio's carbon.
    [carbon] = rows_of(world, "mart_portfolio__kpi_values", grain="year", kpi="emission_kgco2e", scope="portfolio")
    assert (carbon["exact"], carbon["finding"], carbon["sites"], carbon["expected_sites"]) == (
        None,
        "site_missing",
        1,
        2,
    )


def test_water_is_cubic_metres_and_never_kilowatt_hours(world: World) -> None:
    for scope in ("meter:water", "site:plant/water"):
        [none] = rows_of(world, site_id="plant", grain="year", kpi="consumption_kwh", scope=scope)
        assert (none["value"], none["finding"]) == (None, "water_excluded")
        [volume] = rows_of(world, site_id="plant", grain="year", kpi="consumption_m3", scope=scope)
        assert volume["unit"] == "m3"
        assert volume["exact"] > 0


def test_gas_and_water_cost_and_gas_emits_by_their_own_prices_and_factor(world: World) -> None:
    [gas] = rows_of(
        world, site_id="plant", grain="month", kpi="cost", scope="site:plant/natural_gas", period_start=date(2025, 4, 1)
    )
    assert (gas["unit"], gas["exact"] > 0) == ("EUR", True)
    [before] = rows_of(
        world, site_id="plant", grain="month", kpi="cost", scope="site:plant/natural_gas", period_start=date(2025, 3, 1)
    )
    assert (before["value"], before["finding"]) == (None, "no_price")
    for scope in ("site:plant/water", "meter:water"):
        [cost] = rows_of(world, site_id="plant", grain="month", kpi="cost", scope=scope, period_start=date(2025, 3, 1))
        [volume] = rows_of(
            world, site_id="plant", grain="month", kpi="consumption_m3", scope=scope, period_start=date(2025, 3, 1)
        )
        assert cost["exact"] == volume["exact"] * Decimal("4.123456")
    by_scope = {
        row["scope"]: row["exact"] for row in rows_of(world, site_id="plant", grain="year", kpi="emission_kgco2e")
    }
    assert by_scope["site:plant/energy"] == by_scope["site:plant"] + by_scope["site:plant/natural_gas"]
    [late] = rows_of(
        world, site_id="plant", grain="day", kpi="emission_kgco2e", scope="meter:gas", period_start=date(2025, 10, 26)
    )
    assert (late["value"], late["finding"]) == (None, "no_factor")


def test_the_carbon_of_a_month_is_the_inventorys_to_the_last_digit(world: World) -> None:
    for site in world.sites.values():
        view = known_factors(site, world.lake.store)
        span = Period(label="", start=date(2025, 4, 1), end=date(2025, 5, 1), time_zone=site.time_zone)
        footprint = site_footprint(
            site, site_energies(world.lake.current(site.site_id), site=site, period=span), view, period=span
        )
        for line in (each for each in footprint.lines if each.method in ("location", "direct")):
            suffix = "" if line.carrier == "electricity" else f"/{line.carrier}"
            [row] = rows_of(
                world, site_id=site.site_id, grain="month", kpi="emission_kgco2e", scope=f"site:{site.site_id}{suffix}",
                period_start=date(2025, 4, 1),
            )  # fmt: skip
            assert (row["exact"] is None) == (line.kgco2e is None)
            if line.kgco2e is not None and line.carrier == "electricity":
                assert row["exact"] == line.kgco2e
            elif line.kgco2e is not None:
                # Each hour is rounded to 1e-15 kg.
                assert abs(row["exact"] - line.kgco2e) < Decimal("1e-13")


def test_degree_days_of_the_mart_are_those_that_python_makes(world: World) -> None:
    site = world.sites["plant"]
    rule = site.premises.degree_days
    assert rule is not None
    span = Period(label="", start=date(2025, 1, 1), end=date(2026, 1, 1), time_zone=site.time_zone)
    found = degree_days(world.lake.history("plant"), site=site, rule=rule, period=span)
    rows = {row["local_date"]: row for row in rows_of(world, "mart_site__degree_days", site_id="plant")}
    assert set(rows) == set(found)
    assert len(found) >= 8
    for day, made in found.items():
        for name, nano in made.items():
            assert rows[day][name] == Decimal(nano).scaleb(-9), (day, name)


def test_hours_of_a_scope_make_its_days_to_the_last_digit(world: World) -> None:
    hours = read_mart(world.duckdb.marts_dir, "mart_scope__hour_kpi").group_by("site_id", "scope", "local_date")
    sums = hours.agg(pl.col("energy_kwh", "cost", "emission_kgco2e").sum().name.suffix("_of_hours"))
    days = read_mart(world.duckdb.marts_dir, "mart_scope__day_kpi").rename({"period_start": "local_date"})
    both = days.join(sums, on=["site_id", "scope", "local_date"], validate="1:1").filter(pl.col("covered_minutes") > 0)
    assert both.height > 50
    for name in ("energy_kwh", "cost", "emission_kgco2e"):
        assert both.filter(pl.col(name).fill_null(0) != pl.col(f"{name}_of_hours").fill_null(0)).is_empty()
    assert not any(scope.startswith("tenant:ann") for scope in both["scope"])
