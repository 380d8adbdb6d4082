"""Shells: validation of the lake's months, and asset checks. Blocking ones stand before dbt and before publication."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from assets.kpi.incremental.month_gates import WORST, Judged, MonthGates, day_mart_gate
from assets.stores.warehouse.marts import take_note
from assets.stores.warehouse.warehouse import target_of
from data_quality.contracts.finding import Verdict
from data_quality.contracts.time import Clock
from orchestration.partitions import SITE_MONTHS, SPAN_IN_ONE_RUN, months_of_run
from orchestration.previews import Metadata, by_site
from orchestration.resources import ProjectResource
from orchestration.warehouse.lake_previews import quality_tables

MONTH_QUALITY, READINGS = "core_lake__month_quality", "core_lake__15min_readings"


def result(judged: Judged, name: str | None = None, *, asset: str | None = None) -> dg.AssetCheckResult:
    """A pure verdict as Dagster shows it. name, asset: of the check, in a step with several."""
    severity = dg.AssetCheckSeverity.WARN if judged.is_warning else dg.AssetCheckSeverity.ERROR
    facts = dict(judged.verdict.facts)
    return dg.AssetCheckResult(
        passed=judged.verdict.passed, check_name=name, asset_key=asset, severity=severity, metadata=facts
    )


@dg.asset(
    group_name="ingestion",
    kinds={"parquet"},
    owners=["team:energy-data"],
    partitions_def=SITE_MONTHS,
    backfill_policy=SPAN_IN_ONE_RUN,
    deps=["raw_landing__15min_readings", "core_site__reference"],
)
def core_lake__month_quality(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Every rule of validation over the months, judged by their history; what is excluded gets estimates too."""
    from assets.readings.ingest.correct_site import validate_months

    shown = dict[str, Metadata]()
    for site, period in months_of_run(context, project):
        results = validate_months(project.lake, site, period, clock=clock, run_id=context.run_id)
        months = [each.validation for each in results]
        shown[site.site_id] = {
            "findings": sum(len(each.findings) for each in months),
            **quality_tables(months),
            "estimated_quarter_hours": sum(sum(each.estimated.values()) for each in results),
            "reinstated_quarter_hours": sum(each.reinstated for each in results),
            "not_estimated": [finding.message for each in results for finding in each.refused][:WORST],
        }
    return dg.MaterializeResult(metadata=by_site(shown))


def gates(context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: Clock) -> list[MonthGates]:
    """The checks of this run's months, site by site."""
    scopes = months_of_run(context.op_execution_context, project)
    return [MonthGates(site, period, project.lake, clock) for site, period in scopes]


def of_all(gates: Sequence[MonthGates], ask: Callable[[MonthGates], Judged]) -> Judged:
    """One verdict over the sites of a run: of one its own; of several green where all are."""
    found = {each.site.site_id: ask(each) for each in gates}
    if len(found) == 1:
        return next(iter(found.values()))
    red = {site_id: each for site_id, each in found.items() if not each.verdict.passed}
    facts = {site_id: f"{dict(each.verdict.facts)}" for site_id, each in red.items()}
    is_warning = all(each.is_warning for each in (red or found).values())
    return Judged(verdict=Verdict(passed=not red, facts={"sites": len(found), **facts}), is_warning=is_warning)


@dg.asset_check(asset=MONTH_QUALITY, blocking=True)
def readings_may_be_believed(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """Each stream scores at least 0.90 in each month; a red one stops the marts where the site file asks for that."""
    return result(of_all(gates(context, project, clock), MonthGates.may_be_believed))


@dg.asset_check(asset=MONTH_QUALITY)
def sums_add_up(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """No submeters show more than their parent, and no energy use more than the building, on any day."""
    return result(of_all(gates(context, project, clock), MonthGates.sums_add_up))


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(
            "meters_report",
            asset=MONTH_QUALITY,
            description="Every meter reported within the last 24 h of the months, or until now; the silent are named.",
        ),
        dg.AssetCheckSpec(
            "readings_keep_their_contract",
            asset=READINGS,
            blocking=True,
            description="Keys, units, grid and values of the months in this run; a red one stops dbt and what follows.",
        ),
        dg.AssetCheckSpec(
            "readings_are_complete",
            asset=READINGS,
            description=(
                "At least 90 % of the quarter hours of every meter are there, of those that could have arrived by now; "
                "the worst meters are named."
            ),
        ),
    ]
)
def month_readings(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> Iterator[dg.AssetCheckResult]:
    """All checks of the readings themselves: one step reads them, once."""
    found = gates(context, project, clock)
    yield result(of_all(found, MonthGates.meters_report), "meters_report", asset=MONTH_QUALITY)
    yield result(of_all(found, MonthGates.keep_their_contract), "readings_keep_their_contract", asset=READINGS)
    yield result(of_all(found, MonthGates.are_complete), "readings_are_complete", asset=READINGS)


@dg.asset_check(asset="mart_scope__day_kpi", blocking=True)
def day_mart_keeps_its_contract(
    context: dg.AssetCheckExecutionContext, project: ProjectResource
) -> dg.AssetCheckResult:
    """One row per scope and day, shares within 0 and 1; a red one stops the publication of every mart."""
    note = take_note(project.builds_dir, context.run.run_id, "kpi")
    return result(day_mart_gate(target_of(project.project), None if note is None else note.years))
