"""Shells: dbt models on the warehouse, and the publication of their marts after the checks."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import dagster as dg
import polars as pl

from assets.kpi.mart_windows import Window
from assets.stores.warehouse.marts import ENPI_MARTS, KPI_MARTS, drop_note, take_note, write_note
from assets.stores.warehouse.warehouse import held_open, read_warehouse, target_of
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome
from data_quality.contracts.time import Clock
from orchestration.open_project import project_here
from orchestration.partitions import SITE_MONTHS, SPAN_IN_ONE_RUN, months_of_run
from orchestration.previews import table
from orchestration.resources import ProjectResource
from orchestration.warehouse.dbt import build_stage
from orchestration.warehouse.dbt_graph import dbt_graph
from orchestration.warehouse.mart_previews import PREVIEWED, mart_preview

# One step at a time opens the warehouse: an open DuckDB file shuts out everybody else.
POOL = "warehouse"
# Recomputed only where a model changed: importing the definitions must stay quick.
GRAPH = dbt_graph(target_of(project_here()))


def build(
    name: str, context: dg.AssetExecutionContext, project: ProjectResource, expected: pl.DataFrame | None
) -> Iterator[Any]:
    """Load the windows of this run's partitions, then build one stage with its tests.

    All of the stage, whatever was selected: what stands between the readings and a mart holds one run's windows only.
    """
    target, stage = target_of(project.project), project.stage(name)
    scopes = months_of_run(context, project)
    requested = [Window(site_id=site.site_id, first=period.start, after=period.end) for site, period in scopes]
    with held_open(target):
        prepared = stage.prepare(requested, target=target, expected=expected)
        context.log.info(f"loaded {prepared.rows} for {prepared.windows}")
        outcome = build_stage(name, target=target, is_full=prepared.is_full)
        if outcome.is_success:
            # Only of a build that succeeded: by the note the marts are known to hold what it names.
            write_note(project.builds_dir, context.run_id, name, stage.finish(prepared, target=target))
            site, period = scopes[0]
            # Of a bucket its first site stands for all.
            for mart in PREVIEWED & {key.to_user_string() for key in context.selected_asset_keys}:
                rows = read_warehouse(target, mart, site_id=site.site_id, years=[period.end.year - 1, period.end.year])
                context.add_asset_metadata(mart_preview(mart, rows, site_id=site.site_id), mart)
    # Told before the failure is raised: what was built is built.
    yield from asset_events(outcome, context.selected_asset_keys)
    if not outcome.is_success:
        raise dg.Failure(outcome.why)


def asset_events(
    outcome: DbtOutcome, keys: Collection[dg.AssetKey]
) -> Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]:
    """Dagster events of a run: one result a built model or seed, and one a data test; only for those keys."""
    for node in outcome.nodes:
        is_built = node.resource_type in ("model", "seed") and node.status == "success"
        if is_built and dg.AssetKey(node.name) in keys:
            yield dg.MaterializeResult(
                asset_key=dg.AssetKey(node.name), metadata={"seconds": node.execution_s, "answer": node.message}
            )
        elif node.resource_type == "test" and node.status != "skipped" and dg.AssetKey(node.tested_model) in keys:
            yield dg.AssetCheckResult(
                asset_key=dg.AssetKey(node.tested_model),
                check_name=node.name,
                passed=node.status == "pass",
                severity=dg.AssetCheckSeverity.WARN if node.status == "warn" else dg.AssetCheckSeverity.ERROR,
                metadata={"rows": node.failures, "seconds": node.execution_s, "answer": node.message or node.status},
            )


@dg.multi_asset(
    specs=[each.spec() for each in GRAPH.stages["kpi"].assets],
    check_specs=[each.spec() for each in GRAPH.stages["kpi"].checks],
    can_subset=True,
    pool=POOL,
    backfill_policy=SPAN_IN_ONE_RUN,
)
def kpi_models(context: dg.AssetExecutionContext, project: ProjectResource) -> Iterator[Any]:
    """Staging, intermediate and mart models of the KPIs."""
    yield from build("kpi", context, project, None)


@dg.multi_asset(
    specs=[each.spec() for each in GRAPH.stages["enpi"].assets],
    check_specs=[each.spec() for each in GRAPH.stages["enpi"].checks],
    ins={"expected": dg.AssetIn("core_seu__expected_days", input_manager_key="frames")},
    can_subset=True,
    pool=POOL,
    backfill_policy=SPAN_IN_ONE_RUN,
)
def enpi_models(
    context: dg.AssetExecutionContext, project: ProjectResource, expected: pl.DataFrame | None
) -> Iterator[Any]:
    """Actual against expected energy per SEU."""
    # Extrapolation is asked of the baseline itself; the warehouse has no column for it.
    yield from build("enpi", context, project, None if expected is None else expected.drop("is_extrapolated"))


def publication(name: str, stage: str, marts: Iterable[str], what: str) -> dg.AssetsDefinition:
    """The asset that exports what a run built of a stage, and says how many rows each of its marts has there.

    what: the marts in words.
    """

    @dg.asset(
        name=name,
        group_name="published",
        kinds={"parquet"},
        owners=["team:kpi"],
        deps=list(marts),
        pool=POOL,
        partitions_def=SITE_MONTHS,
        backfill_policy=SPAN_IN_ONE_RUN,
        description=f"The {what} marts as Parquet files that everybody reads; written only after every check passed.",
    )
    def publish(
        context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
    ) -> dg.MaterializeResult:
        note = take_note(project.builds_dir, context.run_id, stage)
        counts = project.stage(stage).publish(note, target=target_of(project.project), clock=clock)
        drop_note(project.builds_dir, context.run_id, stage)
        years = {site_id: list(years) for site_id, years in note.years.items()} if note else {}
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(counts.values()),
                "marts": table(["mart", "rows"], [[mart, rows] for mart, rows in counts.items()]),
                "years": years,
                "folder": dg.MetadataValue.path(str(project.project.marts_dir)),
            }
        )

    return publish


core_marts__published = publication("core_marts__published", "kpi", KPI_MARTS, "KPI")
core_enpi__published = publication("core_enpi__published", "enpi", ENPI_MARTS, "EnPI")


@dg.asset_check(asset="core_enpi__published", blocking=False)
def no_energy_use_is_critical(project: ProjectResource) -> dg.AssetCheckResult:
    """The newest complete quarter of every SEU is below the critical limit; two in a row are an escalation."""
    from assets.kpi.enpi.alerts import mart_alerts

    settings = project.project
    sites = [site for site in project.sites.values() if site.seus]
    alerts = [
        alert
        for site in sites
        for found in mart_alerts(site, marts_dir=settings.marts_dir, baselines=project.baselines).values()
        for alert in found
    ]
    is_escalated = any(alert.kind == "escalation" for alert in alerts)
    return dg.AssetCheckResult(
        passed=not alerts,
        severity=dg.AssetCheckSeverity.ERROR if is_escalated else dg.AssetCheckSeverity.WARN,
        metadata={
            "alerts": table(["kind", "quarter", "what"], [[each.kind, each.quarter, each.message] for each in alerts]),
            "sites": len(sites),
        },
    )
