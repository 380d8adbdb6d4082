"""The way back of an upgrade, by two checkouts: a project goes to the present version and home again, and the old code
says of it what it said before.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MUST_NOT_SKIP, ROOT
from tests.old.make import END, write_csv
from tests.stores.steps import NEXT, with_step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
OLD = ROOT / "tests" / "old"
# The first commit with backup and restore: the way back of all that came later.
WITH_BACKUP = "5d00aa1c"
FIGURES = 10
MAIN = "from orchestration.cli.main import main; main()"
# The version to come: this one with one more step, which its new stores take like the old ones.
PATCHED = "import sys; from pathlib import Path; from assets.stores import revisions, transactions; "
PATCHED += f"transactions.REVISION = {NEXT!r}; "
TO_COME = f"{PATCHED}revisions.FOLDER = Path(sys.argv.pop(1)); revisions._create = lambda engine: None; {MAIN}"


def git(*words: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", str(ROOT), *map(str, words)], check=False, capture_output=True)


class Code:
    """The code of a checkout, run by the interpreter of the tests with its libraries."""

    def __init__(self, folder: Path, program: tuple[str, ...] = (MAIN,)) -> None:
        self.folder, self.program = folder, program

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", *map(str, words)]
        env = {**os.environ, "PYTHONPATH": str(self.folder)}
        return subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)

    def call(self, *words: object) -> dict[str, Any]:
        """A command's answer; it must succeed."""
        done = self.run("-c", *self.program, *words, "--json")
        assert done.returncode == 0, (words, done.stderr)
        return dict(json.loads(done.stdout))

    def refusal(self, *words: object) -> str:
        """Message of a refused command: one sentence, no traceback."""
        done = self.run("-c", *self.program, *words)
        assert done.returncode in {2, 3}, (words, done.returncode, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr

    def answers(self, project: Path, figures: list[str]) -> dict[str, Any]:
        """Figures computed again, statuses, mode."""
        done = self.run(ROOT / "tests" / "backup" / "answers.py", project, *figures)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


@pytest.fixture
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Code]:
    """A checkout of the commit that the test names."""
    commit: str = request.param
    if git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        if MUST_NOT_SKIP:
            raise AssertionError(f"the history does not reach {commit}: fetch it whole")
        pytest.skip(f"the history here does not reach {commit}")
    tree = tmp_path / commit
    done = git("worktree", "add", "--quiet", "--detach", tree, commit)
    assert done.returncode == 0, done.stderr
    yield Code(tree)
    git("worktree", "remove", "--force", tree)


@pytest.fixture
def new() -> Code:
    """This checkout."""
    return Code(ROOT)


def unpacked(revision: str, folder: Path) -> tuple[Path, list[str]]:
    """The project that a revision made, and some of its figures."""
    with tarfile.open(OLD / f"{revision}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    printed = json.loads((OLD / f"{revision}.json").read_text())["figures"]
    return folder, random.Random(1).sample(sorted(printed), FIGURES)


def delivered(folder: Path, number: int) -> Path:
    """The file of a day behind what is in the archive."""
    day = END + timedelta(days=number)
    return write_csv(folder / f"day_{day}.csv", day, day + timedelta(days=1))


@pytest.mark.parametrize("old", ["320e130", "81ae88f"], indirect=True)
def test_an_old_project_is_upgraded_with_all_figures_equal_and_goes_home_by_the_copy_beside_it(
    old: Code, new: Code, tmp_path: Path
) -> None:
    project, figures = unpacked(old.folder.name, tmp_path / "project")
    # It is in use there: the old code writes.
    old.call("ingest", delivered(tmp_path, 0), "--site", "works", "--project", project)
    before = old.answers(project, figures)
    assert all(is_equal for _, is_equal in before["figures"].values())
    done = new.call("upgrade", "--project", project)
    assert {each["status"] for each in done["smoke"]} == {"ok"}
    assert new.answers(project, figures) == before
    new.call("ingest", late := delivered(tmp_path, 1), "--site", "works", "--project", project)
    # These versions have no restore: the copy that was kept is put back, and what SQLite kept beside goes.
    store, copy = project / "var" / "store.db", Path(done["copy"])
    for name in ("store.db-wal", "store.db-shm"):
        store.with_name(name).unlink(missing_ok=True)
    shutil.copyfile(copy, store)
    assert old.answers(project, figures) == before
    # Readings of the time between come again.
    (second,) = old.call("ingest", late, "--site", "works", "--project", project)["files"]
    assert (second["verdict"], second["new_rows"]) == ("accept", 2 * 96)


@pytest.mark.parametrize("old", [WITH_BACKUP], indirect=True)
def test_old_code_restores_its_backup_behind_an_upgrade(old: Code, tmp_path: Path) -> None:
    new = Code(ROOT, (TO_COME, str(with_step(tmp_path / "to_come"))))
    project, figures = unpacked("81ae88f", tmp_path / "project")
    place, later = tmp_path / "kept", tmp_path / "later"
    # The first command brings it to the tables of its code.
    before = old.answers(project, figures)
    old.call("backup", "--to", place, "--project", project)
    done = new.call("upgrade", "--project", project)
    assert done["to"] == NEXT
    assert {each["status"] for each in done["smoke"]} == {"ok"}
    new.call("ingest", late := delivered(tmp_path, 1), "--site", "works", "--project", project)
    new.call("backup", "--to", later, "--project", project)
    for words in (("reports", "list", "--project", project), ("restore", later, "--into", tmp_path / "no")):
        assert "newer" in old.refusal(*words)
    assert not (tmp_path / "no").exists()
    home = tmp_path / "home"
    back = old.call("restore", place, "--into", home, "--figures", FIGURES)
    assert (back["verified"], back["problems"], back["figures"]["equal"]) == (True, [], FIGURES)
    # All is as it was, but that no device is commanded before a person says so.
    assert old.answers(home, figures) == before | {"mode": "SIMULATION"}
    (second,) = old.call("ingest", late, "--site", "works", "--project", home)["files"]
    assert (second["verdict"], second["new_rows"]) == ("accept", 2 * 96)
