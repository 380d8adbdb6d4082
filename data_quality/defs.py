"""Shells: validation of the lake's months, and asset checks. Blocking ones stand before dbt and before publication."""

from datetime import timedelta

import dagster as dg

from assets.sites.calendar import day_types
from assets.stores.ledgers.flags import MonthValidation, latest_validations
from assets.stores.warehouse.warehouse import read_warehouse, target_of
from data_quality.completeness import coverage_by_day, evaluate_completeness
from data_quality.contracts.finding import Verdict
from data_quality.contracts.time import Clock, Period, months_of
from data_quality.score import evaluate_months
from data_quality.stream_freshness import evaluate_freshness, last_seen
from data_quality.suites.day_mart import check_day_mart
from data_quality.suites.readings import check_readings
from orchestration.partitions import SITE_MONTHS
from orchestration.previews import table
from orchestration.resources import ProjectResource

LEAST_COVERAGE = 0.9
SILENT_FOR = timedelta(hours=24)
# Metadata stays in Dagster's event log for as long as the run does: its tables are kept short.
WORST, ROWS = 20, 200
MONTH_QUALITY = "core_lake__month_quality"


def result(verdict: Verdict, *, is_warning: bool = False) -> dg.AssetCheckResult:
    """A pure verdict as Dagster shows it."""
    severity = dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(passed=verdict.passed, severity=severity, metadata=dict(verdict.facts))


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
    shown = [
        [one.rule, one.meter, f"{one.start_utc:%Y-%m-%d %H:%M}Z", f"{one.slots}", one.action.value, one.message]
        for each in months
        for one in each.findings
    ]
    scores = [
        [each.month.isoformat(), row["meter_id"], row["register"], f"{row['score']:.3f}", f"{row['completeness']:.1%}"]
        for each in months
        for row in each.scores[:WORST]
    ]
    return dg.MaterializeResult(
        metadata={
            "findings": len(shown),
            "worst_meters": table(["month", "meter", "register", "score", "complete"], scores[:ROWS]),
            "events": table(["rule", "meter", "from", "slots", "action", "why"], shown[:ROWS]),
            "estimated_quarter_hours": sum(sum(each.estimated.values()) for each in results),
            "reinstated_quarter_hours": sum(each.reinstated for each in results),
            "not_estimated": [finding.message for each in results for finding in each.refused][:WORST],
        }
    )


@dg.asset_check(asset=MONTH_QUALITY, blocking=True)
def readings_may_be_believed(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
    """Each stream scores at least 0.90 in each month; a red one stops the marts where the site file asks for that."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    # Dagster stops what follows a blocking check only where it fails as an ERROR: gate `warn` lets the marts through.
    verdict = evaluate_months(_validations(project, site.site_id, period), least=site.validation.least_score)
    return result(verdict, is_warning=site.validation.gate == "warn")


@dg.asset_check(asset=MONTH_QUALITY)
def sums_add_up(context: dg.AssetCheckExecutionContext, project: ProjectResource) -> dg.AssetCheckResult:
    """No submeters show more than their parent, and no energy use more than the building, on any day."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    found = [
        f"{one.meter} {one.start_utc:%Y-%m-%d}: {one.message}"
        for each in _validations(project, site.site_id, period)
        for one in each.findings
        if one.rule in {"sum_check", "plant_balance"}
    ]
    facts: dict[str, str | float | int | bool | list[str] | None] = {
        "days_or_spans": len(found),
        "worst": found[:WORST],
    }
    return result(Verdict(passed=not found, facts=facts), is_warning=True)


@dg.asset_check(asset=MONTH_QUALITY)
def meters_report(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """Every meter reported within the last 24 h of the months, or until now; the silent ones are named."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    readings = project.lake.current(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    meters = [meter.meter_id for meter in site.meters if not meter.is_virtual]
    # Months long past are judged by their own end, or all their meters would be silent by now.
    until = min(clock.now_utc(), period.end_utc)
    return result(evaluate_freshness(last_seen(readings, meters), now_utc=until, limit=SILENT_FOR), is_warning=True)


def _validations(project: ProjectResource, site_id: str, period: Period) -> list[MonthValidation]:
    months = [month.start for month in months_of(period)]
    return latest_validations(project.store, site_id, months=months)


@dg.asset_check(asset="core_lake__15min_readings", blocking=True)
def readings_keep_their_contract(
    context: dg.AssetCheckExecutionContext, project: ProjectResource
) -> dg.AssetCheckResult:
    """Keys, units, grid and values of the months in this run; a red one stops dbt and everything behind it."""
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    readings = project.lake.current(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    return result(check_readings(readings))


@dg.asset_check(asset="core_lake__15min_readings")
def readings_are_complete(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """At least 90 % of the quarter hours of every meter are there, of those that could have arrived by now; the worst
    meters are named.
    """
    site, period = project.site_and_months(context.op_execution_context.partition_keys)
    readings = project.lake.current(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    coverage = coverage_by_day(
        readings,
        days=day_types(site, period.start, period.end),
        streams=[meter.meter_id for meter in site.meters if not meter.is_virtual],
        time_zone=site.time_zone,
        # A meter that sends once a day is not late before the day is over.
        due_until_utc=clock.now_utc() - SILENT_FOR,
    )
    return result(evaluate_completeness(coverage, least=LEAST_COVERAGE), is_warning=True)


@dg.asset_check(asset="mart_scope__day_kpi", blocking=True)
def day_mart_keeps_its_contract(project: ProjectResource) -> dg.AssetCheckResult:
    """One row per scope and day, shares within 0 and 1; a red one stops the publication of every mart."""
    return result(check_day_mart(read_warehouse(target_of(project.project), "mart_scope__day_kpi")))
