"""dbt's models in the graph: assets and checks as dagster-dbt makes them, kept in a file beside the manifest.

dagster-dbt loads dbt's core, which costs every process two seconds that only has to know the graph. So it is asked
where the dbt project changed (dbt_translate.py), and everybody else reads its answer.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from dagster import AssetCheckSpec, AssetSpec, TableColumn, TableSchema
from pydantic import ValidationError

from assets.stores.warehouse.warehouse import WarehouseTarget
from data_quality.contracts.model import Model
from orchestration.dbt import STATE_DIR, fingerprint, prepare_manifest
from orchestration.partitions import SITE_MONTHS

# One dbt tag each, and one step of the graph.
STAGES = ("kpi", "enpi")
# What the stored answer rests on beside the dbt project.
_CODE = (Path(__file__), Path(__file__).with_name("dbt_translate.py"))


class Column(Model):
    """One column of a model, as its yml describes it."""

    name: str
    type: str
    description: str


class ModelAsset(Model):
    """One dbt model or seed as an asset."""

    key: str
    deps: tuple[str, ...]
    description: str
    group: str
    owners: tuple[str, ...]
    tags: Mapping[str, str]
    code_version: str | None
    is_partitioned: bool
    metadata: Mapping[str, str]
    columns: tuple[Column, ...]

    def spec(self) -> AssetSpec:
        """As Dagster takes it."""
        columns = [TableColumn(name=c.name, type=c.type, description=c.description) for c in self.columns]
        return AssetSpec(
            self.key,
            deps=self.deps,
            description=self.description,
            group_name=self.group or None,
            owners=list(self.owners),
            tags=self.tags,
            code_version=self.code_version,
            partitions_def=SITE_MONTHS if self.is_partitioned else None,
            metadata={**self.metadata, **({"dagster/column_schema": TableSchema(columns)} if columns else {})},
        )


class ModelCheck(Model):
    """One dbt data test as an asset check."""

    name: str
    asset: str
    description: str
    additional_deps: tuple[str, ...]
    is_blocking: bool
    metadata: Mapping[str, str]

    def spec(self) -> AssetCheckSpec:
        """As Dagster takes it."""
        return AssetCheckSpec(
            self.name,
            asset=self.asset,
            description=self.description or None,
            additional_deps=self.additional_deps,
            blocking=self.is_blocking,
            metadata=self.metadata,
        )


class StageGraph(Model):
    """What one step of dbt makes."""

    assets: tuple[ModelAsset, ...]
    checks: tuple[ModelCheck, ...]


class DbtGraph(Model):
    """Every stage, and the digest of what they were made of."""

    made_of: str
    stages: Mapping[str, StageGraph]


def dbt_graph(target: WarehouseTarget, *, state_dir: Path = STATE_DIR) -> DbtGraph:
    """The graph of the dbt project as it is now."""
    manifest = prepare_manifest(target, state_dir=state_dir)
    path, made_of = manifest.with_name("graph.json"), _made_of()
    kept = _kept(path)
    if kept is not None and kept.made_of == made_of:
        return kept
    from orchestration.dbt_translate import translated

    made = translated(manifest, made_of=made_of)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(made.model_dump_json())
    temporary.replace(path)
    return made


def _kept(path: Path) -> DbtGraph | None:
    try:
        return DbtGraph.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        # Never made, or made by code that knew other fields.
        return None


def _made_of() -> str:
    digest = hashlib.sha256(f"{fingerprint()} {version('dagster-dbt')}".encode())
    for path in _CODE:
        digest.update(path.read_bytes())
    return digest.hexdigest()
