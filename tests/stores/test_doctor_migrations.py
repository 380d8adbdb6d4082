"""`meterloom doctor` reports migrations, and makes none."""

import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from assets.stores import revisions
from assets.stores.transactions import connect_store, open_store
from data_quality.contracts.settings import Project, load_project
from orchestration.cli.main import build_app
from orchestration.operations.project.doctor import check, others
from tests.stores.steps import NEXT, contents, with_step

NEWEST = max(path.name[:4] for path in (revisions.FOLDER / "versions").glob("0*.py"))
OLD = Path(__file__).parents[1] / "old" / "320e130.tar.xz"


@pytest.fixture
def behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An old project, and a code that has a step more."""
    monkeypatch.setattr(revisions, "FOLDER", with_step(tmp_path / "migrations"))
    with tarfile.open(OLD) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    return load_project(tmp_path / "old", {})


def test_doctor_says_what_a_migration_will_do_and_makes_none(behind: Project) -> None:
    store = connect_store(behind.store_url)
    before = contents(store.engine)
    done = CliRunner().invoke(build_app(("doctor",)), ["doctor", "--json", "--project", str(behind.root)])
    checks = {each["name"]: each for each in json.loads(done.stdout)["checks"]}
    assert checks["migrations"]["status"] == "warn"
    assert "revision 0001; 'meterloom migrate' takes" in checks["migrations"]["detail"]
    assert "keeps the store as it was as store.db.0001.bak" in checks["migrations"]["detail"]
    assert checks[f"step {NEXT}"]["detail"] == "A colour for every batch"
    assert contents(store.engine) == before
    store.close()


def test_doctor_is_content_with_a_store_of_the_present_code(behind: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    store = connect_store(behind.store_url)
    revisions.migrate(store.engine)
    assert [(each["status"], each["detail"]) for each in check(behind)] == [("ok", f"revision {NEXT}")]
    monkeypatch.undo()
    (found,) = check(behind)
    assert (found["status"], found["name"]) == ("fail", "migrations")
    assert found["detail"].startswith(f"the store is of revision {NEXT} and this version of Meterloom knows none after")
    assert found["mend"] == "open the project with the version that wrote it, or a newer one"
    store.close()


def test_doctor_makes_no_store_to_look_at_it(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    assert [each["detail"] for each in check(project)] == ["no store yet: the first command makes it"]
    assert list(tmp_path.rglob("store.db*")) == []


def test_of_postgresql_a_dump_is_kept(behind: Project, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = load_project(behind.root, {"METERLOOM_DATABASE__URL": postgres_url})
    assert [each["detail"] for each in check(project)] == ["an empty database"]
    newer = revisions.FOLDER
    monkeypatch.setattr(revisions, "FOLDER", Path(revisions.__file__).parent / "migrations")
    store = open_store(project.store_url)
    monkeypatch.setattr(revisions, "FOLDER", newer)
    (first, step) = check(project)
    assert f"keeps the store as it was as store.{NEWEST}.dump" in first["detail"]
    assert step["name"] == f"step {NEXT}"
    with store.engine.connect() as connection:
        assert not sa.inspect(connection).has_table("first_new")
    store.close()


def test_a_schema_of_mlflow_that_is_behind_is_named_with_its_mend(tmp_path: Path) -> None:
    project = load_project(tmp_path, {})
    assert others(project) == []
    file = project.data_dir / "mlflow" / "mlflow.db"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('df50e92ffc5e')")
    (found,) = others(project)
    assert found["mend"] == "meterloom migrate"
    before, _, newest = found["detail"].rpartition(" wants ")
    assert before == "mlflow.db is of revision df50e92ffc5e, the installed version"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [newest])
    assert others(project) == []
    file.write_bytes(b"no database")
    assert "mlflow.db is of revision unknown" in others(project)[0]["detail"]
