"""Hostile and broken XML: refused with one sentence, in bounded time and memory, and nothing outside is touched."""

import contextlib
import gzip
import math
import random
import re
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as Tree
from pathlib import Path

import pytest

from assets.readings.packed.bounded import MAX_RATIO, content, unpacked_head
from assets.readings.readers import xml_safe
from assets.readings.readers.espi_format import espi_feed
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.errors import BadInput
from tests.readings.test_espi import KWH_TYPE, SAMPLE, START, document, reading

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefghi", "bcdefghij", strict=True))
    + "]><feed>&j;</feed>"
)


def sniffed(tmp_path: Path, data: str | bytes) -> SniffReport:
    path = tmp_path / "upload.xml"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    began = time.process_time()
    report = sniff_file(path)
    assert time.process_time() - began < 5
    assert "\n" not in report.message
    return report


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        f'<!DOCTYPE f [<!ENTITY a "{"x" * 50000}">]><feed>{"&a;" * 50000}</feed>',
        '<!DOCTYPE f [<!ENTITY a SYSTEM "file:///etc/hostname">]><feed>&a;</feed>',
        '<!DOCTYPE f [<!ENTITY % a SYSTEM "http://127.0.0.1:{port}/a"> %a;]><feed/>',
        '<!DOCTYPE f SYSTEM "http://127.0.0.1:{port}/f.dtd"><feed/>',
        '<!DOCTYPE f PUBLIC "-//x" "http://127.0.0.1:{port}/f.dtd"><feed/>',
    ],
    ids=["laughs", "quadratic", "file", "parameter", "dtd", "public"],
)
def test_fault_f12_no_entity_is_resolved_and_nobody_is_asked(tmp_path: Path, text: str) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        report = sniffed(tmp_path, text.replace("{port}", str(listener.getsockname()[1])))
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert (report.format, report.verdict, report.reasons) == ("espi", "reject", {"xml_entities": 1})


def test_fault_f12_the_document_type_is_what_is_refused(tmp_path: Path) -> None:
    """The same document without it is read: the test above can fail."""
    assert sniffed(tmp_path, document(reading(START, 1))).verdict == "accept"
    assert sniffed(tmp_path, "<!DOCTYPE feed>" + document(reading(START, 1))).reasons == {"xml_entities": 1}


def test_fault_f12_a_million_levels_are_not_walked(tmp_path: Path) -> None:
    assert sniffed(tmp_path, b"<a>" * 10**6).reasons == {"xml_too_deep": 1}


@pytest.mark.parametrize(
    "data",
    [
        b'<feed a="' + b"x" * (3 << 20) + b'"/>',
        b"<feed><!--" + b"x" * (3 << 20) + b"--></feed>",
        b"<feed " + b"".join(b'a%d="" ' % n for n in range(300_000)) + b"/>",
        b"<" + b"f" * (3 << 20) + b"/>",
    ],
    ids=["attribute", "comment", "attributes", "name"],
)
def test_fault_f10_one_endless_tag_is_refused(tmp_path: Path, data: bytes) -> None:
    assert sniffed(tmp_path, data).reasons == {"too_large": 1}


def test_fault_f10_long_text_is_not_kept(tmp_path: Path) -> None:
    report = sniffed(tmp_path, document(reading(START, "1" * (3 << 20)) + reading(START + 900, 1)))
    assert (report.accepted_rows, report.reasons) == (1, {"not_a_number": 1})


def test_fault_f10_more_than_the_limit_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.xml"
    with path.open("wb") as file:
        file.write(b"<feed>")
        file.truncate(200 << 20)
    assert sniff_file(path).reasons == {"too_large": 1}
    monkeypatch.setattr(espi_feed, "MAX_PARTS", 10)
    many = document(reading(START, 1) + "</IntervalBlock><IntervalBlock>" * 10)
    assert sniffed(tmp_path, many).reasons == {"too_large": 1}


def test_fault_f11_a_gzip_bomb_stops_at_the_ratio(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml.gz"
    path.write_bytes(gzip.compress(b"<feed>" + b" " * (200 << 20)))
    packed = path.stat().st_size
    assert sniff_file(path).reasons == {"too_large": 1}
    with pytest.raises(BadInput) as caught:
        content(path, max_bytes=1 << 40)
    assert f"{(MAX_RATIO * packed + (1 << 20)) / 2**20:.0f} MiB" in str(caught.value)
    assert unpacked_head(path.read_bytes()[:64]).startswith(b"<feed>")
    assert unpacked_head(b"\x1f\x8b no gzip") == b""


def test_fault_f11_memory_stays_small(tmp_path: Path) -> None:
    """In a process of its own: the largest tree of parts, a bomb and a deep document stay below 300 MB together."""
    (tmp_path / "parts.xml").write_bytes(
        b"<feed>" + b"<entry><IntervalBlock/><MeterReading/></entry>" * 200_000 + b"</feed>"
    )
    (tmp_path / "bomb.xml.gz").write_bytes(gzip.compress(b"<feed>" + b" " * (100 << 20)))
    (tmp_path / "deep.xml").write_bytes(b"<a>" * 10**6)
    code = (
        "import sys; from pathlib import Path; from assets.readings.sniff_files import sniff_file\n"
        "print([sniff_file(path).verdict for path in sorted(Path(sys.argv[1]).iterdir())])\n"
        "print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    verdicts, kilobytes = run.stdout.splitlines()
    assert verdicts == "['reject', 'reject', 'reject']"
    assert int(kilobytes) < 300_000


def test_fault_f01_a_cut_document_is_held_whole(tmp_path: Path) -> None:
    """Refused, wherever it is cut, until its last tag is whole."""
    data = SAMPLE.read_bytes()
    end = data.rindex(b"</feed>") + len(b"</feed>")
    for size in [*range(1, end, 7), *range(end - 10, len(data) + 1)]:
        assert sniffed(tmp_path, data[:size]).accepted_rows == (4 if size >= end else 0)


def test_fault_f02_a_cut_gzip_is_held_whole(tmp_path: Path) -> None:
    packed = gzip.compress(SAMPLE.read_bytes())
    for size in range(20, len(packed) - 1, 37):
        assert sniffed(tmp_path, packed[:size]).accepted_rows == 0
    assert sniffed(tmp_path, packed[:-9]).verdict == "reject"
    assert sniffed(tmp_path, packed).accepted_rows == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<html><body>Sign in</body></html>", "unknown_format"),
        ("<feed><entry><content><UsagePoint/></content></entry></feed>", "no_rows"),
        ("<feed><entry></feed>", "not_well_formed"),
        ("<?xml version='1.0' encoding='klingon'?><feed/>", "not_well_formed"),
        ("<feed>\x00</feed>", "not_well_formed"),
        ("<feed/><feed/>", "not_well_formed"),
    ],
)
def test_other_documents_are_refused_with_their_reason(tmp_path: Path, text: str, reason: str) -> None:
    report = sniffed(tmp_path, text)
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})
    assert "upload.xml, line 1:" in report.message


def test_the_line_of_a_fault_is_named(tmp_path: Path) -> None:
    report = sniffed(tmp_path, "<feed>\n<entry>\n</wrong></feed>")
    assert "line 3" in report.message


class Silent:
    """A visitor that keeps nothing."""

    def opened(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.last = (name, attributes, line)

    def closed(self, name: str, text: str) -> None:
        self.text = text


def test_a_visitor_sees_names_without_prefix_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text('<a:feed xmlns:a="x">\n<a:link a:rel="self" href="h"> text </a:link>\n</a:feed>')
    visitor = Silent()
    xml_safe.walk(path, visitor)
    assert visitor.last == ("link", {"a:rel": "self", "href": "h"}, 2)


WORDS = (
    b"<x>",
    b"</IntervalReading>",
    b"<IntervalReading>",
    b"9" * 20,
    b"-1",
    b"NaN",
    b"1e309",
    b"&lt;",
    b"<!DOCTYPE a>",
)


def plainly_read(data: bytes) -> set[tuple[int, int, float]]:
    """(start, seconds, value) of every interval reading, by a plain second reader."""
    tree = Tree.fromstring(data)  # noqa: S314 (our own bytes)
    for each in tree.iter():
        each.tag = each.tag.rpartition("}")[2]
    power = int(tree.findtext(".//powerOfTenMultiplier") or 0) - (6 if tree.findtext(".//uom") == "31" else 0)
    found = set()
    for each in tree.iter("IntervalReading"):
        texts = [each.findtext(name) for name in ("timePeriod/start", "timePeriod/duration", "value")]
        with contextlib.suppress(TypeError, ValueError):
            start, seconds, value = (float(text) for text in texts)
            found.add((int(start), int(seconds), value * 10.0**power))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_mutated_documents_never_crash_and_never_make_a_wrong_row(tmp_path: Path, seed: int) -> None:
    source = document("".join(reading(START + 900 * n, 70_000 + n) for n in range(12)), KWH_TYPE).encode()
    generator = random.Random(seed)
    accepted = 0
    for _ in range(100):
        data = bytearray(source)
        for _ in range(generator.choice([1, 1, 3])):
            place = generator.randrange(len(data))
            choice = generator.randrange(5)
            if choice == 0:
                data[place] = generator.randrange(256)
            elif choice == 1:
                del data[place : place + generator.choice([1, 8, 100])]
            elif choice == 2:
                data[place:place] = generator.choice(WORDS)
            elif choice == 3:
                data[place:place] = data[place : place + 200]
            else:
                digits = [found.start() for found in re.finditer(rb"\d", data)]
                data[generator.choice(digits)] = generator.choice(b"0123456789.-x ")
        path = tmp_path / "mutant.xml"
        path.write_bytes(data)
        if sniff_file(path).accepted_rows == 0:
            continue
        accepted += 1
        truth = plainly_read(bytes(data))
        for row in read_file(path).rows.iter_rows(named=True):
            span = (int(row["interval_start_utc"].timestamp()), row["source_minutes"] * 60)
            assert any(span == each[:2] and math.isclose(row["value"], each[2], rel_tol=1e-12) for each in truth)
    assert accepted >= 5
