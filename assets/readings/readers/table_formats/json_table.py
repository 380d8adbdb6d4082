"""JSON as portals and web services answer: a list of objects, however deep, is a table of one row an object. So are
lists of one length beside each other (a column each), a list of names beside one of rows, and an object a line.

What stands beside the list and above it (a unit, an identifier of the meter) is a column, named by its place.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.packed.bounded import content
from assets.readings.packed.csv_text import MAX_COLUMNS, refuse_own_name
from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.table_formats.json_rows import MAX_BYTES, json_of
from assets.readings.tables.judged_table import RawTable, read_table
from data_quality.contracts.errors import BadInput

_Fields = Mapping[str, str]
_TIME = re.compile(r"\d{4}[-/]\d\d[-/]\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{8}T")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
# Of a row and of a cell in memory, their text beside; a meter's portal answers with a tenth of the limit.
_ROW_BYTES, _CELL_BYTES, _MAX_TABLE_BYTES = 128, 16, 256 * 2**20
# Lists and objects of a document. The smallest row with a time is 23 bytes: MAX_BYTES hold fewer of them than these.
_MAX_PARTS = 1_000_000
# Lists beside each other, and their length, of which fewer are no table.
_FEWEST_COLUMNS, _FEWEST_ROWS = 2, 2
EXPECTED = "a list of objects, each with its time and its value"


class JsonTable:
    """Reader of JSON tables; `source_line` is the place of an object among those of its list, from 1."""

    name = "json_table"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """An object or a list; what another reader knows of JSON, it has taken before."""
        return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")

    def header(self, path: Path) -> list[str]:
        """Names of the columns. Raises BadInput."""
        return [name for name in _table(path).columns if name != "_line"]

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows. Raises BadInput for a document without a table."""
        return read_table(self.table(path, request), request)

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found, as text. Raises BadInput."""
        return RawTable(frame=_table(path))


def _table(path: Path) -> pl.DataFrame:
    """The rows of the longest list of objects that have times; lists at the same place of their documents are one."""
    found: dict[str, list[tuple[_Fields, _Fields]]] = {}
    body = content(path, max_bytes=MAX_BYTES)
    # Before it is taken apart: a list or object of few bytes takes some hundred of memory.
    if (parts := body.count(b"[") + body.count(b"{")) > _MAX_PARTS:
        message = f"{parts:,} lists and objects, at most {_MAX_PARTS:,} are read; expected {EXPECTED}"
        raise BadInput(message, line=1, reason="too_large")
    document, size = json_of(_of_lines(body), EXPECTED), 0
    for place, own, above in _rows(document, "", _fields(document)):
        # What is above a list once is a text in each of its rows: a small file may ask for any amount of memory.
        size += _ROW_BYTES + sum(_CELL_BYTES + len(text) for each in (own, above) for text in each.values())
        if size > _MAX_TABLE_BYTES:
            message = "too many fields for the rows of a JSON document; split the file by months or by meters"
            raise BadInput(message, line=1, reason="too_large")
        found.setdefault(place, []).append((own, above))
    pairs = max(found.values(), key=lambda each: (any(map(_TIME.match, each[0][0].values())), len(each)), default=[])
    # What counts pages and rows of the answer says the same above all of them.
    counts = {name for _, above in pairs for name, text in above.items() if _NUMBER.fullmatch(text)}
    counts = {name for name in counts if len({above.get(name) for _, above in pairs}) == 1}
    known = dict.fromkeys(name for pair in pairs for part in pair for name in part)
    names = [name for name in known if name not in counts]
    if not names:
        raise BadInput(f"it holds no table; expected {EXPECTED}", line=1, reason="wrong_shape")
    refuse_own_name(names)
    if len(names) > MAX_COLUMNS or len(names) * len(pairs) * _CELL_BYTES > _MAX_TABLE_BYTES:
        message = f"{len(names)} fields in {len(pairs)} rows; expected at most {MAX_COLUMNS}, or fewer rows"
        raise BadInput(message, line=1, reason="too_many_columns")
    try:
        columns = {
            name: pl.Series([own.get(name, above.get(name)) for own, above in pairs], dtype=pl.String) for name in names
        }
        return pl.DataFrame(columns).with_row_index("_line", offset=1)
    except UnicodeEncodeError as fault:
        message = f"a text has half a letter (\\u{ord(fault.object[fault.start]):04x}); expected whole ones"
        raise BadInput(message, line=1, reason="bad_encoding") from fault


def _of_lines(body: bytes) -> bytes:
    """The document; of one that has an object in each of its lines the list of them."""
    lines = [line.strip() for line in body.split(b"\n") if line.strip()]
    is_object = len(lines) > 1 and all(line[:1] == b"{" and line[-1:] == b"}" for line in lines)
    return b"[" + b",\n".join(lines) + b"]" if is_object else body


def _beside(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Rows that an object holds as columns: lists of one length, or names beside rows; none where it has neither."""
    names, rows = node.get("columns"), node.get("values")
    if isinstance(names, list) and isinstance(rows, list) and all(isinstance(each, list) for each in rows):
        if all(isinstance(name, str) for name in names) and all(len(row) == len(names) for row in rows):
            yield from (dict(zip(names, row, strict=True)) for row in rows)
        return
    lists = {name: each for name, each in node.items() if isinstance(each, list)}
    lists = {name: each for name, each in lists.items() if not any(isinstance(one, dict | list) for one in each)}
    most = max((len(each) for each in lists.values()), default=0)
    columns = {name: each for name, each in lists.items() if len(each) == most}
    if most >= _FEWEST_ROWS and len(columns) >= _FEWEST_COLUMNS:
        yield from (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _rows(node: Any, place: str, above: Mapping[str, str]) -> Iterator[tuple[str, _Fields, _Fields]]:
    """Each object that stands in a list: place of the list, the object's fields, those of all that is above it."""
    if isinstance(node, dict):
        for each in _beside(node):
            yield from _row(_fields(each), f"{place}.rows" if place else "rows", above)
        for name, each in node.items():
            if isinstance(each, dict | list):
                yield from _rows(each, f"{place}.{name}" if place else name, above)
    elif isinstance(node, list):
        for each in node:
            if not isinstance(each, dict):
                yield from _rows(each, place, above)
                continue
            fields = _fields(each)
            yield from _row(fields, place, above)
            within = {f"{place}.{name}" if place else name: text for name, text in fields.items()}
            yield from _rows(each, place, {**above, **within})


def _row(fields: _Fields, place: str, above: _Fields) -> Iterator[tuple[str, _Fields, _Fields]]:
    # Own fields have their own names, unless what is above has the same.
    yield place, {f"{place}.{name}" if name in above else name: text for name, text in fields.items()}, above


def _fields(node: Any) -> dict[str, str]:
    """Texts and numbers of an object and of those within it, by their place; none of a list. Raises BadInput."""
    pairs = list(_texts(node, "")) if isinstance(node, dict) else []
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise BadInput(f"two fields of one object are called {twice!r:.80}", line=1, reason="duplicate_column")
    return found


def _texts(node: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    for name, each in node.items():
        if isinstance(each, dict):
            yield from _texts(each, f"{place}{name}.")
        elif isinstance(each, bool):
            yield f"{place}{name}", str(each).lower()
        elif each is not None and not isinstance(each, list):
            yield f"{place}{name}", str(each)
