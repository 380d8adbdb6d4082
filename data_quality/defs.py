"""Shells: asset checks. Blocking ones stand before dbt and before publication."""

import dagster as dg

from assets.sites.calendar import day_types
from assets.stores.warehouse import read_warehouse, target_of
from data_quality.completeness import coverage_by_day, evaluate_completeness
from data_quality.contracts.finding import Verdict
from data_quality.suites.day_mart import check_day_mart
from data_quality.suites.readings import check_readings
from orchestration.resources import ProjectResource

LEAST_COVERAGE = 0.9


def result(verdict: Verdict, *, is_warning: bool = False) -> dg.AssetCheckResult:
    """A pure verdict as Dagster shows it."""
    severity = dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(passed=verdict.passed, severity=severity, metadata=dict(verdict.facts))


@dg.asset_check(asset="core_lake__15min_readings", blocking=True)
def readings_keep_their_contract(
    context: dg.AssetCheckExecutionContext, project: ProjectResource
) -> dg.AssetCheckResult:
    """Keys, units, grid and values of the months in this run; a red one stops dbt and everything behind it."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    readings = project.lake.current(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    return result(check_readings(readings))


@dg.asset_check(asset="core_lake__15min_readings")
def readings_are_complete(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
    """At least 90 % of the quarter hours of every meter are there; the worst meters are named."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    readings = project.lake.current(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    coverage = coverage_by_day(
        readings,
        days=day_types(site, period.start, period.end),
        streams=[meter.meter_id for meter in site.meters],
        time_zone=site.time_zone,
    )
    return result(evaluate_completeness(coverage, least=LEAST_COVERAGE), is_warning=True)


@dg.asset_check(asset="mart_scope__day_kpi", blocking=True)
def day_mart_keeps_its_contract(project: ProjectResource) -> dg.AssetCheckResult:
    """One row per scope and day, shares within 0 and 1; a red one stops the publication of every mart."""
    return result(check_day_mart(read_warehouse(target_of(project.project), "mart_scope__day_kpi")))
