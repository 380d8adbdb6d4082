"""The list of readers, most particular first. A new format is a module next to this one and a line here."""

import zlib
from pathlib import Path

from assets.readings.packed.bounded import GZIP_MAGIC
from assets.readings.parsed import Reader
from assets.readings.readers.espi_format.espi import Espi
from assets.readings.readers.home_formats.evcc_sessions import EvccSessions
from assets.readings.readers.home_formats.history_csv import HistoryCsv
from assets.readings.readers.home_formats.recorder import Recorder
from assets.readings.readers.live_format.samples import Samples
from assets.readings.readers.market_formats.mscons import Mscons
from assets.readings.readers.market_formats.nem12 import Nem12
from assets.readings.readers.market_formats.nem13 import Nem13
from assets.readings.readers.p1_format.dsmr import Dsmr
from assets.readings.readers.table_formats.csv_table import CsvTable
from assets.readings.readers.table_formats.json_rows import JsonRows
from assets.readings.readers.table_formats.json_table import JsonTable
from assets.readings.readers.table_formats.parquet_table import ParquetTable
from assets.readings.readers.table_formats.xlsx_table import XlsxTable
from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import one_line

# Separated text stands last: nearly every text has a comma in its first line.
READERS: tuple[Reader, ...] = (
    Samples(),
    Espi(),
    Dsmr(),
    ParquetTable(),
    Recorder(),
    XlsxTable(),
    Nem12(),
    Nem13(),
    Mscons(),
    JsonRows(),
    JsonTable(),
    HistoryCsv(),
    EvccSessions(),
    CsvTable(),
)
HEAD_BYTES = 4096
# What people drop into the folder of meter files by mistake: named, and never opened.
DOCUMENTS = {
    b"%PDF-": "a PDF",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old office document (.xls, .doc)",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"{\\rtf": "a text document",
    b"7z\xbc\xaf\x27\x1c": "an archive",
    b"Rar!": "an archive",
    b"\x7fELF": "a program",
    b"MZ\x90\x00": "a program",
}
MENDS = {
    "a PDF": "export the readings as CSV or XLSX",
    "an old office document (.xls, .doc)": "save the table as .xlsx or CSV",
    "an archive": "unpack it first",
}
# As a workbook begins too: it is an archive where no reader knows it.
_ZIP = b"PK\x03\x04"
_SHOWN_BYTES = 40
# A PDF may begin with other bytes.
_PDF_WITHIN = 1024


def reader_for(path: Path) -> Reader:
    """The reader that recognises the file. Raises BadInput for a missing, empty, foreign file or a directory."""
    if path.is_dir():
        raise BadInput("expected a meter file, got a directory", file=str(path), reason="directory")
    if not path.is_file():
        raise BadInput("no such file", file=str(path), reason="no_such_file")
    # A link may lead to any file that we may read: the folder is open to others.
    if path.is_symlink():
        raise BadInput("expected a file, got a symbolic link to one", file=str(path), reason="symlink")
    head = _head(path)
    if not head:
        raise BadInput("the file is empty", file=str(path), line=1, reason="empty_file")
    document = document_kind(head)
    if document:
        raise _foreign(document, path)
    for reader in READERS:
        if reader.recognises(head, path):
            return reader
    if head.startswith(_ZIP):
        raise _foreign("an archive", path, reason="unknown_format")
    names = ", ".join(reader.name for reader in READERS)
    begins = one_line(head[:_SHOWN_BYTES].decode("utf-8", "replace").partition("\n")[0])
    raise BadInput(
        f"unknown format; readable are {names}; this begins with {begins!r}",
        file=str(path),
        line=1,
        reason="unknown_format",
    )


def _foreign(document: str, path: Path, reason: str = "document") -> BadInput:
    mend = f": {MENDS[document]}" if document in MENDS else ""
    return BadInput(f"{document} is no meter file{mend}", file=str(path), line=1, reason=reason)


def document_kind(head: bytes) -> str:
    """Kind of a foreign file by its beginning; empty for what may be a meter file."""
    found = next((kind for magic, kind in DOCUMENTS.items() if head.startswith(magic)), "")
    return found or ("a PDF" if b"%PDF-" in head[:_PDF_WITHIN] else "")


def _head(path: Path) -> bytes:
    """The first bytes of the content, unpacked where the file is gzip."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.startswith(GZIP_MAGIC):
        return head
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD_BYTES) or head
    except zlib.error:
        return head
