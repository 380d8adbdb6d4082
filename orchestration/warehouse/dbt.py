"""dbt behind one door: the project as it compiles it, asked only when the project changed, and what runs it.

dbt takes seconds to start, and nothing here imports it at import time. The SQL is run by
assets/stores/warehouse/run_nodes.py; what its models are in the graph stands in dbt_graph.py.
"""

import csv
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import ValidationError

from assets.stores.postgres import facts_of, session_environment
from assets.stores.warehouse.run_nodes import WELL, PlannedNode, run
from assets.stores.warehouse.warehouse import WarehouseTarget, engine_of
from assets.stores.warehouse.warehouse_tables import ParquetFiles
from assets.stores.whole_file import locked
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome
from data_quality.contracts.reporting.figure import KpiDefinition
from data_quality.contracts.work.offload import Offload, called
from orchestration.environment import environment
from orchestration.warehouse.dbt_compiled import WarehousePlan, definition_of, plan_of
from orchestration.warehouse.user_cache import state_folder

T = TypeVar("T")

PROJECT_DIR = Path(__file__).resolve().parents[2] / "dbt_project"
STATE_DIR = state_folder(PROJECT_DIR)
# dbt's adapters and the environment are one per process.
_ONE_AT_A_TIME = threading.Lock()
# For whom definitions are compiled, and plans of a project without a server.
ON_DUCKDB = WarehouseTarget(duckdb_file=Path("warehouse.duckdb"))
STAGES = ("tag:kpi", "tag:enpi")


def dbt_environment(target: WarehouseTarget) -> dict[str, str]:
    """The environment that profiles.yml reads, sessions in UTC included."""
    found = {
        "WAREHOUSE_TARGET": target.name,
        "WAREHOUSE_FILE": str(target.duckdb_file),
        "PGTZ": "UTC",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    if target.postgres_url:
        facts = facts_of(target.postgres_url)
        found |= {f"WAREHOUSE_PG_{key.upper()}": facts[key] for key in ("host", "port", "user", "password")}
        found["WAREHOUSE_PG_NAME"] = facts["dbname"]
        # PostgreSQL takes a view over fresh tables for one row, and goes through all days again for each of them.
        found |= session_environment(target.postgres_url, "-c enable_nestloop=off")
    return found


def fingerprint() -> str:
    """SHA-256 over every file of the dbt project that decides what it means; read again where one of them changed."""
    marks = []
    for each, below, names in os.walk(PROJECT_DIR):
        folder = Path(each)
        inside = folder.relative_to(PROJECT_DIR).parts
        if not inside:
            # dbt writes into these folders itself: each run would look like a change of the project.
            below[:] = [name for name in below if name not in ("target", "logs", "dbt_packages")]
        for name in names:
            if name.endswith((".sql", ".yml", ".csv")):
                stat = (folder / name).stat()
                marks.append(((*inside, name), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return _fingerprint(PROJECT_DIR, tuple(sorted(marks)))


@lru_cache(maxsize=4)
def _fingerprint(folder: Path, marks: tuple[tuple[tuple[str, ...], int, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for parts, *_ in marks:
        digest.update("/".join(parts).encode() + b"\0" + folder.joinpath(*parts).read_bytes())
    return digest.hexdigest()


def prepare_manifest(target: WarehouseTarget, *, state_dir: Path = STATE_DIR) -> Path:
    """The path of an up-to-date manifest, compiled only where the project differs from the last one."""
    return _compiled(target, ".manifest", lambda path: path.resolve(strict=True), state_dir)


def kpi_definition(*, offload: Offload | None = None, state_dir: Path = STATE_DIR) -> KpiDefinition:
    """All models as dbt compiles them for DuckDB: what traces run again. Compiled only where the project changed.

    Raises OurFault where dbt cannot compile the project.
    """
    return _definition_of(fingerprint(), state_dir, offload)


@lru_cache(maxsize=2)
def _definition_of(_fingerprint: str, state_dir: Path, offload: Offload | None) -> KpiDefinition:
    def read(path: Path) -> KpiDefinition:
        return KpiDefinition.parse(path.read_text("utf-8"), file=str(path))

    return _compiled(ON_DUCKDB, ".sql", read, state_dir, offload)


def warehouse_plan(target: WarehouseTarget = ON_DUCKDB, *, state_dir: Path = STATE_DIR) -> WarehousePlan:
    """All nodes as dbt compiles them for the engine of a warehouse. Compiled and raising like the above."""
    return _compiled(target, ".json", lambda path: WarehousePlan.model_validate_json(path.read_bytes()), state_dir)


def _compiled(
    target: WarehouseTarget, suffix: str, read: Callable[[Path], T], state_dir: Path, offload: Offload | None = None
) -> T:
    """Read a kept file; dbt compiles where there is none of this project."""
    kept = _kept(state_dir, target).with_suffix(suffix)
    # Never made, or of another form: made anew. Without the lock: it appears whole, and may lie where nobody writes.
    with suppress(FileNotFoundError, BadInput, ValidationError):
        return read(kept)
    with locked(state_dir / target.name):
        # Another process may have made it meanwhile.
        with suppress(FileNotFoundError, BadInput, ValidationError):
            return read(kept)
        # It takes 130 MB and gives nothing back.
        called(offload, compile_project, state_dir=str(state_dir), postgres_url=target.postgres_url)
        return read(kept)


def compile_project(state_dir: str, postgres_url: str) -> None:
    """Let dbt compile the project for an engine, and keep what is read of it. Raises OurFault.

    No warehouse is asked. dbt puts the database before every schema; taken away, any session can run it.
    """
    target = WarehouseTarget(duckdb_file=Path(state_dir) / ON_DUCKDB.duckdb_file, postgres_url=postgres_url)
    words = ["compile", "--full-refresh", "--no-introspect", "--no-populate-cache", "--select", *STAGES]
    _invoke(words, target=target, state_dir=Path(state_dir), manifest=None)
    manifest = (Path(state_dir) / target.name / "manifest.json").read_text(encoding="utf-8")
    nodes = json.loads(manifest)["nodes"]
    database = next(node["database"] for node in nodes.values())
    texts = {".manifest": manifest, ".json": plan_of(nodes, database).model_dump_json()}
    if not postgres_url:
        texts[".sql"] = definition_of(nodes, database).text
    kept = _kept(Path(state_dir), target)
    kept.parent.mkdir(exist_ok=True)
    # Those that printed figures rest on are kept with the project; of use here is today's alone.
    for former in (path for path in kept.parent.iterdir() if path.suffix in texts):
        former.unlink()
    for suffix, text in texts.items():
        unfinished = kept.with_suffix(".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(kept.with_suffix(suffix))


def _kept(state_dir: Path, target: WarehouseTarget) -> Path:
    return state_dir / target.name / "compiled" / fingerprint()


def build_stage(name: str, *, target: WarehouseTarget, is_full: bool) -> DbtOutcome:
    """Build the models of one stage, kpi or enpi, with their data tests, over what is loaded. Raises Unreachable."""
    return build(target, {}, warehouse_plan(target).of(name, is_full=is_full))


def build(
    target: WarehouseTarget, sources: Mapping[str, pl.DataFrame | ParquetFiles], nodes: Iterable[PlannedNode]
) -> DbtOutcome:
    """Run all nodes on a warehouse. sources: as in `run`. Raises Unreachable."""
    with engine_of(target) as engine:
        try:
            found = tuple(run(engine, sources, nodes))
        finally:
            # Of a build that failed too: the connection may be held open by whoever called.
            engine.let_go()
    return DbtOutcome(is_success=all(each.status in WELL for each in found), nodes=found)


def _invoke(args: list[str], *, target: WarehouseTarget, state_dir: Path, manifest: Any) -> Any:
    root = logging.getLogger()
    handlers = list(root.handlers)
    from dbt.cli.main import dbtRunner

    # One of the libraries under dbt gives the root logger a handler, and every other library a voice on our terminal.
    root.handlers = handlers
    folder = state_dir / target.name
    options = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", target.name]
    options += ["--target-path", str(folder), "--log-path", str(folder / "logs")]
    options += ["--log-level", "none", "--no-use-colors"]
    with _ONE_AT_A_TIME, environment(dbt_environment(target)):
        result = dbtRunner(manifest=manifest).invoke([*args, *options])
    if result.exception is not None:
        raise OurFault(f"dbt {' '.join(args)}: {result.exception}") from result.exception
    return result


@cache
def kpi_catalogue() -> Mapping[str, Mapping[str, str]]:
    """KPI -> its row of the catalogue (title, formula, unit, grains, scopes, definition, warning), in its order."""
    with (PROJECT_DIR / "seeds" / "kpi_catalogue.csv").open(newline="", encoding="utf-8") as file:
        return {row["kpi"]: row for row in csv.DictReader(file)}
