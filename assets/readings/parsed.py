"""What a reader is asked and what it hands over. Formats stand in readers/, decisions about rows in table.py."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from data_quality.contracts.errors import BadRow
from data_quality.contracts.model import Model
from data_quality.contracts.site import ColumnMap, Site

PARSED_SCHEMA: dict[str, pl.DataType] = {
    "meter_id": pl.String(),
    "register": pl.String(),
    "interval_start_utc": pl.Datetime("us", "UTC"),
    "source_minutes": pl.Int32(),
    "value": pl.Float64(),
    "unit": pl.String(),
    "quality_code": pl.Int32(),
    "source_line": pl.Int64(),
}
REJECT_SCHEMA: dict[str, pl.DataType] = {
    "source_line": pl.Int64(),
    "reason": pl.String(),
    "expected": pl.String(),
    "got": pl.String(),
}
# Rejected rows that become objects; all are counted.
MAX_BAD_ROWS = 1000


class ReadRequest(Model):
    """How a file is to be read.

    mapping: column map, or None for the plain shape; site: whose meters, or None to take every name as it is;
    tz: zone of times without offset where the map names none; now_utc: rows beyond one day after it are rejected.
    """

    mapping: ColumnMap | None = None
    site: Site | None = None
    tz: str | None = None
    now_utc: datetime | None = None


@dataclass(frozen=True)
class Parsed:
    """rows: PARSED_SCHEMA, unique per meter, register and start; rejects: REJECT_SCHEMA, all of them."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    warnings: dict[str, int] = field(default_factory=dict)
    is_synthetic: bool = False


class Reader(Protocol):
    """One format. A new one is one module and one line in register.py."""

    name: str
    version: str

    def recognises(self, head: bytes, path: Path) -> bool:
        """True where the first bytes or the name say that this is the format."""
        ...

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows of the file. Raises BadInput for a file that cannot be used as a whole."""
        ...

    def header(self, path: Path) -> list[str]:
        """Column names, by which a site's column map is chosen; empty for a format without columns."""
        ...


def bad_rows(rejects: pl.DataFrame, file: str, limit: int = MAX_BAD_ROWS) -> list[BadRow]:
    """The first `limit` rejects as faults, in line order."""
    return [
        BadRow(
            file=file,
            line=row["source_line"],
            reason=row["reason"],
            expected=row["expected"],
            got=row["got"] if row["got"] is not None else "nothing",
        )
        for row in rejects.sort("source_line").head(limit).iter_rows(named=True)
    ]


def reason_counts(rejects: pl.DataFrame) -> dict[str, int]:
    """Rejects per reason, in reason order."""
    return dict(rejects.group_by("reason").len().sort("reason").iter_rows())
