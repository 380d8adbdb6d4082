"""Databases made ready before anybody connects, and Dagster's months by site reported once more by bucket."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from assets.stores.postgres import ensure_schema
from assets.stores.transactions import open_store, reaching
from data_quality.contracts.settings import Project
from orchestration.environment import environment
from orchestration.instance.write import instance_environment
from orchestration.month_keys import bucket_of

TOLD = "made before the turn to buckets, by site"


def record_materialisations(project: Project, site_ids: Collection[str]) -> int:
    """Record each month and quarter of a bucket whose every site has it made. Returns how many were recorded.

    Asked again it records what it has not yet; an asset costs one question, however many sites. Raises Unreachable.
    """
    if not (project.data_dir / "dagster" / "dagster.yaml").exists():
        return 0
    # Here, since of all starts of `meterloom up` one comes by.
    import dagster as dg
    from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, DagsterEventType, StepMaterializationData
    from dagster._core.instance.utils import RUNLESS_JOB_NAME, RUNLESS_RUN_ID

    ensure_schemas(project)
    count = 0
    with (
        environment(instance_environment(project)),
        reaching(project.settings.database.of("dagster")),
        dg.DagsterInstance.get() as instance,
    ):
        for asset in instance.get_asset_keys():
            keys = whole_buckets(instance.get_materialized_partitions(asset), site_ids)
            for number, key in enumerate(keys, start=1):
                made = dg.AssetMaterialization(asset, partition=key, metadata={"made": TOLD})
                event = DagsterEvent(
                    DagsterEventType.ASSET_MATERIALIZATION.value,
                    RUNLESS_JOB_NAME,
                    event_specific_data=StepMaterializationData(made),
                )
                # As report_runless_asset_event, which would commit each of tens of thousands on its own.
                batch = DagsterEventBatchMetadata(asset.to_string(), is_end=number == len(keys))
                instance.report_dagster_event(event, RUNLESS_RUN_ID, batch_metadata=batch)
            count += len(keys)
    return count


def whole_buckets(made: Iterable[str], site_ids: Collection[str]) -> list[str]:
    """The keys by bucket, of those not made yet, whose every site is made: `2025-01-01|017` of `2025-01-01|factory`."""
    buckets: dict[str, set[str]] = defaultdict(set)
    for site_id in site_ids:
        buckets[bucket_of(site_id)].add(site_id)
    known, sites = set(made), set(site_ids)
    by_key: dict[str, set[str]] = defaultdict(set)
    for key in known:
        first, _, site_id = key.partition("|")
        if site_id in sites:
            by_key[f"{first}|{bucket_of(site_id)}"].add(site_id)
    return sorted(key for key, there in by_key.items() if there == buckets[key.partition("|")[2]] and key not in known)


def ensure_schemas(project: Project) -> None:
    """Make the schemas of Dagster and MLflow where PostgreSQL holds them. Raises Unreachable."""
    database = project.settings.database
    for url in filter(None, [database.of("dagster"), database.of("mlflow")]):
        ensure_schema(url)


def prepare_databases(project: Project) -> None:
    """Every schema, and the store's tables: agents open the store without migrations. Raises Unreachable, BadInput."""
    open_store(project.store_url).close()
    ensure_schemas(project)
