"""Annotated CSV, as InfluxDB 2 answers a Flux query: tables of one series each, separated by empty lines. Pure.

Specification: annotations #datatype, #group, #default before each header; a table with a column `error` is a fault.
"""

from dataclasses import dataclass

import polars as pl

from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import one_line

EXPECTED = "annotated CSV of InfluxDB 2 with _time and _value"
NUMBERS = {"double", "long", "unsignedLong"}
# Columns that are no tag of a series.
_OWN = {"", "result", "table", "_start", "_stop", "_time", "_value", "_field", "_measurement"}


@dataclass(frozen=True)
class InfluxTable:
    """Blocks of an answer that have the same columns. rows: all columns as text; datatypes by column, where given."""

    rows: pl.DataFrame
    datatypes: dict[str, str]

    @property
    def series(self) -> list[dict[str, str]]:
        """The tags of each series, where they were kept."""
        tags = [name for name in self.rows.columns if name not in _OWN]
        names = [name for name in ("table", *tags) if name in self.rows.columns]
        found = self.rows.select(names).unique(maintain_order=True)
        return [{name: row[name] or "" for name in tags} for row in found.iter_rows(named=True)]


def read_tables(body: bytes, *, file: str = "") -> list[InfluxTable]:
    """All tables of an answer. Raises BadInput: an error that the server tells in it, a cut or another document."""
    # As the specification has it lines end with CRLF; proxies and hands make others of them.
    text = body.replace(b"\r\n", b"\n")
    if text and not text.endswith(b"\n"):
        raise BadInput("the answer is cut in its last line", file=file, reason="truncated")
    return [_table(block, file) for block in text.split(b"\n\n") if block.strip()]


def _table(block: bytes, file: str) -> InfluxTable:
    annotations: dict[str, list[str]] = {}
    rest = block.lstrip(b"\n")
    while rest.startswith(b"#"):
        line, _, rest = rest.partition(b"\n")
        name, *cells = line.decode("utf-8", "replace").split(",")
        annotations[name] = cells
    head, _, data = rest.partition(b"\n")
    header = head.decode("utf-8", "replace").split(",")
    if "error" in header:
        message = data.decode("utf-8", "replace").split(",")[header.index("error")] if data else "an error"
        raise BadInput(f"the server says: {one_line(message, 200)}", file=file, reason="refused")
    if "_time" not in header or "_value" not in header:
        raise BadInput(f"it has the columns {', '.join(header)[:200]}; expected {EXPECTED}", file=file)
    types = annotations.get("#datatype", [])
    try:
        rows = pl.read_csv(data or b"\n", has_header=False, new_columns=header, schema=dict.fromkeys(header, pl.String))
    except pl.exceptions.PolarsError as error:
        raise BadInput(f"it has lines of another length; expected {EXPECTED}", file=file, reason="not_text") from error
    return InfluxTable(rows=rows if data else rows.clear(), datatypes=dict(zip(header[1:], types, strict=False)))


def values_of(tables: list[InfluxTable], *, what: str, file: str = "") -> tuple[pl.DataFrame, int]:
    """At (UTC, µs) and value (Float64) of all tables in time order, and how many rows were no reading of a number.

    Raises BadInput where a table is of another type than numbers. what: the point, for the sentence.
    """
    parts, refused = [], 0
    for table in tables:
        kind = table.datatypes.get("_value", "double")
        if kind not in NUMBERS:
            raise BadInput(f"{what} is of type {kind} there; expected numbers", file=file, reason="not_a_number")
        found = table.rows.select(
            at=pl.col("_time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC", strict=False),
            value=pl.col("_value").cast(pl.Float64, strict=False),
        )
        good = found.filter(pl.col("at").is_not_null() & pl.col("value").is_finite())
        refused += found.height - good.height
        parts.append(good)
    none = pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), "value": pl.Float64})
    return pl.concat([none, *parts]).sort("at", maintain_order=True), refused
