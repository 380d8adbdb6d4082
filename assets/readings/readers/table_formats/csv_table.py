"""CSV and TSV, plain or gzipped: the plain shape of columns, or foreign ones with a column map."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from assets.readings.packed.csv_text import CsvText, open_text
from assets.readings.parsed import REJECT_SCHEMA, Parsed, ReadRequest
from assets.readings.tables.judged_table import RawTable, read_table
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap

# A number with decimals, which are the group.
DECIMALS = r"^-?\d+[.,](\d+)\s*$"
# Reason and expectation of a last row that may be cut.
UNFINISHED = ("unfinished_line", "a line end after the last line, which may be cut here")
_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz")


class CsvTable:
    """Reader of separated text; `source_line` counts from the header, which is line 1."""

    name = "csv"
    version = "3"

    def recognises(self, head: bytes, path: Path) -> bool:
        """Text with a separator in its first line; markup is none of ours.

        A name like a table's only decides which sentence refuses what is no table.
        """
        if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] in (b"<", b"{", b"["):
            return False
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or path.name.lower().endswith(_SUFFIXES):
            return True
        first = head.splitlines()[0] if head.strip() else b""
        return b"\0" not in head and any(mark in first for mark in (b",", b";", b"\t"))

    def header(self, path: Path) -> list[str]:
        """Column names of the first line; one without a name where it is a title. Raises BadInput."""
        try:
            return open_text(path).header
        except BadInput as fault:
            if fault.reason not in ("no_header", "duplicate_column", "bad_encoding", "not_text"):
                raise
            # A title, or letters of another encoding: by this name only maps fit that say what to make of them.
            return ["column_1"]

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows. Raises BadInput for a file that cannot be used as a whole."""
        return read_table(self.table(path, request), request)

    def table(self, path: Path, request: ReadRequest) -> RawTable:
        """The columns as found. Raises BadInput."""
        mapping = request.mapping or ColumnMap()
        line = mapping.header_line or 1
        text = open_text(path, line, mapping.encoding)
        if not text.body.strip():
            raise BadInput("there is a header but no row", line=line, reason="no_rows")
        frame, rejects = rows_of(text)
        if frame.is_empty() and rejects.height:
            first = rejects.row(0, named=True)
            message = f"no line has the {len(text.header)} fields of the header; the first is {first['got']!r}"
            raise BadInput(message, line=first["source_line"], reason="field_count")
        warnings = dict(text.warnings)
        if line > 1:
            frame, rejects, warnings["repeated_headers"] = _without_heads(text.header, frame, rejects)
        tail, frame = unfinished_row(text, frame)
        return RawTable(
            frame=frame,
            rejects=pl.concat([rejects, tail]),
            warnings=warnings,
            allows_comma=text.separator != ",",
            reading={"separator": text.separator.replace("\t", "tab"), "encoding": text.encoding},
        )


def rows_of(text: CsvText) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Columns as text with `_line`, and the lines with a wrong number of fields (REJECT_SCHEMA)."""
    none = pl.DataFrame(schema=REJECT_SCHEMA)
    frame = _parse_whole(text)
    if frame is not None:
        return frame, none
    return _parse_quoted(text) if b'"' in text.body else _parse_lines(text)


def _without_heads(
    header: list[str], frame: pl.DataFrame, rejects: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Without the column names that come again below titles of their own, as where each day has a block; their number.

    A title is a line of other fields right above them, as those above the first names are.
    """
    is_head = frame.select(pl.all_horizontal(pl.col(name).str.strip_chars() == name for name in header)).to_series()
    heads = frame.select("_line", is_head=is_head).cast({"_line": pl.Int64})
    above = rejects.join_asof(heads, left_on="source_line", right_on="_line", strategy="forward")
    return frame.filter(~is_head), rejects.filter(~above["is_head"].fill_null(value=False)), int(is_head.sum())


def _parse_whole(text: CsvText) -> pl.DataFrame | None:
    """The body in one go, or None where lines and rows, or separators and fields, do not add up."""
    has_quotes = b'"' in text.body
    if has_quotes and not _quotes_are_plain(text):
        return None
    width = len(text.header)
    try:
        frame = pl.read_csv(
            text.body,
            has_header=False,
            new_columns=text.header,
            # All as text: what is a number or a time is decided in one place for all formats.
            schema=dict.fromkeys(text.header, pl.String),
            separator=text.separator,
            quote_char='"' if has_quotes else None,
        )
    except pl.exceptions.PolarsError:
        return None
    # The parser fills short lines with nulls and may not tell: only the counts prove that rows are lines.
    lines = text.body.count(b"\n") + (0 if text.is_finished else 1)
    blank = frame.lazy().select(pl.all_horizontal(pl.all().is_null()).sum()).collect().item() if width > 1 else 0
    separators = text.body.count(text.separator.encode())
    if frame.height != lines or separators != (frame.height - blank) * (width - 1):
        return None
    if has_quotes and any(frame[name].null_count() for name in text.header):
        return None
    return frame.with_row_index("_line", offset=text.line)


def _quotes_are_plain(text: CsvText) -> bool:
    """True where every quote begins or ends a field: about others, parsers differ."""
    body, mark = text.body, text.separator.encode()
    begins = body.count(b'\n"') + body.count(mark + b'"') + body.startswith(b'"')
    ends = body.count(b'"\n') + body.count(b'"\r') + body.count(b'"' + mark) + body.endswith(b'"')
    return begins == ends == body.count(b'"') / 2


def _parse_lines(text: CsvText) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Line by line, still as columns: lines with a wrong number of fields are rejected, the others read."""
    # By a separator that does not occur each line is one column, still in a single pass.
    unused = next(
        (mark for mark in map(chr, range(1, 32)) if mark not in "\t\n\r" and mark.encode() not in text.body), ""
    )
    if not unused:
        raise BadInput("not a text file: it holds every control character", line=text.line, reason="not_text")
    lines = pl.read_csv(
        text.body,
        has_header=False,
        new_columns=["_text"],
        schema={"_text": pl.String},
        separator=unused,
        quote_char=None,
    ).with_row_index("_line", offset=text.line)
    lines = lines.filter(pl.col("_text").is_not_null())
    width = len(text.header)
    fields = pl.col("_text").str.count_matches(text.separator, literal=True) + 1
    rejects = lines.filter(fields != width).select(*_field_reject(width, pl.col("_text"), fields))
    good = lines.filter(fields == width).with_columns(
        pl.col("_text").str.strip_chars_end("\r").str.split_exact(text.separator, width - 1).alias("_fields")
    )
    parts = [pl.col("_fields").struct[index].alias(name) for index, name in enumerate(text.header)]
    frame = good.select("_line", *parts).with_columns(
        pl.when(pl.col(name) != "").then(pl.col(name)).alias(name) for name in text.header
    )
    return frame, rejects.cast(REJECT_SCHEMA)  # type: ignore[arg-type]


def _parse_quoted(text: CsvText) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Quoted fields that hold separators or line ends: the standard library's parser keeps the line numbers.

    Where a quote is never closed, fields end with their line: one bad line must not swallow those below it.
    """
    width = len(text.header)
    rows: list[tuple[int | str | None, ...]] = []
    wrong: list[tuple[int, str, str, str]] = []
    for line, fields in _quoted_lines(text) if text.body.count(b'"') % 2 else _quoted_fields(text):
        if fields is not None and len(fields) == width:
            rows.append((line, *[field or None for field in fields]))
        # Nothing at all is a blank line, and no fault.
        elif fields != []:
            got = text.separator.join(fields or ["a field that does not end"])[:200]
            wrong.append((line, "field_count", f"{width} fields", got))
    schema = {"_line": pl.UInt32, **dict.fromkeys(text.header, pl.String)}
    return (
        pl.DataFrame(rows, schema=schema, orient="row"),
        pl.DataFrame(wrong, schema=REJECT_SCHEMA, orient="row"),
    )


def _quoted_fields(text: CsvText) -> Iterator[tuple[int, list[str] | None]]:
    """Line number and fields of every row; None for fields that do not end in time."""
    # newline: nothing is translated, so that lines are counted by line feeds, as everywhere else.
    reader = csv.reader(io.StringIO(text.body.decode(), newline="\n"), delimiter=text.separator)
    line = text.line
    while True:
        try:
            fields = next(reader, None)
        except csv.Error:
            yield line, None
            fields = []
        if fields is None:
            return
        yield line, fields
        line = reader.line_num + text.line


def _quoted_lines(text: CsvText) -> Iterator[tuple[int, list[str] | None]]:
    """As _quoted_fields, each line for itself; None for a line with an odd quote."""
    for line, content in enumerate(text.body.decode().split("\n"), start=text.line):
        if content.count('"') % 2:
            yield line, None
        elif content.strip("\r"):
            yield line, _fields_of_line(content.strip("\r"), text.separator)


def _fields_of_line(content: str, separator: str) -> list[str] | None:
    try:
        return next(csv.reader([content], delimiter=separator))
    except csv.Error:  # a carriage return inside
        return None


def _field_reject(width: int, line_text: pl.Expr, fields: pl.Expr) -> list[pl.Expr]:
    return [
        pl.col("_line").cast(pl.Int64).alias("source_line"),
        pl.lit("field_count").alias("reason"),
        # Not pl.format: it panics on columns of several pieces, one of them empty, as a filter leaves them.
        pl.concat_str(pl.lit(f"{width} fields, not "), fields).alias("expected"),
        line_text.str.head(200).alias("got"),
    ]


def unfinished_row(text: CsvText, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The last line of a file that does not end with a line end may be cut inside its last field.

    Fewer fields than the header say so, and the file is refused. With all fields, the row is kept only where the
    last field is a number with as many decimals as every other row has; else it is rejected.
    """
    none = pl.DataFrame(schema=REJECT_SCHEMA)
    if text.is_finished:
        return none, frame
    last_line = text.body.count(b"\n") + text.line
    is_last = frame["_line"] == last_line
    if not is_last.any():
        raise BadInput("the last line is cut: fewer fields than the header", line=last_line, reason="truncated")
    decimals = frame[text.header[-1]].str.extract(DECIMALS, 1).str.len_bytes()
    if decimals.null_count() == 0 and decimals.n_unique() == 1 and decimals.len() > 1:
        return none, frame
    rejects = frame.filter(is_last).select(
        source_line=pl.col("_line").cast(pl.Int64),
        reason=pl.lit(UNFINISHED[0]),
        expected=pl.lit(UNFINISHED[1]),
        got=pl.col(text.header[-1]),
    )
    kept = frame.filter(~is_last)
    if kept.is_empty():
        raise BadInput("the only line may be cut: no line end after it", line=last_line, reason="truncated")
    return rejects, kept
