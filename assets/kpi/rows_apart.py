"""The KPIs' SQL in a process of its own, for one that has to stay small: DuckDB and what it reads stay there.

Tables go there and rows come back as files, exact to the last digit; an idle child ends by itself (readings/child.py).
"""

import tempfile
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import polars as pl

from assets.kpi.enpi_of_use.savings_band import ask_apart
from assets.readings.readers.child import APART, run_limited
from assets.sites.calendar import look_up_by
from assets.stores.warehouse.scratch import rows_of
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.reporting.kpi_definition import KpiDefinition


def run_apart() -> None:
    """From now on this process also has SciPy and the calendars of all countries loaded beside it, not here."""
    ask_apart()
    look_up_by(lambda asked: run_limited("assets.sites.calendar:holidays_known", asked, APART))


def rows_apart(
    definition: KpiDefinition, tables: Mapping[str, pl.DataFrame], wanted: Collection[str]
) -> dict[str, pl.DataFrame]:
    """As `rows_of`. Raises BadInput where the definition cannot be run, Unreachable where it takes too much."""
    with tempfile.TemporaryDirectory(prefix="meterloom-kpis-") as folder:
        for name, table in tables.items():
            if table.height:
                table.write_ipc(Path(folder) / f"{name}.arrow")
        asked = {"folder": folder, "definition": definition.text, "wanted": sorted(wanted)}
        try:
            run_limited("assets.kpi.rows_apart:rows_in_files", asked, APART)
        except BadInput as fault:
            if fault.reason != "reader_stopped":
                raise
            raise Unreachable(f"the SQL of the KPIs was stopped: {fault.message}") from fault
        return {name: pl.read_ipc((Path(folder) / f"{name}.rows").read_bytes()) for name in wanted}


def rows_in_files(folder: str, definition: str, wanted: list[str]) -> None:
    """The child's part of `rows_apart`."""
    given = {path.stem: pl.read_ipc(path) for path in Path(folder).glob("*.arrow")}
    tables = {name: given[name] if name in given else empty_source(name) for name in SOURCE_SCHEMAS}
    for name, rows in rows_of(_parsed(definition), tables, wanted).items():
        rows.write_ipc(Path(folder) / f"{name}.rows")


@lru_cache(maxsize=2)
def _parsed(definition: str) -> KpiDefinition:
    return KpiDefinition.parse(definition)
