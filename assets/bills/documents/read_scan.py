"""A picture of a bill, as rows and fields with how sure each is: PNG, JPEG, TIFF, or a PDF whose pages are pictures.

Letters are told by the program `tesseract` of the system. `scan_lines` takes and gives plain JSON, so that it may run
in a limited process: a picture may be built to harm its reader.
"""

import csv
import io
import shutil
import subprocess
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from assets.bills.documents.read_pdf import MAX_BYTES, PDF_MAGIC, Run, here, page_pictures, rows_of_lines
from assets.bills.documents.read_table import BillRow
from data_quality.contracts.billing.supplier_bill import BilledLine, Place, Scan, ScannedField, SupplierBill, Unread
from data_quality.contracts.errors import BadInput

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\x00", b"MM\x00*")
MAX_PAGES, MAX_PIXELS, PAGE_S = 10, 50_000_000, 30
# Below it not a page of letters; a line below SURE is for a person to look at (measured in tests/bills/test_scans.py).
READABLE, SURE = 0.4, 0.8
# Small print of a page of A4 at 150 dots an inch is twelve dots high: twice that is what tesseract was taught on.
_WIDE = 2400
INSTALL = "apt-get install -y tesseract-ocr"
_AGAIN = "scan it again at 200 to 300 dots an inch, flat and straight, or ask the supplier for a PDF with text"
_PARAGRAPH, _BLOCK = "6", "0"
_CENT = Decimal("0.01")
# Numbers and codes of suppliers have no gaps: one that has was torn apart by the reader.
_EXPECTED = ("invoice", "account", "meter", "start", "end", "currency", "total")
_CODES = ("invoice", "account", "meter", "tariff_codes")


class Scanned(NamedTuple):
    """Rows of a picture. sure: 0 to 1 by the place of each line; turned_degrees: of each page, as it was put right."""

    rows: list[BillRow]
    pages: int
    unread: list[Unread]
    sure: dict[Place, float]
    turned_degrees: tuple[int, ...]


def scan_rows(path: Path, *, run: Run = here) -> Scanned:
    """The rows of a picture. Raises BadInput: no tesseract, too many pages or dots, no letters, no numbers."""
    options = {"path": str(path)}
    answer = scan_lines(**options) if run is here else run("assets.bills.documents.read_scan:scan_lines", options)
    sure = {Place(page=page, line=line): share for page, line, _, share in answer["lines"]}
    lines = [(Place(page=page, line=line), text) for page, line, text, _ in answer["lines"]]
    unread = [
        Unread(place=Place(page=page), text="a page without letters", expected="a page that can be read")
        for page in answer["empty"]
    ]
    rows = rows_of_lines(lines, unread)
    return Scanned(rows, answer["pages"], unread, sure, tuple(answer["turned_degrees"]))


def scan_lines(path: str) -> dict[str, Any]:
    """{pages, lines: [[page, line, text, sure]], empty: [page], turned_degrees: [of each page]}. Raises BadInput."""
    pictures = pages_of(Path(path))
    if shutil.which("tesseract") is None:
        raise BadInput(
            "this bill is a picture, and letters of pictures are read by tesseract, which is not installed here",
            reason="no_text_layer", mend=f"run: {INSTALL}; or ask the supplier for a PDF with text, CSV or XLSX",
        )  # fmt: skip
    lines: list[list[Any]] = []
    empty, turned = [], []
    for number, picture in enumerate(pictures, start=1):
        angle = _turned(picture)
        found = _read(_upright(picture, angle))
        turned.append(angle)
        lines += [[number, line, text, sure] for line, (text, sure) in enumerate(found, start=1)]
        if not found:
            empty.append(number)
    # Raises BadInput for a picture in which no bill can be told.
    letters = sum(len(text) for _, _, text, _ in lines)
    if not letters or sum(sure * len(text) for _, _, text, sure in lines) / letters < READABLE:
        raise BadInput("no text can be recognised in this image", reason="unreadable_scan", mend=_AGAIN)
    if not any(character.isdigit() for _, _, text, _ in lines for character in text):
        raise BadInput("no number was found in this picture: it is no bill", reason="no_numbers", mend=_AGAIN)
    return {"pages": len(pictures), "lines": lines, "empty": empty, "turned_degrees": turned}


def pages_of(path: Path) -> "list[Image]":
    """The pictures of the file, in grey, a page each. Raises BadInput."""
    from PIL import Image, ImageSequence, UnidentifiedImageError

    raw = path.read_bytes()
    if len(raw) > MAX_BYTES:
        raise BadInput(f"more than {MAX_BYTES >> 20} MiB: no bill is so large", reason="too_large")
    # A picture that claims more dots than any page has is not unpacked.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        if raw.startswith(PDF_MAGIC):
            return [_grey(_bounded(each)) for each in page_pictures(raw, MAX_PAGES)]
        with Image.open(io.BytesIO(raw)) as picture:
            if getattr(picture, "n_frames", 1) > MAX_PAGES:
                raise BadInput(f"{picture.n_frames} pages; a scan has at most {MAX_PAGES}", reason="too_many_pages")  # type: ignore[attr-defined]
            return [_grey(_bounded(each)) for each in ImageSequence.Iterator(picture)]
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"not a whole picture ({type(error).__name__})", reason="broken_picture") from error


def _bounded(picture: "Image") -> "Image":
    """The picture, not unpacked yet. Raises BadInput for more dots than a page has; Pillow lets twice as many by."""
    if picture.width * picture.height > MAX_PIXELS:
        message = f"{picture.width:,} by {picture.height:,} dots; a page has at most {MAX_PIXELS:,}"
        raise BadInput(message, reason="broken_picture", mend=_AGAIN)
    return picture


def write_page(path: str, page: int, turned_degrees: int, out: str) -> dict[str, Any]:
    """Write one page, upright, as PNG, no larger than a screen. Raises BadInput."""
    pictures = pages_of(Path(path))
    if not 1 <= page <= len(pictures):
        raise BadInput(f"the file has {len(pictures)} pages", reason="unknown_page")
    upright = _upright(pictures[page - 1], turned_degrees)
    upright.thumbnail((1200, 1700))
    upright.save(out, format="PNG")
    return {"width": upright.width, "height": upright.height}


def _grey(picture: "Image") -> "Image":
    """The picture in grey, as wide as letters are read best."""
    grey = picture.convert("L")
    # Upright or on its side, the shorter edge is that of the lines.
    factor = _WIDE / min(grey.size) if min(grey.size) < _WIDE / 2 * 1.9 else 1.0
    return grey if factor <= 1 else grey.resize((round(grey.width * factor), round(grey.height * factor)))


def _upright(picture: "Image", turned_degrees: int) -> "Image":
    return picture.rotate(-turned_degrees, expand=True, fillcolor=255) if turned_degrees else picture


def _turned(picture: "Image") -> int:
    """By how many degrees, of 0, 90, 180 and 270, the page lies turned anticlockwise; 0 where that cannot be told."""
    try:
        output = _tesseract(picture, "--psm", _BLOCK)
    except BadInput:
        # Too few letters to tell it by.
        return 0
    words = dict(line.partition(":")[::2] for line in output.splitlines() if ":" in line)
    return int(words.get("Rotate", "0")) % 360


def _read(picture: "Image") -> list[tuple[str, float]]:
    """(text, sure) of each line: of a line its least sure word that has a letter or digit."""
    output = _tesseract(picture, "--psm", _PARAGRAPH, "-c", "preserve_interword_spaces=1", "tsv")
    lines: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for row in csv.DictReader(io.StringIO(output), delimiter="\t", quoting=csv.QUOTE_NONE):
        word = (row["text"] or "").strip()
        if word:
            at = (row["block_num"], row["par_num"], row["line_num"])
            lines.setdefault(at, []).append((word, max(float(row["conf"]), 0) / 100))
    found = []
    for words in lines.values():
        confidences = [sure for word, sure in words if any(map(str.isalnum, word))]
        if confidences:
            found.append((" ".join(word for word, _ in words), round(min(confidences), 3)))
    return found


def _tesseract(picture: "Image", *options: str) -> str:
    """Output of tesseract for a picture. Raises BadInput where it stops."""
    written = io.BytesIO()
    picture.save(written, format="PNG", compress_level=1)
    command = ["tesseract", "stdin", "stdout", "--dpi", "300", *options]
    try:
        done = subprocess.run(command, input=written.getvalue(), capture_output=True, timeout=PAGE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise BadInput(f"a page took longer than {PAGE_S} s to read", reason="unreadable_scan", mend=_AGAIN) from error
    if done.returncode:
        errors = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BadInput(
            f"tesseract stopped: {errors[-1] if errors else done.returncode}", reason="unreadable_scan", mend=_AGAIN
        )
    return done.stdout.decode("utf-8", "replace")


def scan_of(bill: SupplierBill, seen: Scanned, places: Mapping[str, Place]) -> Scan:
    """The fields of the bill with how sure each is. places: of its head; registers are called by their name."""
    texts = {row.place: ": ".join(cell for cell in row.cells if cell) for row in seen.rows}

    def field(name: str, place: Place, doubt: str = "") -> ScannedField:
        return ScannedField(
            name=name, place=place, text=texts.get(place, ""), sure=seen.sure.get(place, 0), doubt=doubt
        )

    heads = [
        field(name if name in SupplierBill.model_fields else f"registers.{name}", place, _of_head(bill, name))
        for name, place in places.items()
    ]
    # What every bill has and no line of the picture was read as: somebody looks for it there.
    missing = [field(name, Place(), "was not found") for name in _EXPECTED if name not in places]
    lines = [field(f"lines.{at}", each.place, _of_line(each)) for at, each in enumerate(bill.lines)]
    return Scan(fields=(*heads, *missing, *lines), turned_degrees=seen.turned_degrees)


def _of_head(bill: SupplierBill, name: str) -> str:
    if name in _CODES:
        value = getattr(bill, name)
        codes = value if isinstance(value, tuple) else (value,)
        return "has a gap, which a code has not" if any(" " in each for each in codes) else ""
    if name == "total" and bill.total is not None:
        # Sum of the lines in words where the total is another: one wrong digit anywhere makes it so.
        found = bill.lines_total
        return "" if abs(found - bill.total) < _CENT else f"the lines add up to {found:f}"
    return ""


def _of_line(line: BilledLine) -> str:
    if line.quantity is None or line.rate is None:
        return ""
    found = (line.quantity * line.rate).quantize(_CENT)
    # Rates are printed rounded, in pence by some: what is far off either way was misread.
    near = any(abs(each - line.amount) <= max(_CENT, abs(line.amount) / 200) for each in (found, found / 100))
    return "" if near else f"quantity by rate is {found:f}"
