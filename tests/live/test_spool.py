"""The spool: what was acknowledged stands on disk, whatever happens, and nothing else was acknowledged."""

import errno
import gzip
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from controls.collector import spool as spool_module
from controls.collector.spool import GRACE, Spool, read_piece
from data_quality.contracts.errors import BadInput
from data_quality.contracts.live.sample import Refusal, Sample
from data_quality.contracts.live.spool_frames import SAMPLES, frame, read_frames, refusal_lines, sample_lines
from data_quality.contracts.settings import LiveSettings
from data_quality.contracts.time import FixedClock

START = datetime(2026, 3, 4, 12, 1, tzinfo=UTC)
ROOMY = LiveSettings(keep_free_mb=0)


def sample(number: int, point: str = "kwh", at_utc: datetime = START) -> Sample:
    return Sample(point, at_utc, float(number), "kwh", at_utc, number)


class Answers:
    """Answers that a source got, one for each thing that it handed over."""

    def __init__(self) -> None:
        self.told: dict[int, bool] = {}
        self._changed = threading.Condition()

    def of(self, number: int) -> Callable[[bool], None]:
        def done(is_kept: bool) -> None:
            with self._changed:
                assert number not in self.told
                self.told[number] = is_kept
                self._changed.notify_all()

        return done

    def wait(self, count: int) -> dict[int, bool]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.told) >= count, timeout=10)
            return dict(self.told)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(START)


@pytest.fixture
def spool(tmp_path: Path, clock: FixedClock) -> Iterator[Spool]:
    made = Spool(tmp_path / "home", clock=clock, limits=ROOMY)
    made.start()
    yield made
    made.close()


def put(spool: Spool, answers: Answers, *numbers: int) -> None:
    for number in numbers:
        spool.put(sample_lines("broker", [sample(number)]), b"", 1, answers.of(number))


def lines_in(folder: Path) -> list[list[str]]:
    """Fields of the samples in closed and open segments, read without any code of the product."""
    found: list[list[str]] = []
    for path in sorted([*folder.glob("*.seg"), *folder.glob("*.open")]):
        data, at = path.read_bytes(), 0
        while at + 11 <= len(data):
            magic, kind, length, crc = struct.unpack_from("<2scII", data, at)
            payload = data[at + 11 : at + 11 + length]
            if magic != b"\xffM" or len(payload) < length or zlib.crc32(payload, kind[0]) != crc:
                break
            if kind == b"S":
                found += [line.split(",") for line in payload.decode().splitlines()]
            at += 11 + length
    return found


def lines_of_project(folder: Path) -> list[list[str]]:
    """The same of all that a project holds of its plant: spool, quarter hours that are not over, landing folder."""
    carried = (folder / "var" / "live" / "carry" / "plant").glob("*.samples")
    landed = (folder / "landing" / "plant").glob("*.samples.gz")
    texts = [path.read_text() for path in carried] + [gzip.decompress(path.read_bytes()).decode() for path in landed]
    drained = {f"{text.split()[3]},{line}" for text in texts for line in text.splitlines()[2:]}
    return lines_in(folder / "var" / "live" / "spool" / "plant") + [line.split(",") for line in sorted(drained)]


def kept_in(folder: Path) -> list[int]:
    """Their numbers."""
    return [int(fields[6]) for fields in lines_in(folder)]


def test_a_sample_is_told_as_kept_only_once_it_is_on_disk(spool: Spool, tmp_path: Path) -> None:
    answers = Answers()
    put(spool, answers, 1, 2, 3)
    assert answers.wait(3) == {1: True, 2: True, 3: True}
    assert kept_in(tmp_path / "home") == [1, 2, 3]
    assert (spool.state().kept, spool.state().state) == (3, "live")
    assert spool.state().commits < 3


def test_a_segment_ends_with_its_quarter_hour_and_a_little_grace(spool: Spool, clock: FixedClock) -> None:
    answers = Answers()
    put(spool, answers, 1)
    answers.wait(1)
    clock.advance(timedelta(minutes=14) + GRACE - timedelta(seconds=1))
    put(spool, answers, 2)
    answers.wait(2)
    assert spool.pieces() == []
    clock.advance(timedelta(seconds=1))
    until_s = time.monotonic() + 5
    while not spool.pieces() and time.monotonic() < until_s:
        time.sleep(0.05)
    (piece,) = spool.pieces()
    content = read_piece(piece)
    assert content.lines.decode().splitlines() == [
        f"broker,kwh,{round(START.timestamp() * 1e6)},{n}.0,kwh,{round(START.timestamp() * 1e6)},{n},measured"
        for n in (1, 2)
    ]
    assert content.damaged == 0
    spool.discard(piece)
    spool.discard(piece)
    assert (spool.pieces(), spool.state().used_bytes) == ([], 0)


def test_a_segment_ends_at_a_size(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "SEGMENT_BYTES", 50)
    answers = Answers()
    for number in range(3):
        put(spool, answers, number)
        answers.wait(number + 1)
    time.sleep(0.1)
    assert len(spool.pieces()) == 3


@pytest.mark.parametrize("cut", [1, 5, 11, 12, 40])
def test_a_torn_tail_is_cut_off_and_counted(tmp_path: Path, clock: FixedClock, cut: int) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    whole = frame(SAMPLES, sample_lines("broker", [sample(1)]))
    torn = frame(SAMPLES, sample_lines("broker", [sample(2)]))[:cut]
    (folder / "20260304T115900000000Z-00.open").write_bytes(whole + torn)
    spool = Spool(folder, clock=clock, limits=ROOMY)
    spool.start()
    state = spool.state()
    spool.close()
    assert (state.recovered_bytes, state.torn_bytes) == (len(whole), cut)
    assert kept_in(folder) == [1]
    assert [path.suffix for path in folder.glob("2026*")] == [".seg"]


def test_a_damaged_frame_costs_itself_and_not_what_follows() -> None:
    frames = [frame(SAMPLES, sample_lines("broker", [sample(n)])) for n in range(3)]
    broken = bytearray(frames[1])
    broken[30] ^= 1
    content = read_frames(frames[0] + bytes(broken) + frames[2])
    assert content.lines == sample_lines("broker", [sample(0), sample(2)])
    assert content.damaged == len(broken)


def test_refusals_are_kept_beside_the_samples(spool: Spool, tmp_path: Path) -> None:
    answers = Answers()
    refusal = Refusal("kwh", START, 'expected a number, got "ä"', "\\x00,")
    spool.put(b"", refusal_lines("broker", [refusal]), 0, answers.of(1))
    assert answers.wait(1) == {1: True}
    spool.close()
    refusals = read_piece(spool.pieces()[0]).refusals
    assert refusals == b'["broker", "kwh", 1772625660000000, "expected a number, got \\"\\u00e4\\"", "\\\\x00,"]\n'


def test_a_full_disk_is_a_state_and_acknowledges_nothing(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, write = Answers(), os.write
    put(spool, answers, 1)
    answers.wait(1)

    def half(file: int, data: bytes) -> int:
        if len(data) > 20:
            return write(file, bytes(data)[:20])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    put(spool, answers, 2)
    assert answers.wait(2)[2] is False
    state = spool.state()
    assert (state.state, state.refused) == ("disk_full", 1)
    assert "samples are not acknowledged" in state.sentence
    assert kept_in(tmp_path / "home") == [1]
    put(spool, answers, 3)
    assert answers.told[3] is False
    monkeypatch.undo()
    # Nobody hands anything over, and it finds out by itself that there is room again.
    until_s = time.monotonic() + 5
    while spool.state().state != "live" and time.monotonic() < until_s:
        time.sleep(0.05)
    put(spool, answers, 4)
    assert answers.wait(4)[4] is True
    assert kept_in(tmp_path / "home") == [1, 4]


def test_the_ledgers_part_of_the_disk_is_left_to_it(tmp_path: Path, clock: FixedClock) -> None:
    spool = Spool(tmp_path / "home", clock=clock, limits=LiveSettings(keep_free_mb=1_000_000))
    spool.start()
    answers = Answers()
    put(spool, answers, 1)
    assert answers.wait(1) == {1: False}
    assert spool.state().state == "disk_full"
    assert "1000000 MB are left to the ledger" in spool.state().sentence
    spool.close()


def test_a_spool_that_is_not_drained_says_so(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "RETRY_S", 0.0)
    spool = Spool(tmp_path / "home", clock=clock, limits=LiveSettings(keep_free_mb=0, spool_mb=1))
    spool.start()
    answers = Answers()
    spool.put(b"x" * 900_000, b"", 1, answers.of(1))
    spool.put(b"x" * 300_000, b"", 1, answers.of(2)) if answers.wait(1) else None
    assert answers.wait(2) == {1: True, 2: False}
    assert (spool.state().state, "is not drained" in spool.state().sentence) == ("behind", True)
    spool.close()
    spool.discard(spool.pieces()[0])


def test_what_comes_too_fast_is_not_taken(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "PENDING_BYTES", 10)
    answers = Answers()
    put(spool, answers, 1)
    assert answers.told == {1: False}
    assert spool.state().state == "behind"


def test_a_disk_that_fails_ends_the_spool(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    answers = Answers()
    put(spool, answers, 1)
    until_s = time.monotonic() + 5
    while spool.broken is None and time.monotonic() < until_s:
        time.sleep(0.02)
    assert isinstance(spool.broken, OSError)
    # Nobody knows whether it is on disk: nobody is told.
    assert answers.told == {}


def test_one_process_keeps_a_spool(spool: Spool, tmp_path: Path, clock: FixedClock) -> None:
    with pytest.raises(BadInput, match="another collector"):
        Spool(tmp_path / "home", clock=clock, limits=ROOMY).start()


def test_after_its_end_nothing_is_taken(spool: Spool) -> None:
    spool.close()
    answers = Answers()
    put(spool, answers, 1)
    assert answers.told == {1: False}
