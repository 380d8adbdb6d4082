"""Shells: the quarterly EnPI report of a site, and the reports of templates that end with a month."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from data_quality.contracts.errors import MeterloomError, RunFailed
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period
from orchestration.partitions import PLACE, SITE_MONTHS, SITE_QUARTERS, months_of_run, quarter_of_run, site_mapping
from orchestration.previews import Metadata, by_site, table
from orchestration.resources import ProjectResource

if TYPE_CHECKING:
    from reports.make_report import ReportRequest

# What a person looks for on the page of a run; all of them stand in the report.
SHOWN_FIGURES = 40
# What a quarter of a site rests on: its months.
MONTHS_OF_QUARTER = dg.MultiPartitionMapping(
    {
        "month": dg.DimensionPartitionMapping("quarter", dg.TimeWindowPartitionMapping()),
        PLACE: dg.DimensionPartitionMapping(PLACE, dg.IdentityPartitionMapping()),
    }
)


def _request(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: Clock, site: Site, period: Period
) -> "ReportRequest":
    from reports.lifecycle.periodic import actor_of

    request = project.report_request(clock)
    return replace(
        request, marts_dir=project.fresh_marts(site.site_id, until=period.end), maker=actor_of(context.run.tags),
        run_versions={"dagster": context.run_id, **request.run_versions},
    )  # fmt: skip


def each_of(scopes: Sequence[tuple[Site, Period]], make: Callable[[Site, Period], Metadata]) -> Metadata:
    """The sites of a run one by one. Of several all that can be made are, and then RunFailed says which could not."""
    shown, wrong = dict[str, Metadata](), list[str]()
    for site, period in scopes:
        try:
            shown[site.site_id] = make(site, period)
        except MeterloomError as fault:
            if len(scopes) == 1:
                raise
            wrong.append(f"{site.site_id}: {fault}")
    if wrong:
        raise RunFailed("; ".join(wrong))
    return by_site(shown)


@dg.asset(
    group_name="reports",
    kinds={"pdf", "excel"},
    owners=["team:reporting"],
    partitions_def=SITE_QUARTERS,
    deps=[
        dg.AssetDep("core_marts__published", partition_mapping=MONTHS_OF_QUARTER),
        dg.AssetDep("core_enpi__published", partition_mapping=MONTHS_OF_QUARTER),
        site_mapping("core_seu__baseline"),
    ],
)
def out_site__enpi_quarter(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Quarterly EnPI report: PDF, XLSX and JSON, with a trace behind every printed figure."""
    from reports.gates import publishable
    from reports.lifecycle.changes import between_revisions
    from reports.make_report import make_report

    def make(site: Site, period: Period) -> Metadata:
        request = replace(_request(context, project, clock, site, period), templates_dir=None)
        made = make_report("enpi_quarter", site, period, request)
        blockers = publishable(made.content)
        report_id, number = made.content.report_id, made.content.revision
        # Numbers of revisions count without a hole, so the one before is the one below.
        before = project.reports.figures(report_id, number - 1) if number > 1 else []
        changed = between_revisions(before, made.content.figures) if before else []
        return {
            "dagster/row_count": len(made.content.figures),
            "revision": made.content.revision,
            "status": made.content.life.text,
            "synthetic": made.content.is_synthetic,
            "figures": table(
                ["figure", "scope", "from", "to", "value", "unit"],
                [
                    [f.label, f.scope, f"{f.start}", f"{f.end}", float(f.value), f.unit]
                    for f in made.content.figures
                    if f.value is not None
                ],
                limit=SHOWN_FIGURES,
            ),
            "changed_figures": table(
                ["figure", "scope", "from", "was", "now", "unit"],
                [[c.label, c.scope, str(c.start), str(c.was), str(c.now), c.unit] for c in changed],
            ),
            "against_publication": table(["why", "what"], [[f.code, f.message] for f in blockers]),
            **{name: dg.MetadataValue.path(str(path)) for name, path in made.files.items()},
        }

    return dg.MaterializeResult(metadata=each_of(quarter_of_run(context, project), make))


@dg.asset(
    group_name="reports",
    kinds={"pdf", "excel"},
    owners=["team:reporting"],
    partitions_def=SITE_MONTHS,
    deps=["core_marts__published", "core_enpi__published"],
)
def out_site__month_reports(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Reports of templates that end with the month: data quality, bills, summaries, inventory, annual energy report."""
    from reports.lifecycle.periodic import make_reports_ending

    def make(site: Site, month: Period) -> Metadata:
        made = make_reports_ending(site, month, _request(context, project, clock, site, month))
        return {
            "dagster/row_count": sum(len(each.content.figures) for each in made),
            "reports": table(
                ["report", "revision", "status", "findings"],
                [
                    [c.report_id, str(c.revision), c.status, ", ".join(finding.code for finding in c.findings)]
                    for c in (each.content for each in made)
                ],
            ),
        }

    return dg.MaterializeResult(metadata=each_of(months_of_run(context, project), make))


@dg.asset_check(asset="out_site__enpi_quarter")
def newest_figures_have_their_trace(project: ProjectResource) -> dg.AssetCheckResult:
    """The chain of figures is whole for every site, so that no figure was changed or lost after it was printed."""
    broken = {site_id: project.reports.broken_link(site_id) for site_id in project.sites}
    named = {site_id: link for site_id, link in broken.items() if link is not None}
    return dg.AssetCheckResult(passed=not named, metadata={"broken": sorted(named)})
