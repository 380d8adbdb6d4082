"""dbt behind one door: a manifest that is parsed only when the project changed, and runs.

dbt takes seconds to start: `run_dbt` works inside this process, so that only the first run pays for it. Nothing
here imports dbt at import time. What its models are in the graph stands in dbt_graph.py.
"""

import csv
import fcntl
import hashlib
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from assets.stores.postgres import facts_of, session_environment
from assets.stores.warehouse.full_build import FullBuild
from assets.stores.warehouse.warehouse import WarehouseTarget
from data_quality.contracts.errors import BadInput, OurFault, Unreachable
from data_quality.contracts.reporting.dbt_outcome import DbtOutcome, NodeOutcome
from data_quality.contracts.reporting.figure import KpiDefinition
from data_quality.contracts.work.offload import Offload, called
from data_quality.contracts.work.project_cache import Place
from orchestration.environment import environment
from orchestration.warehouse.dbt_compiled import definition_of, full_build_of
from orchestration.warehouse.user_cache import state_folder

T = TypeVar("T")

PROJECT_DIR = Path(__file__).resolve().parents[2] / "dbt_project"
STATE_DIR = state_folder(PROJECT_DIR)
# dbt's adapters and the environment are one per process.
_ONE_AT_A_TIME = threading.Lock()
# What was parsed -> the parsed project: later runs of this process parse nothing.
# A parsed project names its database, and nothing else of where that is.
KEPT_PARSES = 4
_manifests: Place[str, Any] = Place(KEPT_PARSES)


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
    """The path of an up-to-date manifest.json, parsed only where the project differs from the last parse."""
    folder = state_dir / target.name / "manifest"
    manifest, mark = folder / "manifest.json", folder / "fingerprint.txt"
    wanted = fingerprint()
    if not _is_current(manifest, mark, wanted):
        with _locked(state_dir / target.name):
            # Asked again under the lock: another process may have parsed meanwhile.
            if not _is_current(manifest, mark, wanted):
                # First of all: a parse that breaks off must not leave the mark of the one before.
                mark.unlink(missing_ok=True)
                # Also where a parse is kept: what was read back can be run, but dbt writes only in its own command.
                _parse(target, state_dir=state_dir)
                folder.mkdir(parents=True, exist_ok=True)
                fresh = folder / ".manifest.json"
                fresh.write_bytes((state_dir / target.name / "manifest.json").read_bytes())
                fresh.replace(folder / "manifest.json")
                mark.write_text(wanted, encoding="utf-8")
    return manifest


def kpi_definition(*, offload: Offload | None = None, state_dir: Path = STATE_DIR) -> KpiDefinition:
    """All models as dbt compiles them for DuckDB: what traces run again. Compiled only where the project changed.

    Raises OurFault where dbt cannot compile the project.
    """

    def read(path: Path) -> KpiDefinition:
        return KpiDefinition.parse(path.read_text("utf-8"), file=str(path))

    return _compiled(".sql", read, state_dir, offload)


def full_build(*, state_dir: Path = STATE_DIR) -> FullBuild:
    """All nodes as dbt compiles them for a DuckDB warehouse that is made anew. Compiled and raising like the above."""
    return _compiled(".json", lambda path: FullBuild.model_validate_json(path.read_bytes()), state_dir)


def _compiled(suffix: str, read: Callable[[Path], T], state_dir: Path, offload: Offload | None = None) -> T:
    """What is read of a kept file; dbt compiles where there is none of this project."""
    folder = state_dir / "definition"
    kept = folder / f"{fingerprint()}{suffix}"
    # Never made, or of another form: made anew. Without the lock: it appears whole, and may lie where nobody writes.
    with suppress(FileNotFoundError, BadInput, ValidationError):
        return read(kept)
    with _locked(folder):
        # Another process may have made it meanwhile.
        with suppress(FileNotFoundError, BadInput, ValidationError):
            return read(kept)
        # It takes 130 MB and gives nothing back.
        texts: dict[str, str] = called(offload, compiled_texts, folder=str(folder))
        # Those that printed figures rest on are kept with the project; of use here is today's alone.
        for former in (path for path in folder.iterdir() if path.suffix in texts):
            former.unlink()
        for name, text in texts.items():
            unfinished = kept.with_suffix(".part")
            unfinished.write_text(text, encoding="utf-8")
            unfinished.replace(kept.with_suffix(name))
        return read(kept)


def compiled_texts(folder: str) -> dict[str, str]:
    """What dbt compiles for that folder, by suffix. Raises OurFault.

    Asked of an empty DuckDB file, whose name dbt puts before every schema; taken away, any session can run it.
    """
    state_dir = Path(folder)
    target = WarehouseTarget(duckdb_file=state_dir / "definition.duckdb")
    words = ["compile", "--full-refresh", "--select", "tag:kpi", "tag:enpi"]
    _invoke(words, target=target, state_dir=state_dir, manifest=None)
    nodes = json.loads((state_dir / target.name / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    target.duckdb_file.unlink(missing_ok=True)
    database = target.duckdb_file.stem
    return {".sql": definition_of(nodes, database).text, ".json": full_build_of(nodes, database).model_dump_json()}


def build_stage(name: str, *, target: WarehouseTarget, is_full: bool) -> DbtOutcome:
    """Let dbt build the models of one stage, kpi or enpi, with their data tests. Raises as run_dbt."""
    # Unit tests prove the SQL, not the data: they run with the test suite.
    arguments = ["build", "--select", f"tag:{name}", "--exclude-resource-type", "unit_test"]
    return run_dbt(arguments + ["--full-refresh"] * is_full, target=target)


def run_dbt(args: Sequence[str], *, target: WarehouseTarget, state_dir: Path = STATE_DIR) -> DbtOutcome:
    """Run dbt in this process, e.g. ["build", "--select", "tag:kpi"].

    A failed model or test is an outcome, not an exception. Raises OurFault where dbt cannot run the project at
    all and Unreachable where the warehouse does not answer or is held by another process.
    """
    with _locked(state_dir / target.name):
        parsed = _parsed(target, state_dir=state_dir)
        # The answer is in our hands: the megabytes of JSON that dbt writes beside it would cost half a second a run.
        result = _invoke([*args, "--no-write-json"], target=target, state_dir=state_dir, manifest=parsed)
    rows = getattr(result.result, "results", None) or []
    return DbtOutcome(is_success=bool(result.success), nodes=tuple(_outcome(row) for row in rows))


def _parsed(target: WarehouseTarget, *, state_dir: Path) -> Any:
    """The project as dbt parses it for this engine and database: of this process, of one before, or parsed now."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    kept = _kept_parse(target, state_dir)
    if (known := _manifests.get(kept.stem)) is not None:
        return known
    # dbt's own partial parsing starts anew wherever the warehouse is another file.
    try:
        manifest = Manifest.from_msgpack(kept.read_bytes(), decoder=extended_mashumuro_decoder)
    except FileNotFoundError:
        return _parse(target, state_dir=state_dir)
    manifest.build_flat_graph()
    return _manifests.put(kept.stem, manifest)


def _kept_parse(target: WarehouseTarget, state_dir: Path) -> Path:
    from dbt.version import __version__

    database = facts_of(target.postgres_url)["dbname"] if target.postgres_url else target.duckdb_file.stem
    # Seeds are named by their whole path, so the folder is part of what was parsed.
    text = "\0".join((target.name, database, fingerprint(), str(PROJECT_DIR), __version__))
    return state_dir / target.name / "parsed" / f"{hashlib.sha256(text.encode()).hexdigest()}.msgpack"


def _parse(target: WarehouseTarget, *, state_dir: Path) -> Any:
    parsed = _invoke(["parse"], target=target, state_dir=state_dir, manifest=None).result
    kept = _kept_parse(target, state_dir)
    _manifests.put(kept.stem, parsed)
    kept.parent.mkdir(exist_ok=True)
    unfinished = kept.with_suffix(".part")
    unfinished.write_bytes((state_dir / target.name / "partial_parse.msgpack").read_bytes())
    unfinished.replace(kept)
    # A file for each database of a server, and for each state of a project that is being written: the last ones do.
    for former in sorted(kept.parent.glob("*.msgpack"), key=lambda path: path.stat().st_mtime)[:-KEPT_PARSES]:
        former.unlink(missing_ok=True)
    return parsed


def _invoke(args: list[str], *, target: WarehouseTarget, state_dir: Path, manifest: Any) -> Any:
    root = logging.getLogger()
    handlers = list(root.handlers)
    from dbt.adapters.exceptions import FailedToConnectError
    from dbt.cli.main import dbtRunner

    # One of the libraries under dbt gives the root logger a handler, and every other library a voice on our terminal.
    root.handlers = handlers
    folder = state_dir / target.name
    options = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", target.name]
    options += [
        "--target-path",
        str(folder),
        "--log-path",
        str(folder / "logs"),
        "--log-level",
        "none",
        "--no-use-colors",
    ]
    with _ONE_AT_A_TIME, environment(dbt_environment(target)):
        try:
            result = dbtRunner(manifest=manifest).invoke([*args, *options])
        finally:
            _release_duckdb()
    if result.exception is not None:
        what = " ".join(args)
        # DuckDB has no class for a file that another process holds: only its words tell.
        if isinstance(result.exception, FailedToConnectError) or "lock on file" in str(result.exception):
            raise Unreachable(f"dbt {what}: the warehouse does not answer: {result.exception}") from result.exception
        raise OurFault(f"dbt {what}: {result.exception}") from result.exception
    return result


def _release_duckdb() -> None:
    """The adapter keeps the file open until the process ends, which would shut out everybody else."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
    DuckDBConnectionManager.close_all_connections()


def _is_current(manifest: Path, mark: Path, wanted: str) -> bool:
    return manifest.exists() and mark.exists() and mark.read_text(encoding="utf-8") == wanted


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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One dbt at a time per state folder, across processes."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@cache
def kpi_catalogue() -> Mapping[str, Mapping[str, str]]:
    """KPI -> its row of the catalogue (title, formula, unit, grains, scopes, definition, warning), in its order."""
    with (PROJECT_DIR / "seeds" / "kpi_catalogue.csv").open(newline="", encoding="utf-8") as file:
        return {row["kpi"]: row for row in csv.DictReader(file)}
