"""The kept graph of dbt's models equals that of dagster-dbt, and is recomputed only where something changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any

import dagster as dg
import pytest

from assets.stores.warehouse.warehouse import WarehouseTarget
from orchestration.warehouse.dbt import PROJECT_DIR, STATE_DIR, prepare_manifest
from orchestration.warehouse.dbt_graph import dbt_graph
from orchestration.warehouse.dbt_nodes import STAGES, DbtGraph

TARGET = WarehouseTarget(duckdb_file=Path("unused.duckdb"))


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's own parsed manifest, copied, so that nobody else sees what becomes of it here."""
    manifest = prepare_manifest(TARGET)
    folder = tmp_path_factory.mktemp("dbt_state")
    copytree(manifest.parent, folder / manifest.parent.relative_to(STATE_DIR))
    return folder


@pytest.fixture(scope="module")
def graph(state_dir: Path) -> DbtGraph:
    return dbt_graph(TARGET, state_dir=state_dir)


def test_every_model_and_seed_is_an_asset_of_one_stage(graph: DbtGraph) -> None:
    keys = [each.key for stage in graph.stages.values() for each in stage.assets]
    models = [path.stem for path in (PROJECT_DIR / "models").rglob("*.sql")]
    assert sorted(keys) == sorted([*models, "kpi_catalogue"])
    outside = {dep for stage in graph.stages.values() for each in stage.assets for dep in each.deps} - set(keys)
    assert outside == {"core_lake__15min_readings", "core_seu__expected_days", "core_site__reference"}


@pytest.mark.parametrize("name", STAGES)
def test_what_is_kept_of_a_stage_is_what_dagster_dbt_made_of_it(state_dir: Path, graph: DbtGraph, name: str) -> None:
    made = as_dagster_dbt_makes_it(state_dir, name)
    kept = {each.key: each.spec() for each in graph.stages[name].assets}
    assert set(kept) == {spec.key.to_user_string() for spec in made.specs}
    for spec in made.specs:
        ours = kept[spec.key.to_user_string()]
        assert readable_metadata(ours.metadata) == readable_metadata(spec.metadata)
        assert {dep.asset_key for dep in ours.deps} == {dep.asset_key for dep in spec.deps}
        for part in ("description", "group_name", "owners", "tags", "kinds", "code_version", "partitions_def"):
            assert getattr(ours, part) == getattr(spec, part), (spec.key, part)
    checks = {each.name: each.spec() for each in graph.stages[name].checks}
    assert set(checks) == {spec.name for spec in made.check_specs}
    for check in made.check_specs:
        # All but the description, which dagster-dbt has no words for.
        for part in ("asset_key", "additional_deps", "blocking", "metadata"):
            assert getattr(checks[check.name], part) == getattr(check, part), (check.name, part)
    assert checks


def test_the_kept_graph_is_read_again_until_something_changes(
    state_dir: Path, graph: DbtGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = prepare_manifest(TARGET, state_dir=state_dir).with_name("graph.json")
    before = path.stat().st_mtime_ns
    assert dbt_graph(TARGET, state_dir=state_dir) == graph
    assert path.stat().st_mtime_ns == before
    path.write_text("half a gra")
    assert dbt_graph(TARGET, state_dir=state_dir) == graph
    assert path.stat().st_mtime_ns != before
    monkeypatch.setattr("orchestration.warehouse.dbt_graph.version", lambda name: f"another release of {name}")
    assert dbt_graph(TARGET, state_dir=state_dir).made_of != graph.made_of


def test_running_dbt_gives_the_root_logger_no_voice(tmp_path: Path) -> None:
    code = (
        "import logging; from pathlib import Path\n"
        "from assets.stores.warehouse.warehouse import WarehouseTarget as Target\n"
        "from orchestration.warehouse import dbt; from data_quality.contracts.errors import OurFault\n"
        "try: dbt._invoke(['no such command'], target=Target(duckdb_file=Path('w')), state_dir=Path(), manifest=None)\n"
        "except OurFault: print(logging.getLogger().handlers)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT_DIR.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines()[-1] == "[]"


def as_dagster_dbt_makes_it(state_dir: Path, stage: str) -> dg.AssetsDefinition:
    """One stage by the decorator that a project without our file would use."""
    from dagster_dbt import dbt_assets

    from orchestration.warehouse.dbt_translate import MeterloomDbtTranslator

    manifest = json.loads(prepare_manifest(TARGET, state_dir=state_dir).read_text())

    @dbt_assets(manifest=manifest, select=f"tag:{stage}", dagster_dbt_translator=MeterloomDbtTranslator())
    def made() -> Iterator[Any]:
        yield from ()

    return made


def readable_metadata(metadata: Any) -> dict[str, Any]:
    """Metadata for people, without what dagster-dbt hangs on for its own command line."""
    return {name: value for name, value in metadata.items() if not name.startswith("dagster_dbt/")}
