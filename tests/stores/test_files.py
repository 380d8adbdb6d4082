"""One contract for files on a disk, in a bucket on this machine, and in a real one where an address is given."""

import hashlib
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from assets.stores.lake.bucket_files import BucketFiles
from assets.stores.lake.compact import leftovers, sweep
from assets.stores.lake.files import FileStore
from assets.stores.lake.lake import Decided, Lake
from assets.stores.lake.lake_files import expect_unchanged, open_files
from assets.stores.transactions import Store, open_store
from data_quality.contracts.errors import OurFault, Unreachable
from data_quality.contracts.time import FixedClock
from tests.contracts.test_lake import INFO, changes
from tests.stores.bucket_server import BUCKET, Faulty, environment, faulty_line
from tests.stores.storm import storm

__all__ = ["faulty_line"]
# s3://BUCKET/PREFIX of a bucket that may be written, with the AWS_ variables beside it.
REAL = "METERLOOM_TEST_BUCKET"
STORES = ["disk", "bucket", "real bucket"]


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileStore]:
    if request.param == "disk":
        yield open_files(tmp_path / "lake")
        return
    if request.param == "real bucket" and not os.environ.get(REAL):
        pytest.skip(f"no bucket is given in {REAL}")
    address = os.environ[REAL].rstrip("/") if request.param == "real bucket" else f"s3://{BUCKET}"
    if request.param == "bucket":
        request.getfixturevalue("faulty_line")
    store = open_files(tmp_path / "lake", f"{address}/{uuid4().hex}")
    yield store
    for each in store.list(""):
        store.delete(each.key)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    yield opened
    opened.close()


def holding(content: bytes):
    return lambda part: part.write_bytes(content)


def elsewhere(kept: FileStore, folder: Path) -> FileStore:
    """The same files, as another machine sees them."""
    return kept if kept.address == str(kept.root) else open_files(folder, kept.address)


def test_a_file_is_put_once_read_listed_and_deleted(kept: FileStore, tmp_path: Path) -> None:
    before, content = datetime.now(UTC) - timedelta(minutes=5), b"readings" * 1000
    digest = kept.put_new("readings/site=a/part-1", holding(content))
    assert digest == hashlib.sha256(content).hexdigest()
    assert kept.put_new("readings/site=a/part-1", holding(content)) == digest
    with pytest.raises(OurFault, match="holds another file already"):
        kept.put_new("readings/site=a/part-1", holding(b"other"))
    kept.put_new("readings/site=b/part-2", holding(b"more"))
    other = elsewhere(kept, tmp_path / "elsewhere")
    assert {(each.key, each.size_bytes) for each in other.list("readings/")} == {
        ("readings/site=a/part-1", 8000),
        ("readings/site=b/part-2", 4),
    }
    assert all(each.changed_utc > before for each in other.list("readings/site=a/"))
    assert other.fetch("readings/site=a/part-1", tmp_path / "copy") == digest
    assert (tmp_path / "copy").read_bytes() == content
    with pytest.raises(OurFault, match="holds another file already"):
        other.put_new("readings/site=b/part-2", holding(b"less"))
    other.delete("readings/site=a/part-1")
    other.delete("readings/site=a/part-1")
    assert [kept.size_bytes(f"readings/site={name}") for name in ("a/part-1", "b/part-2")] == [None, 4]
    with pytest.raises(FileNotFoundError):
        kept.fetch("readings/site=a/part-1", tmp_path / "gone")
    assert not (tmp_path / "gone").exists()


def test_a_lake_reads_on_another_machine_what_was_written_on_one(
    kept: FileStore, store: Store, clock: FixedClock, tmp_path: Path
) -> None:
    lake = Lake(kept.root, store, kept=kept)
    first = lake.write_batch(INFO, changes((0, 1), (96 * 40, 2)), unchanged_rows=0, clock=clock)
    clock.advance(timedelta(hours=1))
    lake.write_batch(INFO, changes((0, 9), corrects=True), unchanged_rows=0, clock=clock)
    other = elsewhere(kept, tmp_path / "elsewhere")
    there = Lake(other.root, store, kept=other)
    assert there.current("plant").equals(lake.current("plant"))
    assert there.history("plant")["value"].to_list() == [1, 9, 2]
    assert there.current("plant", as_of_utc=first.recorded_at_utc)["value"].to_list() == [1, 2]
    assert there.damage("plant") == []
    # A worker knows files alone: it brings what it lacks.
    parts = there.parts("plant")
    if other is not kept:
        parts[0].path.unlink()
    expect_unchanged(parts)
    assert parts[0].path.is_file()


def test_a_copy_that_is_altered_here_is_fetched_again_and_a_file_that_is_lost_there_is_told(
    kept: FileStore, store: Store, clock: FixedClock
) -> None:
    lake = Lake(kept.root, store, kept=kept)
    lake.write_batch(INFO, changes((0, 1)), unchanged_rows=0, clock=clock)
    [path] = lake.files(lake.manifest("plant"))
    path.write_bytes(b"altered")
    if kept.address == str(kept.root):
        with pytest.raises(Unreachable, match="was altered"):
            lake.current("plant")
        return
    assert lake.current("plant")["value"].to_list() == [1]
    content, key = path.read_bytes(), path.relative_to(kept.root).as_posix()
    kept.delete(key)
    path.write_bytes(content)
    # Whoever has a copy reads on; the doctor says that it is the last.
    assert lake.current("plant")["value"].to_list() == [1]
    assert [(each.path, each.fault) for each in lake.damage("plant")] == [(key, "is missing")]
    kept.reupload(key)
    assert lake.damage("plant") == []


def test_what_a_stopped_writer_left_is_set_aside_after_a_day_and_nothing_else(
    kept: FileStore, store: Store, clock: FixedClock
) -> None:
    lake = Lake(kept.root, store, kept=kept)
    lake.write_batch(INFO, changes((0, 1)), unchanged_rows=0, clock=clock)
    left = "readings/site=plant/m=2025-01/part-left.parquet"
    kept.put_new(left, holding(b"left"))
    now = datetime.now(UTC)
    assert leftovers(lake, now_utc=now + timedelta(hours=23)) == []
    late = now + timedelta(hours=25)
    assert [each.key for each in leftovers(lake, now_utc=late)] == [left]
    assert kept.size_bytes(left) == 4
    assert [each.key for each in sweep(lake, now_utc=late)] == [left]
    assert kept.size_bytes(left) is None
    [aside] = (each.key for each in kept.list("set-aside/") if each.key.endswith(left))
    assert kept.fetch(aside, kept.root / "looked at") == hashlib.sha256(b"left").hexdigest()
    assert lake.current("plant")["value"].to_list() == [1]


def test_a_writer_who_was_at_it_for_longer_than_a_sweep_waits_records_nothing(
    kept: FileStore, store: Store, clock: FixedClock
) -> None:
    lake = Lake(kept.root, store, kept=kept)

    def slow() -> None:
        clock.advance(timedelta(hours=23, seconds=1))

    frame = changes((0, 1))
    with pytest.MonkeyPatch.context() as patch:
        put_new = kept.put_new
        patch.setattr(kept, "put_new", lambda *given: (put_new(*given), slow())[0])
        with pytest.raises(Unreachable, match="more than 23 hours"):
            lake.write_batch(INFO, frame, unchanged_rows=0, clock=clock)
    assert lake.manifest("plant") == []
    assert list(kept.list("readings/")) == []


def test_others_who_write_meanwhile_let_a_batch_be_decided_again_outside_of_the_lock_first(
    kept: FileStore, store: Store, clock: FixedClock
) -> None:
    lake, requests = Lake(kept.root, store, kept=kept), list[int]()

    def plan() -> Decided:
        requests.append(1)
        # Inside of the writers' lock nobody else can.
        if len(requests) <= kept.rounds:
            other = INFO.model_copy(update={"site_id": "annex"})
            Lake(kept.root, store, kept=kept).write_batch(other, changes(), unchanged_rows=0, clock=clock)
        return Decided(changes=changes((0, 1)), unchanged_rows=0)

    lake.write_decided(INFO, plan, clock=clock)
    assert len(requests) == kept.rounds + 1
    assert lake.history("plant").height == 1
    assert len(list(kept.list("readings/site=plant/"))) == 1


def test_a_bucket_nobody_answers_for_says_so_in_one_sentence(
    faulty_line: tuple[str, Faulty], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(address: str = f"s3://{BUCKET}/x") -> str:
        files = BucketFiles(tmp_path / "copies", address, pause_s=0)
        with pytest.raises(Unreachable) as error:
            files.put_new(uuid4().hex, holding(b"x"))
        assert "\n" not in str(error.value)
        return str(error.value)

    assert refusal("s3://nowhere/x").startswith("s3://nowhere/x: there is no such bucket (NoSuchBucket)")
    line = faulty_line[1]
    with monkeypatch.context() as patch:
        patch.setattr(line, "server", lambda _environ, start: Faulty._refuse("denied", start))
        assert "refuses us (AccessDenied): look at the credentials" in refusal()
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    assert refusal().startswith(f"s3://{BUCKET}/x does not answer: look at AWS_ENDPOINT_URL")
    monkeypatch.setitem(sys.modules, "assets.stores.lake.bucket_files", None)
    with pytest.raises(Unreachable, match=r"meterloom\[s3\]"):
        open_files(tmp_path / "none", f"s3://{BUCKET}/none")


def test_a_disk_that_fills_while_a_copy_is_made_leaves_none(
    faulty_line: tuple[str, Faulty], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = BucketFiles(tmp_path / "one", f"s3://{BUCKET}/full")
    digest = one.put_new("a/b", holding(b"x"))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    other = BucketFiles(tmp_path / "other", f"s3://{BUCKET}/full")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        other.refresh({"a/b": digest})
    assert not [path for path in (tmp_path / "other").rglob("*") if path.is_file()]


def test_no_row_is_lost_or_doubled_through_a_line_that_fails(faulty_line: tuple[str, Faulty], tmp_path: Path) -> None:
    found = storm(tmp_path, faulty_line[1], puts=60, seed=7)
    assert found.faulted_puts >= 60
    assert found.recorded
    wanted = {"lost reply", "409", "412", "500", "500 after", "truncated put", "expired"}
    assert wanted <= {name.removeprefix("PUT: ") for name in found.counts}
