"""Shells: validation of the lake's months, and asset checks. Blocking ones stand before dbt and before publication."""

import dagster as dg

from assets.kpi.windows_of_marts.month_gates import WORST, Judged, MonthGates, day_mart_gate
from assets.stores.warehouse.warehouse import target_of
from data_quality.contracts.time import Clock
from orchestration.partitions import SITE_MONTHS
from orchestration.resources import ProjectResource
from orchestration.warehouse.lake_previews import quality_tables

MONTH_QUALITY = "core_lake__month_quality"


def result(judged: Judged) -> dg.AssetCheckResult:
    """A pure verdict as Dagster shows it."""
    severity = dg.AssetCheckSeverity.WARN if judged.is_warning else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(passed=judged.verdict.passed, severity=severity, metadata=dict(judged.verdict.facts))


@dg.asset(
    group_name="ingestion",
    kinds={"parquet"},
    owners=["team:energy-data"],
    partitions_def=SITE_MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    deps=["raw_landing__15min_readings", "core_site__reference"],
)
def core_lake__month_quality(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Every rule of validation over the months, judged by their history; what is excluded gets estimates beside it."""
    from assets.readings.ingest.correct_site import validate_months

    site, period = project.site_and_months(context.partition_keys)
    results = validate_months(project.lake, site, period, clock=clock, run_id=context.run_id)
    months = [each.validation for each in results]
    return dg.MaterializeResult(
        metadata={
            "findings": sum(len(each.findings) for each in months),
            **quality_tables(months),
            "estimated_quarter_hours": sum(sum(each.estimated.values()) for each in results),
            "reinstated_quarter_hours": sum(each.reinstated for each in results),
            "not_estimated": [finding.message for each in results for finding in each.refused][:WORST],
        }
    )


def gates(context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: Clock) -> MonthGates:
    """The checks of this run's months."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    return MonthGates(site, period, project.lake, clock)


@dg.asset_check(asset=MONTH_QUALITY, blocking=True)
def readings_may_be_believed(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """Each stream scores at least 0.90 in each month; a red one stops the marts where the site file asks for that."""
    return result(gates(context, project, clock).may_be_believed())


@dg.asset_check(asset=MONTH_QUALITY)
def sums_add_up(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """No submeters show more than their parent, and no energy use more than the building, on any day."""
    return result(gates(context, project, clock).sums_add_up())


@dg.asset_check(asset=MONTH_QUALITY)
def meters_report(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """Every meter reported within the last 24 h of the months, or until now; the silent ones are named."""
    return result(gates(context, project, clock).meters_report())


@dg.asset_check(asset="core_lake__15min_readings", blocking=True)
def readings_keep_their_contract(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """Keys, units, grid and values of the months in this run; a red one stops dbt and everything behind it."""
    return result(gates(context, project, clock).keep_their_contract())


@dg.asset_check(asset="core_lake__15min_readings")
def readings_are_complete(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """At least 90 % of the quarter hours of every meter are there, of those that could have arrived by now; the worst
    meters are named.
    """
    return result(gates(context, project, clock).are_complete())


@dg.asset_check(asset="mart_scope__day_kpi", blocking=True)
def day_mart_keeps_its_contract(project: ProjectResource) -> dg.AssetCheckResult:
    """One row per scope and day, shares within 0 and 1; a red one stops the publication of every mart."""
    return result(day_mart_gate(target_of(project.project)))
