"""What commands made of the marts, told to Dagster: the same materialisations and verdicts as its own runs leave."""

from collections.abc import Iterator

import dagster as dg

from assets.stores.warehouse.warehouse import target_of
from orchestration.open_project import OpenProject
from orchestration.partitions import SITES
from orchestration.warehouse.dbt_graph import dbt_graph
from orchestration.warehouse.made_marts import MadeMarts, untold

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation
CHECKED = {
    "readings_may_be_believed": "core_lake__month_quality",
    "sums_add_up": "core_lake__month_quality",
    "meters_report": "core_lake__month_quality",
    "readings_keep_their_contract": "core_lake__15min_readings",
    "readings_are_complete": "core_lake__15min_readings",
    "day_mart_keeps_its_contract": "mart_scope__day_kpi",
}
MADE_BY = "meterloom/made_by"


def tell(instance: dg.DagsterInstance, project: OpenProject) -> int:
    """Record the builds that Dagster does not know of. Returns how many there were."""
    count = 0
    for path, made in untold(project.project.data_dir):
        instance.add_dynamic_partitions(SITES.name or "sites", [made.site_id])
        for event in events_of(made, partitioned(project, made.stage)):
            instance.report_runless_asset_event(event)
        # Told twice is once too often, untold is lost: the word goes only now.
        path.unlink(missing_ok=True)
        count += 1
    return count


def partitioned(project: OpenProject, stage: str) -> set[str]:
    """The assets of dbt's that have months."""
    graph = dbt_graph(target_of(project.project))
    return {each.key for each in graph.stages[stage].assets if each.is_partitioned}


def events_of(made: MadeMarts, by_month: set[str]) -> Iterator[Event]:
    """Assets first, then the verdicts on them."""
    months = [name.partition("|")[2] for name in made.months]
    keys = [dg.MultiPartitionKey({"month": f"{month}-01", "site": made.site_id}) for month in months]
    tags = {MADE_BY: made.run_id}
    for name, facts in made.assets.items():
        digest = {"dagster/data_version": str(facts["digest"])} if "digest" in facts else {}
        for key in keys:
            yield dg.AssetMaterialization(name, metadata=dict(facts), partition=key, tags=tags | digest)
    for node in made.nodes:
        if node.resource_type != "test" and node.status == "success":
            own: dict[str, float | str] = {"seconds": node.execution_s, "answer": node.message}
            spans: list[str | None] = [*keys] if node.name in by_month else [None]
            for each in spans:
                yield dg.AssetMaterialization(node.name, metadata=own, partition=each, tags=tags)
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
