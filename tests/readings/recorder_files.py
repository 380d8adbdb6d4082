"""Recorder databases of real shape: the tables of Home Assistant's schema 50, as SQLAlchemy makes them on SQLite."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

START = datetime(2025, 3, 29, 22, tzinfo=UTC)
_STATISTICS = """
CREATE TABLE {name} (
    id INTEGER NOT NULL, created CHAR(0), created_ts FLOAT, metadata_id INTEGER, start CHAR(0), start_ts FLOAT,
    mean FLOAT, mean_weight FLOAT, min FLOAT, max FLOAT, last_reset CHAR(0), last_reset_ts FLOAT, state FLOAT,
    sum FLOAT,
    PRIMARY KEY (id), FOREIGN KEY(metadata_id) REFERENCES statistics_meta (id) ON DELETE CASCADE
);
CREATE INDEX ix_{name}_start_ts ON {name} (start_ts);
CREATE UNIQUE INDEX ix_{name}_statistic_id_start_ts ON {name} (metadata_id, start_ts);
"""
SCHEMA = f"""
CREATE TABLE event_data (data_id INTEGER NOT NULL, hash BIGINT, shared_data TEXT, PRIMARY KEY (data_id));
CREATE TABLE event_types (event_type_id INTEGER NOT NULL, event_type VARCHAR(64), PRIMARY KEY (event_type_id));
CREATE TABLE recorder_runs (
    run_id INTEGER NOT NULL, start DATETIME NOT NULL, "end" DATETIME, closed_incorrect BOOLEAN NOT NULL,
    created DATETIME NOT NULL, PRIMARY KEY (run_id)
);
CREATE TABLE schema_changes (
    change_id INTEGER NOT NULL, schema_version INTEGER, changed DATETIME NOT NULL, PRIMARY KEY (change_id)
);
CREATE TABLE states_meta (metadata_id INTEGER NOT NULL, entity_id VARCHAR(255), PRIMARY KEY (metadata_id));
CREATE TABLE states (
    state_id INTEGER NOT NULL, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0), event_id SMALLINT,
    last_changed CHAR(0), last_changed_ts FLOAT, last_reported_ts FLOAT, last_updated CHAR(0), last_updated_ts FLOAT,
    old_state_id INTEGER, attributes_id INTEGER, context_id CHAR(0), context_user_id CHAR(0), context_parent_id CHAR(0),
    origin_idx SMALLINT, context_id_bin BLOB, context_user_id_bin BLOB, context_parent_id_bin BLOB, metadata_id INTEGER,
    PRIMARY KEY (state_id)
);
CREATE TABLE statistics_meta (
    id INTEGER NOT NULL, statistic_id VARCHAR(255), source VARCHAR(32), unit_of_measurement VARCHAR(255),
    unit_class VARCHAR(255), has_mean BOOLEAN, has_sum BOOLEAN, name VARCHAR(255), mean_type SMALLINT NOT NULL,
    PRIMARY KEY (id)
);
{{unique}}
{_STATISTICS.format(name="statistics")}
{_STATISTICS.format(name="statistics_short_term")}
CREATE TABLE statistics_runs (run_id INTEGER NOT NULL, start DATETIME NOT NULL, PRIMARY KEY (run_id));
CREATE TABLE migration_changes (
    migration_id VARCHAR(255) NOT NULL, version SMALLINT NOT NULL, PRIMARY KEY (migration_id)
);
INSERT INTO schema_changes VALUES (1, 50, '2025-03-29 12:00:00.000000');
"""
_UNIQUE = "CREATE UNIQUE INDEX ix_statistics_meta_statistic_id ON statistics_meta (statistic_id);"


class Statistic(NamedTuple):
    """One entity: rows of hours (state, sum) or means; short: rows of five minutes, from the same start."""

    statistic_id: str
    unit: str | None
    sums: Iterable[tuple[float, float] | None] = ()
    means: Iterable[float] = ()
    short: Iterable[tuple[float, float]] = ()


def recorder(path: Path, *statistics: Statistic, start: datetime = START, unique: bool = True) -> Path:
    """A database in WAL mode, as Home Assistant leaves it. unique: with the index that allows no doubles."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(SCHEMA.replace("{unique}", _UNIQUE if unique else ""))
        for number, each in enumerate(statistics, start=1):
            add_statistic(connection, number, each, start)
        connection.commit()
    return path


def add_statistic(connection: sqlite3.Connection, number: int, each: Statistic, start: datetime) -> None:
    """One entity with its rows."""
    sums, means = list(each.sums), list(each.means)
    connection.execute(
        "INSERT INTO statistics_meta VALUES (?, ?, 'recorder', ?, NULL, ?, ?, NULL, ?)",
        (number, each.statistic_id, each.unit, bool(means), not means, int(bool(means))),
    )
    rows = [(None, *row) if row else None for row in sums] + [(mean, None, None) for mean in means]
    _insert(connection, "statistics", number, rows, start.timestamp(), 3600)
    _insert(connection, "statistics_short_term", number, [(None, *row) for row in each.short], start.timestamp(), 300)


def _insert(
    connection: sqlite3.Connection,
    table: str,
    number: int,
    rows: Iterable[tuple[float | None, float | None, float | None] | None],
    start_s: float,
    step_s: int,
) -> None:
    connection.executemany(
        f"INSERT INTO {table} (created_ts, metadata_id, start_ts, mean, state, sum) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (start_s + (n + 1) * step_s + 10, number, start_s + n * step_s, *row)
            for n, row in enumerate(rows)
            if row is not None
        ],
    )
