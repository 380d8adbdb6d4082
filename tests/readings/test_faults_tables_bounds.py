"""Faults that would take memory, time, paths or words: bombs, endless lines, evil names, odd clocks, damaged files."""

import gzip
import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from assets.readings.packed.csv_text import MAX_COLUMNS
from assets.readings.sniff_files import sniff_file
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, home, plant, quarter_rows

HEADER = "meter,timestamp,kwh\n"
ROOT = Path(__file__).resolve().parents[2]


def nothing_stored(bench: Bench) -> bool:
    return bench.lake.manifest("plant") == [] and not list(bench.lake.root.rglob("*.parquet"))


def outside(bench: Bench) -> set[Path]:
    return {path for path in bench.folder.parent.rglob("*") if bench.folder not in path.parents}


# F10

SNIFF = """
import resource, sys, time
from pathlib import Path
from assets.readings.sniff_files import sniff_file
sniff_file(Path(sys.argv[2]))
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
report = sniff_file(Path(sys.argv[1]))
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(report.verdict, ",".join(report.reasons), grown // 1024, time.perf_counter() - start)
"""


def measured(path: Path) -> tuple[str, str, int, float]:
    """Verdict, reason, MiB that the process grew by, seconds."""
    small = path.parent / "small.csv"
    small.write_text("timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,2\n")
    out = subprocess.run(
        [sys.executable, "-c", SNIFF, str(path), str(small)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return out[0], out[1], int(out[-2]), float(out[-1])


def test_fault_f10_an_endless_line_is_refused_before_it_is_held(tmp_path: Path) -> None:
    for name, head in (("first.csv", b"timestamp,kwh"), ("later.csv", b"timestamp,kwh\n2025-01-01T00:00Z,1\n")):
        path = tmp_path / name
        with path.open("wb") as file:
            file.write(head)
            for _ in range(200):
                file.write(b"1," * 512 * 1024)
        verdict, reason, grown_mib, seconds = measured(path)
        assert (verdict, reason) == ("reject", "line_too_long")
        assert grown_mib < 300
        assert seconds < 5
        path.unlink()


def test_fault_f10_a_million_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("timestamp," + ",".join(f"c{n}" for n in range(1_000_000)) + "\n1" + ",2" * 1_000_000 + "\n")
    assert measured(path)[:2] == ("reject", "line_too_long")
    path.write_text("timestamp" + ",a" * 200_000 + "\n")
    start = time.perf_counter()
    assert sniff_file(path).reasons == {"too_many_columns": 1}
    path.write_text("timestamp," + ",".join(f"c{n}" for n in range(MAX_COLUMNS)) + "\n")
    assert sniff_file(path).reasons == {"too_many_columns": 1}
    assert time.perf_counter() - start < 5


# F11: archives of workbooks in test_xlsx.py.


def test_fault_f11_a_gzip_bomb_stops_at_its_ratio(tmp_path: Path) -> None:
    path = tmp_path / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(b"timestamp,kwh\n")
        for _ in range(200):
            file.write(b"2025-01-01T00:00Z,1\n" * 52_429)
    assert path.stat().st_size < 1_000_000
    verdict, reason, grown_mib, seconds = measured(path)
    assert (verdict, reason) == ("reject", "too_large")
    assert grown_mib < 300
    assert seconds < 5


# F12: markup is tested with its readers; here that no other reader takes it.


@pytest.mark.parametrize("text", ["<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "<a>" * 100_000])
def test_fault_f12_markup_is_no_table(bench: Bench, text: str) -> None:
    for name in ("a.csv", "a.xml", "a.xlsx", "a.parquet"):
        report = bench.ingest(text, site=home(), name=name)
        assert (report.verdict, report.accepted_rows) == ("reject", 0)
        assert "root:" not in report.message


# F13

EVIL_NAMES = ["../../evil", "..%2f..%2fevil", "/etc/passwd", "a\x00b", "CON", "~root", "..\\..\\evil", "a/../../b"]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_fault_f13_names_in_files_are_data_and_never_paths(bench: Bench, name: str) -> None:
    before = outside(bench)
    text = f"meter,timestamp,kwh\n{name.replace(chr(0), '')},2025-01-01T00:00Z,1\n" + quarter_rows("main", [1, 2])
    assert bench.ingest(text).reasons == {"unknown_meter": 1}
    # What other tests left there may go meanwhile; nothing comes.
    assert not outside(bench) - before
    assert all(path.is_relative_to(bench.folder) for path in bench.folder.rglob("*"))


def test_fault_f13_links_pipes_and_devices_are_no_files(bench: Bench) -> None:
    real = bench.file("timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,1\n")
    link = bench.folder / "landing" / "link.csv"
    link.symlink_to(real)
    assert bench.ingest(link, site=home()).reasons == {"symlink": 1}
    pipe = bench.folder / "landing" / "pipe.csv"
    os.mkfifo(pipe)
    assert bench.ingest(pipe, site=home()).reasons == {"no_such_file": 1}
    assert bench.ingest(Path("/dev/zero"), site=home()).reasons == {"no_such_file": 1}
    assert nothing_stored(bench)


# F14, F15, F16: whatever a name says, it is a text.

EVIL_TEXTS = [
    "m1'; drop table batches; --",
    "{{ 7*7 }}",
    "{% raw %}",
    "${jndi:ldap://x}",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
]


@pytest.mark.parametrize("fault", ["f14", "f15", "f16"])
@pytest.mark.parametrize("text", EVIL_TEXTS)
def test_fault_f14_f15_f16_names_and_notes_do_nothing(bench: Bench, text: str, fault: str) -> None:
    if fault == "f14":
        report = bench.ingest(HEADER + f"{text},2025-01-01T00:00Z,5\n" + quarter_rows("main", [1, 2]))
        assert report.reasons == {"unknown_meter": 1}
    elif fault == "f15":
        report = bench.ingest(HEADER + f"main,2025-01-01T01:00Z,{text}\n" + quarter_rows("main", [1, 2]))
        assert report.reasons == {"not_a_number": 1}
    else:
        report = bench.ingest(f'meter,timestamp,kwh,"{text}"\n' + quarter_rows("main", [1, 2]).replace("\n", ",x\n"))
        assert report.warnings == {"ignored_columns": 1}
    assert bench.values() == [1, 2]
    assert "49" not in report.message
    assert len(bench.quarantine.items()) == report.rejected_rows


# F17


@pytest.mark.parametrize("evil", ["a\x1b[31mred", "a\tb", "x" * 1_000_000, "zero\u200bwidth\u2028line"])
def test_fault_f17_a_message_is_one_short_printable_line(bench: Bench, evil: str) -> None:
    texts = [
        f'{HEADER}"{evil}",2025-01-01T00:00Z,5\n' + quarter_rows("main", [1]),
        f'"{evil}","b"\n1,2\n',
        f'meter,timestamp,kwh\nmain,"{evil}",2\nmain,y,3\n',
        f'{HEADER}"two\nlines{evil}",2025-01-01T00:00Z,5\n' + quarter_rows("main", [1]),
    ]
    for place, text in enumerate(texts):
        report = bench.ingest(text, name=f"{place}.csv")
        messages = [report.message, *(item["message"] for item in bench.quarantine.items())]
        for message in messages:
            assert message.replace(" ", "x").isprintable()
            assert len(message) < 2000


# F20


def test_fault_f20_a_clock_that_was_never_set_is_suspect(bench: Bench) -> None:
    rows = "main,1970-01-01T00:00Z,7\nmain,1970-01-01T00:15Z,7\n" + quarter_rows("main", [1, 2])
    report = bench.ingest(HEADER + rows)
    assert report.reasons == {"clock_suspect": 2}
    assert bench.values() == [1, 2]


def test_fault_f20_a_clock_that_drifts_or_runs_back_is_not_merged(bench: Bench) -> None:
    drifting = "".join(f"2025-01-01T{n:02}:{2 * n:02}Z,{n}\n" for n in range(20))
    report = bench.ingest("timestamp,kwh\n" + drifting, site=home())
    assert report.verdict == "reject"
    back = quarter_rows("main", [1, 2, 3, 4]) + quarter_rows("main", [7, 8])
    report = bench.ingest(HEADER + back, name="back.csv")
    assert (report.reasons, report.warnings["unsorted"]) == ({"duplicate_conflict": 4}, 1)
    assert bench.values() == [3, 4]


# F21


def test_fault_f21_a_column_that_changes_its_kind_midway_loses_only_its_bad_rows(bench: Bench) -> None:
    cells = ["1.5", "2.5", "true", "{}", "[3]", "2025-01-01", "4.5", "null", "5.5"]
    rows = "".join(f"main,2025-01-01T{n:02}:00Z,{cell}\n" for n, cell in enumerate(cells))
    report = bench.ingest(HEADER + rows)
    assert (report.accepted_rows, report.rejected_rows) == (4, 5)
    assert report.accepted_rows + report.rejected_rows == len(cells)
    assert [item["line"] for item in bench.quarantine.items()] == [4, 5, 6, 7, 9]


def test_fault_f21_every_line_of_a_damaged_file_is_accounted_for(bench: Bench) -> None:
    """in = stored + rejected, over many random damages."""
    chance = random.Random(5)
    for round_ in range(40):
        lines = quarter_rows("main", [n + 0.5 for n in range(40)]).splitlines()
        for _ in range(chance.randrange(1, 8)):
            place = chance.randrange(len(lines))
            cut = chance.randrange(len(lines[place]))
            lines[place] = lines[place][:cut] + chance.choice(["", "x", ",", "9", "Z", "-"]) + lines[place][cut + 1 :]
        report = sniff_file(bench.file(HEADER + "\n".join(lines) + "\n", f"{round_}.csv"), site=plant())
        counted = report.accepted_rows + report.rejected_rows + report.warnings.get("duplicate_rows", 0)
        if report.verdict != "reject":
            assert counted == sum(bool(line) for line in lines)


def test_fault_f21_a_quote_that_never_closes_costs_one_line(bench: Bench) -> None:
    lines = quarter_rows("main", [n + 0.5 for n in range(40)]).splitlines()
    lines[5] = lines[5].replace("main", '"main')
    report = bench.ingest(HEADER + "\n".join(lines) + "\n")
    assert (report.accepted_rows, report.reasons) == (39, {"field_count": 1})
    assert bench.quarantine.items()[0]["line"] == 7


# F22, F28: what is no meter file at all.


@pytest.mark.parametrize(
    "content",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        b"%PDF-1.7\n%\xff\xff",
        b"\x00\x01\x02" * 1000,
        b"\xff" * 500,
        b"\xed\xa0\x80,1\n",
    ],
)
@pytest.mark.parametrize("fault", ["f22", "f28"])
def test_fault_f22_f28_deep_json_binary_and_documents_are_refused(
    bench: Bench, content: str | bytes, fault: str
) -> None:
    name = "a.json" if fault == "f22" else "a.csv"
    report = bench.ingest(content, site=home(), name=name)
    assert (report.verdict, report.accepted_rows) == ("reject", 0)
    assert nothing_stored(bench)


# F23


def test_fault_f23_declared_sentinels_are_no_readings(bench: Bench) -> None:
    text = (
        "timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,-32768\n2025-01-01T00:30Z,65535\n2025-01-01T00:45Z,n/a\n"
    )
    mapping = ColumnMap(missing=("-32768", "65535", "n/a"), interval_minutes=15)
    report = bench.ingest(text, site=home(), mapping=mapping)
    assert (report.reasons, report.warnings) == ({}, {"missing_values": 3})
    assert bench.values() == [1]
    frame = pl.DataFrame(
        {"timestamp": [datetime(2025, 2, 1, n, tzinfo=UTC) for n in range(3)], "kwh": [1, -32768, 65535]}
    )
    frame.write_parquet(bench.folder / "a.parquet")
    typed = bench.ingest(bench.folder / "a.parquet", site=home(), mapping=mapping)
    assert typed.warnings["missing_values"] == 2
    assert bench.values() == [1, 1]


def test_fault_f23_a_multiplier_and_a_sign_are_declared_per_column(bench: Bench) -> None:
    text = "t,a,b\n2025-01-01T00:00Z,1.5,-2\n2025-01-01T00:15Z,2.5,-4\n"
    mapping = ColumnMap(
        timestamp="t", values={"a": "main", "b": "pv.export"}, unit="kwh", multipliers={"a": 40, "b": -1}
    )
    assert bench.ingest(text, mapping=mapping).reasons == {}
    assert bench.values() == [60, 100]
    assert bench.values("pv", "export") == [2, 4]


# F27


def test_fault_f27_a_parquet_of_a_billion_rows_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.parquet"
    rows = pl.select(kwh=pl.repeat(1.0, 40_000_000), timestamp=pl.lit(datetime(2025, 1, 1, tzinfo=UTC)))
    rows.write_parquet(path, compression="zstd")
    del rows
    verdict, reason, grown_mib, seconds = measured(path)
    assert (verdict, reason) == ("reject", "too_large")
    assert grown_mib < 300
    assert seconds < 5


def test_fault_f27_a_parquet_with_changed_bytes_never_crashes(bench: Bench) -> None:
    path = bench.folder / "a.parquet"
    times = [datetime(2025, 1, 1, 0, 15 * n, tzinfo=UTC) for n in range(4)]
    pl.DataFrame({"timestamp": times, "kwh": [1.5, 2.5, 3.5, 4.5]}).write_parquet(path)
    data, chance = path.read_bytes(), random.Random(11)
    for place in range(200):
        broken = bytearray(data)
        broken[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        report = sniff_file(bench.file(bytes(broken), f"{place}.parquet"), site=home())
        assert report.verdict in {"accept", "accept_with_warning", "quarantine", "reject"}
