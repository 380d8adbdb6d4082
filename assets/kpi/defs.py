"""Shells: dbt models on the warehouse, and the publication of their marts after the checks."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import polars as pl
from dagster_dbt import DbtCliResource, dbt_assets

from assets.kpi.sources import source_tables
from assets.stores.lake import newest_entry
from assets.stores.marks import get_mark, set_mark
from assets.stores.marts import ENPI_MARTS, KPI_MARTS
from assets.stores.warehouse import load_sources, publish_marts, target_of
from orchestration.dbt import STATE_DIR, MeterloomDbtTranslator, dbt_environment, prepare_manifest
from orchestration.previews import table
from orchestration.resources import ProjectResource, project_here

# One step at a time opens the warehouse: an open DuckDB file shuts out everybody else.
POOL = "warehouse"
TRANSLATOR = MeterloomDbtTranslator()
# Parsed again only where a model changed: importing the definitions must stay quick.
MANIFEST = prepare_manifest(target_of(project_here()))


def build(
    stage: str,
    context: dg.AssetExecutionContext,
    dbt: DbtCliResource,
    project: ProjectResource,
    expected: pl.DataFrame | None,
) -> Iterator[Any]:
    """Load the sources as they stand now, then build one stage with its tests."""
    target = target_of(project.project)
    set_mark(project.project.warehouse_file.parent, newest_entry(project.store))
    counts = load_sources(target, source_tables(project.sites, project.lake, expected))
    context.log.info(f"loaded {counts}")
    os.environ.update(dbt_environment(target) | {"DBT_TARGET_PATH": str(STATE_DIR / target.name)})
    folder = project.project.data_dir / "dbt" / context.run_id[:8] / stage
    # Unit tests prove the SQL, not the data: they run with the test suite.
    arguments = ["build", "--select", f"tag:{stage}", "--exclude-resource-type", "unit_test"]
    yield from dbt.cli(arguments, context=context, target_path=folder).stream()


@dbt_assets(
    manifest=MANIFEST,
    select="tag:kpi",
    name="kpi_models",
    dagster_dbt_translator=TRANSLATOR,
    pool=POOL,
)
def kpi_models(context: dg.AssetExecutionContext, dbt: DbtCliResource, project: ProjectResource) -> Iterator[Any]:
    """Staging, intermediate and mart models of the KPIs."""
    yield from build("kpi", context, dbt, project, None)


@dbt_assets(manifest=MANIFEST, select="tag:enpi", name="enpi_models", dagster_dbt_translator=TRANSLATOR, pool=POOL)
def enpi_models(context: dg.AssetExecutionContext, dbt: DbtCliResource, project: ProjectResource) -> Iterator[Any]:
    """Actual against expected energy per SEU."""
    yield from build("enpi", context, dbt, project, expected_frames(project))


def expected_frames(project: ProjectResource) -> pl.DataFrame | None:
    """Expected days of every site that has them."""
    files = sorted((project.project.data_dir / "frames" / "core_seu__expected_days").glob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in files]).drop("is_extrapolated") if files else None


@dg.asset(
    group_name="marts",
    kinds={"parquet"},
    owners=["team:kpi"],
    deps=list(KPI_MARTS),
    pool=POOL,
    description="The KPI marts as Parquet files that everybody reads; written only after every check passed.",
)
def core_marts__published(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """Publish the KPI marts."""
    return published(project, KPI_MARTS)


@dg.asset(
    group_name="marts",
    kinds={"parquet"},
    owners=["team:kpi"],
    deps=list(ENPI_MARTS),
    pool=POOL,
    description="The EnPI marts as Parquet files that everybody reads; written only after every check passed.",
)
def core_enpi__published(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """Publish the EnPI marts."""
    return published(project, ENPI_MARTS)


def published(project: ProjectResource, marts: Mapping[str, Any]) -> dg.MaterializeResult:
    """Export marts and say how many rows each has."""
    counts = publish_marts(target_of(project.project), project.project.marts_dir, tuple(marts))
    set_mark(project.project.marts_dir, get_mark(project.project.warehouse_file.parent))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(counts.values()),
            "marts": table(["mart", "rows"], [[name, rows] for name, rows in counts.items()]),
            "folder": dg.MetadataValue.path(str(project.project.marts_dir)),
        }
    )
