"""The habits of the dbt project, checked on its manifest and its files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.stores.warehouse.marts import MARTS
from orchestration.warehouse.dbt import PROJECT_DIR, fingerprint, prepare_manifest
from reports.content.templates import template_files
from tests.dbt.conftest import World

MODELS = sorted((PROJECT_DIR / "models").rglob("*.sql"))


@pytest.fixture(scope="module")
def manifest(world: World, state_dir: Path) -> dict[str, Any]:
    return json.loads(prepare_manifest(world.duckdb.target, state_dir=state_dir).read_text())


def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def parents(node: dict[str, Any]) -> set[str]:
    return {parent.split(".")[-1] for parent in node["depends_on"]["nodes"]}


def test_marts_never_read_staging_and_only_staging_reads_sources(manifest: dict[str, Any]) -> None:
    for name, node in models(manifest).items():
        layer = node["fqn"][1]
        for parent in node["depends_on"]["nodes"]:
            if layer == "marts":
                assert parent.split(".")[-1].startswith(("int_", "mart_")), (name, parent)
            if parent.startswith("source."):
                assert layer == "staging", (name, parent)


def test_kpi_models_build_without_any_baseline(manifest: dict[str, Any]) -> None:
    found = models(manifest)
    assert all(len({"kpi", "enpi"} & set(node["tags"])) == 1 for node in found.values())
    for name, node in found.items():
        if "kpi" in node["tags"]:
            assert "seu_expected_days" not in parents(node), name
            assert all("kpi" in found[parent]["tags"] for parent in parents(node) if parent in found), name


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_a_model_never_travels_alone(path: Path, manifest: dict[str, Any]) -> None:
    assert path.with_suffix(".yml").exists()
    assert len(path.read_text().splitlines()) <= 80
    assert path.read_text().startswith("-- ")
    node = models(manifest)[path.stem]
    assert "Grain - " in node["description"]
    assert all(column["description"] for column in node["columns"].values())
    tested = {unit["model"] for unit in manifest["unit_tests"].values()}
    assert path.stem in tested


def test_every_mart_is_read_by_a_report_or_a_command(manifest: dict[str, Any]) -> None:
    exposures = {each["name"]: each for each in manifest["exposures"].values()}
    reports = {name for name, each in exposures.items() if each["type"] == "analysis"}
    assert reports <= set(template_files())
    assert {name for each in exposures.values() for name in parents(each)} == set(MARTS)


def test_no_yml_describes_a_model_that_is_gone() -> None:
    described = {path.stem for path in (PROJECT_DIR / "models").rglob("*.yml")} - {"lake", "exposures"}
    assert described == {path.stem for path in MODELS}


@pytest.mark.parametrize("name", list(MARTS))
def test_every_column_of_a_mart_is_described(world: World, manifest: dict[str, Any], name: str) -> None:
    columns = pl.read_parquet_schema(world.duckdb.marts_dir / name / "_schema.parquet")
    assert list(models(manifest)[name]["columns"])
    assert set(models(manifest)[name]["columns"]) == set(columns)


@pytest.mark.parametrize("path", sorted((PROJECT_DIR / "macros").glob("*.sql")), ids=lambda path: path.stem)
def test_a_macro_that_differs_by_engine_has_both_and_no_default(path: Path) -> None:
    text = path.read_text()
    assert f"macro {path.stem}(" in text
    assert "default__" not in text
    if "dispatch" in text:
        assert f"macro duckdb__{path.stem}(" in text
        assert f"macro postgres__{path.stem}(" in text


def test_assets_are_named_after_models_and_sources_after_the_assets_that_load_them(manifest: dict[str, Any]) -> None:
    from orchestration.warehouse.dbt_translate import MeterloomDbtTranslator

    translator = MeterloomDbtTranslator()
    node = models(manifest)["mart_scope__day_kpi"]
    assert translator.get_asset_key(node).to_user_string() == "mart_scope__day_kpi"
    assert translator.get_group_name(node) == "marts_scope"
    assert translator.get_owners(node) == ["team:kpi"]
    sources = {source["name"]: source for source in manifest["sources"].values()}
    keys = {name: translator.get_asset_key(source).to_user_string() for name, source in sources.items()}
    assert keys.pop("window_readings") == "core_lake__15min_readings"
    assert keys.pop("readings") == "core_lake__15min_readings"
    assert keys.pop("interval_cost") == "core_lake__15min_readings"
    assert keys.pop("seu_expected_days") == "core_seu__expected_days"
    assert set(keys.values()) == {"core_site__reference"}


def test_importing_the_dbt_door_does_not_import_dbt() -> None:
    code = "import sys, orchestration.warehouse.dbt, orchestration.warehouse.dbt_graph; sys.exit('dbt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_fingerprint_changes_with_a_model_and_only_with_what_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1")
    monkeypatch.setattr("orchestration.warehouse.dbt.PROJECT_DIR", tmp_path)
    first = fingerprint()
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "b.sql").write_text("select 2")
    (tmp_path / "README.md").write_text("words")
    assert fingerprint() == first
    (tmp_path / "models" / "a.sql").write_text("select 2")
    assert fingerprint() != first
