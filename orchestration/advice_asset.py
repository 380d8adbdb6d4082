"""Recommendations of a site over its last twelve whole months: the asset with its picture, and its job."""

from typing import TYPE_CHECKING

import dagster as dg

from data_quality.contracts.time import Clock, Period, months_before, zone
from orchestration.partitions import SITES, beside_sites
from orchestration.previews import bars_png, embedded, table
from orchestration.resources import ProjectResource

if TYPE_CHECKING:
    from data_quality.contracts.site_file.site import Site

_MONTHS = 12
_HEAD = ("id", "kind", "scope", "status", "saves, kWh", "90 % low", "90 % high", "money", "currency", "confidence")


@dg.asset(
    group_name="advice",
    kinds={"sqlite"},
    owners=["team:energy"],
    partitions_def=SITES,
    deps=[beside_sites("core_lake__15min_readings")],
)
def core_site__recommendations(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Recommendations of the last twelve whole months; what people did with earlier ones stands."""
    from orchestration.views.advice import run
    from orchestration.views.advice_wording import word_new

    site = project.site(context.partition_key)
    found = run(project, site, last_year(site, clock), clock, sources=project.sources())
    word_new(project, site, found, clock)
    rows = [
        [each.recommendation_id, each.kind, each.scope, each.status, each.savings_kwh, *each.interval_kwh,
         each.savings_money, each.currency, each.confidence_label]
        for each in found
    ]  # fmt: skip
    title = f"Savings of {site.name}"
    picture = {}
    if found:
        names = [f"{each.kind} {each.scope}" for each in found]
        png = bars_png(names, {"kWh": [float(each.savings_kwh) for each in found]}, title=title, unit="kWh")
        picture = {"picture": embedded(png, title=title)}
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(found),
            "recommendations": table(_HEAD, rows),
            "synthetic": any(each.is_synthetic for each in found),
            **picture,
        }
    )


advise = dg.define_asset_job(
    "advise",
    selection=dg.AssetSelection.assets("core_site__recommendations"),
    description="Finds recommendations of a site over its last twelve whole months. Asked for by people.",
    tags={"dagster/max_runtime": "600"},
    # One step: a process of its own would first load everything once more.
    executor_def=dg.in_process_executor,
)


def last_year(site: "Site", clock: Clock) -> Period:
    """The twelve whole local months that are over."""
    end = clock.now_utc().astimezone(zone(site.time_zone)).date().replace(day=1)
    return Period(label="", start=months_before(end, _MONTHS), end=end, time_zone=site.time_zone)
