"""Input and output of a reader. Formats stand in readers/, decisions about rows in judged_table.py."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import polars as pl

from data_quality.contracts import text as text_of
from data_quality.contracts.errors import BadRow
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import ColumnMap, Site

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
# States of cumulative registers. series: tells two counts of one register in one source apart; mostly empty.
STATE_SCHEMA: dict[str, pl.DataType] = {
    "meter_id": pl.String(),
    "register": pl.String(),
    "series": pl.String(),
    "at_utc": pl.Datetime("us", "UTC"),
    # Exact: twelve digits of a display with nine decimals are more than a double holds.
    "value": pl.Decimal(38, 9),
    "unit": pl.String(),
    "source_line": pl.Int64(),
}
# What nobody sees in a name: control characters, and every blank but the plain one.
UNSEEN, SEEN_NAME = r"[\p{C}\p{Z}--\x20]", "the name of a meter, in characters that can be seen"
# Clocks of meters and ours may differ by this much; one that was never set says 1970.
FUTURE_LIMIT, FIRST_PLAUSIBLE = timedelta(minutes=5), datetime(1971, 1, 1, tzinfo=UTC)
# Rejected rows that become objects; all are counted.
MAX_BAD_ROWS = 1000


class ReadRequest(Model):
    """Request to read a file.

    mapping: column map, or None for the plain shape; site: whose meters, or None to take every name as it is;
    tz: zone of times without offset where the map names none; now_utc: rows of a later time are rejected;
    is_scale_vouched: a person says that the values have the size that they state.
    """

    mapping: ColumnMap | None = None
    site: Site | None = None
    tz: str | None = None
    now_utc: datetime | None = None
    is_scale_vouched: bool = False


class Channel(Model):
    """One stream of a file. `sum` is in `unit`, exact to 1e-9; None for power and levels, which do not add up.

    reading: the state of a register or a momentary value, of a channel without intervals; times are None where the
    file names none.
    """

    meter: str
    channel: str
    commodity: str = "unknown"
    unit: str
    intervals: int = 0
    start_utc: datetime | None
    end_utc: datetime | None
    sum: float | None = None
    sum_kwh: float | None = None
    reading: float | None = None


class FieldValue(Model):
    """One field of a file of named fields, as it is written there."""

    name: str
    position: str
    value: str
    unit: str


@dataclass(frozen=True)
class Parsed:
    """rows: PARSED_SCHEMA, unique per meter, register and start; rejects: REJECT_SCHEMA, all of them.

    channels: what the file states and what cannot be a reading (a register's state, amounts without unit or time);
    channels_are_all: they tell of every row too, so that none is to be counted from the accepted rows;
    commodities: per meter id, where the format says it; values: all fields of a file of named fields; reading: how
    it was read, for people; states: STATE_SCHEMA, of cumulative registers, which register_intervals.py makes rows of;
    findings: what a person should know of single rows that were taken.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    warnings: dict[str, int] = field(default_factory=dict)
    is_synthetic: bool = False
    channels: tuple[Channel, ...] = ()
    channels_are_all: bool = False
    commodities: dict[str, str] = field(default_factory=dict)
    values: tuple[FieldValue, ...] = ()
    reading: dict[str, str] = field(default_factory=dict)
    states: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STATE_SCHEMA))
    findings: tuple[Finding, ...] = ()


class Reader(Protocol):
    """One format. A new one is one module and one line in reader_list.py."""

    name: str
    # Part of what makes a file known: a reader that reads otherwise takes another, and the same files come in anew.
    version: str

    def recognises(self, head: bytes, path: Path) -> bool:
        """True where the first bytes or the name say that this is the format."""

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows of the file. Raises BadInput for a file that cannot be used as a whole."""

    def header(self, path: Path) -> list[str]:
        """Column names, by which a site's column map is chosen; empty for a format without columns."""


def joined(parts: list[Parsed]) -> Parsed:
    """One file read in several ways (column maps), each giving its part; a reject of two parts counts once.

    Rows of two parts for the same stream and time are kept once where they agree and rejected where they do not.
    """
    if len(parts) == 1:
        return parts[0]
    rejects = parts[0].rejects
    for part in parts[1:]:
        # Nulls are equal here: a row without a value is the same row in both parts.
        fresh = part.rejects.join(rejects, on=list(REJECT_SCHEMA), how="anti", nulls_equal=True)
        rejects = pl.concat([rejects, fresh])
    rows, key = pl.concat([part.rows for part in parts]), ["meter_id", "register", "interval_start_utc"]
    differs = (pl.struct("value", "unit", "source_minutes").n_unique() > 1).over(key)
    clash = rows.filter(differs)
    rows = rows.filter(~differs).unique(subset=key, keep="first").sort(key)
    conflicts = clash.select(
        "source_line",
        reason=pl.lit("duplicate_conflict"),
        expected=pl.lit("one value per meter and time, also of two column maps"),
        got=pl.concat_str("meter_id", pl.lit(" = "), pl.col("value").cast(pl.String)),
    )
    warnings = {code: sum(part.warnings.get(code, 0) for part in parts) for part in parts for code in part.warnings}
    return Parsed(
        rows=rows,
        rejects=pl.concat([rejects, conflicts]),
        warnings=warnings,
        is_synthetic=any(part.is_synthetic for part in parts),
        channels=tuple(dict.fromkeys(channel for part in parts for channel in part.channels)),
        channels_are_all=parts[0].channels_are_all,
        commodities={name: carrier for part in parts for name, carrier in part.commodities.items()},
        values=parts[0].values,
        reading=parts[0].reading,
        states=pl.concat([part.states for part in parts]).unique(maintain_order=True),
        findings=tuple(one for part in parts for one in part.findings),
    )


def one_line(text: str, limit: int = 1000) -> str:
    """Text from outside as one printable line: control characters escaped, cut to `limit` characters."""
    return text_of.one_line(text, limit)


def bad_rows(rejects: pl.DataFrame, file: str, limit: int = MAX_BAD_ROWS) -> list[BadRow]:
    """The first `limit` rejects as faults, in line order."""
    return [
        BadRow(
            file=file,
            line=row["source_line"],
            reason=row["reason"],
            expected=one_line(row["expected"]),
            got=one_line(row["got"], 200) if row["got"] is not None else "nothing",
        )
        for row in rejects.sort("source_line").head(limit).iter_rows(named=True)
    ]


def reason_counts(rejects: pl.DataFrame) -> dict[str, int]:
    """Rejects per reason, in reason order."""
    return dict(rejects.group_by("reason").len().sort("reason").iter_rows())
