"""Reader of a supplier's bill file: CSV, XLSX, PDF or a picture, by its content, as a typed bill (cli.md, File shapes).

Labels of the head are read wherever they stand; lines stand below a row of headings. What cannot be read, or has two
meanings, becomes an `Unread` with its place. Nothing is guessed.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from assets.bills.documents.bill_text import Mark, decimal_mark, read_date, read_number
from assets.bills.documents.read_pdf import PDF_MAGIC, Run, here, pdf_rows
from assets.bills.documents.read_scan import PICTURES, Scanned, scan_of, scan_rows
from assets.bills.documents.read_table import BillRow, csv_rows, xlsx_rows
from data_quality.contracts.billing.supplier_bill import BilledLine, BilledRegister, Place, SupplierBill, Unread
from data_quality.contracts.errors import BadInput

XLSX_MAGIC = b"PK\x03\x04"
_TEXTS = {
    "supplier": "supplier", "invoice": "invoice", "invoice number": "invoice", "invoice no": "invoice",
    "bill number": "invoice", "account": "account", "account number": "account", "site": "site", "meter": "meter",
    "meter id": "meter", "meter number": "meter", "meter serial": "meter",
}  # fmt: skip
_STARTS = ("period from", "bill period from", "from", "period start")
_ENDS = ("period to (exclusive)", "period to", "bill period to", "to", "period end", "period end (exclusive)")
# The contract's end is exclusive: a printed last day is one day less.
_LAST_DAYS = (
    "period to (inclusive)",
    "bill period to (inclusive)",
    "to (inclusive)",
    "last day",
    "period end (inclusive)",
)
_MULTIPLIERS = ("meter multiplier", "multiplier", "ct ratio", "transformer ratio")
_READ_TYPES = ("read type", "reading type", "reads", "readings")
_REGISTER = re.compile(
    r"^(?:(?P<period>.+?)\s+)?register\s+(?P<end>open(?:ing)?|clos(?:e|ing))(?:\s*\((?P<mark>[^)]*)\))?$"
)
_ESTIMATED = re.compile(r"(?i)^(?:e|est\.?|estimated?|estimated read)$")
_MARKED = re.compile(r"^(?P<number>\S.*?)\s*\(?(?P<mark>[Ee]|[Aa]|[Ee]st\.?|[Ee]stimated?|[Aa]ctual)\)?$")
_NETS = ("net", "net amount", "net total", "subtotal", "sub total", "total net", "total excluding vat")
_TOTALS = (
    "total",
    "total due",
    "amount due",
    "gross",
    "total amount",
    "gross total",
    "total including vat",
    "invoice total",
)
_COLUMNS = {
    "description": "label", "item": "label", "charge": "label", "quantity": "quantity", "qty": "quantity",
    "units": "quantity", "unit": "unit", "rate": "rate", "price": "rate", "unit price": "rate", "amount": "amount",
    "cost": "amount",
}  # fmt: skip


@dataclass
class _Draft:
    """Fields while the rows are read."""

    mark: Mark
    fields: dict[str, Any] = field(default_factory=dict)
    states: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    estimated: set[str] = field(default_factory=set)
    lines: list[BilledLine] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    # Where each field of the head was read: of a picture it is shown next to it.
    places: dict[str, Place] = field(default_factory=dict)

    def number(self, place: Place, label: str, text: str) -> Decimal | None:
        """The number, or None after it was put down as unread."""
        found = read_number(text, self.mark)
        if found is None:
            expected = "a number" if not self.mark else f"a number with {self.mark!r} as decimal mark"
            self.unread.append(Unread(place=place, label=label, text=text, expected=expected))
        return found


def read_bill(path: Path, *, run: Run = here) -> SupplierBill:
    """The bill of the file. run: how the PDF reader is called (a limited process). Raises BadInput naming the file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(
            "expected a bill as CSV, XLSX, PDF or a picture; it cannot be opened", file=str(path), reason="no_such_file"
        ) from error
    try:
        pages, unread, seen = 0, list[Unread](), None
        if raw.startswith(PDF_MAGIC):
            rows, pages, unread, seen = _pdf(path, run)
        elif raw.startswith(PICTURES):
            seen = scan_rows(path, run=run)
            rows, pages, unread = seen.rows, seen.pages, seen.unread
        elif raw[:4] == XLSX_MAGIC:
            rows = xlsx_rows(path)
        else:
            rows = csv_rows(path)
        sha256 = hashlib.sha256(raw).hexdigest()
        return _bill(path, sha256, rows, pages, unread, is_xlsx=raw[:4] == XLSX_MAGIC, seen=seen)
    except BadInput as fault:
        raise BadInput(
            fault.message, file=str(path), line=fault.line, column=fault.column, reason=fault.reason, mend=fault.mend
        ) from fault


def _pdf(path: Path, run: Run) -> tuple[list[BillRow], int, list[Unread], Scanned | None]:
    """The text of a PDF, or what its pictures show where it has none."""
    try:
        return *pdf_rows(path, run=run), None
    except BadInput as fault:
        if fault.reason != "no_text_layer":
            raise
        seen = scan_rows(path, run=run)
        return seen.rows, seen.pages, seen.unread, seen


def _bill(
    path: Path, sha256: str, rows: list[BillRow], pages: int, unread: list[Unread], *, is_xlsx: bool,
    seen: Scanned | None,
) -> SupplierBill:  # fmt: skip
    # A workbook stores numbers with a point, whatever its author's screen shows.
    draft = _Draft(mark="." if is_xlsx else decimal_mark(cell for row in rows for cell in row.cells[1:]))
    draft.unread += unread
    columns: dict[str, int] = {}
    for row in rows:
        known = {*draft.fields, *draft.states}
        if heads := _headings(row):
            columns = heads
        elif columns:
            _read_line(draft, row, columns)
        else:
            _read_label(draft, row)
        draft.places |= dict.fromkeys({*draft.fields, *draft.states} - known, row.place)
    if not draft.lines and not draft.fields:
        raise BadInput(
            "no label of a bill was found; expected label and value pairs such as 'Period from,2024-04-01'",
            line=1, reason="not_a_bill",
        )  # fmt: skip
    _finish(draft)
    fields = draft.fields
    start, end = fields.get("start"), fields.get("end")
    # Refused whole: on such dates no line of it can be billed again.
    if start is not None and end is not None and end <= start:
        raise BadInput(f"the bill ends ({end}) before it starts ({start})", reason="bad_period")
    bill = SupplierBill(
        file=path.name, sha256=sha256, pages=pages, lines=tuple(draft.lines), notes=tuple(draft.notes),
        registers=_registers(draft), is_estimated=bool(draft.estimated), unread=tuple(draft.unread), **fields,
    )  # fmt: skip
    return bill if seen is None else bill.model_copy(update={"scan": scan_of(bill, seen, draft.places)})


def _headings(row: BillRow) -> dict[str, int]:
    names = {_COLUMNS[cell.lower()]: n for n, cell in enumerate(row.cells) if cell.lower() in _COLUMNS}
    return names if {"label", "amount"} <= set(names) else {}


def _read_label(draft: _Draft, row: BillRow) -> None:
    label, place = _plain(row.cells[0]), row.place
    values = [cell for cell in row.cells[1:] if cell]
    if not values:
        return
    value = values[0]
    if label in _TEXTS:
        # The first counts: later pages repeat the head, or have another party's account.
        draft.fields.setdefault(_TEXTS[label], value)
    elif label in _STARTS or label in _ENDS or label in _LAST_DAYS:
        _read_edge(draft, place, row.cells[0], label, value)
    elif label in _MULTIPLIERS:
        printed = row.cells[0]
        number = draft.number(place, printed, value)
        if number is not None and number > 0:
            draft.fields["multiplier"] = number
        elif number is not None:
            draft.unread.append(Unread(place=place, label=printed, text=value, expected="a number above zero"))
    elif label in ("tariff", "tariff code", "tariffs"):
        # A bill over a change of tariff names both, in whatever way it divides them.
        codes = [part.strip() for cell in values for part in re.split(r"[;,+/]| and ", cell) if part.strip()]
        draft.fields["tariff_codes"] = (*draft.fields.get("tariff_codes", ()), *codes)
    elif label == "currency":
        _read_currency(draft, place, row.cells[0], value)
    elif match := _REGISTER.match(label):
        _read_register(draft, place, row.cells[0], match, value)
    else:
        if label in _READ_TYPES and _ESTIMATED.match(value):
            draft.estimated.add("")
        draft.notes.append((row.cells[0], " ".join(values)))


def _read_edge(draft: _Draft, place: Place, printed: str, label: str, value: str) -> None:
    day = read_date(value)
    if day is None:
        expected = "a date such as 2024-04-01, whose day and month cannot be confused"
        draft.unread.append(Unread(place=place, label=printed, text=value, expected=expected))
        return
    name = "start" if label in _STARTS else "end"
    day = day + timedelta(days=1) if label in _LAST_DAYS else day
    # Two pages that disagree about a date leave it open, and say so.
    if draft.fields.setdefault(name, day) != day:
        draft.unread.append(Unread(place=place, label=printed, text=value, expected=f"{draft.fields[name]}, as above"))


def _read_currency(draft: _Draft, place: Place, printed: str, value: str) -> None:
    code = value.strip().upper()
    if re.fullmatch(r"[A-Z]{3}", code):
        draft.fields["currency"] = code
    else:
        draft.unread.append(Unread(place=place, label=printed, text=value, expected="a currency code such as GBP"))


def _read_register(draft: _Draft, place: Place, printed: str, match: re.Match[str], value: str) -> None:
    period = match["period"] or ""
    marks = [match["mark"] or ""]
    if marked := _MARKED.match(value):
        value = marked["number"]
        marks.append(marked["mark"])
    if any(_ESTIMATED.match(mark.strip()) for mark in marks):
        draft.estimated.add(period)
    number = draft.number(place, printed, value)
    if number is not None:
        end = "opened" if match["end"].startswith("open") else "closed"
        draft.states.setdefault(period, {})[end] = number


def _read_line(draft: _Draft, row: BillRow, columns: dict[str, int]) -> None:
    def cell(name: str) -> str:
        at = columns.get(name, len(row.cells))
        return row.cells[at] if at < len(row.cells) else ""

    label, text = cell("label"), cell("amount")
    if not label and not text:
        return
    if not text:
        # A remark below the lines; with figures in it, it may be a line that lost its amount.
        if any(cell(name) for name in ("quantity", "rate")):
            draft.unread.append(Unread(place=row.place, label=label, text=" ".join(row.cells), expected="an amount"))
        return
    amount = draft.number(row.place, label, text)
    if amount is None:
        return
    name = _plain(label)
    # Totals often stand below the lines, in the same columns; as lines they would count twice.
    if name in _NETS or name in _TOTALS:
        draft.fields.setdefault("net" if name in _NETS else "total", amount)
        return
    quantity, rate = cell("quantity"), cell("rate")
    draft.lines.append(
        BilledLine(
            place=row.place,
            label=label,
            quantity=draft.number(row.place, label, quantity) if quantity else None,
            unit=cell("unit"),
            rate=draft.number(row.place, label, rate) if rate else None,
            amount=amount,
        )
    )


def _finish(draft: _Draft) -> None:
    """Labels that a bill must have, and registers of which one end is missing."""
    labels = {
        "start": "Period from", "end": "Period to (exclusive)", "currency": "Currency", "total": "Total",
    }  # fmt: skip
    complained = {_plain(unread.label) for unread in draft.unread}
    for name, label in labels.items():
        # A label that could not be read has been reported already.
        if name not in draft.fields and _plain(label) not in complained:
            expected = f"the label {label!r}"
            draft.unread.append(Unread(place=Place(), label=label, text="", expected=expected))
    if not draft.lines:
        draft.unread.append(Unread(place=Place(), text="", expected="lines below Description, …, Amount"))
    for period, ends in draft.states.items():
        for end, word in (("opened", "open"), ("closed", "close")):
            if end not in ends:
                label = f"{period} register {word}".strip()
                expected = f"the label {label!r}"
                draft.unread.append(Unread(place=Place(), label=label, text="", expected=expected))


def _registers(draft: _Draft) -> tuple[BilledRegister, ...]:
    return tuple(
        BilledRegister(
            period_id=period, opened=ends["opened"], closed=ends["closed"],
            # A remark on the whole bill marks all of its registers.
            is_estimated=period in draft.estimated or "" in draft.estimated,
        )
        for period, ends in draft.states.items()
        if len(ends) == 2
    )  # fmt: skip


def _plain(label: str) -> str:
    return re.sub(r"\s+", " ", label).strip().rstrip(":").strip().lower()
