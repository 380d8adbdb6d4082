"""dbt's models and tests as the graph knows them: what is kept in a file beside the manifest."""

from collections.abc import Mapping

from dagster import AssetCheckSpec, AssetSpec, TableColumn, TableSchema

from data_quality.contracts.model import Model
from orchestration.partitions import SITE_MONTHS

# One dbt tag each, and one step of the graph.
STAGES = ("kpi", "enpi")


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
    """Models and checks that one dbt step makes."""

    assets: tuple[ModelAsset, ...]
    checks: tuple[ModelCheck, ...]


class DbtGraph(Model):
    """Every stage, and the digest of what they were made of."""

    made_of: str
    stages: Mapping[str, StageGraph]
