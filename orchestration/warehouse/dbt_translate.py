"""dbt's manifest as dagster-dbt reads it, with our names, groups, owners and partitions.

Loading this loads dbt's core. Only dbt_graph.py asks, and only where the dbt project changed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import AssetCheckSpec, AssetKey, AssetSpec, PartitionsDefinition, TableSchema
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, dbt_assets

from orchestration.partitions import SITE_MONTHS
from orchestration.warehouse.dbt_nodes import STAGES, Column, DbtGraph, ModelAsset, ModelCheck, StageGraph

SOURCE_KEYS = {
    "window_readings": AssetKey("core_lake__15min_readings"),
    "readings": AssetKey("core_lake__15min_readings"),
    "interval_cost": AssetKey("core_lake__15min_readings"),
    "seu_expected_days": AssetKey("core_seu__expected_days"),
}
REFERENCE_KEY = AssetKey("core_site__reference")
COLUMNS = "dagster/column_schema"


class MeterloomDbtTranslator(DagsterDbtTranslator):
    """Asset key = model name; groups are the layers; tables of schema `lake` are the assets that load them."""

    def __init__(self) -> None:
        # Several source tables are filled by one asset, and so share its key.
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """The key of a model, or of the asset that fills a source table."""
        name = str(dbt_resource_props["name"])
        if dbt_resource_props["resource_type"] == "source":
            return SOURCE_KEYS.get(name, REFERENCE_KEY)
        return AssetKey(name)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """Staging or intermediate, the layer's folder; of a mart what it is about too, as `marts_site`; else reference.

        Dagster cuts long names in their middle, and what is left of `mart_site__kpi_values` is that of a portfolio too.
        """
        if dbt_resource_props["resource_type"] == "seed":
            return "reference"
        folders = list(dbt_resource_props["fqn"])
        if len(folders) > 2 and folders[1] == "marts":
            return f"marts_{str(dbt_resource_props['name']).split('_')[1]}"
        return str(folders[1]) if len(folders) > 2 else None

    def get_partitions_def(self, dbt_resource_props: Mapping[str, Any]) -> PartitionsDefinition[str] | None:
        """Months of a site for what keeps its rows from run to run; views and tables of one run have none."""
        config = dbt_resource_props.get("config") or {}
        return SITE_MONTHS if config.get("materialized") == "incremental" else None

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str] | None:
        """Owners of a model."""
        return ["team:kpi"]


def translated(manifest: Path, *, made_of: str) -> DbtGraph:
    """Assets and checks of every stage; a stage is a dbt tag, and a test belongs to the stage of its model."""
    nodes = json.loads(manifest.read_text(encoding="utf-8"))
    promises = {each["name"]: promised(each["test_metadata"]["kwargs"]) for each in _tests(nodes)}
    stages = {}
    for name in STAGES:

        @dbt_assets(manifest=nodes, select=f"tag:{name}", dagster_dbt_translator=MeterloomDbtTranslator())
        def stage() -> Iterator[Any]:
            # Never run: only what dagster-dbt makes of the manifest is wanted.
            yield from ()

        stages[name] = StageGraph(
            assets=tuple(sorted((_asset(spec) for spec in stage.specs), key=lambda each: each.key)),
            checks=tuple(sorted((_check(spec, promises) for spec in stage.check_specs), key=lambda each: each.name)),
        )
    return DbtGraph(made_of=made_of, stages=stages)


def _asset(spec: AssetSpec) -> ModelAsset:
    schema = spec.metadata.get(COLUMNS)
    columns = schema.columns if isinstance(schema, TableSchema) else []
    return ModelAsset(
        key=spec.key.to_user_string(),
        deps=tuple(sorted(dep.asset_key.to_user_string() for dep in spec.deps)),
        description=spec.description or "",
        group=spec.group_name or "",
        owners=tuple(spec.owners),
        tags=dict(spec.tags),
        code_version=spec.code_version,
        is_partitioned=spec.partitions_def is not None,
        metadata=_texts(spec.metadata),
        columns=tuple(Column(name=c.name, type=c.type, description=c.description or "") for c in columns),
    )


def promised(arguments: Mapping[str, Any]) -> str:
    """Rules of a model by its test `grain`, as a sentence. arguments: its key, never_null and holds, all optional."""
    key, known, rules = (list(arguments.get(name) or ()) for name in ("key", "never_null", "holds"))
    parts = [f"one row per {', '.join(key)}"] if key else []
    parts += [f"{', '.join(known)} always known"] if known else []
    promise = "; ".join([*parts, *rules])
    return f"{promise[:1].upper()}{promise[1:]}. Where a row breaks this, nothing that rests on the model is built."


def _tests(nodes: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in nodes["nodes"].values() if each["resource_type"] == "test" and each.get("test_metadata")]


def _check(spec: AssetCheckSpec, promises: Mapping[str, str]) -> ModelCheck:
    return ModelCheck(
        name=spec.name,
        asset=spec.asset_key.to_user_string(),
        description=spec.description or promises.get(spec.name, ""),
        additional_deps=tuple(sorted(dep.asset_key.to_user_string() for dep in spec.additional_deps)),
        is_blocking=spec.blocking,
        metadata=_texts(spec.metadata),
    )


def _texts(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Texts of the metadata; the manifest and the translator that dagster-dbt adds are not kept."""
    return {name: value for name, value in metadata.items() if isinstance(value, str)}
