"""Backups in a bucket, over a line that fails, and of a lake that is kept in one."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from assets.stores.lake.files import FileStore
from assets.stores.lake.lake_files import open_files
from assets.stores.lake.lake_ledger import KEY
from data_quality.contracts.settings import load_project
from orchestration.operations.project.restore import scratch_paths
from tests.e2e.conftest import call_here
from tests.stores.bucket_server import BUCKET, Faulty, environment, faulty_line, make_bucket

__all__ = ["faulty_line"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def line(faulty_line: tuple[str, Faulty], monkeypatch: pytest.MonkeyPatch) -> tuple[str, Faulty]:
    """The line, without faults yet, with its environment."""
    for name, value in environment(faulty_line[0]).items():
        monkeypatch.setenv(name, value)
    faulty_line[1].begin(0, 0.0)
    return faulty_line


def run(*words: object) -> Any:
    code, answer, error = call_here(*map(str, words))
    assert code == 0, f"{words}: {error}"
    return answer


def test_a_backup_in_a_bucket_is_incremental_and_comes_back_over_a_failing_line(
    line: tuple[str, Faulty], works: Path, tmp_path: Path
) -> None:
    place = f"s3://{BUCKET}/backups/works"
    line[1].begin(3, 0.1)
    made = run("backup", "--to", place, "--project", works)
    assert sum(count for name, count in line[1].counts.items() if "well" not in name) > 3
    line[1].begin(4, 0.0)
    assert run("backup", "--to", place, "--project", works)["files_new"] == 0
    assert str(made["path"]).startswith(f"{place}/backups/")
    line[1].begin(5, 0.1)
    back = run("restore", made["path"], "--into", tmp_path / "again", "--figures", 3)
    assert (back["verified"], back["mode"]) == (True, "SIMULATION")
    files = [path.relative_to(works) for path in (works / "var" / "lake" / "readings").rglob("*.parquet")]
    assert files
    assert all((tmp_path / "again" / path).read_bytes() == (works / path).read_bytes() for path in files)


def test_a_bucket_that_is_missing_or_refuses_is_one_sentence(line: tuple[str, Faulty], works: Path) -> None:
    code, _, error = call_here("backup", "--to", "s3://nowhere-at-all/x", "--project", str(works))
    assert code == 3
    assert "there is no such bucket" in error
    line[1].denied = True
    try:
        code, _, error = call_here("backup", "--to", f"s3://{BUCKET}/denied", "--project", str(works))
    finally:
        line[1].denied = False
    assert code == 3
    assert "refuses us (AccessDenied)" in error


def test_of_a_lake_in_a_bucket_what_the_bucket_lost_is_put_into_it_again(
    line: tuple[str, Faulty], works: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bucket(line[0], "theirs")
    lake = "s3://theirs/lake"
    monkeypatch.setenv("METERLOOM_PATHS__LAKE", lake)
    project = load_project(works, {"METERLOOM_PATHS__LAKE": lake})
    bucket = FileStore(project.lake_dir)
    theirs = open_files(project.lake_dir, lake)
    keys = [each.key for each in bucket.list("readings/") if each.key.endswith(".parquet")]
    for key in keys:
        theirs.reupload(key)
    theirs.note(KEY, b"{}")
    # The copies of this machine are gone: the backup fetches what the manifest names.
    shutil.rmtree(project.lake_dir / "readings")
    run("backup", "--to", tmp_path / "kept", "--project", works)
    assert scratch_paths(project).lake == ""
    for key in keys:
        theirs.delete(key)
    owner = theirs.noted(KEY)
    run("restore", tmp_path / "kept", "--into", tmp_path / "again", "--figures", 1)
    # Whose lake it is stays as it was: the running project goes on writing to it.
    assert theirs.noted(KEY) == owner
    assert {each.key for each in theirs.list("readings/")} == set(keys)
