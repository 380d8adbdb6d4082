"""A lake file that is gone or altered is named before a figure is made of it, and its source restores it."""

import os
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.readings.ingest.ingest_file import ingest_file
from assets.stores.lake import lake_files, restore_batch
from assets.stores.lake.lake_block import Block, write_block
from assets.stores.lake.merges import known_paths
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.work.project_cache import ProjectCache
from orchestration.doctor.kept_checks import check_lake
from tests.readings.rooms import Bench, plant, quarter_rows

HEADER = "meter,timestamp,kwh\n"
FIRST = HEADER + quarter_rows("main", [1, 2, 3]) + quarter_rows("main", [7], "2025-02-05T00:00")


def lose(path: Path) -> None:
    path.unlink()


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def two_batches(bench: Bench) -> list[Path]:
    """A file of two months and a later one that corrects the first: January's file, February's, the correction."""
    bench.ingest(FIRST)
    bench.clock.advance(timedelta(hours=1))
    bench.ingest(HEADER + quarter_rows("main", [1, 9]), name="later.csv")
    january, later, february = bench.lake.files(bench.lake.manifest("plant"))
    return [january, february, later]


@pytest.mark.parametrize("harm", [lose, alter, shorten])
def test_a_damaged_file_is_named_with_its_source_and_ingesting_that_again_restores_every_byte(
    bench: Bench, harm: object
) -> None:
    january, february, later = two_batches(bench)
    before = {path: path.read_bytes() for path in (january, february, later)}
    rows = bench.lake.history("plant")
    harm(january)  # type: ignore[operator]
    with pytest.raises(Unreachable, match=r"m=2025-01/part-.* (is missing|was altered).*ingest meters.csv again"):
        bench.lake.current("plant")
    # A month that is whole is still read.
    assert bench.lake.current("plant", start_utc=rows["interval_start_utc"].max()).height == 1  # type: ignore[arg-type]
    second = bench.ingest(FIRST)
    assert second.is_repeat
    assert (second.new_rows, second.restored) == (0, (str(january.relative_to(bench.lake.root)),))
    assert {path: path.read_bytes() for path in before} == before
    assert bench.lake.history("plant").equals(rows)
    assert bench.ingest(FIRST).restored == ()


def test_a_correction_is_restored_on_what_it_corrected(bench: Bench) -> None:
    january, _, later = two_batches(bench)
    kept = later.read_bytes()
    lose(later)
    assert bench.ingest(HEADER + quarter_rows("main", [1, 9]), name="later.csv").restored
    assert later.read_bytes() == kept
    # Where what it corrected is gone too, that one is named first.
    lose(later)
    lose(january)
    with pytest.raises(Unreachable, match=r"ingest meters\.csv again"):
        bench.ingest(HEADER + quarter_rows("main", [1, 9]), name="later.csv")
    bench.ingest(FIRST)
    assert bench.ingest(HEADER + quarter_rows("main", [1, 9]), name="later.csv").restored
    assert bench.values() == [1, 9, 3, 7]


def test_a_first_writer_beside_leaves_what_is_being_restored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    january, _, _ = two_batches(bench)
    kept = january.read_bytes()
    lose(january)

    def write_beside_another(block: Block, path: Path) -> None:
        write_block(block, path)
        bench.lake.store.cache = ProjectCache()
        with lake_files.writing(bench.lake.root, lambda: known_paths(bench.lake.store)):
            pass

    monkeypatch.setattr(restore_batch, "write_block", write_beside_another)
    assert bench.ingest(FIRST).restored
    assert january.read_bytes() == kept


def test_a_long_table_restores_its_file_too(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text(HEADER + quarter_rows("main", [float(n % 7) for n in range(500)]))

    def ingest() -> tuple[str, ...]:
        return ingest_file(
            path, site=plant(), lake=bench.lake, quarantine=bench.quarantine, clock=bench.clock, regular_from_bytes=0
        ).restored

    ingest()
    (file,) = bench.lake.files(bench.lake.manifest("plant"))
    kept = file.read_bytes()
    alter(file)
    assert ingest() == (str(file.relative_to(bench.lake.root)),)
    assert file.read_bytes() == kept


def restate(bench: Bench, path: str, **columns: str) -> None:
    """Let the manifest say something else of a file."""
    text = ", ".join(f"{name} = '{value}'" for name, value in columns.items())
    with bench.lake.store.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS lake_manifest_no_update")
        connection.exec_driver_sql(f"UPDATE lake_manifest SET {text} WHERE path = '{path}'")


def test_a_source_that_no_longer_says_the_same_restores_nothing_and_says_so(bench: Bench) -> None:
    january, february, _ = two_batches(bench)
    lose(january)
    restate(bench, bench.lake.manifest("plant")[0]["path"], file_sha256="0" * 64, content_sha256="0" * 64)
    with pytest.raises(Unreachable, match="does not give it again as it was"):
        bench.ingest(FIRST)
    assert not january.exists()
    assert not list(bench.lake.root.rglob("*.restored"))
    assert february.exists()


def test_a_file_of_another_writer_is_restored_by_its_rows_and_no_byte_of_it_may_change(bench: Bench) -> None:
    january, _, _ = two_batches(bench)
    rows, digest = bench.lake.history("plant"), bench.lake.manifest("plant")[0]["content_sha256"]
    # As if an older version had written it: the manifest names bytes that nobody writes today.
    restate(bench, str(january.relative_to(bench.lake.root)), file_sha256="0" * 64)
    lose(january)
    assert bench.ingest(FIRST).restored == (str(january.relative_to(bench.lake.root)),)
    assert bench.lake.history("plant").equals(rows)
    assert bench.lake.manifest("plant")[0]["content_sha256"] == digest
    good, entries = january.read_bytes(), [each for each in bench.lake.manifest("plant") if "m=2025-01" in each["path"]]
    entries = [each for each in entries if each["file_sha256"] == "0" * 64]
    other = january.with_name("other.parquet")
    for place in range(0, len(good), 61):
        other.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert lake_files.fault_of(other, entries, bench.lake.seen) == "was altered", place
    other.write_bytes(good)
    assert lake_files.fault_of(other, entries, bench.lake.seen) == ""
    # The same rows in the form of another library: readers might see other rows in it.
    pl.read_parquet(january).write_parquet(january)
    with pytest.raises(Unreachable, match="was altered"):
        bench.lake.history("plant")


def test_the_doctor_names_damaged_files_and_leftovers(bench: Bench) -> None:
    january, _, _ = two_batches(bench)
    assert [each["status"] for each in check_lake(bench.lake, ["plant"])] == ["ok"]
    lose(january)
    left = january.parent / ".tmp-0123"
    left.write_bytes(b"half")
    damaged, leftover = check_lake(bench.lake, ["plant"])
    assert damaged["status"] == "fail"
    assert "is missing (from meters.csv)" in damaged["detail"]
    assert (leftover["status"], ".tmp-0123" in leftover["detail"]) == ("warn", True)


def test_what_a_stopped_writer_left_is_set_aside_by_the_next_one_that_is_alone(bench: Bench) -> None:
    january, _, _ = two_batches(bench)
    left = [january.parent / ".tmp-0123", january.parent / "part-ffff.parquet"]
    for path in left:
        path.write_bytes(b"half")
    # Another process writes just now: one of these may be its own.
    other = os.open(bench.lake.root / lake_files.LOCK, os.O_RDWR)
    lake_files.fcntl.flock(other, lake_files.fcntl.LOCK_SH)
    bench.lake.store.cache = ProjectCache()
    third = bench.ingest(HEADER + quarter_rows("main", [3, 3], "2025-01-02T00:00"), name="third.csv")
    assert third.new_rows == 2, third.message
    assert all(path.exists() for path in left)
    os.close(other)
    bench.ingest(HEADER + quarter_rows("main", [4, 4], "2025-01-03T00:00"), name="fourth.csv")
    assert not any(path.exists() for path in left)
    assert sorted(path.name for path in (bench.lake.root / "set-aside").rglob("*") if path.is_file()) == [
        ".tmp-0123", "part-ffff.parquet", "why.json",
    ]  # fmt: skip
    assert lake_files.orphans(bench.lake.root, known_paths(bench.lake.store)) == []
    assert bench.values() == [1, 9, 3, 3, 3, 4, 4, 7]
