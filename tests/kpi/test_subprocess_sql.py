"""The KPIs' SQL beside a small process: run once for the same tables, and again as soon as one byte is another."""

from typing import Any

import polars as pl
import pytest

from assets.kpi import subprocess_sql as module
from assets.kpi.subprocess_sql import rows_in_subprocess
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.reporting.kpi_definition import KpiDefinition, SqlModel


def definition(of: str) -> KpiDefinition:
    models = (
        SqlModel(layer="marts", name="named", is_view=False, reads=(), sql=f"select {of} as site from lake.sites"),
    )
    return KpiDefinition.parse(KpiDefinition(models=models).text)


def tables(area_m2: float = 10.0) -> dict[str, pl.DataFrame]:
    given = {name: empty_source(name) for name in SOURCE_SCHEMAS}
    row = ("plant", "Europe/Berlin", "EUR", area_m2)
    return given | {"sites": pl.DataFrame([row], schema=given["sites"].schema, orient="row")}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run."""
    found: list[str] = []

    def here(function: str, asked: dict[str, Any]) -> None:
        found.append(function)
        module.rows_in_files(**asked)

    monkeypatch.setattr(module, "apart", here)
    monkeypatch.setattr(module, "_kept", module.Memory(module.MOST_KEPT))
    return found


def test_the_same_tables_are_asked_once_and_others_again(runs: list[str]) -> None:
    first, again = (rows_in_subprocess(definition("site_id"), tables(), {"named"}) for _ in range(2))
    assert first["named"].rows() == again["named"].rows() == [("plant",)]
    assert len(runs) == 1
    rows_in_subprocess(definition("site_id"), tables(area_m2=10.5), {"named"})
    assert len(runs) == 2
    assert rows_in_subprocess(definition("currency"), tables(), {"named"})["named"].rows() == [("EUR",)]
    assert len(runs) == 3


def test_few_answers_are_kept_and_no_large_one(runs: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for area in range(module.MOST_KEPT + 1):
        rows_in_subprocess(definition("site_id"), tables(area + 1.0), {"named"})
    rows_in_subprocess(definition("site_id"), tables(area_m2=1.0), {"named"})
    assert len(runs) == module.MOST_KEPT + 2
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 0)
    for _ in range(2):
        rows_in_subprocess(definition("time_zone"), tables(), {"named"})
    assert len(runs) == module.MOST_KEPT + 4
