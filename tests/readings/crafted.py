"""Files made to break their readers: workbooks, Parquet files and PDFs."""

import io
import zipfile
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import openpyxl
import polars as pl

_NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
# Parquet's footer writes numbers as zigzag varints; this one stands nowhere else in a small footer.
ROWS = 4321


def cell(place: str, text: str) -> str:
    """A cell with a text, as XML."""
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


HEADER_ROW = f'<row r="1">{cell("A1", "timestamp")}{cell("B1", "kwh")}</row>'


def workbook_of(path: Path, sheet_data: str, *, before: str = "", parts: dict[str, str] | None = None) -> Path:
    """A workbook whose only sheet holds this XML; `parts` replaces or adds parts of the archive."""
    base = io.BytesIO()
    book = openpyxl.Workbook()
    book.save(base)
    sheet = f"<worksheet {_NAMESPACE}>{before}<sheetData>{sheet_data}</sheetData></worksheet>"
    changed = {"xl/worksheets/sheet1.xml": sheet} | (parts or {})
    with zipfile.ZipFile(base) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            if entry.filename not in changed:
                archive.writestr(entry.filename, source.read(entry.filename))
        for name, text in changed.items():
            archive.writestr(name, text)
    return path


def shared_strings(count: int) -> str:
    """A table of shared strings that claims to be longer than it is."""
    return f'<sst {_NAMESPACE} count="{count}" uniqueCount="{count}"><si><t>a</t></si></sst>'


def parquet_of(path: Path, rows: int = ROWS) -> Path:
    """An honest Parquet file of quarter hours."""
    start = datetime(2025, 1, 1, tzinfo=UTC)
    times = [start + timedelta(minutes=15 * n) for n in range(rows)]
    pl.DataFrame({"timestamp": times, "kwh": [n / 8 for n in range(rows)]}).write_parquet(path)
    return path


def _varint(number: int) -> bytes:
    rest, found = number << 1, b""
    while rest > 127:
        found += bytes([rest & 127 | 128])
        rest >>= 7
    return found + bytes([rest])


def declaring(path: Path, rows: int) -> Path:
    """The file of `parquet_of`, its footer declaring so many rows instead."""
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - size : -8]
    changed = footer.replace(b"\x16" + _varint(ROWS), b"\x16" + _varint(rows))
    assert changed != footer
    path.write_bytes(data[: -8 - size] + changed + len(changed).to_bytes(4, "little") + b"PAR1")
    return path


def dictionary_bomb(path: Path, *, texts: int, text_mb: int, rows: int) -> Path:
    """A column of few, very long texts: kilobytes on disk, the product of all three in words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = pa.array(["x" * text_mb * 1024**2 + str(n) for n in range(texts)])
    places = pa.array([n % texts for n in range(rows)], pa.int32())
    times = pa.array([datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(rows)])
    column = pa.DictionaryArray.from_arrays(places, names)
    table = pa.table({"meter": column, "timestamp": times, "kwh": pa.array([1.0] * rows)})
    pq.write_table(table, path, compression="zstd")
    return path


def pdf_with_script(path: Path) -> Path:
    """A document that would run a script when it is opened."""
    import pypdf
    from pypdf.generic import DictionaryObject, NameObject, TextStringObject

    writer = pypdf.PdfWriter()
    writer.add_blank_page(595, 842)
    script = {"/S": NameObject("/JavaScript"), "/JS": TextStringObject("app.launchURL('http://127.0.0.1/');")}
    action = DictionaryObject({NameObject(name): value for name, value in script.items()})
    writer.root_object[NameObject("/OpenAction")] = action
    writer.write(path)
    return path


def pdf_of_pages(path: Path, pages: int) -> Path:
    """A document of very many pages."""
    import pypdf

    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(595, 842)
    writer.write(path)
    return path


def pdf_locked(path: Path) -> Path:
    """An encrypted document, with a word on its page."""
    import pypdf
    from reportlab.pdfgen import canvas

    plain = io.BytesIO()
    page = canvas.Canvas(plain)
    page.drawString(100, 700, "42 kWh")
    page.save()
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(plain.getvalue()))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(path)
    return path


def pdf_picture_bomb(path: Path, mib: int) -> Path:
    """One page with one picture of equal bytes: kilobytes packed, `mib` MiB when it is unpacked."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1024**2)) for _ in range(mib)) + packer.flush()
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width 1048576 /Height %d /ColorSpace /DeviceGray /BitsPerComponent 8"
        b" /Filter /FlateDecode /Length %d >>\nstream\n" % (mib, len(packed))
    )
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /I 4 0 R >> >> >>",
        picture + packed + b"\nendstream",
    ]
    data, places = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    path.write_bytes(data + table + b"trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(data))
    return path
