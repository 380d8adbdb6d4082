"""The list of readers, most particular first. A new format is a module beside this one and a line here."""

from pathlib import Path

from assets.readings.parsed import Reader
from assets.readings.readers.csv_table import CsvTable
from assets.readings.readers.parquet_table import ParquetTable
from data_quality.contracts.errors import BadInput

READERS: tuple[Reader, ...] = (ParquetTable(), CsvTable())
HEAD_BYTES = 4096


def reader_for(path: Path) -> Reader:
    """The reader that recognises the file. Raises BadInput for a missing, empty, foreign file or a directory."""
    if path.is_dir():
        raise BadInput("expected a meter file, got a directory", reason="directory")
    if not path.is_file():
        raise BadInput("no such file", reason="no_such_file")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise BadInput("the file is empty", line=1, reason="empty_file")
    for reader in READERS:
        if reader.recognises(head, path):
            return reader
    names = ", ".join(reader.name for reader in READERS)
    raise BadInput(f"unknown format; readable are {names}", line=1, reason="unknown_format")
