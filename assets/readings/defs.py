"""Shells: landing files into the lake, and the lake's months as partitions."""

import hashlib
from collections import Counter
from datetime import datetime
from pathlib import Path

import dagster as dg

from data_quality.contracts.time import Clock
from data_quality.quarantine import FILE_REASONS, ROW_REASONS
from orchestration.partitions import SITE_MONTHS, SPAN_IN_ONE_RUN, months_of_run
from orchestration.previews import Metadata, by_site, table
from orchestration.resources import ProjectResource
from orchestration.warehouse.lake_previews import newest_load

REASONS = ROW_REASONS | FILE_REASONS


class LandingFiles(dg.Config):
    """Files of one site to ingest, in this order."""

    site: str
    files: list[str]


@dg.asset(group_name="ingestion", kinds={"csv", "parquet"}, owners=["team:energy-data"], deps=["core_site__reference"])
def raw_landing__15min_readings(
    context: dg.AssetExecutionContext, config: LandingFiles, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Meter files from the landing folder, typed and written to the lake; the unreadable is kept in quarantine."""
    from assets.readings.ingest.ingest_file import ingest_file
    from assets.readings.ingest.ingest_page import ingestion_page

    site, lake, quarantine = project.site(config.site), project.lake, project.quarantine
    reports = [
        ingest_file(Path(name), site=site, lake=lake, quarantine=quarantine, clock=clock, run_id=context.run_id)
        for name in config.files
    ]
    reasons: Counter[str] = Counter()
    for report in reports:
        reasons.update(report.reasons)
    refused = [[reason, count, REASONS.get(reason, "")] for reason, count in reasons.most_common()]
    rows = [[r.path, r.verdict, r.accepted_rows, r.rejected_rows, r.new_rows, r.corrected_rows] for r in reports]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(r.new_rows + r.corrected_rows for r in reports),
            "files": table(["file", "verdict", "accepted", "rejected", "new", "corrected"], rows),
            "quarantined": sum(r.rejected_rows for r in reports),
            "reasons": table(["reason", "rows or files", "meaning"], refused),
            "page": dg.MetadataValue.md(
                ingestion_page(reports, quarantine.items(site.site_id, is_open=True), site_id=site.site_id)
            ),
            "partitions": sorted({name for r in reports for name in r.partitions}),
        }
    )


@dg.asset(
    group_name="ingestion",
    kinds={"parquet"},
    owners=["team:energy-data"],
    partitions_def=SITE_MONTHS,
    backfill_policy=SPAN_IN_ONE_RUN,
    deps=["raw_landing__15min_readings", "core_site__reference", "core_lake__month_quality"],
)
def core_lake__15min_readings(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """Canonical 15-minute readings, bitemporal: the lake's months as they stand now, by digest."""
    shown, folder = dict[str, Metadata](), project.project.lake_dir / "readings"
    scopes = months_of_run(context, project)
    for site, period in scopes:
        site_id = site.site_id
        span: dict[str, datetime] = {"start_utc": period.start_utc, "end_utc": period.end_utc}
        entries = project.lake.manifest(site_id, **span)
        shown[site_id] = {
            "dagster/row_count": sum(int(entry["rows"]) for entry in entries),
            "files": len(entries),
            "digest": project.lake.digest(site_id, **span),
            "synthetic": any(entry["is_synthetic"] for entry in entries),
            **(newest_load(project.lake, site, period) if len(scopes) == 1 else {}),
            "folder": dg.MetadataValue.path(str(folder / f"site={site_id}")),
        }
    # Of a bucket all sites, not only those that this run is about.
    digests = [
        project.lake.digest(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
        for site, period in months_of_run(context, project, is_whole=True)
    ]
    version = digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()
    # By content: a run that changed no reading makes nothing behind it stale.
    return dg.MaterializeResult(data_version=dg.DataVersion(version), metadata=by_site(shown))
