"""dbt itself as it builds and tests its project: what the house's own way to run the SQL is held against."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assets.stores.postgres import facts_of
from assets.stores.warehouse.warehouse import WarehouseTarget
from assets.stores.whole_file import locked
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome, NodeOutcome
from orchestration.warehouse import dbt

# A parsed project names its database, and nothing else of where that is: later runs of this process parse nothing.
PARSED: dict[tuple[str, ...], Any] = {}


def run_dbt(args: Sequence[str], *, target: WarehouseTarget, state_dir: Path) -> DbtOutcome:
    """Run dbt in this process, e.g. ["build", "--select", "tag:kpi"]. A failed model or test is an outcome."""
    database = facts_of(target.postgres_url)["dbname"] if target.postgres_url else target.duckdb_file.stem
    parsed = (target.name, database, dbt.fingerprint(), str(dbt.PROJECT_DIR))
    if parsed not in PARSED:
        PARSED[parsed] = invoke(["parse"], target=target, state_dir=state_dir).result
    # The answer is in our hands: the megabytes of JSON that dbt writes beside it would cost half a second a run.
    result = invoke([*args, "--no-write-json"], target=target, state_dir=state_dir, manifest=PARSED[parsed])
    rows = getattr(result.result, "results", None) or []
    return DbtOutcome(is_success=bool(result.success), nodes=tuple(_outcome(row) for row in rows))


def invoke(args: list[str], *, target: WarehouseTarget, state_dir: Path, manifest: Any = None) -> Any:
    """As the house asks dbt, for what opens the warehouse: the adapter would keep the file open until we end."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    try:
        with locked(state_dir / target.name):
            return dbt._invoke(args, target=target, state_dir=state_dir, manifest=manifest)
    finally:
        if DuckDBConnectionManager._ENV is not None:
            DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager.close_all_connections()


def _outcome(row: Any) -> NodeOutcome:
    return NodeOutcome(
        unique_id=row.node.unique_id,
        name=row.node.name,
        resource_type=str(row.node.resource_type),
        status=str(row.status),
        message=str(row.message or ""),
        execution_s=float(row.execution_time),
        failures=int(row.failures or 0),
        tested_model=str(getattr(row.node, "attached_node", None) or "").rsplit(".", 1)[-1],
    )
