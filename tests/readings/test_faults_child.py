"""F27 and F28: what a hostile workbook, Parquet file or document breaks is a limited process, never this one."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from assets.readings.readers import child, child_main
from assets.readings.readers.child import Limits, run_limited
from assets.readings.readers.table_formats.parquet_columns import MAX_TEXT_BYTES
from assets.readings.sniff_files import sniff_file
from data_quality.contracts.errors import BadInput, OurFault
from tests.readings import crafted
from tests.readings.rooms import Bench, home

JOBS = "tests.readings.child_jobs"


def job(name: str, limits: Limits | None = None, **args: Any) -> Any:
    return run_limited(f"{JOBS}:{name}", args, limits or Limits())


def own_memory_mb() -> float:
    return child._own_memory_mb(os.getpid())


def assert_refused_alone(bench: Bench, path: Path, reason: str, *, seconds: float = 5) -> str:
    """One sentence, kept whole, in bounded time and memory, and an honest file is read by the next breath."""
    before, start, used = own_memory_mb(), time.perf_counter(), time.process_time()
    report = bench.ingest(path, site=home())
    # Our own computing; the child's is limited by itself. Other work of the machine only ever stretches the clock.
    assert time.process_time() - used < seconds
    assert time.perf_counter() - start < 60
    assert own_memory_mb() - before < 100
    assert (report.verdict, report.reasons, report.accepted_rows) == ("reject", {reason: 1}, 0)
    assert "\n" not in report.message
    item = bench.quarantine.items()[-1]
    assert (item["kind"], item["reason"]) == ("file", reason)
    assert (bench.quarantine.root / item["kept_path"]).read_bytes() == path.read_bytes()
    assert bench.lake.manifest("plant") == []
    honest = crafted.parquet_of(bench.folder / "honest.parquet", rows=8)
    assert sniff_file(honest, site=home()).accepted_rows == 8
    return report.message


# The child itself: each limit, and what it lets through.


def test_fault_f27_a_child_that_grows_is_stopped_at_its_memory() -> None:
    start = time.perf_counter()
    with pytest.raises(BadInput, match="it takes more than 256 MiB of memory") as fault:
        job("grow", Limits(memory_mb=256), chunk_mb=4)
    assert fault.value.reason == "reader_stopped"
    assert time.perf_counter() - start < 60
    assert job("double", value=4) == 8


def test_fault_f27_a_child_that_reaches_far_beyond_is_refused_by_the_kernel() -> None:
    # One step of 4 GiB, between two looks.
    with pytest.raises(BadInput, match="more memory than a meter file may"):
        job("grow", chunk_mb=4096)


@pytest.mark.parametrize(
    ("name", "limits", "sentence"),
    [
        ("spin", Limits(cpu_s=1), "more than 1 s of computing time"),
        ("sleep", Limits(wall_s=0.5), "more than 0 s"),
        ("talk", Limits(), "what it says takes more than 4 MiB"),
        ("crash", Limits(), r"its reader crashed \(SIGSEGV\)"),
    ],
)
def test_fault_f27_a_child_that_hangs_or_crashes_is_one_sentence(name: str, limits: Limits, sentence: str) -> None:
    start = time.perf_counter()
    with pytest.raises(BadInput, match=sentence) as fault:
        job(name, limits)
    assert fault.value.reason == "reader_stopped"
    assert time.perf_counter() - start < 60
    assert job("double", value=4) == 8


def test_fault_f27_a_child_that_writes_without_end_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unpacks to more than 3 MiB"):
        job("write", Limits(written_mb=3), path=str(tmp_path / "out"))
    assert (tmp_path / "out").stat().st_size <= 3 * 1024**2


def test_the_child_is_kept_between_files_and_replaced_after_doubt() -> None:
    job("double", value=1)
    process = child._CHILD._process
    assert process is not None
    assert job("double", value=2) == 4
    assert child._CHILD._process is process
    # Gone while idle: the next file starts another.
    os.kill(process.pid, signal.SIGTERM)
    process.wait()
    assert job("double", value=3) == 6
    assert child._CHILD._process is not process


def test_a_child_stands_in_the_folder_of_its_parent_when_that_moves_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert job("folder") == str(tmp_path / name)
    (tmp_path / "first").rmdir()
    assert job("folder") == str(tmp_path / "second")


def test_a_child_that_leaves_just_as_it_is_asked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job("double", value=1)
    gone = child._CHILD._process
    assert gone is not None
    assert gone.stdin is not None
    gone.stdin.close()
    gone.wait()
    requests: list[object] = []
    real = child._CHILD._running

    def racing() -> Any:
        requests.append(1)
        return gone if len(requests) == 1 else real()

    monkeypatch.setattr(child._CHILD, "_running", racing)
    monkeypatch.setattr(gone, "stdin", os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb"))
    assert job("double", value=2) == 4
    assert len(requests) == 2


def test_what_wide_limits_let_a_child_map_does_not_count_against_the_next_file() -> None:
    """A pack verified in a process once left no room for the workbooks that it read afterwards."""
    wide = Limits(memory_mb=1024)
    assert job("reserve", wide, mib=2000) == 2000
    process = child._CHILD._process
    assert job("reserve", wide, mib=100) == 100
    assert child._CHILD._process is process
    assert job("reserve", mib=1000) == 1000


def test_a_forked_process_leaves_its_parents_child_alone() -> None:
    other = child._Child()
    first = other.run({"function": f"{JOBS}:double", "args": {"value": 1}, **_wide()}, Limits())
    kept = other._process
    other.forget()
    assert other._process is None
    assert other.run({"function": f"{JOBS}:double", "args": {"value": 2}, **_wide()}, Limits()) == 2 * first
    assert kept is not None
    assert kept.poll() is None
    kept.kill()
    kept.wait()
    for pipe in (kept.stdin, kept.stdout):
        assert pipe is not None
        pipe.close()
    other.close()
    other.close()


def test_the_childs_own_words_come_through_and_our_bugs_are_raised() -> None:
    with pytest.raises(BadInput, match="line 7: not this one") as fault:
        job("refuse")
    assert fault.value.reason == "no_rows"
    with pytest.raises(OurFault, match="KeyError: 'what'"):
        job("stumble")
    with pytest.raises(OurFault, match="AttributeError"):
        job("no_such_job")


def test_noise_of_libraries_is_no_answer() -> None:
    assert job("shout") == 5


def test_no_secret_of_ours_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERLOOM_MQTT__PASSWORD", "hush")
    child._CHILD.close()
    assert "hush" not in json.dumps(job("environment"))


def test_the_childs_side_answers_every_way_of_ending() -> None:
    assert child_main.call(f"{JOBS}:double", {"value": 2}) == {"result": 4}
    assert child_main.call(f"{JOBS}:refuse", {})["bad_input"]["line"] == 7
    assert "KeyError" in child_main.call(f"{JOBS}:stumble", {})["fault"]
    assert child_main.call(f"{JOBS}:starve", {}) == {"too_large": True}
    assert "PanicException" in child_main.call(f"{JOBS}:panic", {})["panic"]


def _wide() -> dict[str, int]:
    return {"cpu_s": 30, "data_bytes": 2**31, "written_bytes": 2**30}


# F27: workbooks


@pytest.mark.parametrize("place", ["XFD1048576", "CV1048576"])
def test_fault_f27_a_workbook_of_two_cells_and_a_billion_rows_between_stops_its_child(bench: Bench, place: str) -> None:
    rows = crafted.HEADER_ROW + f'<row r="1048576">{crafted.cell(place, "1")}</row>'
    path = crafted.workbook_of(bench.folder / "far.xlsx", rows)
    assert path.stat().st_size < 10_000
    assert "cannot be read safely" in assert_refused_alone(bench, path, "reader_stopped")


@pytest.mark.parametrize(
    ("rows", "before", "parts", "reason"),
    [
        (f'<row r="4294967295">{crafted.cell("A4294967295", "a")}</row>', "", {}, "reader_stopped"),
        (crafted.HEADER_ROW, '<dimension ref="A1:XFD1048576"/>', {}, "no_rows"),
        ("<a>" * 1_000_000, "", {}, "truncated"),
        (
            '<row r="1"><c r="A1" t="s"><v>999999999</v></c></row>',
            "",
            {"xl/sharedStrings.xml": crafted.shared_strings(10**9)},
            "truncated",
        ),
        (crafted.HEADER_ROW, "", {"xl/styles.xml": '<!DOCTYPE a [<!ENTITY b "lol">]><a>&b;</a>'}, "xml_entities"),
        (crafted.HEADER_ROW + " " * (250 * 1024**2), "", {}, "too_large"),
    ],
    ids=["row beyond any sheet", "declared size", "deep nesting", "declared strings", "entities", "packed blanks"],
)
def test_fault_f27_a_crafted_workbook_is_refused(
    bench: Bench, rows: str, before: str, parts: dict[str, str], reason: str
) -> None:
    path = crafted.workbook_of(bench.folder / "crafted.xlsx", rows, before=before, parts=parts)
    assert_refused_alone(bench, path, reason)


def test_fault_f27_an_archive_of_a_million_names_is_not_listed_here(bench: Bench) -> None:
    path = crafted.workbook_of(bench.folder / "names.xlsx", crafted.HEADER_ROW)
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    entry = b"PK\x01\x02" + bytes(24) + (1).to_bytes(2, "little") + bytes(16) + b"a"
    directory = data[start : data.index(b"PK\x05\x06")] + entry * 400_000
    end = b"PK\x05\x06" + bytes(4) + b"\xff\xff\xff\xff" + len(directory).to_bytes(4, "little")
    path.write_bytes(data[:start] + directory + end + start.to_bytes(4, "little") + bytes(2))
    report = sniff_file(path, site=home())
    before = own_memory_mb()
    assert report.reasons == {"too_large": 1} or report.reasons == {"truncated": 1}
    assert own_memory_mb() - before < 50


# F27: Parquet


@pytest.mark.parametrize(("rows", "reason"), [(10**9, "too_large"), (9_000_000, "truncated"), (2**62, "truncated")])
def test_fault_f27_a_parquet_that_declares_more_than_it_holds_is_refused(bench: Bench, rows: int, reason: str) -> None:
    path = crafted.declaring(crafted.parquet_of(bench.folder / "declared.parquet"), rows)
    assert_refused_alone(bench, path, reason)


def test_fault_f27_a_dictionary_of_megabytes_behind_kilobytes_stops_its_child(bench: Bench) -> None:
    path = crafted.dictionary_bomb(bench.folder / "words.parquet", texts=40, text_mb=4, rows=400)
    assert path.stat().st_size < 20_000
    assert_refused_alone(bench, path, "reader_stopped")


def test_fault_f27_texts_longer_than_any_name_are_refused(bench: Bench) -> None:
    path = crafted.dictionary_bomb(bench.folder / "words.parquet", texts=1, text_mb=1, rows=20)
    assert f"expected at most {MAX_TEXT_BYTES}" in assert_refused_alone(bench, path, "too_large")


# What honest files pay.


def test_a_small_workbook_and_a_small_parquet_are_read_at_once(bench: Bench) -> None:
    rows = "".join(
        f'<row r="{n + 2}">{crafted.cell(f"A{n + 2}", f"2025-01-01T{n:02}:00Z")}<c r="B{n + 2}"><v>{n}</v></c></row>'
        for n in range(24)
    )
    book = crafted.workbook_of(bench.folder / "plain.xlsx", crafted.HEADER_ROW + rows)
    table = crafted.parquet_of(bench.folder / "plain.parquet", rows=24)
    sniff_file(book)
    for path in (book, table):
        # The best of some: what the file costs, not what else this machine does.
        fastest = 60.0
        for _ in range(5):
            start = time.perf_counter()
            assert sniff_file(path).accepted_rows == 24
            fastest = min(fastest, time.perf_counter() - start)
        assert fastest < 0.5


def test_lists_and_binary_columns_harm_no_good_row(bench: Bench) -> None:
    import polars as pl

    path = crafted.parquet_of(bench.folder / "wide.parquet", rows=8)
    frame = pl.read_parquet(path).with_columns(
        note=pl.lit(b"\xff\x00"), parts=pl.lit([[1, 2]]).list.first(), kind=pl.lit("a").cast(pl.Categorical)
    )
    frame.with_columns(pl.struct("kwh", "note").alias("pair")).write_parquet(path)
    assert bench.ingest(path, site=home()).accepted_rows == 8


# F28: documents


CRAFTED_PDFS = {
    "script": crafted.pdf_with_script,
    "10 000 pages": lambda path: crafted.pdf_of_pages(path, 10_000),
    "locked": crafted.pdf_locked,
    "picture of 700 MiB": lambda path: crafted.pdf_picture_bomb(path, 700),
}


@pytest.mark.parametrize("kind", sorted(CRAFTED_PDFS))
def test_fault_f28_a_document_in_the_landing_folder_is_refused_unopened(bench: Bench, kind: str) -> None:
    path = CRAFTED_PDFS[kind](bench.folder / "bill.csv")
    message = assert_refused_alone(bench, path, "document", seconds=1)
    assert message.endswith("a PDF is no meter file: export the readings as CSV or XLSX")


def test_fault_f28_a_picture_bomb_stops_the_child_that_reads_bills(tmp_path: Path) -> None:
    path = crafted.pdf_picture_bomb(tmp_path / "bill.pdf", 700)
    assert path.stat().st_size < 1024**2
    before, start = own_memory_mb(), time.perf_counter()
    with pytest.raises((BadInput, OurFault), match=r"cannot be read safely|LimitReached"):
        job("pages_of_pdf", path=str(path))
    assert time.perf_counter() - start < 60
    assert own_memory_mb() - before < 50
    assert job("double", value=4) == 8


def test_fault_f28_ten_thousand_pages_end_within_the_childs_time(tmp_path: Path) -> None:
    path = crafted.pdf_of_pages(tmp_path / "bill.pdf", 10_000)
    start = time.perf_counter()
    assert job("pages_of_pdf", path=str(path)) == 10_000
    assert time.perf_counter() - start < 90


def test_fault_f28_a_locked_document_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(OurFault, match="not been decrypted"):
        job("pages_of_pdf", path=str(crafted.pdf_locked(tmp_path / "bill.pdf")))


def test_what_a_reader_started_ends_with_it() -> None:
    kept = child._Child()
    script = "sleep 60 & echo $!; wait"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0, "start_new_session": True}
    kept._process = subprocess.Popen(["sh", "-c", script], **pipes)  # type: ignore[call-overload]
    assert kept._process.stdout is not None
    started = int(kept._process.stdout.readline())
    kept.close()
    until_s = time.monotonic() + 10
    while (state := child_state(started)) not in ("", "Z") and time.monotonic() < until_s:
        time.sleep(0.01)
    assert state in ("", "Z")


def child_state(pid: int) -> str:
    """Letter of a process's state; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
