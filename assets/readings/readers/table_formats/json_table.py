"""JSON as portals and web services answer: a list of objects, however deep, is a table of one row an object.

What stands beside the list and above it (a unit, an identifier of the meter) is a column, named by its place.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.packed.bounded import content
from assets.readings.packed.csv_text import MAX_COLUMNS
from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.table_formats.json_rows import MAX_BYTES, json_of
from assets.readings.tables.judged_table import RawTable, read_table
from data_quality.contracts.errors import BadInput

_TIME = re.compile(r"\d{4}[-/]\d\d[-/]\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{8}T")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
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
    found: dict[str, list[tuple[dict[str, str], Mapping[str, str]]]] = {}
    for place, own, above in _rows(json_of(content(path, max_bytes=MAX_BYTES), EXPECTED), "", {}):
        found.setdefault(place, []).append((own, above))
    pairs = max(found.values(), key=lambda each: (any(map(_TIME.match, each[0][0].values())), len(each)), default=[])
    # What counts pages and rows of the answer says the same above all of them.
    counts = {name for _, above in pairs for name, text in above.items() if _NUMBER.fullmatch(text)}
    counts = {name for name in counts if len({above.get(name) for _, above in pairs}) == 1}
    rows = [{**own, **{name: text for name, text in above.items() if name not in counts}} for own, above in pairs]
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise BadInput(f"it holds no table; expected {EXPECTED}", line=1, reason="wrong_shape")
    if len(names) > MAX_COLUMNS:
        raise BadInput(f"{len(names)} fields; expected at most {MAX_COLUMNS}", line=1, reason="too_many_columns")
    columns = {name: pl.Series([row.get(name) for row in rows], dtype=pl.String) for name in names}
    return pl.DataFrame(columns).with_row_index("_line", offset=1)


def _rows(node: Any, place: str, above: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str], Mapping[str, str]]]:
    """Each object that stands in a list: place of the list, the object's fields, those of all that is above it."""
    if isinstance(node, list):
        for each in node:
            if isinstance(each, dict):
                # Own fields have their own names, unless what is above has the same.
                own = {f"{place}.{name}" if name in above else name: text for name, text in _fields(each).items()}
                yield place, own, above
            yield from _rows(each, place, above)
    elif isinstance(node, dict):
        fields = {".".join(filter(None, (place, name))): text for name, text in _fields(node).items()}
        for name, each in node.items():
            if isinstance(each, dict | list):
                yield from _rows(each, ".".join(filter(None, (place, name))), {**above, **fields})


def _fields(node: Mapping[str, Any], place: str = "") -> dict[str, str]:
    """Texts and numbers of an object and of those within it, by their place; none of a list."""
    found: dict[str, str] = {}
    for name, each in node.items():
        inside = f"{place}{name}"
        if isinstance(each, dict):
            found |= _fields(each, f"{inside}.")
        elif isinstance(each, bool):
            found[inside] = str(each).lower()
        elif each is not None and not isinstance(each, list):
            found[inside] = str(each)
    return found
