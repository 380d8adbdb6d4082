"""The KPIs' SQL beside a small process: run once for the same tables, and again as soon as one byte is another."""

from functools import partial
from typing import Any

import polars as pl
import pytest

from assets.stores.warehouse.scratch import RunSql, rows_of
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS, empty_source
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import KpiDefinition, SqlModel
from data_quality.contracts.work.project_cache import PLACES, ProjectCache
from orchestration.warehouse import subprocess_sql as module


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
def asking() -> tuple[list[str], RunSql]:
    """The functions that were run, and the runner that notes them."""
    found: list[str] = []

    def here(function: str, requested: dict[str, Any]) -> None:
        found.append(function)
        module.rows_in_files(**requested)

    return found, partial(module.rows_in_subprocess, offload=here, kept=ProjectCache().place("kpi_rows"))


def test_the_same_tables_are_asked_once_and_others_again(asking: tuple[list[str], RunSql]) -> None:
    runs, rows_in_subprocess = asking
    first, second = (rows_in_subprocess(definition("site_id"), tables(), {"named"}) for _ in range(2))
    assert first["named"].rows() == second["named"].rows() == [("plant",)]
    assert len(runs) == 1
    rows_in_subprocess(definition("site_id"), tables(area_m2=10.5), {"named"})
    assert len(runs) == 2
    assert rows_in_subprocess(definition("currency"), tables(), {"named"})["named"].rows() == [("EUR",)]
    assert len(runs) == 3


def test_a_definition_takes_the_place_of_no_table_that_was_given() -> None:
    models = (SqlModel(layer="lake", name="sites", is_view=False, reads=(), sql="select 'mine' as site_id"),)
    with pytest.raises(BadInput, match=r'cannot be run: .*"sites" already exists'):
        rows_of(KpiDefinition(models=models), tables(), {"sites"})


def test_few_answers_are_kept_and_no_large_one(
    asking: tuple[list[str], RunSql], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, rows_in_subprocess = asking
    for area in range(PLACES["kpi_rows"] + 1):
        rows_in_subprocess(definition("site_id"), tables(area + 1.0), {"named"})
    rows_in_subprocess(definition("site_id"), tables(area_m2=1.0), {"named"})
    assert len(runs) == PLACES["kpi_rows"] + 2
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 0)
    for _ in range(2):
        rows_in_subprocess(definition("time_zone"), tables(), {"named"})
    assert len(runs) == PLACES["kpi_rows"] + 4
