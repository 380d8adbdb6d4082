"""The report over the real marts: built by dbt on DuckDB, equal to the report over the readings."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from assets.kpi.enpi.daily import expected_days
from assets.kpi.enpi.enpi_result import DayPair
from assets.kpi.incremental.mart_sources import source_tables
from assets.stores.warehouse.marts import ENPI_MARTS, KPI_MARTS, read_mart
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources, publish_marts
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Period
from orchestration.warehouse.dbt import build, warehouse_plan
from reports.content.template_report import template_report
from reports.content.templates import load_template
from reports.datasets.base import Item, ReportInput
from reports.datasets.enpi import EnpiData
from reports.recompute.figure import prefetch, recompute
from tests.reports import plant
from tests.reports.conftest import World, make_world
from tests.reports.quarter import enpi_quarter
from tests.reports.test_findings_travel import assert_findings_are_told
from tests.reports.test_trace import wrong
from tests.reports.year_world import Year

pytestmark = pytest.mark.slow


def expected_rows(world: World) -> pl.DataFrame:
    """lake.seu_expected_days of the plant's baselines."""
    frames = []
    for seu_id, version in world.given.versions.items():
        days = world.sources().days(world.site, seu_id, plant.quarter(), world.given.as_of_utc)
        frames.append(
            expected_days(version.baseline, days)
            .drop_nulls("expected_kwh")
            .select(
                site_id=pl.lit("plant"),
                seu_id=pl.lit(seu_id),
                local_date="local_date",
                baseline_id=pl.lit(version.baseline_id),
                baseline_version=pl.lit(version.version, dtype=pl.Int32),
                expected_kwh="expected_kwh",
            )
        )
    return pl.concat(frames)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Path]:
    """A world with holes, and its published marts."""
    folder = tmp_path_factory.mktemp("marts")
    lost = (("hvac", date(2025, 3, 30)), ("pieces", date(2025, 3, 4)), ("main", date(2025, 1, 8)))
    rows = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), seed=11, skip=lost).with_columns(
        source_minutes=pl.when(pl.col("meter_id") == "main").then(60).otherwise("source_minutes").cast(pl.Int32)
    )
    world = make_world(folder / "world", rows=rows)
    target = WarehouseTarget(duckdb_file=folder / "warehouse.duckdb")
    load_sources(target, source_tables({"plant": world.site}, world.lake, expected_rows(world)))
    for stage in ("kpi", "enpi"):
        # As dbt would, data tests included (tests/dbt/test_full_build.py).
        outcome = build(target, {}, warehouse_plan().of(stage, is_full=True))
        assert outcome.is_success, outcome.failed
    publish_marts(target, folder / "published", tuple(KPI_MARTS | ENPI_MARTS))
    return world, folder / "published"


def from_marts(world: World, marts_dir: Path | None, versions: dict[str, BaselineVersion] | None = None) -> ReportInput:
    as_of = world.reports.store.known_at(world.clock)
    return world.inputs_with(versions=versions or dict(world.versions), as_of_utc=as_of, marts_dir=marts_dir)


def pairs_of(given: ReportInput) -> dict[str, list[DayPair]]:
    """The days of every use, with their features and whether the baseline never saw their drivers."""
    days = EnpiData(given).use_days
    return {seu.seu_id: days.pairs(seu, given.period) for seu in given.site.seus}


def test_a_report_over_the_marts_is_the_report_over_the_readings(built: tuple[World, Path]) -> None:
    world, marts_dir = built
    given, plain = from_marts(world, marts_dir), world.inputs_now()
    assert pairs_of(given) == pairs_of(plain)
    content = enpi_quarter(given, revision=1)
    assert content == enpi_quarter(plain, revision=1)
    assert wrong(content, world) == []


@pytest.mark.parametrize(
    ("name", "seu"),
    [("executive_summary", None), ("data_quality", None), ("ghg_inventory", None), ("seu_savings", "hvac")],
)
def test_templates_say_the_same_over_the_marts(built: tuple[World, Path], name: str, seu: str | None) -> None:
    world, marts_dir = built
    year = Year(world=world, site=world.site)
    template = load_template(name)
    plain, fed = (
        template_report(template, year.given("2025-Q1", seu=seu, marts_dir=each), revision=1)
        for each in (None, marts_dir)
    )
    assert {f.path: f.value for f in fed.figures} == {f.path: f.value for f in plain.figures}
    assert {f.path: f.findings for f in fed.figures} == {f.path: f.findings for f in plain.figures}
    assert fed.findings == plain.findings
    assert_findings_are_told(fed)
    told = read_mart(marts_dir, "mart_site__kpi_values", site_id="plant").filter(pl.col("grain") == "month")
    codes = {(scope, start, kpi): code for scope, start, kpi, code in
             told.select("scope", "period_start", "kpi", "finding").drop_nulls().iter_rows()}  # fmt: skip
    for figure in fed.figures:
        is_month = figure.trace.computation == "scope_kpi" and (figure.end - figure.start).days <= 31
        code = codes.get((figure.scope, figure.start, figure.kpi)) if is_month else None
        assert code is None or code in figure.findings, figure.path
    by_id = {figure.figure_id: figure for figure in fed.figures}
    kept: dict[str, Decimal | None] = {}
    sources = year.sources()
    prefetch(fed.figures, sources=sources, lookup=by_id.get)
    for figure in fed.figures:
        assert recompute(figure, sources=sources, lookup=by_id.get, kept=kept) == figure.value, figure.path


def test_a_use_that_the_marts_expect_by_another_baseline_is_asked_of_the_readings(built: tuple[World, Path]) -> None:
    world, marts_dir = built
    known = plant.plant_baseline("hvac")
    doubled = tuple(each.model_copy(update={"value": 2 * each.value}) for each in known.coefficients)
    newer = known.model_copy(update={"coefficients": doubled})
    other = world.baselines.add(newer, "run-2", "e" * 64, "ben", world.clock)
    versions = {**world.given.versions, "hvac": other}
    given, plain = (from_marts(world, each, versions) for each in (marts_dir, None))
    assert pairs_of(given) == pairs_of(plain)
    assert pairs_of(given)["hvac"] != pairs_of(world.given)["hvac"]


def test_a_saving_of_a_month_is_worth_the_same_by_prices_of_the_marts(built: tuple[World, Path]) -> None:
    world, marts_dir = built
    march = Period(label="", start=date(2025, 3, 1), end=date(2025, 4, 1), time_zone=world.site.time_zone)
    item = Item(key="", label="", scope="seu:hvac", period=march)
    by_marts, by_readings = (
        EnpiData(from_marts(world, each)).leaf("savings_value", item).value for each in (marts_dir, None)
    )
    assert by_marts is not None
    assert by_marts == by_readings


def test_marts_that_were_never_built_are_named(built: tuple[World, Path], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not published yet"):
        enpi_quarter(from_marts(built[0], tmp_path))
