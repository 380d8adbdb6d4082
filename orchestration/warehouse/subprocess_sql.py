"""KPI SQL in a subprocess, for callers that have to stay small: DuckDB and what it reads stay there.

Tables go there and rows come back as files, exact to the last digit; an idle child ends by itself (readings/child.py).
"""

import hashlib
import tempfile
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import polars as pl

from assets.stores.warehouse.scratch import rows_of
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.reporting.figure import KpiDefinition
from data_quality.contracts.work.offload import Offload
from data_quality.contracts.work.project_cache import Place

MOST_KEPT_BYTES = 2**18


def rows_in_subprocess(
    definition: KpiDefinition,
    tables: Mapping[str, pl.DataFrame],
    wanted: Collection[str],
    *,
    offload: Offload,
    kept: Place[str, dict[str, pl.DataFrame]],
) -> dict[str, pl.DataFrame]:
    """As `rows_of`. Raises BadInput where the definition cannot be run, Unreachable where it takes too much.

    kept: rows of the questions that came last, by the digest of all that they were made of. The same tables to the
    last byte have the same rows: of a question that came lately nothing is run again.
    """
    with tempfile.TemporaryDirectory(prefix="meterloom-kpis-") as folder:
        asked_of = hashlib.sha256(" ".join((definition.sha256, *sorted(wanted))).encode())
        for name, table in sorted(tables.items()):
            if table.height:
                table.write_ipc(path := Path(folder) / f"{name}.arrow")
                with path.open("rb") as written:
                    asked_of.update(f"\n{name} ".encode() + hashlib.file_digest(written, "sha256").digest())
        if (known := kept.get(key := asked_of.hexdigest())) is not None:
            return known
        options = {"folder": folder, "definition": definition.text, "wanted": sorted(wanted)}
        try:
            offload("orchestration.warehouse.subprocess_sql:rows_in_files", options)
        except BadInput as fault:
            if fault.reason != "reader_stopped":
                raise
            raise Unreachable(f"the SQL of the KPIs was stopped: {fault.message}") from fault
        found = {name: pl.read_ipc((Path(folder) / f"{name}.rows").read_bytes()) for name in wanted}
    if sum(rows.estimated_size() for rows in found.values()) <= MOST_KEPT_BYTES:
        kept.put(key, found)
    return found


def rows_in_files(folder: str, definition: str, wanted: list[str]) -> None:
    """The child's part of `rows_in_subprocess`."""
    given = {path.stem: pl.read_ipc(path) for path in Path(folder).glob("*.arrow")}
    tables = {name: given[name] if name in given else empty_source(name) for name in SOURCE_SCHEMAS}
    for name, rows in rows_of(_parsed(definition), tables, wanted).items():
        rows.write_ipc(Path(folder) / f"{name}.rows")


@lru_cache(maxsize=2)
def _parsed(definition: str) -> KpiDefinition:
    return KpiDefinition.parse(definition)
