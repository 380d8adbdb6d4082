"""Small files merged: every answer as before, also as of any time, whatever stops or comes in between."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.stores.lake import compact as compaction
from assets.stores.lake.bucket_files import BucketFiles
from assets.stores.lake.compact import Merged, compact, leftovers, sweep
from assets.stores.lake.files import FileStore
from assets.stores.lake.lake import Lake
from assets.stores.lake.merges import MERGES, known_paths, manifest_of_batch
from assets.stores.transactions import open_store
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock
from tests.contracts.test_lake import INFO, START, changes, write
from tests.stores.bucket_server import BUCKET, Faulty, faulty_line
from tests.stores.test_files import elsewhere, kept, store

__all__ = ["faulty_line", "kept", "store"]


@pytest.fixture
def lake(kept: FileStore, store: Any) -> Lake:
    return Lake(kept.root, store, kept=kept)


def deliver(lake: Lake, clock: FixedClock, count: int, *, first: int = 0) -> None:
    """So many deliveries of a slot each, every third of which corrects the one before it, over two months."""
    for number in range(first, first + count):
        slot = number - (number % 3 == 2)
        info = INFO.model_copy(update={"source_sha256": f"{number:064x}", "source_name": f"{number}.csv"})
        clock.advance(timedelta(minutes=15))
        frame = changes((slot, float(number)), (slot + 96 * 31, 0.5 + number), corrects=number % 3 == 2)
        lake.write_batch(info, frame, unchanged_rows=0, clock=clock)


def answers(lake: Lake) -> list[Any]:
    """Answers of the lake now and as of every batch: rows in both times, digests, batches, spans of streams."""
    times = [None, *sorted({row["recorded_at_utc"] for row in lake.manifest("plant")})]
    span = {"start_utc": START, "end_utc": START + timedelta(days=62)}
    return [
        (
            lake.history("plant", as_of_utc=at).rows(),
            lake.current("plant", as_of_utc=at).rows(),
            lake.current("plant", start_utc=START, end_utc=START + timedelta(hours=1), as_of_utc=at).rows(),
            lake.digest("plant", **span, as_of_utc=at),
            [row["batch_id"] for row in lake.batches("plant", **span, as_of_utc=at)],
            sorted(lake.stream_spans("plant").items()),
        )
        for at in times
    ]


def late(clock: FixedClock) -> datetime:
    return max(clock.now_utc(), datetime.now(UTC)) + timedelta(hours=25)


def test_merged_files_give_every_answer_as_before_also_after_the_sweep(
    lake: Lake, kept: FileStore, clock: FixedClock, tmp_path: Path
) -> None:
    deliver(lake, clock, 7)
    before, files = answers(lake), {each.key for each in kept.list("readings/")}
    merges = list(compact(lake, clock=clock, is_dry_run=True))
    assert {each.key for each in kept.list("readings/")} == files
    done = list(compact(lake, clock=clock))
    assert done == merges
    assert [(each.site_id, f"{each.month:%Y-%m}", each.files) for each in done] == [
        ("plant", "2025-01", 7),
        ("plant", "2025-02", 7),
    ]
    assert all(0 < each.bytes_after < each.bytes_before for each in done)
    assert list(compact(lake, clock=clock)) == []
    assert answers(lake) == before
    assert len(lake.files(lake.manifest("plant"))) == 2
    # Merged, and waiting: whoever reads them has a day, however old they are.
    for path in lake.root.rglob("*.parquet"):
        os.utime(path, (0, 0))
    assert leftovers(lake, now_utc=clock.now_utc() + timedelta(hours=23)) == []
    assert {each.key for each in sweep(lake, now_utc=late(clock))} == files
    assert len(list(kept.list("readings/"))) == 2
    there = elsewhere(kept, tmp_path / "elsewhere")
    assert answers(Lake(there.root, lake.store, kept=there)) == before
    assert lake.damage("plant") == []


def test_what_comes_after_a_merge_is_read_beside_it_and_merged_with_it_later(
    lake: Lake, kept: FileStore, clock: FixedClock
) -> None:
    deliver(lake, clock, 6)
    first = answers(lake)
    list(compact(lake, clock=clock))
    deliver(lake, clock, 3, first=6)
    before = answers(lake)
    assert before[1:7] == [(*each[:-1], before[0][-1]) for each in first[1:]]
    assert {each.files for each in compact(lake, clock=clock)} == {4}
    sweep(lake, now_utc=late(clock))
    assert len(list(kept.list("readings/"))) == 2
    assert answers(lake) == before
    # Taken out for those who asked as of then; the next sweep takes them away again.
    sweep(lake, now_utc=late(clock))
    assert answers(lake) == before


def test_a_batch_is_still_there_by_itself_byte_for_byte(lake: Lake, kept: FileStore, clock: FixedClock) -> None:
    deliver(lake, clock, 5)
    written = {row["path"]: (lake.root / row["path"]).read_bytes() for row in lake.manifest("plant")}
    list(compact(lake, clock=clock))
    sweep(lake, now_utc=late(clock))
    for path in written:
        (lake.root / path).unlink(missing_ok=True)
    for row in lake.batches("plant", start_utc=START, end_utc=START + timedelta(days=62)):
        entries = manifest_of_batch(lake.store, row["batch_id"])
        assert [path.read_bytes() for path in lake.files(entries)] == [written[each["path"]] for each in entries]


def test_a_merged_file_that_is_damaged_is_told_by_its_sources_and_no_sweep_takes_what_is_left(
    lake: Lake, kept: FileStore, clock: FixedClock
) -> None:
    deliver(lake, clock, 4)
    before = answers(lake)
    list(compact(lake, clock=clock))
    for path in lake.files(lake.manifest("plant")):
        kept.delete(path.relative_to(lake.root).as_posix())
    # What was merged stands still: it answers, and is not swept.
    assert answers(lake) == before
    assert sweep(lake, now_utc=late(clock)) == []
    assert answers(lake) == before
    lost = manifest_of_batch(lake.store, lake.manifest("plant")[0]["batch_id"])[0]["path"]
    kept.delete(lost)
    with pytest.raises(Unreachable, match=r"ingest 0\.csv again"):
        lake.history("plant")
    assert [each.path for each in lake.damage("plant")] == [lost]


def test_of_two_who_merge_at_once_one_does_and_nothing_of_the_other_is_left(
    lake: Lake, kept: FileStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(lake, clock, 4)
    before, others = answers(lake), list[Merged]()
    put_new = lake.kept.put_new

    def put_while_another(key: str, write: Any) -> str:
        monkeypatch.setattr(lake.kept, "put_new", put_new)
        others.extend(compact(Lake(kept.root, lake.store, kept=kept), clock=clock))
        return put_new(key, write)

    monkeypatch.setattr(lake.kept, "put_new", put_while_another)
    assert list(compact(lake, clock=clock)) == []
    assert len(others) == 2
    assert len(list(kept.list("readings/"))) == 8 + 2
    assert answers(lake) == before


@pytest.mark.parametrize("at", ["put", "record", "recorded"])
def test_stopped_at_any_point_the_lake_is_the_old_one_or_the_new_one(
    lake: Lake, kept: FileStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    deliver(lake, clock, 4)
    before = answers(lake)

    class Stopped(BaseException):
        """As if the process ended: nothing is tidied."""

    def stop(*_given: Any, **_named: Any) -> Any:
        raise Stopped

    monkeypatch.setattr(lake.kept, "delete", lambda key: None)
    if at == "put":
        put_new = lake.kept.put_new
        monkeypatch.setattr(lake.kept, "put_new", lambda *given: (put_new(*given), stop()))
    elif at == "record":
        monkeypatch.setattr(compaction, "append", stop)
    else:
        monkeypatch.setattr(compaction, "Merged", stop)
    with pytest.raises(Stopped):
        list(compact(lake, clock=clock))
    monkeypatch.undo()
    assert bool(MERGES.rows(lake.store)) == (at == "recorded")
    assert answers(lake) == before
    list(compact(lake, clock=clock))
    sweep(lake, now_utc=late(clock))
    assert {each.key for each in kept.list("readings/")} <= set(known_paths(lake.store))
    assert len(list(kept.list("readings/"))) == 2
    assert answers(lake) == before


def test_a_reader_in_the_middle_and_an_ingest_in_the_middle(
    lake: Lake, kept: FileStore, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(lake, clock, 4)
    parts, history = lake.manifest("plant"), lake.history("plant")
    put_new = lake.kept.put_new

    def put_while_ingesting(key: str, block: Any) -> str:
        monkeypatch.setattr(lake.kept, "put_new", put_new)
        write(lake, clock, changes((0, 99), corrects=True), "a")
        return put_new(key, block)

    monkeypatch.setattr(lake.kept, "put_new", put_while_ingesting)
    assert {each.files for each in compact(lake, clock=clock)} == {4}
    # Whoever asked the manifest before reads on what it named.
    assert sum(1 for path in lake.files(parts) if path.is_file()) == 8
    assert lake.history("plant").height == history.height + 1
    assert lake.current("plant")["value"][0] == 99
    before = answers(lake)
    list(compact(lake, clock=clock))
    assert answers(lake) == before


def test_a_file_whose_rows_are_not_what_its_manifest_says_is_left_alone(
    lake: Lake, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(lake, clock, 4)
    monkeypatch.setattr(compaction, "is_part", lambda *_given: False)
    assert list(compact(lake, clock=clock)) == []
    assert MERGES.rows(lake.store) == []


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(["deliver", "compact", "sweep", "read"]), min_size=4, max_size=8), st.integers(0, 9))
def test_whatever_the_order_of_deliveries_merges_and_sweeps_no_answer_changes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    opened, clock = open_store(f"sqlite:///{folder / 'store.db'}"), FixedClock(datetime(2027, 1, 1, tzinfo=UTC))
    lake, count = Lake(folder / "lake", opened), 0
    for step in ["deliver", *steps]:
        before = answers(lake)
        if step == "deliver":
            deliver(lake, clock, 4 + seed % 3, first=count)
            count += 4 + seed % 3
            continue
        if step == "compact":
            list(compact(lake, clock=clock))
        elif step == "sweep":
            sweep(lake, now_utc=late(clock))
        assert answers(lake) == before
    opened.close()


def test_no_row_is_lost_or_doubled_when_merges_go_through_a_line_that_fails(
    faulty_line: tuple[str, Faulty], tmp_path: Path
) -> None:
    line, clock = faulty_line[1], FixedClock(datetime(2027, 1, 1, tzinfo=UTC))
    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    files = BucketFiles(tmp_path / "lake", f"s3://{BUCKET}/{uuid4().hex}", pause_s=0.002, timeout_s=20)
    lake, refused = Lake(files.root, opened, kept=files), 0
    for number in range(int(os.environ.get("METERLOOM_TEST_ROUNDS", "3"))):
        line.begin(number, 0.0)
        deliver(lake, clock, 4, first=number * 4)
        before = answers(lake)
        line.begin(number, 0.3)
        for act in (compact, sweep):
            try:
                list(compact(lake, clock=clock)) if act is compact else sweep(lake, now_utc=late(clock))
            except Unreachable:
                refused += 1
        line.begin(number, 0.0)
        for path in (tmp_path / "lake").rglob("*.parquet"):
            path.unlink()
        assert answers(lake) == before
    list(compact(lake, clock=clock))
    sweep(lake, now_utc=late(clock))
    assert {each.key for each in files.list("readings/")} <= set(known_paths(opened))
    opened.close()
