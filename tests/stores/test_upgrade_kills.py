"""`meterloom migrate` killed with -9 at ten of its moments and more: all is old or new, and the next one ends it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from assets.stores.revisions import SCRATCH, file_revisions, store_revision_of
from assets.stores.transactions import connect_store
from data_quality.contracts.settings import Project, load_project
from orchestration.instance.schema_steps import library_steps
from tests.conftest import ROOT
from tests.stores.killed_migrate import MOMENTS
from tests.stores.test_upgrade_command import FIXTURES, content, first_tables, json_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ARCHIVE = FIXTURES / "81ae88f.tar.xz"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of an earlier revision whose MLflow file is of MLflow's first."""
    folder = tmp_path_factory.mktemp("kills") / "old"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (project := load_project(folder, {})).data_dir.joinpath("mlflow").mkdir()
    first_tables(project)
    return folder


def copied(unpacked: Path, folder: Path, *, with_mlflow: bool) -> Project:
    """A copy of it."""
    shutil.copytree(unpacked, folder, ignore=None if with_mlflow else shutil.ignore_patterns("mlflow"))
    return load_project(folder, {})


def begun(project: Project, number: int, name: str = "SIGKILL", copies: str = "") -> subprocess.Popen[str]:
    """A migration that is hurt at a moment."""
    words = [sys.executable, "-W", "ignore", "-m", "tests.stores.killed_migrate", str(project.root)]
    return subprocess.Popen(
        [*words, str(number), name, copies], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def moments_of(project: Project) -> list[str]:
    """All moments of a migration that ends."""
    process = begun(project, 0)
    _, error = process.communicate()
    assert process.returncode == 0, error
    return list(json.loads((project.root / MOMENTS).read_text()))


def killed(project: Project, number: int, copies: str = "") -> None:
    process = begun(project, number, copies=copies)
    _, error = process.communicate()
    assert process.returncode == -signal.SIGKILL, error


def expect_ended(project: Project) -> None:
    """The next one takes up what is left, and all figures are what they were."""
    code, found = json_of(project, "upgrade")
    assert code == 0, found
    assert {each["status"] for each in found["smoke"]} == {"ok"}
    assert library_steps(project) == []
    store = connect_store(project.store_url)
    assert store_revision_of(store.engine).steps == ()
    store.close()


def test_the_store_is_old_or_new_at_seven_moments(unpacked: Path, tmp_path: Path) -> None:
    moments = moments_of(copied(unpacked, tmp_path / "whole", with_mlflow=False))
    commit = len(moments) - moments[::-1].index("COMMIT")
    before = content(load_project(unpacked, {}))
    is_new = list[bool]()
    for number in (1, *(commit * part // 5 for part in range(1, 5)), commit, commit + 1):
        project = copied(unpacked, tmp_path / str(number), with_mlflow=False)
        killed(project, number)
        is_new.append(content(project) != before)
        if is_new[-1]:
            store = connect_store(project.store_url)
            assert store_revision_of(store.engine).steps == ()
            store.close()
        expect_ended(project)
    # At the commit it is not said yet; behind it, it is.
    assert is_new == [False] * 6 + [True]


def test_a_library_s_file_is_old_or_new_at_four_moments(unpacked: Path, tmp_path: Path) -> None:
    whole = copied(unpacked, tmp_path / "whole", with_mlflow=True)
    moments = moments_of(whole)
    newest = file_revisions(whole.data_dir / "mlflow" / "mlflow.db")
    (started,) = (number for number, each in enumerate(moments, start=1) if each == "subprocess.Popen")
    renamed = len(moments) - moments[::-1].index("os.rename")
    old = (unpacked / "var" / "mlflow" / "mlflow.db").read_bytes()
    # The third: MLflow's own command has begun to write, and goes on behind the kill.
    for number, copies in ((started - 1, ""), (started, ""), (started, f"var/mlflow/{SCRATCH}*/*.db"), (renamed, "")):
        project = copied(unpacked, tmp_path / f"{number}-{len(copies)}", with_mlflow=True)
        file = project.data_dir / "mlflow" / "mlflow.db"
        killed(project, number, copies)
        assert file.read_bytes() == old
        expect_ended(project)
        assert file_revisions(file) == newest
        (kept,) = file.parent.glob("*.bak")
        assert kept.read_bytes() == old


def test_a_second_upgrade_is_refused_in_one_sentence_and_the_first_goes_on(unpacked: Path, tmp_path: Path) -> None:
    project = copied(unpacked, tmp_path / "twice", with_mlflow=False)
    first = begun(project, 60, "SIGSTOP")
    try:
        while Path(f"/proc/{first.pid}/stat").read_text().rpartition(") ")[2][0] != "T":
            assert first.poll() is None
            time.sleep(0.02)
        for words in (("upgrade",), ("migrate",)):
            code, found = json_of(project, *words)
            assert code == 2
            assert f"process {first.pid}" in found["said"]
            assert len(found["said"].strip().splitlines()) == 1
    finally:
        os.kill(first.pid, signal.SIGCONT)
        first.communicate()
    assert first.returncode == 0
    expect_ended(project)
