"""Shell: the site files as an asset, and their ids as partitions."""

import dagster as dg

from orchestration.partitions import SITES
from orchestration.resources import ProjectResource


@dg.asset(group_name="reference", kinds={"yaml"}, owners=["team:energy-data"])
def core_site__reference(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """Sites as data: zone, meters, hierarchy, SEUs, tariffs and factors of every site file, validated."""
    sites = project.sites
    # One that is there already is passed over; a site that was removed keeps its partition, and with it its history.
    context.instance.add_dynamic_partitions(SITES.name or "sites", sorted(sites))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(sites),
            "sites": sorted(sites),
            "meters": sum(len(site.meters) for site in sites.values()),
            "folder": dg.MetadataValue.path(str(project.project.sites_dir)),
        }
    )
