"""Shell: the quarterly EnPI report of a site."""

import dagster as dg

from data_quality.contracts.time import Clock
from orchestration.partitions import SITE_QUARTERS
from orchestration.previews import table
from orchestration.resources import ProjectResource


@dg.asset(
    group_name="reports",
    kinds={"pdf", "excel"},
    owners=["team:reporting"],
    partitions_def=SITE_QUARTERS,
    deps=["core_marts__published", "core_enpi__published", "core_seu__baseline"],
)
def out_site__enpi_quarter(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Quarterly EnPI report: PDF, XLSX and JSON, with a trace behind every printed figure."""
    from reports.gates import publishable
    from reports.make import make_enpi_quarter
    from reports.sources import Sources

    site, period = project.site_and_quarter(context.partition_key)
    made = make_enpi_quarter(
        site,
        period,
        sources=Sources(lake=project.lake, sites=project.sites, baselines=project.baselines),
        baselines=project.baselines,
        reports=project.reports,
        clock=clock,
        out_dir=project.project.reports_dir,
        marts_dir=project.project.marts_dir,
        run_versions={"dagster": context.run_id},
    )
    against = publishable(made.content)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(made.content.figures),
            "revision": made.content.revision,
            "status": made.content.status,
            "synthetic": made.content.is_synthetic,
            "against_publication": table(["why", "what"], [[f.code, f.message] for f in against]),
            **{name: dg.MetadataValue.path(str(path)) for name, path in made.files.items()},
        }
    )


@dg.asset_check(asset="out_site__enpi_quarter")
def newest_figures_have_their_trace(project: ProjectResource) -> dg.AssetCheckResult:
    """The chain of figures is whole for every site, so that no figure was changed or lost after it was printed."""
    broken = {site_id: project.reports.broken_link(site_id) for site_id in project.sites}
    named = {site_id: link for site_id, link in broken.items() if link is not None}
    return dg.AssetCheckResult(passed=not named, metadata={"broken": sorted(named)})
