"""The text layer of a PDF bill, as rows. No picture is looked at (read_scan.py): a page without text is named.

`pdf_lines` takes and gives plain JSON, so that it may run in a limited process: a PDF may be built to harm its reader.
"""

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assets.bills.documents.bill_text import looks_like_number
from assets.bills.documents.read_table import BillRow
from data_quality.contracts.billing.supplier_bill import Place, Unread
from data_quality.contracts.errors import BadInput

PDF_MAGIC = b"%PDF-"
# Far above any bill, and little enough that a file made to harm costs seconds and megabytes.
MAX_BYTES, MAX_PAGES, MAX_LINES, MAX_STREAM_BYTES = 8 * 1024**2, 50, 5_000, 8 * 1024**2
# Runs `package.module:name` on keyword arguments of plain JSON and returns its answer.
Run = Callable[[str, dict[str, Any]], Any]
_UNIT = re.compile(r"(?i)^(?:kwh|mwh|kw|kva|kvah|kvarh|m3|m³|days?|months?|therms?|bills?|%)$")
_NUMBER = r"[+\-−]?\s?[£€$]?\d[\d.,' ]*%?"
_TAIL = re.compile(
    rf"^(?P<label>.*?\S)(?:\s+(?P<quantity>{_NUMBER})\s+(?P<unit>kWh|MWh|kW|kVA|kVAh|kvarh|m3|m³|days?|months?|therms?))?"
    rf"(?:\s+(?P<rate>[+\-−]?\d[\d.,]*))?\s+(?P<amount>[+\-−]?[£€$]?\d[\d.,']*)$",
    re.IGNORECASE,
)
# Of how text is drawn (ISO 32000-1, table 106): neither filled nor stroked.
_INVISIBLE = 3
_HEADER = ("Description", "Quantity", "Unit", "Rate", "Amount")


def here(function: str, arguments: dict[str, Any]) -> Any:
    """Runs the function in this process: for files that are known to be harmless, and tests."""
    # One name only: a limited process must not run whatever it is asked for.
    if function != "assets.bills.documents.read_pdf:pdf_lines":
        raise ValueError(f"unknown function {function}")
    return pdf_lines(**arguments)


def pdf_rows(path: Path, *, run: Run = here) -> tuple[list[BillRow], int, list[Unread]]:
    """(rows, pages, what could not be read). Raises BadInput: encrypted, too many pages, no text, broken."""
    answer = run("assets.bills.documents.read_pdf:pdf_lines", {"path": str(path)})
    lines = [(Place(page=page, line=line), text) for page, line, text in answer["lines"]]
    empty = [
        Unread(place=Place(page=page), text="a page without text", expected="text, not a picture of it")
        for page in answer["pages_without_text"]
    ]
    unread: list[Unread] = []
    return rows_of_lines(lines, unread), answer["pages"], [*empty, *unread]


def page_drawings(path: Path) -> list[bytes | None]:
    """Of each page the operators that draw it; None for one that cannot be read. Raises BadInput for no whole PDF."""
    import pypdf
    from pypdf.errors import PyPdfError

    found: list[bytes | None] = []
    try:
        for page in pypdf.PdfReader(path).pages:
            try:
                contents = page.get_contents()
                found.append(contents.get_data() if contents is not None else b"")
            except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError, zlib.error):
                found.append(None)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        raise BadInput(f"not a whole PDF ({type(error).__name__})", reason="broken_pdf") from error
    return found


def pdf_lines(path: str) -> dict[str, Any]:
    """{pages, lines: [[page, line, text]], pages_without_text}. Raises BadInput."""
    import pypdf
    from pypdf.errors import PyPdfError

    if Path(path).stat().st_size > MAX_BYTES:
        raise BadInput(f"more than {MAX_BYTES >> 20} MiB: no bill is so large", reason="too_large")
    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted:
            raise BadInput("the PDF is encrypted; expected one that opens without a password", reason="encrypted")
        # The number that the page tree claims is read before the tree is walked.
        root: Any = reader.root_object
        pages = int(root["/Pages"].get("/Count", 0))
        pages = pages if pages > MAX_PAGES else reader.get_num_pages()
        if pages > MAX_PAGES:
            raise BadInput(f"{pages} pages; a bill has at most {MAX_PAGES}", reason="too_many_pages")
        lines: list[list[Any]] = []
        empty = []
        for number in range(1, pages + 1):
            page = reader.pages[number - 1]
            # Before text is drawn from it: a stream may unpack to a thousand times its size.
            _measure(page, number)
            text = _shown_text(page)
            found = [
                [number, line, part.strip()] for line, part in enumerate(text.splitlines(), start=1) if part.strip()
            ]
            lines += found
            if not found:
                empty.append(number)
            if len(lines) > MAX_LINES:
                raise BadInput(f"more than {MAX_LINES} lines of text: no bill has so many", reason="too_large")
    except BadInput:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        # pypdf meets damage with whatever its parts raise on odd objects (an unknown filter: NotImplementedError).
        raise BadInput(f"not a whole PDF ({type(error).__name__})", reason="broken_pdf") from error
    if not lines:
        raise BadInput(
            f"the PDF has no text on its {pages} pages: it is a picture of a bill", reason="no_text_layer",
            mend="ask the supplier for a PDF with text, CSV or XLSX",
        )  # fmt: skip
    return {"pages": pages, "lines": lines, "pages_without_text": empty}


def _shown_text(page: Any) -> str:
    """The text of a page; none where most of it is drawn invisibly: that is what a reader of letters laid over a
    picture, and nobody has looked at it.
    """
    mode, outer = 0, list[int]()
    letters = {False: 0, True: 0}

    def look(operator: bytes, operands: Any, _cm: Any, _tm: Any) -> None:
        nonlocal mode
        if operator == b"q":
            outer.append(mode)
        elif operator == b"Q" and outer:
            mode = outer.pop()
        elif operator == b"Tr":
            mode = int(operands[0])
        elif operator in (b"Tj", b"TJ", b"'", b'"'):
            shown = operands[-1] if isinstance(operands[-1], list) else [operands[-1]]
            letters[mode == _INVISIBLE] += sum(len(each) for each in shown if isinstance(each, str | bytes))

    text = page.extract_text(visitor_operand_before=look) or ""
    return "" if letters[True] > letters[False] else text


def page_pictures(raw: bytes, most: int) -> list[Any]:
    """The largest picture of each page (PIL), upright as the page says. Raises BadInput for none, or more than most."""
    import io

    import pypdf
    from pypdf.errors import PyPdfError

    found = []
    try:
        pages = pypdf.PdfReader(io.BytesIO(raw)).pages
        if len(pages) > most:
            raise BadInput(f"{len(pages)} pages; a scan has at most {most}", reason="too_many_pages")
        for page in pages:
            # A scanner may lay stamps next to the picture of the page.
            held = [each.image for each in page.images if each.image is not None]
            if held:
                picture = max(held, key=lambda each: each.width * each.height)
                found.append(picture.rotate(-page.rotation, expand=True) if page.rotation else picture)
    except BadInput:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError, ImportError) as error:
        raise BadInput(f"not a whole PDF ({type(error).__name__})", reason="broken_pdf") from error
    if not found:
        raise BadInput(
            f"the PDF has no text on its {len(pages)} pages, and no picture of one", reason="no_text_layer",
            mend="ask the supplier for a PDF with text, CSV or XLSX",
        )  # fmt: skip
    return found


def pdf_text(data: bytes) -> str:
    """The text of every page, a line each. Raises BadInput for what is no whole PDF."""
    import io

    import pypdf
    from pypdf.errors import PyPdfError

    try:
        return "\n".join(page.extract_text() or "" for page in pypdf.PdfReader(io.BytesIO(data)).pages)
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OSError) as error:
        raise BadInput(f"not a whole PDF ({type(error).__name__})", reason="broken_pdf") from error


def _measure(page: Any, number: int) -> None:
    """Raises BadInput where the page's packed drawing is too large to be a bill's."""
    contents = page.get_contents()
    if contents is not None and len(contents.get_data()) > MAX_STREAM_BYTES:
        raise BadInput(f"page {number} unpacks to more than {MAX_STREAM_BYTES >> 20} MiB", reason="too_large")


def rows_of_lines(lines: list[tuple[Place, str]], unread: list[Unread]) -> list[BillRow]:
    """`Label: value` until the table's header; then its lines, written in one line each or one cell a line."""
    at = next((n for n, (_, text) in enumerate(lines) if text.lower().startswith("description")), len(lines))
    found = [_labelled(place, text) for place, text in lines[:at]]
    if at == len(lines):
        return found
    found.append(BillRow(lines[at][0], _HEADER))
    # One word alone in the line of headings: the table was written a cell a line.
    if " " in lines[at][1].strip():
        for place, text in lines[at + 1 :]:
            found += _whole_line(place, text, unread)
        return found
    heads = {name.lower() for name in _HEADER}
    body = at
    while body < len(lines) and lines[body][1].lower() in heads:
        body += 1
    return found + _stacked(lines[body:], unread)


def _labelled(place: Place, text: str) -> BillRow:
    label, mark, value = text.partition(":")
    return BillRow(place, (label.strip(), value.strip()) if mark else (text,))


def _whole_line(place: Place, text: str, unread: list[Unread]) -> list[BillRow]:
    if match := _TAIL.match(text):
        cells = [match[name] or "" for name in ("label", "quantity", "unit", "rate", "amount")]
        return [BillRow(place, tuple(cell.strip() for cell in cells))]
    if any(character.isdigit() for character in text):
        unread.append(Unread(place=place, text=text, expected="description, quantity, unit, rate and amount"))
    return []


def _stacked(lines: list[tuple[Place, str]], unread: list[Unread]) -> list[BillRow]:
    """One cell a line: a text that is neither number nor unit begins a row."""
    groups: list[tuple[Place, list[str]]] = []
    for place, text in lines:
        is_cell = bool(_UNIT.match(text)) or looks_like_number(text)
        if is_cell and groups:
            groups[-1][1].append(text)
        else:
            groups.append((place, [text]))
    found = []
    for place, (label, *cells) in groups:
        row = _placed(label, cells)
        if row is not None:
            found.append(BillRow(place, row))
        elif cells or any(character.isdigit() for character in label):
            text = " ".join([label, *cells])
            unread.append(Unread(place=place, text=text, expected="description, quantity, unit, rate and amount"))
    return found


def _placed(label: str, cells: list[str]) -> tuple[str, ...] | None:
    """The cells under their header; None where their number does not say which they are."""
    units = [n for n, cell in enumerate(cells) if _UNIT.match(cell)]
    # A unit in second place is what tells a quantity from a rate.
    if units == [1] and len(cells) in (3, 4):
        rate = cells[2] if len(cells) == 4 else ""
        return (label, cells[0], cells[1], rate, cells[-1])
    if not units and len(cells) in (1, 2):
        return (label, "", "", cells[0] if len(cells) == 2 else "", cells[-1])
    return None
