"""A backup holds the project, copies only what is new, and its restoration proves itself; every fault is a sentence."""

import json
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.backup.backup_list import FORM, BackupList, signed
from assets.stores.backup.last_backup import backup_age_s, last_backup
from assets.stores.backup.place import LISTS, MARK, list_name
from assets.stores.sign import load_key
from controls.ledger.modes import current_mode, mode_history
from data_quality.contracts.control.command import Mode
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import SystemClock
from orchestration.instance.start_lock import taken
from orchestration.open_project import OpenProject
from tests.e2e.conftest import call, call_here
from tests.old.make import END, write_csv

pytestmark = pytest.mark.filterwarnings("ignore")


def backup(folder: Path, to: object, *more: str) -> Any:
    code, answer, error = call_here("backup", "--to", str(to), *more, "--project", str(folder))
    assert code == 0, error
    return answer


def refused(*words: object) -> str:
    """The sentence of a command that is refused, without its progress."""
    code, answer, error = call_here(*map(str, words))
    assert code in {2, 3}, (code, answer, error)
    lines = [line for line in error.splitlines() if line.startswith("meterloom: ") or "error" in line.lower()]
    return (lines or error.splitlines())[-1]


def restored(backup: object, *more: object) -> tuple[int, dict[str, Any]]:
    code, answer, error = call_here("restore", str(backup), *map(str, more))
    assert answer is not None, error
    return code, answer


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a project that a backup must bring back byte for byte."""
    names = ("meterloom.yaml", "people.yaml", "sites", "landing", "reports", "known", "var/lake/readings")
    files = [path for name in names for path in [folder / name, *(folder / name).rglob("*")] if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_project_comes_back_whole_proves_itself_and_controls_nothing(works: Path, tmp_path: Path) -> None:
    with closing(OpenProject(str(works))) as opened:
        before = current_mode(opened.store, "home", now_utc=SystemClock().now_utc())
    assert before > Mode.SIMULATION
    made = backup(works, tmp_path / "kept")
    assert set(made) >= {"path", "files_new", "files_known", "bytes", "digest"}
    assert Path(made["path"]).is_file()
    code, answer = restored(tmp_path / "kept", "--into", tmp_path / "again")
    assert code == 0, answer
    assert (answer["verified"], answer["mode"], answer["problems"]) == (True, "SIMULATION", [])
    assert answer["figures"]["checked"] == answer["figures"]["equal"] == 20
    assert answer["files"] == made["files"]
    assert contents(tmp_path / "again") == contents(works)
    assert not list((tmp_path / "again").rglob("*.key"))
    assert made["keys_left_out"] == len(list(works.rglob("*.key")))
    with closing(OpenProject(str(tmp_path / "again"))) as opened:
        assert current_mode(opened.store, "home", now_utc=SystemClock().now_utc()) == Mode.SIMULATION
        assert mode_history(opened.store, "home")[-1]["person_id"] == "restore"
    # The restored project goes on as its own: it takes readings, and nothing is doubted.
    more = write_csv(tmp_path / "more.csv", END, END + timedelta(days=1))
    code, taken_in, error = call_here("ingest", str(more), "--site", "works", "--project", str(tmp_path / "again"))
    assert code == 0, error
    assert taken_in["files"][0]["new_rows"] > 0
    assert [each for each in tmp_path.iterdir() if each.name.startswith(".again")] == []
    # Nobody else of this machine looks into any folder of it.
    folders = [path for path in (tmp_path / "again").rglob("*") if path.is_dir()]
    assert [path for path in folders if path.stat().st_mode & 0o077 and "lake" not in path.parts] == []


def test_a_second_backup_copies_only_what_is_new(works: Path, tmp_path: Path) -> None:
    first = backup(works, tmp_path / "kept")
    second = backup(works, tmp_path / "kept")
    assert (second["files_new"], second["bytes"], second["files"]) == (0, 0, first["files"])
    assert second["files_known"] >= first["files_new"]
    more = write_csv(tmp_path / "more.csv", END, END + timedelta(days=1))
    code, _, error = call_here("ingest", str(more), "--site", "works", "--project", str(works))
    assert code == 0, error
    objects = set((tmp_path / "kept" / "objects").rglob("*"))
    third = backup(works, tmp_path / "kept")
    fresh = [path for path in (tmp_path / "kept" / "objects").rglob("*") if path.is_file() and path not in objects]
    assert len(fresh) == third["files_new"]
    # The store, one lake file, the anchors.
    assert third["files_new"] <= 4
    assert third["bytes"] == sum(path.stat().st_size for path in fresh)
    # Each of them restores as of its own time.
    code, answer = restored(first["path"], "--verify", "--figures", 2)
    assert (code, answer["digest"]) == (0, first["digest"])


def test_lists_of_one_second_stand_in_the_order_in_which_they_were_made() -> None:
    moments = [datetime(2026, 3, 1, 2, tzinfo=UTC) + timedelta(milliseconds=each) for each in range(0, 1500, 100)]
    names = [list_name(each) for each in moments]
    assert names == sorted(names)
    # One of before, whose name has whole seconds alone.
    assert names[0] > "20260301T015959Z-ffffffff.json"
    assert names[-1] < "20260301T020002Z-00000000.json"


def test_the_age_of_the_last_backup_is_noted(works: Path, tmp_path: Path) -> None:
    project = load_project(works, {})
    assert last_backup(project) is None
    assert backup_age_s(project, datetime.now(UTC)) is None
    made = backup(works, tmp_path / "kept")
    noted = last_backup(project)
    assert noted is not None
    assert (noted.path, noted.digest) == (made["path"], made["digest"])
    assert backup_age_s(project, noted.made_utc + timedelta(hours=3)) == 3 * 3600
    _, answer, _ = call_here("doctor", "--project", str(works))
    assert [each["status"] for each in answer["checks"] if each["name"] == "backup"] == ["ok"]


@pytest.mark.parametrize("what", ["lake/", "note.pdf", "flipped list"])
def test_a_flipped_byte_is_named_with_its_file(what: str, works: Path, tmp_path: Path) -> None:
    made = backup(works, tmp_path / "kept")
    listed = BackupList.model_validate_json(Path(made["path"]).read_bytes())
    if what == "flipped list":
        flip(Path(made["path"]), Path(made["path"]).read_bytes().index(b'"version":"') + 11)
        assert "is not what was signed" in refused("restore", tmp_path / "kept", "--verify")
        return
    chosen = next(each for each in listed.body.files if what in each.name)
    flip(tmp_path / "kept" / "objects" / chosen.sha256[:2] / chosen.sha256, chosen.size_bytes // 2)
    code, answer = restored(tmp_path / "kept", "--verify", "--figures", 1)
    assert code == 1
    assert chosen.name in {each["file"] for each in answer["problems"]}
    assert not answer["verified"]
    # All else comes back, and what is damaged is not there as if it were whole.
    code, answer = restored(tmp_path / "kept", "--into", tmp_path / "again", "--figures", 1)
    assert code == 1
    assert len(contents(works)) - len(contents(tmp_path / "again")) == 1


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_damaged_store_in_the_backup_is_one_sentence_and_nothing_appears(works: Path, tmp_path: Path) -> None:
    made = backup(works, tmp_path / "kept")
    files = BackupList.model_validate_json(Path(made["path"]).read_bytes()).body.files
    [chosen] = [each for each in files if each.area == "store"]
    flip(tmp_path / "kept" / "objects" / chosen.sha256[:2] / chosen.sha256, 5000)
    assert "the store in the backup was altered" in refused("restore", tmp_path / "kept", "--into", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_missing_file_is_named(works: Path, tmp_path: Path) -> None:
    made = backup(works, tmp_path / "kept")
    body = BackupList.model_validate_json(Path(made["path"]).read_bytes()).body
    chosen = next(each for each in body.files if each.path.endswith("note.pdf"))
    (tmp_path / "kept" / "objects" / chosen.sha256[:2] / chosen.sha256).unlink()
    _, answer = restored(tmp_path / "kept", "--verify", "--figures", 1)
    assert {"file": "reports/works/note.pdf", "problem": "is missing"} in answer["problems"]


def test_a_folder_that_is_not_for_this_project_is_refused_and_stays_as_it_is(works: Path, tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    (other / "holiday.jpg").write_bytes(b"ours")
    assert "holds other files (holiday.jpg)" in refused("backup", "--to", other, "--project", works)
    assert [path.name for path in other.iterdir()] == ["holiday.jpg"]
    (strange := tmp_path / "strange").mkdir()
    (strange / MARK).write_text(json.dumps({"form": FORM, "ledger": "0" * 32}))
    assert "are of another project (ledger 00000000" in refused("backup", "--to", strange, "--project", works)
    assert "no backup in" in refused("restore", strange, "--verify")
    assert "no such folder" in refused("restore", tmp_path / "nowhere", "--verify")


def test_a_restore_takes_no_folder_that_holds_anything(works: Path, tmp_path: Path) -> None:
    backup(works, tmp_path / "kept")
    before = contents(works)
    assert "expected an empty folder" in refused("restore", tmp_path / "kept", "--into", works)
    assert contents(works) == before
    assert "--into EMPTY or --verify" in refused("restore", tmp_path / "kept")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.csv").write_text("1")
    with variable("METERLOOM_PATHS__LANDING", str(tmp_path / "elsewhere")):
        # A folder of the settings outside of the project's is as empty as the project's own must be.
        made = backup(works, tmp_path / "outside")
        assert "is not empty" in refused("restore", made["path"], "--into", tmp_path / "again")
        code, answer = restored(made["path"], "--verify", "--figures", 1)
        assert (code, answer["problems"]) == (0, [])
    assert not (tmp_path / "again").exists()


@contextmanager
def variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def test_a_backup_of_a_newer_version_says_so(works: Path, tmp_path: Path) -> None:
    made = backup(works, tmp_path / "kept")
    listed = BackupList.model_validate_json(Path(made["path"]).read_bytes())
    body = listed.body.model_copy(update={"form": FORM + 1, "version": "99.0"})
    newer = signed(body, load_key(works / "keys", "project"), "project")
    Path(made["path"]).write_text(newer.model_dump_json())
    assert "was made by Meterloom 99.0, which is newer" in refused("restore", tmp_path / "kept", "--verify")
    # Of a newer store under the same form too.
    with closing(sqlite3.connect(works / "var" / "store.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = '9999'")
    backup_made = call_here("backup", "--to", str(tmp_path / "newer"), "--project", str(works))
    assert backup_made[0] in {2, 3}


def test_private_keys_go_to_their_recipient_alone(works: Path, tmp_path: Path) -> None:
    mine, other = recipient(tmp_path, "mine"), recipient(tmp_path, "other")
    made = backup(works, tmp_path / "kept", "--with-keys", str(mine.with_suffix(".pem")))
    private = {path.name: path.read_bytes() for path in (works / "keys").glob("*.key")}
    assert private
    for path in (tmp_path / "kept").rglob("*"):
        assert not path.is_file() or not any(key in path.read_bytes() for key in private.values())
    assert "is not encrypted for this key" in refused(
        "restore", made["path"], "--into", tmp_path / "no", "--key", other.with_suffix(".key")
    )
    assert not (tmp_path / "no").exists()
    restored(made["path"], "--into", tmp_path / "again", "--key", mine.with_suffix(".key"), "--figures", 1)
    back = tmp_path / "again" / "keys"
    assert {path.name: path.read_bytes() for path in back.glob("*.key")} == private
    assert {path.stat().st_mode & 0o777 for path in back.glob("*.key")} == {0o600}
    assert "expected an X25519 public key" in refused(
        "backup", "--to", tmp_path / "kept", "--with-keys", works / "people.yaml", "--project", works
    )


def recipient(folder: Path, name: str) -> Path:
    key = folder / f"{name}.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "X25519", "-out", key], check=True, capture_output=True)
    public = ["-in", str(key), "-pubout", "-out", str(key.with_suffix(".pem"))]
    subprocess.run(["openssl", "pkey", *public], check=True, capture_output=True)
    return key


def test_sweeps_and_merges_wait_for_a_backup(works: Path, tmp_path: Path) -> None:
    with taken(load_project(works, {}), "upkeep"):
        for words in (("lake", "sweep"), ("lake", "compact"), ("backup", "--to", tmp_path / "kept")):
            message = refused(*words, "--project", works)
            assert "a backup, sweep, merge, erasure or retention, process" in message, message
    assert not (tmp_path / "kept" / LISTS).exists()
    assert call_here("lake", "sweep", "--project", str(works))[0] == 0


def test_a_full_disk_is_one_sentence_and_former_backups_stand(works: Path, tmp_path: Path) -> None:
    made = backup(works, tmp_path / "kept")
    (works / "landing" / "works" / "large.csv").write_bytes(os.urandom(3_000_000))
    before = contents(works)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))
    try:
        message = refused("backup", "--to", tmp_path / "kept", "--project", works)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "larger than this process may write" in message
    assert contents(works) == before
    code, answer = restored(tmp_path / "kept", "--verify", "--figures", 1)
    assert (code, answer["digest"]) == (0, made["digest"])
    # With room again it goes on from what is there.
    assert backup(works, tmp_path / "kept")["files_new"] <= 3


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to mount a small disk")
def test_a_small_disk_that_is_full_is_named(works: Path, tmp_path: Path) -> None:
    (disk := tmp_path / "disk").mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount a disk")
    try:
        code, answer, error = call("backup", "--to", str(disk / "kept"), "--project", str(works))
        assert (code, answer) == (3, None)
        assert "no space is left" in error or "does not fit" in error
        assert "Traceback" not in error
        assert not list((disk / "kept").glob("backups/*.json"))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_models_find_their_files_in_the_restored_folder(works: Path, tmp_path: Path) -> None:
    artifacts = works / "var" / "mlflow" / "artifacts"
    artifacts.mkdir(parents=True)
    with closing(sqlite3.connect(works / "var" / "mlflow" / "mlflow.db")) as kept, kept:
        kept.execute("CREATE TABLE runs (artifact_uri TEXT)")
        kept.execute("INSERT INTO runs VALUES (?)", (f"{artifacts.as_uri()}/1/model",))
    backup(works, tmp_path / "kept")
    restored(tmp_path / "kept", "--into", tmp_path / "again", "--figures", 1)
    with closing(sqlite3.connect(tmp_path / "again" / "var" / "mlflow" / "mlflow.db")) as kept:
        [(address,)] = kept.execute("SELECT artifact_uri FROM runs").fetchall()
    assert address == f"{(tmp_path / 'again' / 'var' / 'mlflow' / 'artifacts').as_uri()}/1/model"


def test_folders_behind_links_are_in_it_and_an_empty_folder_that_is_there_is_filled(
    works: Path, tmp_path: Path
) -> None:
    (works / "landing").rename(tmp_path / "other_disk")
    (works / "landing").symlink_to(tmp_path / "other_disk")
    (tmp_path / "other_disk" / "round").symlink_to(works)
    backup(works, tmp_path / "kept")
    (target := tmp_path / "again").mkdir()
    # A restore that was killed left this.
    (target / ".restoring").mkdir()
    (target / ".restoring" / "half").write_bytes(b"1")
    code, answer = restored(tmp_path / "kept", "--into", target, "--figures", 1)
    assert (code, answer["problems"]) == (0, [])
    assert (target / "landing" / "works" / "march.csv").read_bytes() == (works / "known" / "march.csv").read_bytes()
    assert not (target / "landing" / "round").exists()
    assert not (target / ".restoring").exists()


def test_a_place_inside_of_the_project_does_not_hold_itself(works: Path) -> None:
    backup(works, works / "kept")
    second = backup(works, works / "kept")
    assert second["files_new"] == 0
    shutil.rmtree(works / "kept")
