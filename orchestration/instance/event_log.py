"""Dagster's event log on SQLite, with the materialisations of one output written in one transaction, over
connections that stay open.

A year of a site is one run: each of its models reports twelve months and more. One by one, each costs two commits;
and Dagster's own storage opens its files anew for every event, which costs more than what it writes.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData

# A batch of one of these: everything else goes the way it always goes.
BATCHED = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED}
# Files that stay open: the index and the runs that were asked for last.
OPEN_FILES = 8
# SQLite lets one writer in at a time: daemon, webserver and run workers queue for the index.
BUSY_TIMEOUT_S = 60


def _without_waiting(connection: Any, _: object) -> None:
    """No commit waits for the disk. The file has a write-ahead log and stays whole; a machine that loses its power may
    lose the events of the last moments, and the run that they are of is found broken off as it is without them.
    """
    connection.execute("PRAGMA synchronous = NORMAL")


class BatchedSqliteEventLog(SqliteEventLogStorage):
    """The same files and the same rows as Dagster's own; only the commits and the openings are fewer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(*arguments, **options)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "BatchedSqliteEventLog":
        """Dagster's hook."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> sa.Engine:
        # Taken out and put back below: the order is that of use, so the longest unused is closed first.
        engine = self._engines.pop(shard, None)
        if engine is not None and not Path(self.path_for_shard(shard)).exists():
            # A deleted run: what is open is no longer the file of that name.
            engine.dispose()
            engine = None
        if engine is None:
            # One at a time under the lock, but not always the same thread.
            options = {"timeout": BUSY_TIMEOUT_S, "check_same_thread": False}
            engine = sa.create_engine(self.conn_string_for_shard(shard), poolclass=sa.QueuePool, connect_args=options)
            sa.event.listen(engine, "connect", _without_waiting)
        self._engines[shard] = engine
        while len(self._engines) > OPEN_FILES:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def has_table(self, table_name: str) -> bool:
        """Whether the index has the table; one that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Close what stayed open."""
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
        super().dispose()

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Write the events of a batch into the run's file and the index, each in one transaction."""
        kinds = {event.dagster_event.event_type for event in events if event.dagster_event is not None}
        runs = {event.run_id for event in events}
        if not kinds <= BATCHED or len(kinds) != 1 or len(runs) != 1:
            super().store_event_batch(events)
            return
        statements = [self.prepare_insert_event(event) for event in events]
        with self.run_connection(runs.pop()) as connection:
            for statement in statements:
                connection.execute(statement)
        with self._connect(INDEX_SHARD_NAME) as connection:
            keys = [connection.execute(statement).inserted_primary_key for statement in statements]
            ids = [int(key[0]) for key in keys if key is not None]
            self._store_asset_event_tags(connection, events, ids)
            # The asset's row holds its newest event.
            self._store_asset_event(connection, events[-1], ids[-1])
