"""Reports marts that commands built to Dagster: the same materialisations and checks as its own runs leave."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from itertools import islice

import dagster as dg
import polars as pl

from assets.stores.ledgers.flags import latest_validations
from assets.stores.warehouse.marts import MARTS, date_column, read_mart
from assets.stores.warehouse.warehouse import target_of
from data_quality.contracts.errors import BadInput
from orchestration.month_keys import month_span, site_month_key
from orchestration.open_project import OpenProject
from orchestration.partitions import PLACE, SITES, place_of
from orchestration.previews import Preview, table
from orchestration.warehouse.dbt_graph import dbt_graph
from orchestration.warehouse.lake_previews import newest_load, quality_tables
from orchestration.warehouse.local_build import PUBLISHED, QUALITY, READINGS, MartBuild, unreported_builds
from orchestration.warehouse.mart_previews import PREVIEWED, mart_preview

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation
CHECKED = {
    "readings_may_be_believed": QUALITY,
    "sums_add_up": QUALITY,
    "meters_report": QUALITY,
    "readings_keep_their_contract": READINGS,
    "readings_are_complete": READINGS,
    "day_mart_keeps_its_contract": "mart_scope__day_kpi",
}
MADE_BY = "meterloom/made_by"
# Drawing takes most of a second a build, and a look of a sensor must not take minutes.
PICTURED = 2


def tell(instance: dg.DagsterInstance, project: OpenProject, *, at_most: int | None = None) -> int:
    """Record the builds that Dagster does not know of, or the oldest of them. Returns how many were told.

    at_most: where more than PICTURED wait, these are told without what a person sees of them.
    """
    count, waiting = 0, list(islice(unreported_builds(project.project.data_dir), at_most))
    is_seen = at_most is None or len(waiting) <= PICTURED
    for path, made in waiting:
        instance.add_dynamic_partitions(SITES.name or "sites", [made.site_id])
        previews = previews_of(project, made) if is_seen else {}
        for event in events_of(made, partitioned(project, made.stage), previews):
            instance.report_runless_asset_event(event)
        # Told twice is once too often, unreported_builds is lost: the word goes only now.
        path.unlink(missing_ok=True)
        count += 1
    return count


def partitioned(project: OpenProject, stage: str) -> set[str]:
    """The assets of dbt's that have months."""
    graph = dbt_graph(target_of(project.project))
    return {each.key for each in graph.stages[stage].assets if each.is_partitioned}


def previews_of(project: OpenProject, made: MartBuild) -> dict[str, dict[str, Preview]]:
    """Previews as the graph's own run would show on the pages of the assets now; none of a site that is gone."""
    site = project.sites.get(made.site_id)
    if site is None:
        return {}
    months = [date.fromisoformat(f"{name.partition('|')[2]}-01") for name in made.months]
    found = {}
    if READINGS in made.assets:
        period = month_span([site_month_key(made.site_id, month) for month in months], site.time_zone)
        found[READINGS] = newest_load(project.lake, site, period)
        found[QUALITY] = quality_tables(latest_validations(project.store, made.site_id, months=months))
    counts = made.assets.get(PUBLISHED[made.stage], {})
    rows = [[name, count] for name, count in counts.items() if name in MARTS]
    found[PUBLISHED[made.stage]] = {"marts": table(["mart", "rows"], rows)} if rows else {}
    for name in sorted(PREVIEWED & {node.name for node in made.nodes if node.status == "success"}):
        years = pl.col(date_column(name)).dt.year() >= months[-1].year - 1
        # Marts that were taken away since are no reason to tell nothing.
        with suppress(BadInput):
            rows_of_mart = read_mart(project.project.marts_dir, name, site_id=made.site_id, where=years)
            found[name] = mart_preview(name, rows_of_mart, site_id=made.site_id)
    return found


def events_of(made: MartBuild, by_month: set[str], previews: Mapping[str, Mapping[str, Preview]]) -> Iterator[Event]:
    """Assets first, then the verdicts on them. previews: shown with the newest month of an asset alone."""
    months = [name.partition("|")[2] for name in made.months]
    keys = [dg.MultiPartitionKey({"month": f"{month}-01", PLACE: place_of(made.site_id)}) for month in months]
    tags = {MADE_BY: made.run_id}
    for name, facts in made.assets.items():
        digest = {"dagster/data_version": str(facts["digest"])} if "digest" in facts else {}
        for key in keys:
            shown = previews.get(name, {}) if key is keys[-1] else {}
            yield dg.AssetMaterialization(name, metadata={**facts, **shown}, partition=key, tags=tags | digest)
    for node in made.nodes:
        if node.resource_type != "test" and node.status == "success":
            own: dict[str, float | str] = {"seconds": node.execution_s, "answer": node.message}
            spans: list[str | None] = [*keys] if node.name in by_month else [None]
            for each in spans:
                shown = previews.get(node.name, {}) if each is spans[-1] else {}
                yield dg.AssetMaterialization(node.name, metadata={**own, **shown}, partition=each, tags=tags)
    for node in made.nodes:
        if node.resource_type == "test":
            yield dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(node.tested_model),
                check_name=node.name,
                passed=node.status == "pass",
                metadata={"rows": node.failures, "seconds": node.execution_s, "answer": node.message or node.status},
            )
    for name, judged in made.checks.items():
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(CHECKED[name]),
            check_name=name,
            passed=judged.verdict.passed,
            severity=dg.AssetCheckSeverity.WARN if judged.is_warning else dg.AssetCheckSeverity.ERROR,
            metadata=dict(judged.verdict.facts),
        )
