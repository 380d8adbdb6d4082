"""The drain: every sample into the file of its quarter hour, once, whatever was killed on the way."""

import errno
import gzip
import os
import random
import shutil
from contextlib import suppress
from datetime import timedelta
from itertools import count, groupby
from pathlib import Path

import pytest

from controls.collector import drain as module
from controls.collector.drain import Drain
from controls.collector.main import metrics
from controls.collector.spool import GRACE, Spool
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.sample_line import HEAD_LINES, head_of, interval_end_us
from data_quality.contracts.live.spool_frames import SAMPLES, frame, sample_lines
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.time import FixedClock
from tests.live.hall import QUARTER, drained, hall, register, sample


def lines(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode().splitlines()[HEAD_LINES:]


def test_a_quarter_hour_lands_when_it_is_over_and_the_next_one_waits(tmp_path: Path) -> None:
    records = register(0, 920)
    early = drained(tmp_path, records, at_s=920)
    assert (early.files, early.carried) == ((), 920)
    found = drained(tmp_path, [])
    [path] = found.files
    # With the state that closes it; the twenty of the next quarter hour wait.
    assert (len(lines(path)), found.carried) == (901, 20)
    head = head_of("\n".join(gzip.decompress(path.read_bytes()).decode().splitlines()[:2]))
    assert (head.site_id, head.source_id, head.quarter_start_utc) == ("plant", "hall", QUARTER)
    assert [*(tmp_path / "spool").glob("*.seg")] == []


def test_the_same_records_again_make_no_second_file(tmp_path: Path) -> None:
    records = register(0, 920)
    first = drained(tmp_path, records)
    random.Random(1).shuffle(records)
    assert drained(tmp_path, records).files == ()
    assert len([*(tmp_path / "landing").iterdir()]) == 1
    assert first.files[0].exists()


def test_what_comes_late_makes_a_file_that_holds_the_earlier_samples_too(tmp_path: Path) -> None:
    records = register(0, 900)
    [first] = drained(tmp_path, records[:500] + records[600:]).files
    [second] = drained(tmp_path, records[500:600], at_s=1900).files
    assert set(lines(first)) < set(lines(second))
    assert len(lines(second)) == 900


@pytest.mark.parametrize("kill_at", range(3))
def test_fault_f31_a_drain_killed_anywhere_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    """Each write in turn is the last one before the kill; then the records, still in the spool, are drained again."""
    records = [*register(-900, 920), *register(-900, 920, point="press/n", unit="count")]
    whole, written = module.write_whole, count()

    def write(path: Path, content: bytes) -> None:
        if next(written) == kill_at:
            # Half of it is there, under the name that nobody reads.
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.part").write_bytes(content[: len(content) // 2])
            raise KeyboardInterrupt
        whole(path, content)

    monkeypatch.setattr(module, "write_whole", write)
    with suppress(KeyboardInterrupt):
        drained(tmp_path, records)
    monkeypatch.undo()
    drained(tmp_path)
    drained(tmp_path, at_s=1900)
    landed = sorted(path for path in (tmp_path / "landing").rglob("*.samples.gz"))
    found = {line for path in landed for line in lines(path)}
    assert (len(landed), len(found)) == (3, len(records))


def test_a_full_disk_lands_nothing_and_the_next_drain_lands_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(OSError, match="No space"):
        drained(tmp_path, register(0, 920))
    monkeypatch.undo()
    assert len(lines(drained(tmp_path).files[0])) == 901


def test_a_file_that_the_disk_cannot_take_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        module.write_whole(tmp_path / "a", b"x")
    assert [*tmp_path.iterdir()] == []


def test_more_than_fits_memory_is_landed_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE_BYTES", 30_000)
    records = [*register(0, 920), *register(0, 920, point="press/n", unit="count")]
    found = drained(tmp_path, records)
    lines_read = [line for path in found.files for line in lines(path)]
    assert (len(found.files), len(lines_read), len(set(lines_read)), found.samples) == (2, 1802, 1802, 1840)
    assert drained(tmp_path, at_s=2000).carried == 0
    assert len({line for path in (tmp_path / "landing").iterdir() for line in lines(path)}) == 1840


def pieces_of(folder: Path, records: list[Sample]) -> Drain:
    """The records as a spool that nobody drained keeps them: each quarter hour's in a segment of its own."""
    (folder / "spool").mkdir(parents=True)
    for n, of_quarter in groupby(records, lambda each: (each.received_utc - QUARTER - GRACE) // timedelta(minutes=15)):
        begun = QUARTER + n * timedelta(minutes=15) + GRACE
        path = folder / "spool" / f"{begun:%Y%m%dT%H%M%S%fZ}-00.seg"
        path.write_bytes(frame(SAMPLES, sample_lines("hall", of_quarter)))
    spool = Spool(folder / "spool", clock=FixedClock(QUARTER), limits=LiveSettings(keep_free_mb=0))
    return Drain(hall(), spool, landing=folder / "landing", carry=folder / "carry")


@pytest.mark.parametrize("at_once", [80_000, 20_000])
def test_hours_that_wait_are_landed_by_quarter_hours_as_a_drain_in_time_lands_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    late = [sample("main/wh", each, 1_000_000 + each, late_s=2000) for each in (5.5, 700.5)]
    records = sorted(
        [*register(0, 3700, 3), *register(0, 3700, 3, point="roof"), *late], key=lambda each: each.received_utc
    )
    now_utc = QUARTER + timedelta(seconds=3700)
    whole = pieces_of(tmp_path / "whole", records).run(now_utc=now_utc)
    monkeypatch.setattr(module, "_AT_ONCE_BYTES", at_once)
    found = pieces_of(tmp_path / "parts", records).run(now_utc=now_utc)
    assert whole[1:] == found[1:]
    rows = [{line for path in each.files for line in lines(path)} for each in (whole, found)]
    assert rows[0] == rows[1]
    assert len([*(tmp_path / "parts" / "spool").iterdir()]) == 0
    # What came half an hour late stands in one more file, with all that its point told in time.
    first = [set(lines(path)) for path in found.files if path.name.startswith(f"{QUARTER:%Y%m%dT%H%MZ}")]
    lines_read = {line for each in first for line in each if line.startswith("main/wh,")}
    assert len(found.files) > len(whole.files)
    assert any(lines_read <= each for each in first)
    # Once more, as behind a kill before the pieces were discarded: nothing is landed twice.
    shutil.copytree(tmp_path / "parts" / "landing", tmp_path / "again" / "landing")
    assert pieces_of(tmp_path / "again", records).run(now_utc=now_utc).files == ()


def test_times_that_cannot_be_true_are_filed_under_their_arrival(tmp_path: Path) -> None:
    ahead = sample("main/wh", 30, 5)
    ahead = ahead._replace(at_utc=ahead.at_utc + timedelta(days=400))
    never_set = sample("main/wh", 31, 5)
    never_set = never_set._replace(at_utc=never_set.at_utc.replace(year=1970))
    refusal = Refusal("roof", QUARTER + timedelta(seconds=5), 'no JSON, "x"\nthere', "{")
    found = drained(tmp_path, [ahead, never_set], refusals=[refusal])
    assert (len(found.files), len(lines(found.files[0])), found.refusals) == (1, 3, 1)


def test_a_refusal_of_a_point_with_a_comma_waits_and_lands_as_any_other(tmp_path: Path) -> None:
    refusal = Refusal("hall 1, north", QUARTER + timedelta(seconds=5), "the value is no number: nan", "")
    assert drained(tmp_path, [sample("main/wh", 1, 5)], refusals=[refusal], at_s=100).carried == 2
    [path] = drained(tmp_path).files
    assert [line.split(",")[0] for line in lines(path)] == ['"hall 1', "main/wh"]


def test_a_piece_that_somebody_called_otherwise_is_drained_with_the_others(tmp_path: Path) -> None:
    drain = pieces_of(tmp_path, [*register(0, 10), *register(1800, 1810)])
    first, _ = sorted((tmp_path / "spool").iterdir())
    os.utime(first.rename(first.with_name("copy of the first.seg")), (QUARTER.timestamp(), QUARTER.timestamp()))
    assert drain.state(now_utc=QUARTER + timedelta(seconds=9)).oldest_s == 9
    found = drain.run(now_utc=QUARTER + timedelta(seconds=2800))
    assert [len(lines(path)) for path in found.files] == [10, 10]
    assert [*(tmp_path / "spool").iterdir()] == []


def test_power_stays_on_the_live_board_and_an_unknown_point_is_not_dropped(tmp_path: Path) -> None:
    found = drained(tmp_path, [sample("main/kw", 1, 3, "kw"), sample("gone", 1, 3)])
    assert (found.live_only, found.samples, len(lines(found.files[0]))) == (1, 1, 1)


def test_an_amount_is_filed_where_its_interval_ends(tmp_path: Path) -> None:
    samples = [sample("sub/kwh", at_s, 1, "kwh") for at_s in (2, 302, 598, 902)]
    found = drained(tmp_path, samples, at_s=2000)
    assert sorted(len(lines(path)) for path in found.files) == [1, 3]


@pytest.mark.parametrize(("at_s", "end"), [(900, 900), (905, 900), (896, 900), (1000, None), (740, None)])
def test_the_end_of_an_interval_is_near_the_time_it_is_told(at_s: float, end: int | None) -> None:
    assert interval_end_us(int(at_s * 1e6), 15) == (None if end is None else end * 1_000_000)


def test_a_drain_says_what_waits_how_long_and_by_how_much_too_long(tmp_path: Path) -> None:
    clock = FixedClock(QUARTER + timedelta(seconds=10))
    spool = Spool(tmp_path / "spool", clock=clock, limits=LiveSettings(keep_free_mb=0))
    spool.start()
    samples = [*register(0, 10), sample("main/kw", 1, 3, "kw")]
    spool.put(sample_lines("hall", samples), b"", len(samples), lambda _: None)
    spool.close()
    drain = Drain(hall(), spool, landing=tmp_path / "landing", carry=tmp_path / "carry")

    def drain_figures(at_s: float) -> tuple[int, int, float, float]:
        state = drain.state(now_utc=QUARTER + timedelta(seconds=at_s))
        return state.files, state.waiting, state.oldest_s, state.behind_s

    late_s = 900 + GRACE.total_seconds() + module.LOOK_S
    assert (drain_figures(100), drain_figures(1000)) == ((0, 0, 90.0, 0.0), (0, 0, 990.0, 990 - late_s))
    drain.run(now_utc=QUARTER + timedelta(seconds=100))
    assert (drain_figures(100), drain_figures(1000)) == ((0, 10, 100.0, 0.0), (0, 10, 1000.0, 1000 - late_s))
    drain.run(now_utc=QUARTER + timedelta(seconds=936))
    assert drain_figures(1000) == (1, 0, 0.0, 0.0)
    page = metrics([], {"plant": drain}, now_utc=QUARTER)
    assert 'meterloom_collector_drain_files_total{site="plant"} 1' in page
    assert 'meterloom_collector_drain_samples_total{site="plant"} 10' in page
    assert 'meterloom_collector_drain_live_only_total{site="plant"} 1' in page
