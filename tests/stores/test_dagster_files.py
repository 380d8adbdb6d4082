"""Dagster's own files of an earlier version: brought up as copies, old or new whenever that is killed, nothing lost."""

import random
import shutil
import signal
import sqlite3
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path

import pytest
from dagster import DagsterInstance, asset, materialize

from assets.stores.revisions import SCRATCH, as_copies, file_revisions
from assets.stores.transactions import open_store
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.settings import Project, load_project
from orchestration.instance.schema_steps import library_steps
from orchestration.instance.write import write_instance
from tests.stores.test_upgrade_command import json_of
from tests.stores.test_upgrade_kills import begun, moments_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
# Of Dagster's migrations, the one before the last that changes a table on SQLite.
BEFORE = "6b7fb194ff9c"
ADDED = ("concurrency_limits", "using_default_limit")
RUNS = 3


@asset
def measured() -> int:
    return 1


@pytest.fixture(scope="module")
def aged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three runs in Dagster's files, which are as an earlier Dagster left them."""
    folder = tmp_path_factory.mktemp("dagster") / "aged"
    folder.mkdir()
    (folder / "meterloom.yaml").write_text("{}")
    project = load_project(folder, {})
    project.data_dir.mkdir()
    open_store(project.store_url).close()
    with DagsterInstance.from_config(str(write_instance(project))) as instance:
        for _ in range(RUNS):
            assert materialize([measured], instance=instance).success
    for file in files(project):
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", (BEFORE,))
            if file.name == "index.db":
                connection.execute("ALTER TABLE {} DROP COLUMN {}".format(*ADDED))
    return folder


def files(project: Project) -> list[Path]:
    found = sorted((project.data_dir / "dagster").rglob("*.db"))
    return [each for each in found if SCRATCH not in str(each)]


def copied(aged: Path, folder: Path) -> Project:
    shutil.copytree(aged, folder)
    # The place of the files stands in Dagster's settings.
    write_instance(project := load_project(folder, {}))
    return project


def is_new(file: Path) -> bool:
    """Whether a file is of the newest revision; it is whole, and of one of the two."""
    (found,) = file_revisions(file)
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        columns = {row[1] for row in connection.execute(f"PRAGMA table_info({ADDED[0]})")}
    if file.name == "index.db":
        assert (ADDED[1] in columns) == (found != BEFORE)
    return found != BEFORE


def runs_and_events(project: Project) -> dict[str, list[tuple[object, ...]]]:
    """Runs and events, as Dagster's files hold them."""
    found = {}
    for file in files(project):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            for table in tables & {"runs", "run_tags", "event_logs", "asset_keys"}:
                rows = connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
                found[f"{file.stem} {table}"] = rows
    return found


def expect_whole(project: Project, before: dict[str, list[tuple[object, ...]]]) -> None:
    assert [each.name for each in files(project) if not is_new(each)] == []
    assert library_steps(project) == []
    assert runs_and_events(project) == before
    kept = sorted((project.data_dir / "dagster").rglob("*.bak"))
    assert len(kept) == len(files(project))
    assert {file_revisions(each) == {BEFORE} for each in kept} == {True}
    for each in files(project):
        with closing(sqlite3.connect(each)) as connection:
            # Daemon, webserver and runs write at the same time.
            assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]


def test_all_files_of_dagster_are_brought_up_and_hold_what_they_held(aged: Path, tmp_path: Path) -> None:
    project = copied(aged, tmp_path / "whole")
    before = runs_and_events(project)
    assert len(before["runs runs"]) == RUNS
    assert {each.part for each in library_steps(project)} == {"dagster schema"}
    code, found = json_of(project, "migrate")
    assert code == 0, found
    expect_whole(project, before)
    assert not list((project.data_dir / "dagster").glob(f"{SCRATCH}*"))
    with DagsterInstance.from_config(str(write_instance(project))) as instance:
        assert instance.get_runs_count() == RUNS
        assert len(instance.all_logs(instance.get_runs()[0].run_id)) > 5


@pytest.mark.parametrize("statement", ["CREATE TABLE told AS SELECT 1", "SELECT * FROM alembic_version"])
@pytest.mark.parametrize("is_open", [False, True])
def test_what_a_service_writes_meanwhile_is_not_lost_and_who_only_reads_is_in_nobodys_way(
    statement: str, is_open: bool, tmp_path: Path
) -> None:
    file = tmp_path / "runs.db"
    with closing(sqlite3.connect(file)) as first:
        first.execute("PRAGMA journal_mode = WAL")
        first.execute("CREATE TABLE alembic_version AS SELECT 'a' AS version_num")
    expected = pytest.raises(Unreachable, match=r"runs\.db in .* was written meanwhile")
    is_written = statement.startswith("CREATE")
    services = ExitStack()
    with services, expected if is_written else nullcontext(), as_copies(tmp_path, [file.name], "b") as copies:
        with closing(sqlite3.connect(copies / file.name)) as own, own:
            own.execute("UPDATE alembic_version SET version_num = 'b'")
        service = services.enter_context(closing(sqlite3.connect(file)))
        with service:
            service.execute(statement).fetchall()
        if not is_open:
            service.close()
    assert file_revisions(file) == {"a" if is_written else "b"}
    with closing(sqlite3.connect(file)) as now:
        names = {row[0] for row in now.execute("SELECT name FROM sqlite_master")}
    assert ("told" in names) == is_written


def test_a_migration_that_is_killed_anywhere_leaves_each_file_old_or_new_and_the_next_ends_it(
    aged: Path, tmp_path: Path
) -> None:
    moments = moments_of(copied(aged, tmp_path / "moments"))
    (started,) = (number for number, each in enumerate(moments, start=1) if each == "subprocess.Popen")
    drawn = random.Random(46)
    behind = drawn.sample(range(started + 1, len(moments)), 4)
    seen = set[tuple[bool, bool]]()
    # Before Dagster's command begins, as it starts, at its first write, and while files take their places.
    at_work = [(started, ""), (started, f"var/dagster/**/{SCRATCH}*/**/*.db")]
    for number, copies in [(drawn.randrange(1, started), ""), *at_work, *((each, "") for each in behind)]:
        project = copied(aged, tmp_path / f"{number}-{len(copies)}")
        before = runs_and_events(project)
        process = begun(project, number, copies=copies)
        _, error = process.communicate()
        assert process.returncode == -signal.SIGKILL, error
        new = [is_new(each) for each in files(project)]
        if number <= started:
            assert not any(new)
        seen.add((any(new), all(new)))
        code, found = json_of(project, "migrate")
        assert code == 0, found
        expect_whole(project, before)
    # None of them new, and some of them.
    assert {(False, False), (True, False)} <= seen
