"""The limited child's part of reading a recorder database: its statistics, and their rows as an Arrow file.

Schema: home-assistant/core, homeassistant/components/recorder/db_schema.py. Times are Unix seconds in UTC. A row of
`statistics` is an hour, one of `statistics_short_term` five minutes; `sum` is the total at the end of it.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.foreign_database import ForeignTables, foreign_database, is_database
from data_quality.contracts.errors import BadInput

META, LONG, SHORT = "statistics_meta", "statistics", "statistics_short_term"
# Before version 35 of the schema a row's time was a text.
_NEEDED = {
    META: ("id", "statistic_id", "unit_of_measurement", "has_sum"),
    LONG: ("id", "metadata_id", "start_ts", "mean", "state", "sum"),
}
# Ten years of forty entities.
MAX_ROWS, MAX_STATISTICS = 4_000_000, 5000
MINUTES = {LONG: 60, SHORT: 5}
ROW_SCHEMA = {
    "stream": pl.Int64,
    "start_s": pl.Float64,
    "minutes": pl.Int32,
    "mean": pl.Float64,
    "state": pl.Float64,
    "sum": pl.Float64,
    "line": pl.Int64,
}


def read_recorder(path: str, *, wanted: list[str] | None, out: str | None) -> list[dict[str, Any]]:
    """Answers every statistic: id, statistic_id, unit, has_sum, rows (of whole hours), first_s, last_s.

    out: the rows of those wanted (ROW_SCHEMA) go there; wanted: their ids, None for all that are sums. Raises BadInput.
    """
    if not is_database(Path(path)):
        raise BadInput("a packed database: unpack it first", line=1, reason="document")
    with foreign_database(Path(path)) as tables:
        _expect_recorder(tables)
        for table in (META, LONG):
            tables.check(table)
        found = _statistics(tables)
        if out is not None:
            taken = [each for each in found if (each["has_sum"] if wanted is None else each["statistic_id"] in wanted)]
            _write(tables, [each["id"] for each in taken], Path(out))
        return found


def _expect_recorder(tables: ForeignTables) -> None:
    if META not in tables.names:
        mend = "export the charging sessions as CSV" if "sessions" in tables.names else "export the readings as CSV"
        text = "a database without the statistics of a Home Assistant recorder is no meter file"
        raise BadInput(f"{text}: {mend}", line=1, reason="document")
    for table, needed in _NEEDED.items():
        missing = [name for name in needed if name not in tables.columns(table)]
        if missing:
            message = f"table {table} has no column {missing[0]}; expected the schema of Home Assistant 2023.3 or later"
            raise BadInput(message, line=1, reason="missing_column")


def _statistics(tables: ForeignTables) -> list[dict[str, Any]]:
    """Every statistic with how many hours it has. Raises BadInput for two of one name."""
    query = f"""
        SELECT m.id, m.statistic_id, m.unit_of_measurement, m.has_sum, count(s.id), min(s.start_ts), max(s.start_ts)
        FROM {META} m LEFT JOIN {LONG} s ON s.metadata_id = m.id GROUP BY m.id ORDER BY m.statistic_id, m.id
    """  # noqa: S608 - names of our own
    names = ("id", "statistic_id", "unit", "has_sum", "rows", "first_s", "last_s")
    found = [dict(zip(names, row, strict=True)) for rows in tables.rows(query) for row in rows]
    if len(found) > MAX_STATISTICS:
        raise BadInput(f"{len(found)} statistics; expected at most {MAX_STATISTICS}", line=1, reason="too_large")
    for before, after in pairwise(found):
        if not isinstance(after["statistic_id"], str) or before["statistic_id"] == after["statistic_id"]:
            message = (
                f"statistic {after['statistic_id']!r:.80} appears twice in {META} (ids {before['id']}, {after['id']})"
            )
            raise BadInput(f"{message}; which one is meant, the file does not say", line=1, reason="shared_register")
    return found


def _write(tables: ForeignTables, ids: list[int], out: Path) -> None:
    parts = [pl.DataFrame(schema=ROW_SCHEMA)]
    for table in (LONG, SHORT):
        for rows in _rows(tables, table, ids):
            parts.append(pl.DataFrame(rows, schema=ROW_SCHEMA, orient="row", strict=False))
            if sum(part.height for part in parts) > MAX_ROWS:
                message = f"more than {MAX_ROWS} rows; name the statistics that are wanted under values of a column map"
                raise BadInput(message, line=1, reason="too_large")
    pl.concat(parts).write_ipc(out)


def _rows(tables: ForeignTables, table: str, ids: list[int]) -> Iterator[list[tuple[Any, ...]]]:
    if table not in tables.names:
        return
    for each in ids:
        # Of five minutes only sums: their hours are means already, and would take the place of finer ones later.
        query = f"""
            SELECT metadata_id, start_ts, {MINUTES[table]}, mean, state, sum, id FROM {table}
            WHERE metadata_id = ? {"AND sum IS NOT NULL" if table == SHORT else ""} ORDER BY start_ts
        """  # noqa: S608 - names of our own
        yield from tables.rows(query, each)
