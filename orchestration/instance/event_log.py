"""Dagster's event log on SQLite, with the materialisations of one output written in one transaction.

A year of a site is one run: each of its models reports twelve months and more. One by one, each costs two commits.
"""

from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData

# A batch of one of these: everything else goes the way it always goes.
BATCHED = {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_MATERIALIZATION_PLANNED}


class BatchedSqliteEventLog(SqliteEventLogStorage):
    """The same files and the same rows as Dagster's own; only the commits are fewer."""

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "BatchedSqliteEventLog":
        """Dagster's hook."""
        return cls(inst_data=inst_data, **config_value)

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
