"""Dagster's instance follows the one database setting, and keeps the password off the disk."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import yaml

from data_quality.contracts.settings import load_project
from orchestration.instance.write import POSTGRES_VARIABLE, instance_environment, write_instance

URL = "postgresql://ml:secret@db.example/meterloom"
SERVICES, ROUNDS = 8, 10


def test_without_a_database_everything_is_files(tmp_path: Path) -> None:
    environment = instance_environment(load_project(tmp_path, {}))
    written = yaml.safe_load((Path(environment["DAGSTER_HOME"]) / "dagster.yaml").read_text())
    assert "storage" not in written
    assert written["event_log_storage"]["config"]["base_dir"] == f"{environment['DAGSTER_HOME']}/history/runs"
    assert POSTGRES_VARIABLE not in environment
    assert written["run_monitoring"]["max_runtime_seconds"] > 0
    assert written["run_retries"]["enabled"] is False


def test_fault_f41_no_process_of_ours_waits_for_a_registry_and_a_plan_does_not_know_one(tmp_path: Path) -> None:
    environment = instance_environment(load_project(tmp_path, {}))
    assert int(environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) <= 1
    assert float(environment["MLFLOW_HTTP_REQUEST_TIMEOUT"]) <= 3
    script = "import sys, controls.planning.make; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not [name for name in loaded if name.partition(".")[0] in ("ml", "mlflow")]


def test_one_setting_moves_dagster_to_postgresql(tmp_path: Path) -> None:
    project = load_project(tmp_path, {"METERLOOM_DATABASE__URL": URL})
    environment = instance_environment(project)
    text = (Path(environment["DAGSTER_HOME"]) / "dagster.yaml").read_text()
    assert yaml.safe_load(text)["storage"]["postgres"]["postgres_url"] == {"env": POSTGRES_VARIABLE}
    address = URL.replace("postgresql://", "postgresql+psycopg2://")
    assert environment[POSTGRES_VARIABLE] == f"{address}?connect_timeout=10&options=-c%20search_path%3Ddagster"
    assert "secret" not in text
    assert project.store_url.startswith("postgresql+psycopg://")
    assert project.mlflow_uri.startswith("postgresql+psycopg2://")


@pytest.mark.filterwarnings("ignore")
def test_the_months_of_a_run_are_written_together_and_none_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dagster as dg

    from orchestration.instance.event_log import BatchedSqliteEventLog
    from orchestration.partitions import RANGE_END, RANGE_START

    for name, value in instance_environment(load_project(tmp_path, {})).items():
        monkeypatch.setenv(name, value)
    months = dg.MonthlyPartitionsDefinition(start_date="2024-01-01")

    @dg.asset(partitions_def=months, backfill_policy=dg.BackfillPolicy.single_run())
    def year() -> dg.MaterializeResult:
        """Twelve months."""
        return dg.MaterializeResult(metadata={"rows": 1}, data_version=dg.DataVersion("v"))

    batches: list[int] = []
    original = BatchedSqliteEventLog.store_event_batch
    monkeypatch.setattr(
        BatchedSqliteEventLog,
        "store_event_batch",
        lambda self, events: (batches.append(len(events)), original(self, events)),
    )
    with dg.DagsterInstance.get() as instance:
        job = dg.Definitions(assets=[year], jobs=[dg.define_asset_job("j", [year])]).resolve_job_def("j")
        tags = {RANGE_START: "2024-01-01", RANGE_END: "2024-12-01"}
        result = job.execute_in_process(instance=instance, tags=tags)
        assert batches == [12, 12]  # what is planned, and what was made
        key = dg.AssetKey("year")
        assert instance.get_materialized_partitions(key) == {f"2024-{month:02d}-01" for month in range(1, 13)}
        newest = instance.get_latest_materialization_event(key)
        assert newest is not None
        assert newest.run_id == result.run_id
        kinds = [entry.dagster_event_type for entry in instance.all_logs(result.run_id)]
        assert kinds.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == 12


@pytest.mark.filterwarnings("ignore")
def test_files_stay_open_for_the_last_runs_and_a_deleted_run_is_gone(tmp_path: Path) -> None:
    import dagster as dg

    from orchestration.instance.event_log import OPEN_FILES, BatchedSqliteEventLog

    @dg.op
    def nothing() -> None:
        """No work."""

    @dg.job
    def empty() -> None:
        """One step."""
        nothing()

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        storage = BatchedSqliteEventLog(str(tmp_path / "history"))
        instance._event_storage = storage
        storage.register_instance(instance)
        runs = [empty.execute_in_process(instance=instance).run_id for _ in range(OPEN_FILES + 2)]
        assert len(storage._engines) == OPEN_FILES
        # The first one's file was closed meanwhile, and is opened again.
        counts = {run_id: len(storage.get_logs_for_run(run_id)) for run_id in runs}
        assert len(set(counts.values())) == 1
        assert min(counts.values()) > 5
        assert Path(storage.path_for_shard(runs[-1])).exists()
        Path(storage.path_for_shard(runs[-1])).unlink()
        storage._initialized_dbs.discard(runs[-1])
        assert storage.get_logs_for_run(runs[-1]) == []
        storage.dispose()
        assert not storage._engines


def test_services_that_start_together_find_the_settings_whole(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    project, together = load_project(tmp_path, {}), Barrier(SERVICES)

    def read(home: Path) -> str:
        together.wait(60)
        return (write_instance(project, home) / "dagster.yaml").read_text()

    for number in range(ROUNDS):
        home = tmp_path / str(number)
        with ThreadPoolExecutor(SERVICES) as services:
            found = set(services.map(read, [home] * SERVICES))
        assert len(found) == 1
        assert str(home) in found.pop()
        assert [each.name for each in home.iterdir()] == ["dagster.yaml"]
