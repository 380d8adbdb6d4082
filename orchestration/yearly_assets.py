"""Packs of data points and the benchmark of a year: their assets."""

import dagster as dg

from data_quality.contracts.errors import MeterloomError, RunFailed
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import Clock
from orchestration.partitions import SITES_TAG, YEARS
from orchestration.previews import FINDINGS, findings_metadata, table
from orchestration.resources import ProjectResource

_MARTS = dg.AssetDep("core_marts__published", partition_mapping=dg.AllPartitionMapping())
_READINGS = dg.AssetDep("core_lake__15min_readings", partition_mapping=dg.AllPartitionMapping())
_DATA = ("report", "revision", "required", "figures", "answers", "missing", "does not apply", "status")
_RANKS = ("organisation", "site", "group", "kWh/m²·yr", "rank", "from", "to", "peers", "why none")


@dg.asset(
    group_name="reports", kinds={"pdf", "excel"}, owners=["team:reporting"], partitions_def=YEARS, deps=[_MARTS]
)  # fmt: skip
def out_project__disclosures(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Packs of data points of a year, of the sites and organisations that the settings state them for, as drafts."""
    from data_quality.contracts.reporting.disclosure import completeness_of
    from orchestration.views.pack_subjects import answers_of, make_pack, pack_sources, yearly_packs
    from reports.lifecycle.periodic import actor_of

    year, rows, wrong = context.partition_time_window.start.year, list[list[object]](), list[str]()
    answers, first = answers_of(project), context.partition_time_window.start.date()
    known = pack_sources(project, clock)
    for subject, pack in yearly_packs(project):
        if not _is_named(context, subject.subject_id) or not (pack.framework and pack.framework.holds(first)):
            continue
        try:
            made = make_pack(
                project, subject, pack.template, year, clock, known=known, maker=actor_of(context.run.tags),
                answers=answers, run_versions={"dagster": context.run.run_id},
            )  # fmt: skip
        except MeterloomError as fault:
            wrong.append(f"{pack.template} of {subject.subject_id}: {fault}")
            continue
        content, counts = made.content, completeness_of(made.content.data)
        rows.append([
            content.report_id, content.revision, counts.required, counts.figure, counts.organisation, counts.missing,
            counts.not_applicable, content.life.text,
        ])  # fmt: skip
    # Behind the others: what one site lacks is no reason against another's pack.
    if wrong:
        raise RunFailed("; ".join(wrong))
    return dg.MaterializeResult(metadata={"dagster/row_count": len(rows), "packs": table(_DATA, rows)})


@dg.asset(
    group_name="reports", kinds={"json"}, owners=["team:energy"], partitions_def=YEARS, deps=[_READINGS]
)  # fmt: skip
def core_project__benchmark(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Sites of an organisation beside their peers by energy per floor area, with the rank of the year."""
    from assets.kpi.benchmark.compare import Benchmark
    from orchestration.operations.operation import RunCall
    from orchestration.operations.reports.benchmark import BenchmarkOptions
    from orchestration.operations.reports.benchmark import benchmark as benchmark_of
    from orchestration.views.benchmarks import benchmark_subjects, store_benchmark

    year, rows, findings = context.partition_time_window.start.year, list[list[object]](), list[Finding]()
    for name in benchmark_subjects(project):
        if not _is_named(context, name):
            continue
        found = benchmark_of(RunCall(project, clock), BenchmarkOptions(organisation=name, period=str(year))).result
        if not isinstance(found, Benchmark):
            raise RunFailed(f"the benchmark of {name} in {year} has no rows")
        store_benchmark(project, name, year, found, clock)
        findings += found.findings
        rows += [
            [name, each.site, each.group, each.value, each.rank, *(each.rank_interval or (None, None)), each.peers,
             each.reason]
            for each in found.rows
        ]  # fmt: skip
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "ranks": table(_RANKS, rows),
            FINDINGS: findings_metadata(findings),
        }
    )


def _is_named(context: dg.AssetExecutionContext, name: str) -> bool:
    """True where a run names it, or names nobody: by hand it is of all."""
    named: str | None = context.run.tags.get(SITES_TAG)
    return named is None or name in named.split(",")
