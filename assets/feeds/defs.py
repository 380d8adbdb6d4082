"""Shells: the weather that is forecast for a site, kept in two times; and what its pulled sources tell, as files."""

import dagster as dg

from data_quality.contracts.control.weather_issue import WEATHER_LABELS, WEATHER_UNITS
from data_quality.contracts.errors import RunFailed, WorldFault
from data_quality.contracts.time import Clock
from orchestration.partitions import SITES
from orchestration.previews import Preview, lines, table
from orchestration.resources import ProjectResource

# What is shown: what people look for first; the rest is in the store.
SHOWN = ("temperature_degc", "ghi_w_per_m2")


@dg.asset(
    group_name="weather",
    kinds={"sqlite"},
    owners=["team:energy-data"],
    partitions_def=SITES,
    deps=["core_site__reference"],
)
def core_site__weather_forecast(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Weather as the site's feed forecasts it now: each issue with the time from which on it was known here."""
    # Imported when it runs: the shell is loaded with every definition, also where no feed is asked.
    from assets.feeds.fetch_weather import fetch_weather

    site = project.site(context.partition_key)
    taken = fetch_weather(site, store=project.weather, clock=clock, root=project.project.root)
    pictures: dict[str, Preview] = {}
    rows = []
    for issue in taken.issues:
        labels = "; ".join(WEATHER_LABELS.get(label, label) for label in issue.labels)
        span = f"{issue.start_utc:%Y-%m-%d %H:%M}Z to {issue.end_utc:%Y-%m-%d %H:%M}Z"
        names = ", ".join(issue.values)
        rows.append([issue.source, f"{issue.issued_at_utc:%Y-%m-%d %H:%M}Z", span, issue.step_minutes, names, labels])
        for name in SHOWN:
            if name in issue.values:
                title = f"{name} by {issue.source}, issued {issue.issued_at_utc:%Y-%m-%d %H:%M}Z"
                pictures[f"{issue.source}_{name}"] = lines(
                    issue.times_utc, {name: issue.values[name]}, title=title, unit=WEATHER_UNITS[name]
                )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": taken.new,
            "found": taken.found,
            "issues": table(["source", "issued", "tells of", "minutes a step", "names", "remarks"], rows),
            "synthetic": any(issue.is_synthetic for issue in taken.issues),
            **pictures,
        }
    )


@dg.asset(
    group_name="raw",
    kinds={"csv"},
    owners=["team:energy-data"],
    partitions_def=SITES,
    deps=["core_site__reference"],
)
def raw_landing__pulled_files(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Files of the landing folder that a site's InfluxDB and markets of prices fill; the landing sensor reads them."""
    from assets.feeds.fetch_sources import fetch_source, pulled_sources

    site = project.site(context.partition_key)
    files: list[str] = []
    rows: list[list[str]] = []
    faults: list[str] = []
    for source in pulled_sources(site):
        try:
            taken = fetch_source(project.project, site, source, now_utc=clock.now_utc(), progress=context.log.info)
        except WorldFault as fault:
            # One that is away must not keep the others waiting.
            faults.append(f"{source.source_id}: {fault}")
            continue
        files += taken.files
        rows += [[source.source_id, each.severity, each.message] for each in getattr(taken, "findings", ())]
    if faults:
        raise RunFailed("; ".join(faults))
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(files),
            "files": files,
            "findings": table(["source", "severity", "what"], rows),
        }
    )
