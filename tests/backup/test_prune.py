"""Backups beyond the newest go with what these do not need, and nothing goes that one of them does."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.backup.test_backup import backup, refused, restored
from tests.backup.test_erasure import WORDS, holding, prepared, project, run
from tests.old.make import END, write_csv

__all__ = ["prepared", "project"]
pytestmark = pytest.mark.filterwarnings("ignore")
KILLED_AT_DELETE = """
import os, signal, sys
from assets.stores.lake.files import FileStore
delete = FileStore.delete
def until(self, key):
    if key.startswith("objects/"):
        os.kill(os.getpid(), signal.SIGKILL)
    delete(self, key)
FileStore.delete = until
sys.argv = ["meterloom", *sys.argv[1:]]
from orchestration.cli.main import main
main()
"""


def grown(folder: Path, days: int) -> None:
    more = write_csv(folder / f"more{days}.csv", END + timedelta(days=days), END + timedelta(days=days + 1))
    run("ingest", more, "--site", "works", "--project", folder)


def kept(place: Path) -> tuple[list[str], set[str]]:
    lists = sorted(path.name for path in (place / "backups").glob("*.json"))
    return lists, {path.name for path in (place / "objects").rglob("*") if path.is_file()}


def named(place: Path) -> set[str]:
    """Contents that any list of the place names."""
    bodies = (json.loads(path.read_bytes())["body"] for path in (place / "backups").glob("*.json"))
    return {each["sha256"] for body in bodies for each in body["files"]}


def test_after_an_erasure_one_new_backup_takes_the_place_of_those_with_its_bytes(project: Path, tmp_path: Path) -> None:
    place, words = tmp_path / "kept", WORDS[:4]
    backup(project, place)
    backup(project, place)
    words_of = ["erase", "person/p7", "--yes", "--as", "hana", "--project", str(project)]
    done = CliRunner().invoke(build_app(("erase",)), words_of)
    assert done.exit_code == 0
    output = " ".join(done.stdout.split())
    assert "keeps 2 backup(s) of before, with its bytes" in output
    assert f"meterloom backup --to {place} --keep 1" in output
    assert holding(place, *words) != []
    made = backup(project, place, "--keep", "1")
    assert made["removed"]["lists"] == 2
    assert made["removed"]["files"] >= 2
    assert holding(place, *words) == []
    assert kept(place) == ([Path(made["path"]).name], named(place))
    code, back = restored(place, "--verify", "--figures", 3)
    assert (code, back["problems"]) == (0, [])
    assert len(list((place / "erasures").iterdir())) == 1


def test_what_a_kept_backup_needs_stays_and_each_restores(works: Path, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    first = backup(works, place)
    grown(works, 0)
    second = backup(works, place)
    grown(works, 1)
    third = backup(works, place, "--keep", "2")
    assert third["removed"]["lists"] == 1
    assert kept(place) == (sorted(Path(each["path"]).name for each in (second, third)), named(place))
    for each in (second, third):
        assert restored(each["path"], "--verify", "--figures", 2)[1]["digest"] == each["digest"]
    assert "no backup" in refused("restore", first["path"], "--verify")
    # More than there are: nothing goes; without the option neither.
    assert backup(works, place, "--keep", "9")["removed"] == {"lists": 0, "files": 0, "bytes": 0}
    assert backup(works, place)["removed"]["files"] == 0
    assert len(kept(place)[0]) == 4


def test_a_clock_that_was_set_back_costs_no_new_backup(works: Path, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    first = Path(backup(works, place)["path"])
    first.rename(first.with_name(f"2099{first.name[4:]}"))
    grown(works, 0)
    made = backup(works, place, "--keep", "1")
    assert kept(place)[0] == [Path(made["path"]).name]
    assert restored(made["path"], "--verify", "--figures", 2)[0] == 0


def test_one_that_is_kept_and_cannot_be_read_stops_it_before_anything_goes(works: Path, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    backup(works, place)
    grown(works, 0)
    second = Path(backup(works, place)["path"])
    second.write_bytes(
        second.read_bytes().replace(b'"signer":"', b'"signer":"not ', 1).replace(b'"body":{', b'"body":{"x":1,', 1)
    )
    before = kept(place)
    assert "expected the list of a backup" in refused("backup", "--to", place, "--keep", "2", "--project", works)
    # The new one stands, and all that was there.
    after = kept(place)
    assert set(before[0]) < set(after[0])
    assert before[1] <= after[1]


def test_killed_between_lists_and_contents_the_next_one_takes_the_rest(works: Path, tmp_path: Path) -> None:
    place = tmp_path / "kept"
    backup(works, place)
    grown(works, 0)
    line = ["backup", "--to", str(place), "--keep", "1", "--project", str(works)]
    # The list is gone and no content; what stays is whole.
    done = subprocess.run([sys.executable, "-c", KILLED_AT_DELETE, *line], check=False, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert len(kept(place)[0]) == 1
    assert kept(place)[1] > named(place)
    assert restored(place, "--verify", "--figures", 2)[0] == 0
    assert backup(works, place, "--keep", "1")["removed"]["files"] >= 1
    assert kept(place)[1] == named(place)


def test_a_restored_copy_takes_nothing_of_the_project_that_went_on(works: Path, tmp_path: Path) -> None:
    place, drill = tmp_path / "kept", tmp_path / "drill"
    backup(works, place)
    assert restored(place, "--into", drill, "--figures", 2)[0] == 0
    grown(works, 0)
    went_on = backup(works, place)
    before = kept(place)
    message = refused("backup", "--to", place, "--keep", "1", "--project", drill)
    assert f"no former backup is removed, the new one is kept: {went_on['path']} belongs to ledger" in message
    assert "as after a restore" in message
    assert set(before[0]) < set(kept(place)[0])
    assert before[1] <= kept(place)[1]
    assert restored(went_on["path"], "--verify", "--figures", 2)[1]["digest"] == went_on["digest"]
