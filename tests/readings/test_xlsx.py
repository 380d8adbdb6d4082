"""Worksheets are read as they are stored, and an archive that is too large for a meter file is never unpacked."""

import io
import random
import resource
import zipfile
from collections.abc import Callable
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from assets.readings.drafts.map_draft import FileFacts
from assets.readings.readers.table_formats import xlsx_table_cells
from assets.readings.sniff_files import sniff_file
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, home

START = datetime(2025, 1, 1)  # noqa: DTZ001


def workbook(path: Path, fill: Callable[[Any], None], *, sheet: str = "Data", before: str = "") -> Path:
    """A workbook with one sheet (after an empty one called `before`)."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    if before:
        page.title = before
        page = book.create_sheet(sheet)
    page.title = sheet
    fill(page)
    book.save(path)
    return path


def quarters(page: Any, values: list[Any] = [1.5, 2.5, 0.1], *, skip: int = 0) -> None:  # noqa: B006
    for _ in range(skip):
        page.append([])
    page.append(["timestamp", "kwh"])
    for place, value in enumerate(values):
        page.append([START + timedelta(minutes=15 * place), value])


BERLIN = ColumnMap(value="kwh", zone="Europe/Berlin")


def test_dates_are_excel_serials_and_numbers_are_exact(bench: Bench) -> None:
    values = [n / 10 for n in range(1, 400)]
    path = workbook(bench.folder / "a.xlsx", lambda page: quarters(page, values))
    report = bench.ingest(path, site=home(), mapping=BERLIN)
    assert (report.format, report.verdict, report.accepted_rows) == ("xlsx", "accept", 399)
    assert bench.values() == values
    assert bench.starts()[0].hour == 23
    assert [b - a for a, b in zip(bench.starts(), bench.starts()[1:], strict=False)] == [timedelta(minutes=15)] * 398
    assert bench.lake.current("plant")["source_line"].to_list()[:2] == [2, 3]


def test_times_that_were_added_up_as_parts_of_a_day_are_whole_seconds(bench: Bench) -> None:
    def drifting(page: Any) -> None:
        page.append(["timestamp", "kwh"])
        for place in range(400):
            page.append([45658 + place * 0.0104166667, 1.5])
            page.cell(place + 2, 1).number_format = "yyyy-mm-dd hh:mm"

    report = bench.ingest(workbook(bench.folder / "a.xlsx", drifting), site=home(), mapping=BERLIN)
    assert (report.verdict, report.accepted_rows) == ("accept", 400)
    assert bench.starts()[-1] - bench.starts()[0] == timedelta(minutes=15 * 399)


def test_a_profile_whose_columns_are_times_of_day_is_proposed_whole(bench: Bench) -> None:
    def profile(page: Any) -> None:
        page.append(["Tag", *(time(n // 4, n % 4 * 15) for n in range(96))])
        for day in range(5):
            page.append([START + timedelta(days=day), *(n % 7 + 0.5 for n in range(96))])

    path = workbook(bench.folder / "a.xlsx", profile)
    facts = FileFacts(tz="Europe/Berlin", unit="kwh")
    draft = sniff_file(path, facts=facts).draft
    assert draft is not None
    assert len(draft.keys["clocks"]) == 96
    report = bench.ingest(path, site=home(), mapping=draft.column_map())
    assert (report.accepted_rows, bench.values()[:8]) == (480, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 0.5])


def test_line_numbers_are_the_sheets_rows_even_below_empty_ones(bench: Bench) -> None:
    path = workbook(bench.folder / "a.xlsx", lambda page: quarters(page, [1.5, "x", 2.5], skip=3))
    report = bench.ingest(path, site=home(), mapping=BERLIN)
    assert report.reasons == {"not_a_number": 1}
    assert [item["line"] for item in bench.quarantine.items()] == [6]
    assert bench.lake.current("plant")["source_line"].to_list() == [5, 7]


def test_the_first_sheet_is_read_or_the_one_a_map_names(bench: Bench) -> None:
    path = workbook(bench.folder / "a.xlsx", quarters, sheet="2025", before="Cover")
    assert bench.ingest(path, site=home(), mapping=BERLIN).reasons == {"no_rows": 1}
    named = BERLIN.model_copy(update={"sheet": "2025"})
    assert bench.ingest(path, site=home(), mapping=named).accepted_rows == 3
    wrong = bench.ingest(path, site=home(), mapping=BERLIN.model_copy(update={"sheet": "2026"}))
    assert wrong.reasons == {"no_such_sheet": 1}
    assert "the workbook has Cover, 2025" in wrong.message
    by_site = home().model_copy(update={"column_maps": (named.model_copy(update={"match": "*.xlsx"}),)})
    assert bench.ingest(path, site=by_site).unchanged_rows == 3 or bench.ingest(path, site=by_site).is_repeat


def test_a_workbook_is_known_by_its_content_and_not_by_its_name(bench: Bench) -> None:
    path = workbook(bench.folder / "a.csv", quarters)
    assert sniff_file(path, tz="UTC").format == "xlsx"
    archive = bench.folder / "b.xlsx"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("readings.csv", "timestamp,kwh\n")
    assert sniff_file(archive).reasons == {"unknown_format": 1}


@pytest.mark.parametrize("text", ["=1+1", '=HYPERLINK("http://x")', "+2", "@SUM(A1)", "-1e", "=cmd|' /C calc'!A0"])
def test_a_formula_is_never_evaluated(bench: Bench, text: str) -> None:
    def fill(page: Any) -> None:
        quarters(page)
        cell = page.cell(row=3, column=2, value=text)
        cell.data_type = "s"

    path = workbook(bench.folder / "a.xlsx", fill)
    report = bench.ingest(path, site=home(), mapping=BERLIN)
    # "+2" is a number in any spreadsheet and in ours.
    assert report.rejected_rows == (0 if text == "+2" else 1)
    assert set(report.reasons) <= {"not_a_number"}


def test_a_formula_without_a_stored_value_is_no_number(bench: Bench) -> None:
    # openpyxl writes formulas without their values: there is nothing that could be taken.
    path = workbook(bench.folder / "a.xlsx", lambda page: quarters(page, [1.5, "=A1*2", 2.5]))
    report = bench.ingest(path, site=home(), mapping=BERLIN)
    assert report.reasons == {"not_a_number": 1}
    assert bench.values() == [1.5, 2.5]


def test_a_decimal_comma_may_be_declared_in_text_cells(bench: Bench) -> None:
    path = workbook(bench.folder / "a.xlsx", lambda page: quarters(page, ["1,5", "2,5", "1.234,5"]))
    declared = BERLIN.model_copy(update={"decimal": ","})
    report = bench.ingest(path, site=home(), mapping=declared)
    assert (report.reasons, bench.values()) == ({"not_a_number": 1}, [1.5, 2.5])


def test_a_workbook_cut_anywhere_is_held_whole(bench: Bench) -> None:
    data = workbook(bench.folder / "a.xlsx", quarters).read_bytes()
    for end in range(1, len(data), len(data) // 10):
        report = bench.ingest(data[:end], site=home(), mapping=BERLIN, name=f"cut{end}.xlsx")
        assert (report.verdict, report.accepted_rows) == ("reject", 0)
    assert bench.lake.manifest("plant") == []


def test_a_workbook_with_any_byte_changed_never_crashes_nor_invents(bench: Bench) -> None:
    data = workbook(bench.folder / "a.xlsx", quarters).read_bytes()
    chance = random.Random(3)
    for place in range(150):
        broken = bytearray(data)
        broken[chance.randrange(len(data))] ^= chance.randrange(1, 256)
        path = bench.file(bytes(broken), f"b{place}.xlsx")
        report = sniff_file(path, mapping=BERLIN, site=home())
        if report.accepted_rows:
            # What is read has passed every checksum of the archive.
            assert [channel.sum for channel in report.channels] == [4.1]


def bomb(path: Path, entries: dict[str, bytes], level: int = 9) -> Path:
    """A workbook's archive with more in it."""
    whole = io.BytesIO()
    workbook_path = path.with_suffix(".base")
    workbook(workbook_path, quarters)
    whole.write(workbook_path.read_bytes())
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    path.write_bytes(whole.getvalue())
    return path


def test_an_archive_that_unpacks_too_far_is_refused_in_little_memory(bench: Bench) -> None:
    path = bomb(bench.folder / "bomb.xlsx", {"xl/media/a.bin": bytes(200 * 1024**2)})
    assert path.stat().st_size < 300_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = sniff_file(path, mapping=BERLIN, site=home())
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert report.reasons == {"too_large": 1}
    assert grown < 64 * 1024


def test_an_archive_of_thousands_of_entries_is_refused(bench: Bench) -> None:
    path = bomb(bench.folder / "many.xlsx", {f"xl/e{n}.xml": b"" for n in range(xlsx_table_cells.MAX_ENTRIES)}, level=1)
    assert sniff_file(path, mapping=BERLIN, site=home()).reasons == {"too_large": 1}


def test_an_archive_that_lies_about_its_sizes_is_broken(bench: Bench) -> None:
    path = bomb(bench.folder / "lie.xlsx", {"xl/media/a.bin": bytes(30 * 1024**2)})
    data = path.read_bytes()
    lying = data.replace((30 * 1024**2).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != data
    path.write_bytes(lying)
    assert sniff_file(path, mapping=BERLIN, site=home()).reasons == {"truncated": 1}


def test_entities_and_encryption_are_refused_and_odd_names_harm_nothing(bench: Bench) -> None:
    lol = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "lol">]><a>&b;</a>'
    path = bomb(bench.folder / "entities.xlsx", {"xl/extra.xml": lol})
    assert sniff_file(path, mapping=BERLIN, site=home()).reasons == {"xml_entities": 1}
    odd = bomb(bench.folder / "odd.xlsx", {"../../../etc/evil.xml": b"<a/>", "/abs.xml": b"<a/>", "C:\\x.xml": b"<a/>"})
    before = set(bench.folder.rglob("*"))
    assert sniff_file(odd, mapping=BERLIN, site=home()).accepted_rows == 3
    assert set(bench.folder.rglob("*")) == before


def test_twice_the_same_heading_is_refused(bench: Bench) -> None:
    path = workbook(bench.folder / "a.xlsx", lambda page: page.append(["timestamp", "kwh", "kwh"]))
    assert bench.ingest(path, site=home(), mapping=BERLIN).reasons == {"duplicate_column": 1}
