"""Bill files: what is read, what is shown as unread, what is refused. PDFs are made here, by reportlab and pypdf."""

from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.pdfgen.canvas import Canvas

from assets.bills.documents import read_pdf
from assets.bills.documents.bill_text import decimal_mark, looks_like_number, read_date, read_number
from assets.bills.documents.read_bill import read_bill
from assets.bills.documents.reads import advance, read_meter_reads, read_site_register
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput

D = Decimal
HEAD = (
    "Supplier,Any Power\nInvoice,X-1\nAccount,ACC\nMeter,M1\nPeriod from,2024-04-01\nPeriod to (exclusive),2024-05-01\n"
    "Tariff,T-24\nMeter multiplier,40\nDay register open,100\nDay register close,110\nNight register open,5\n"
    "Night register close,9\nCurrency,GBP\n"
)
LINES = "\nDescription,Quantity,Unit,Rate,Amount\nDay units,400,kWh,0.25,100.00\nVAT 20 %,,,0.20,20.00\n"
SUMS = "Net,,,,100.00\nTotal,,,,120.00\n"


def written(tmp_path: Path, text: str) -> SupplierBill:
    path = tmp_path / "bill.csv"
    path.write_text(text, encoding="utf-8")
    return read_bill(path)


def pdf(path: Path, lines: list[str]) -> Path:
    canvas = Canvas(str(path))
    for number, line in enumerate(lines):
        canvas.drawString(50, 800 - 14 * number, line)
    canvas.save()
    return path


def test_labels_registers_and_lines_are_read(tmp_path: Path) -> None:
    bill = written(tmp_path, HEAD + LINES + SUMS)
    assert (bill.period, bill.currency, bill.tariff_codes) == ((date(2024, 4, 1), date(2024, 5, 1)), "GBP", ("T-24",))
    assert (bill.multiplier, bill.net, bill.total) == (D(40), D(100), D(120))
    assert [(r.period_id, r.opened, r.closed) for r in bill.registers] == [
        ("day", D(100), D(110)),
        ("night", D(5), D(9)),
    ]
    assert [(line.label, line.quantity, line.rate, line.amount) for line in bill.lines] == [
        ("Day units", D(400), D("0.25"), D(100)),
        ("VAT 20 %", None, D("0.20"), D(20)),
    ]
    assert bill.lines[0].place.line == 16
    assert not bill.unread


def test_a_workbook_and_a_pdf_say_what_the_csv_says(tmp_path: Path) -> None:
    text = HEAD + LINES + SUMS
    wanted = written(tmp_path, text)
    rows = [line.split(",") for line in text.splitlines() if line]
    wide = [[*row, *[""] * (5 - len(row))] for row in rows]
    pl.DataFrame(wide, schema=list("abcde"), orient="row").write_excel(tmp_path / "b.xlsx", include_header=False)
    lines = [f"{row[0]}: {row[1]}" if len(row) == 2 else " ".join(cell for cell in row if cell) for row in rows]
    stacked = [f"{row[0]}: {row[1]}" for row in rows if len(row) == 2]
    stacked += [cell for row in rows if len(row) > 2 for cell in row if cell]
    whole, cells = pdf(tmp_path / "whole.pdf", lines), pdf(tmp_path / "cells.pdf", stacked)
    for path in (tmp_path / "b.xlsx", whole, cells):
        bill = read_bill(path)
        same = {"file", "sha256", "pages", "lines"}
        assert bill.model_dump(exclude=same) == wanted.model_dump(exclude=same), path.name
        assert [(x.label, x.amount) for x in bill.lines] == [(x.label, x.amount) for x in wanted.lines]


def test_an_inclusive_end_is_made_exclusive(tmp_path: Path) -> None:
    text = HEAD.replace("Period to (exclusive),2024-05-01", "Period to (inclusive),30 April 2024")
    assert written(tmp_path, text + LINES + SUMS).end == date(2024, 5, 1)


@pytest.mark.parametrize(
    ("old", "new", "label"),
    [
        ("2024-04-01", "04/05/2024", "Period from"),
        ("Currency,GBP", "Currency,pounds", "Currency"),
        ("Multiplier,40".title(), "Multiplier,forty", "Meter multiplier"),
        ("0.25,100.00", "0.25,1OO.00", "Day units"),
        ("Night register close,9\n", "", "night register close"),
        ("Currency,GBP\n", "", "Currency"),
        ("Total,,,,120.00\n", "", "Total"),
    ],
)
def test_what_cannot_be_read_is_shown_and_not_guessed(tmp_path: Path, old: str, new: str, label: str) -> None:
    text = HEAD + LINES + SUMS
    old = "Meter multiplier,40" if old.startswith("Multiplier") else old
    new = "Meter multiplier,forty" if new.startswith("Multiplier") else new
    assert old in text
    unread = written(tmp_path, text.replace(old, new)).unread
    assert [part.label for part in unread] == [label]


def test_an_estimate_is_seen_at_the_register_and_in_the_head(tmp_path: Path) -> None:
    marked = HEAD.replace("Day register close,110", "Day register close (estimated),110")
    assert [r.is_estimated for r in written(tmp_path, marked + LINES + SUMS).registers] == [True, False]
    behind = HEAD.replace("Day register close,110", "Day register close,110 E")
    assert [r.is_estimated for r in written(tmp_path, behind + LINES + SUMS).registers] == [True, False]
    assert written(tmp_path, "Read type,Estimated\n" + HEAD + LINES + SUMS).is_estimated


def test_a_decimal_comma_is_told_by_the_whole_document(tmp_path: Path) -> None:
    text = (HEAD + LINES + SUMS).replace(",", ";").replace(".", ",").replace("100,00", "1.100,00")
    bill = written(tmp_path, text)
    assert (bill.lines[0].rate, bill.lines[0].amount, bill.net) == (D("0.25"), D("1100.00"), D("1100.00"))


@pytest.mark.parametrize(
    ("text", "mark", "number"),
    [
        ("1,234.50", ".", "1234.50"), ("1.234,50", ",", "1234.50"), ("1,234", ".", "1234"), ("1.234", ".", "1.234"),
        ("1,234", "", None), ("£ 12.30", ".", "12.30"), ("12.30-", ".", "-12.30"), ("−3.5", ".", "-3.5"),
        ("12,345,678", "", "12345678"), ("GBP 7", ".", "7"), ("1 234,5", ",", "1234.5"), ("abc", ".", None),
        ("0.620", "", "0.620"), ("20 %", ".", "20"), ("1,2,3", ".", None),
    ],
)  # fmt: skip
def test_a_number_with_two_meanings_is_no_number(text: str, mark: Any, number: str | None) -> None:
    assert read_number(text, mark) == (None if number is None else D(number))


@given(st.decimals(-(10**9), 10**9, places=2))
def test_what_a_bill_writes_is_what_is_read(number: Decimal) -> None:
    shown = f"{number:,.2f}"
    assert looks_like_number(shown)
    assert read_number(shown, ".") == number
    assert read_number(shown.translate(str.maketrans(",.", ".,")), ",") == number


def test_the_decimal_mark_is_unknown_where_the_document_shows_none_or_both() -> None:
    assert decimal_mark(["1,234", "12"]) == ""
    assert decimal_mark(["1.5", "1,5"]) == ""
    assert decimal_mark(["1,234", "1.5"]) == "."


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-04-01", date(2024, 4, 1)), ("1 April 2024", date(2024, 4, 1)), ("01-Apr-2024", date(2024, 4, 1)),
        ("25/04/2024", date(2024, 4, 25)), ("04/25/2024", date(2024, 4, 25)), ("01.04.2024", date(2024, 4, 1)),
        ("2024-04-01 00:00:00", date(2024, 4, 1)), ("04/05/2024", None), ("2024-13-01", None), ("soon", None),
        ("31/04/2024", None), ("1 Foo 2024", None),
    ],
)  # fmt: skip
def test_a_date_whose_day_and_month_can_be_confused_is_no_date(text: str, day: date | None) -> None:
    assert read_date(text) == day


def test_pages_without_text_are_named_and_a_pdf_of_pictures_is_refused(tmp_path: Path) -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    writer.write(tmp_path / "empty.pdf")
    with pytest.raises(BadInput, match=r"empty\.pdf: the PDF has no text on its 1 pages") as refused:
        read_bill(tmp_path / "empty.pdf")
    assert refused.value.reason == "no_text_layer"
    lines = [line.replace(",", ": ") for line in HEAD.splitlines()] + ["Total: 1"]
    both = pypdf.PdfWriter(clone_from=pdf(tmp_path / "a.pdf", lines))
    both.add_blank_page(200, 200)
    both.write(tmp_path / "both.pdf")
    bill = read_bill(tmp_path / "both.pdf")
    assert (bill.pages, bill.unread[0].place.page) == (2, 2)


def test_hostile_and_broken_pdfs_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pdf(tmp_path / "a.pdf", ["Supplier: x"])
    locked = pypdf.PdfWriter(clone_from=plain)
    locked.encrypt("secret", algorithm="RC4-128")
    locked.write(tmp_path / "locked.pdf")
    many = pypdf.PdfWriter()
    for _ in range(read_pdf.MAX_PAGES + 1):
        many.add_blank_page(10, 10)
    many.write(tmp_path / "many.pdf")
    (tmp_path / "cut.pdf").write_bytes(plain.read_bytes()[:200])
    (tmp_path / "packed.pdf").write_bytes(plain.read_bytes().replace(b"/FlateDecode", b"/FlatDecode"))
    cases = {"locked": "encrypted", "many": "51 pages", "cut": "not a whole PDF", "packed": "not a whole PDF"}
    for name, words in cases.items():
        with pytest.raises(BadInput, match=rf"{name}\.pdf: .*{words}"):
            read_bill(tmp_path / f"{name}.pdf")
    monkeypatch.setattr(read_pdf, "MAX_STREAM_BYTES", 10)
    with pytest.raises(BadInput, match="page 1 unpacks to more than"):
        read_bill(plain)
    monkeypatch.setattr(read_pdf, "MAX_BYTES", 10)
    with pytest.raises(BadInput, match="no bill is so large"):
        read_bill(plain)


def test_lines_of_a_pdf_that_do_not_fit_are_shown_with_their_page(tmp_path: Path) -> None:
    head = [line.replace(",", ": ") for line in HEAD.splitlines()]
    body = ["Description", "Amount", "Day units", "400", "0.25", "100.00", "7", "Total", "120.00"]
    bill = read_bill(pdf(tmp_path / "odd.pdf", [*head, *body]))
    assert [(str(u.place), u.text) for u in bill.unread if u.place.line] == [
        ("page 1, line 16", "Day units 400 0.25 100.00 7")
    ]
    whole = ["Description Quantity Unit Rate Amount", "Day units 400 kWh abc1", "Thank you", "Total 120.00"]
    bill = read_bill(pdf(tmp_path / "whole.pdf", [*head, *whole]))
    assert [u.text for u in bill.unread if u.place.line] == ["Day units 400 kWh abc1"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\xfe\x00", "expected UTF-8"), (b"a\0b", "binary"), (b"hello\nworld\n", "no label of a bill"),
        (b"PK\x03\x04nothing", "not a whole workbook"), (b'a,"b\n', "does not end"),
        (b"Period from,2024-05-01\nPeriod to,2024-04-01\nCurrency,GBP\n", "ends .2024-04-01. before it starts"),
        (b"a,b\n" * 6000, "more than 5000 lines"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_bill_is_refused_by_name(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "bill.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=rf"bill\.csv.*{words}"):
        read_bill(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        BadInput, match=r"none\.csv: expected a bill as CSV, XLSX, PDF or a picture; it cannot be opened"
    ):
        read_bill(tmp_path / "none.csv")


def test_reads_and_registers_are_read_per_meter(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(
        "meter,read_date,day_register,register_kw,type\nM1,2024-04-01,10,3,actual\nM1,2024-05-01,30,5,estimated\n"
        "M1,2024-05-01,31,5,actual\nM2,2024-04-01,7,1,actual\n"
    )
    reads = read_meter_reads(path, meter="M1")
    assert dict(reads.units) == {"day": "kwh", "kw": "kw"}
    assert [(s.on.month, s.states["day"], s.is_estimated) for s in reads.states] == [
        (4, D(10), False),
        (5, D(31), False),
    ]
    uses = reads.between(date(2024, 4, 1), date(2024, 5, 1), D(2))
    assert uses is not None
    assert [(u.period_id, u.unit, u.quantity) for u in uses.uses] == [("day", "kwh", D(42)), ("", "kw", D(10))]
    assert reads.between(date(2024, 4, 2), date(2024, 5, 1), D(2)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meter,read_date,day_register\nM1,2024-04-01,1\nM1,2024-04-01,2\n", "line 3: two reads on 2024-04-01"),
        ("meter,read_date,day_register\nM1,2024-04-01,9\nM1,2024-05-01,2\n", "counts backwards from 9"),
        ("meter,read_date,day_register\nM2,2024-04-01,9\n", "no meter 'M1'; the file has M2"),
        ("meter,read_date,day\nM1,2024-04-01,9\n", "column 'day': expected"),
        ("meter,read_date\nM1,2024-04-01\n", "no column of a register"),
        ("meter,date,day_register\n", "lacks the column read_date"),
        ("meter,read_date,day_register\n", "header but no row"),
        ("meter,read_date,day_register\nM1,1.4.2024,9\n", "line 2: read_date: expected a date"),
        ("meter,read_date,day_register\nM1,2024-04-01,x\n", "line 2: day_register: expected a number"),
        ("meter,read_date,day_register\nM1,2024-04-01,NaN\n", "line 2: day_register: expected a finite number"),
    ],
)
def test_wrong_reads_are_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "reads.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        read_meter_reads(path, meter="M1")


def test_a_register_that_rolls_over_counts_on() -> None:
    assert advance(D(99990), D(15)) == 25
    assert advance(D(500), D(400)) == -100


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("meter,multiplier\nM,0\n", "multiplier must be above zero"),
        ("meter,multiplier\nM,1\nM,2\n", "'M' appears twice"),
        ("name,multiplier\nM,1\n", "lacks the column meter"),
    ],
)
def test_a_wrong_site_register_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "register.csv"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        read_site_register(path)


def test_a_pdf_reader_may_run_elsewhere(tmp_path: Path) -> None:
    requests: list[Any] = []

    def run(function: str, arguments: dict[str, Any]) -> Any:
        requests.append(function)
        return read_pdf.here(function, arguments)

    path = pdf(tmp_path / "a.pdf", [line.replace(",", ": ") for line in HEAD.splitlines()])
    read_bill(path, run=run)
    assert requests == ["assets.bills.documents.read_pdf:pdf_lines"]
    assert BytesIO(path.read_bytes()).read(5) == read_pdf.PDF_MAGIC
    with pytest.raises(ValueError, match="unknown function"):
        read_pdf.here("os:remove", {})
