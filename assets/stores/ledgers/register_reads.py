"""States of cumulative registers as received: append-only, so that the next file joins on to the last."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
import sqlalchemy as sa

from assets.stores.schema.tables_readings import register_reads
from assets.stores.seals import append
from assets.stores.transactions import Repository, next_recorded_at
from data_quality.contracts.time import Clock

Series = tuple[str, str, str]
# Enough before a file to know what is usual for the register; enough after it to judge the read that follows.
BEFORE, AFTER = 200, 3
READ_SCHEMA: dict[str, pl.DataType] = {
    "meter_id": pl.String(),
    "register": pl.String(),
    "series": pl.String(),
    "at_utc": pl.Datetime("us", "UTC"),
    # A display of many digits less another as floats would lose the small amount between them.
    "value": pl.Decimal(38, 9),
    "unit": pl.String(),
    "source_line": pl.Int64(),
}
_GIVEN = tuple(name for name in READ_SCHEMA if name != "source_line")
# A file of years is not turned into Python objects all at once.
_INSERT_ROWS = 5000


@dataclass(frozen=True)
class Origin:
    """Source of reads."""

    site_id: str
    source_sha256: str
    is_synthetic: bool


class RegisterReadStore(Repository):
    """Reads of all registers in the transactional store. Real and synthetic reads never meet."""

    def around(
        self, site_id: str, spans: dict[Series, tuple[datetime, datetime]], *, is_synthetic: bool
    ) -> pl.DataFrame:
        """The reads known in each span (both ends included), before and after it: READ_SCHEMA, source_line 0."""
        at, rows = register_reads.c.at_utc, []
        newest = _newest(
            site_id, (sa.bindparam("meter"), sa.bindparam("register"), sa.bindparam("count")), is_synthetic
        )
        first: sa.BindParameter[datetime] = sa.bindparam("first")
        last: sa.BindParameter[datetime] = sa.bindparam("last")
        # Series by series: BEFORE and AFTER are limits for each, which one query over all cannot have. Each is made
        # once: of a file with hundreds of registers the making took longer than the answers.
        queries = (
            newest.where(at < first).order_by(at.desc()).limit(BEFORE),
            newest.where(at >= first, at <= last),
            newest.where(at > last).order_by(at).limit(AFTER),
        )
        with self.store.reading() as connection:
            for (meter, register, count), (begins, ends) in spans.items():
                parameters = {"meter": meter, "register": register, "count": count, "first": begins, "last": ends}
                rows += [row for query in queries for row in connection.execute(query, parameters)]
        return _frame(rows)

    def every(self, site_id: str, series: Series, *, is_synthetic: bool) -> pl.DataFrame:
        """All reads of one register as known now, in time order: READ_SCHEMA."""
        newest = _newest(site_id, series, is_synthetic).order_by(register_reads.c.at_utc)
        with self.store.reading() as connection:
            return _frame(list(connection.execute(newest)))

    def known_series(self, site_id: str) -> list[tuple[Series, bool]]:
        """(meter, register, series) that have reads, and whether these are synthetic."""
        table = register_reads
        columns = [table.c.meter_id, table.c.register, table.c.series, table.c.is_synthetic]
        query = sa.select(*columns).where(table.c.site_id == site_id).distinct().order_by(*columns)
        return [
            ((row["meter_id"], row["register"], row["series"]), bool(row["is_synthetic"]))
            for row in self.store.rows(query)
        ]

    def add(self, reads: pl.DataFrame, known: pl.DataFrame, origin: Origin, clock: Clock) -> int:
        """Keep reads (READ_SCHEMA, one per series and instant) that `known` does not hold with this value."""
        key = ["meter_id", "register", "series", "at_utc", "value", "unit"]
        fresh = reads.join(known, on=key, how="anti", maintain_order="left")
        if fresh.is_empty():
            return 0
        with self.store.begin() as connection:
            recorded_at = next_recorded_at(connection, clock.now_utc())
            shared = {
                "site_id": origin.site_id,
                "source_sha256": origin.source_sha256,
                "is_synthetic": origin.is_synthetic,
                "recorded_at_utc": recorded_at,
            }
            for part in fresh.iter_slices(_INSERT_ROWS):
                # Never with an exponent: 1E+2 and 100 must be one text.
                rows = [row | shared | {"value": f"{row['value']:f}"} for row in part.iter_rows(named=True)]
                append(connection, register_reads, rows)
        return fresh.height


def _newest(site_id: str, series: Sequence[str | sa.BindParameter[str]], is_synthetic: bool) -> sa.Select[Any]:
    """The newest row of each instant of a series: a corrected read replaces the older one."""
    table, later = register_reads, register_reads.alias("later")
    same = [table.c[name] == later.c[name] for name in ("site_id", "meter_id", "register", "series", "at_utc")]
    is_superseded = sa.exists().where(*same, later.c.is_synthetic == is_synthetic, later.c.id > table.c.id)
    return sa.select(*(table.c[name] for name in _GIVEN)).where(
        table.c.site_id == site_id,
        table.c.meter_id == series[0],
        table.c.register == series[1],
        table.c.series == series[2],
        table.c.is_synthetic == is_synthetic,
        ~is_superseded,
    )


def _frame(rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    reads = pl.DataFrame(rows, schema={name: READ_SCHEMA[name] for name in _GIVEN} | {"value": pl.String}, orient="row")
    reads = reads.with_columns(pl.col("value").cast(READ_SCHEMA["value"]), source_line=pl.lit(0, pl.Int64))
    return reads.select(list(READ_SCHEMA)).sort("at_utc")
