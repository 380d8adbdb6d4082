"""Cut, mutated and endless telegram files: no crash, no wrong value, bounded time and memory."""

import gzip
import random
import re
import time
from pathlib import Path

import pytest

from assets.readings.readers.p1_format import dsmr_text
from assets.readings.readers.p1_format.dsmr_text import checksums
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.errors import BadInput
from tests.readings.test_dsmr import FOUR, OLD, ONE, telegram_values

NUMBER = re.compile(r"\d{1,12}(\.\d+)?")


def sniffed(tmp_path: Path, data: bytes) -> SniffReport:
    path = tmp_path / "p1.log"
    path.write_bytes(data)
    began = time.process_time()
    report = sniff_file(path, tz="Europe/Amsterdam")
    assert time.process_time() - began < 5
    assert "\n" not in report.message
    return report


def values(tmp_path: Path, data: bytes) -> list[tuple[str, str, str, str]]:
    """Values of a file, none where it is refused."""
    path = tmp_path / "cut.log"
    path.write_bytes(data)
    try:
        return list(telegram_values(path).select("obis", "position", "value", "unit").iter_rows())
    except BadInput:
        return []


@pytest.mark.parametrize("sample", [ONE, OLD], ids=["with checksum", "without"])
def test_fault_f01_a_cut_telegram_gives_no_value(tmp_path: Path, sample: Path) -> None:
    """At every byte. Without checksum the '!' is the end; with one, its last digit is."""
    data = sample.read_bytes()
    whole = values(tmp_path, data)
    end = data.index(b"\r\n!") + (3 if sample is OLD else 7)
    assert whole
    for size in range(len(data) + 1):
        assert values(tmp_path, data[:size]) == (whole if size >= end else [])


def test_fault_f01_a_cut_log_gives_its_whole_telegrams(tmp_path: Path) -> None:
    """Wherever it is cut: what the telegrams before say, and nothing of the one that was begun."""
    data = FOUR.read_bytes()
    ends = [place + 7 for place in range(len(data)) if data[place : place + 3] == b"\r\n!"]
    for size in range(20, len(data), 11):
        whole = max([end for end in ends if end <= size], default=0)
        begun = data[whole:size].strip()
        report = sniffed(tmp_path, data[:size])
        assert (report.verdict == "reject") == (whole == 0)
        if whole:
            before = sniffed(tmp_path, data[:whole])
            assert (report.channels, report.values) == (before.channels, before.values)
        if whole and begun and b"!" not in begun:
            assert report.warnings == before.warnings | {"cut_telegram": 1}
            assert (report.verdict, report.reasons) == ("accept_with_warning", {})


def test_fault_f02_a_cut_gzip_log_is_held_whole(tmp_path: Path) -> None:
    packed = gzip.compress(FOUR.read_bytes())
    for size in range(30, len(packed), 41):
        assert sniffed(tmp_path, packed[:size]).verdict == "reject"


def test_fault_f10_endless_lines_telegrams_and_files_are_refused(tmp_path: Path) -> None:
    start = b"/MLM5\\TEST\r\n\r\n1-0:1.8.1(00001.001*kWh)\r\n"
    assert sniffed(tmp_path, start + b"1" * (8 << 20)).reasons == {"no_end_marker": 1}
    assert sniffed(tmp_path, start + b"1-0:1.8.1(00001.001*kWh)\r\n" * 100_000 + b"!\r\n").reasons == {
        "no_end_marker": 1
    }
    assert sniffed(tmp_path, start + b"/a\r\n" * (dsmr_text.MAX_TELEGRAMS + 1)).reasons == {"too_large": 1}
    assert sniffed(tmp_path, start + b" " * (33 << 20)).reasons == {"too_large": 1}
    assert sniffed(tmp_path, start + b"(" * (1 << 20) + b"\r\n!\r\n").verdict == "reject"


def test_fault_f11_a_gzip_bomb_stops_at_the_ratio(tmp_path: Path) -> None:
    start = b"/MLM5\\TEST\r\n\r\n1-0:1.8.1(00001.001*kWh)\r\n"
    assert sniffed(tmp_path, gzip.compress(start + b"/" * (31 << 20))).reasons == {"too_large": 1}


@pytest.mark.parametrize("text", [b"NaN", b"inf", b"1e309", b"-0", b"1,5", b"1.234,5", b"", b" 1"])
def test_fault_f07_what_is_no_number_is_no_state(tmp_path: Path, text: bytes) -> None:
    data = OLD.read_bytes().replace(b"(00001.001*kWh)", b"(" + text + b"*kWh)")
    report = sniffed(tmp_path, data)
    assert "1-0:1.8.1" not in {each.channel for each in report.channels}
    assert ("1-0:1.8.1", "0", text.decode(), "kWh") in values(tmp_path, data)


@pytest.mark.parametrize("name", [b"m1'; drop table t; --", b"{{ 7*7 }}", b"../../etc", b"\x1b[31mred", b"=1+1"])
def test_fault_f14_names_are_data(tmp_path: Path, name: bytes) -> None:
    report = sniffed(tmp_path, _resigned(ONE.read_bytes().replace(b"4530303031323334353637", name)))
    shown = {each.meter for each in report.channels if each.channel.startswith("1-0")}
    assert shown == {name.decode("latin-1").replace("\x1b", "?")}


def _resigned(data: bytes) -> bytes:
    """The telegrams of the bytes with the checksums that they ought to have."""
    parts = data.split(b"\r\n!")
    for place in range(len(parts) - 1):
        body = parts[place][parts[place].find(b"/") :] + b"\r\n!"
        parts[place + 1] = b"%04X" % checksums([body])[0] + parts[place + 1][4:]
    return b"\r\n!".join(parts)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_logs_never_crash_and_never_make_a_wrong_row(tmp_path: Path, seed: int) -> None:
    """Re-signed, so that the checksum does not catch it: whatever is accepted is a difference of written states."""
    generator = random.Random(seed)
    words = (
        b"!",
        b"/X5\r\n",
        b"(1*kWh)",
        b"\r\n",
        b"9" * 15,
        b"0-0:1.0.0(",
        b")",
        b"*",
        b"\x00",
        b"1-0:1.8.0(1*kWh)\r\n",
    )
    accepted = 0
    for _ in range(80):
        data = bytearray(FOUR.read_bytes())
        for _ in range(generator.choice([1, 1, 3])):
            place = generator.randrange(len(data))
            choice = generator.randrange(4)
            if choice == 0:
                data[place] = generator.choice(b"0123456789.SW*()\xff")
            elif choice == 1:
                del data[place : place + generator.choice([1, 4, 60])]
            elif choice == 2:
                data[place:place] = generator.choice(words)
            else:
                data[place:place] = data[place : place + 80]
        mutant = bytes(data) if generator.random() < 0.2 else _resigned(bytes(data))
        report = sniffed(tmp_path, mutant)
        if report.accepted_rows == 0:
            continue
        accepted += 1
        written = [float(value) for _, _, value, unit in values(tmp_path, mutant) if unit and NUMBER.fullmatch(value)]
        most = max(written) * 4
        path = tmp_path / "p1.log"
        rows = read_file(path, tz="Europe/Amsterdam").rows
        assert ((rows["value"] >= 0) & (rows["value"] <= most)).all()
        lines = mutant.split(b"\n")
        assert all(b"(" in lines[line - 1] for line in rows["source_line"])
    assert accepted >= 5
