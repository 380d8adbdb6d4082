"""Grid signals, append-only: a row a modification of a signal; and the heartbeat of each source.

Imports nothing heavy: the agent reads capacity limits here.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.journal import AppendOnly, fields_of, row_of
from assets.stores.schema.tables_signals import grid_signals, signal_sources
from assets.stores.transactions import Repository, read_rows
from assets.stores.trust import must_be_proven
from data_quality.contracts.control.grid_signal import GridSignal
from data_quality.contracts.time import Clock


def _signal(row: Mapping[str, Any]) -> GridSignal:
    return fields_of(GridSignal)({**row, "received_at_utc": row["recorded_at_utc"]})


_SIGNALS = AppendOnly(grid_signals, _signal, order=("id",), is_proven=True)
_KEY = ("source_id", "event_id", "kind")


class GridSignals(Repository):
    """The signals of one transactional store."""

    def current(self, site_id: str, *, as_of_utc: datetime | None = None, source_id: str | None = None
                 ) -> list[GridSignal]:  # fmt: skip
        """The newest modification of every signal of a site, as known at T."""
        return _SIGNALS.all_as_of(self.store, *_KEY, as_of_utc=as_of_utc, site_id=site_id, source_id=source_id)

    def open(self, site_id: str, now_utc: datetime) -> list[GridSignal]:
        """The newest modification of signals that have not ended; a refused one leaves in force what was before it.

        Raises BadInput (row_not_proven), Unreachable.
        """
        until = grid_signals.c.matters_until_utc
        query = _SIGNALS.select(site_id=site_id).where(sa.or_(until.is_(None), until > now_utc))
        rows = must_be_proven(self.store, grid_signals, read_rows(self.store, query))
        found: dict[tuple[Any, ...], Mapping[str, Any]] = {}
        for row in rows:
            key = tuple(row[name] for name in _KEY)
            if not (row["refused"] and key in found):
                found[key] = row
        return [_signal(row) for row in found.values()]

    def record(self, signal: GridSignal, clock: Clock) -> GridSignal | None:
        """Record a signal where it differs from what stands; its modification is counted here. None: nothing new."""
        place = {"site_id": signal.site_id, **{name: getattr(signal, name) for name in _KEY}}
        with self.store.together():
            row = _SIGNALS.newest(self.store, **place)
            before = None if row is None else _signal(row)
            number = 1 if before is None else before.modification + 1
            after = signal.model_copy(update={"modification": number})
            ignored = {"modification", "received_at_utc"}
            if before is not None and before.model_dump(exclude=ignored) == after.model_dump(exclude=ignored):
                return None
            ends = [after.end_utc if after.intervals else clock.now_utc()]
            ends += [] if row is None else [row["matters_until_utc"]]
            known = [end for end in ends if end is not None]
            until = max(known) if len(known) == len(ends) else None
            at = _SIGNALS.add(self.store, clock, row_of(grid_signals, after, matters_until_utc=until))
            return after.model_copy(update={"received_at_utc": at})

    def renew_heartbeat(self, site_id: str, source_id: str, now_utc: datetime) -> None:
        """Renew the heartbeat of a source. Raises Unreachable."""
        is_it = sa.and_(signal_sources.c.site_id == site_id, signal_sources.c.source_id == source_id)
        with self.store.begin() as connection:
            found = connection.execute(signal_sources.update().where(is_it).values(heard_at_utc=now_utc))
            if not found.rowcount:
                connection.execute(
                    signal_sources.insert().values(site_id=site_id, source_id=source_id, heard_at_utc=now_utc)
                )

    def heartbeats(self, site_id: str) -> dict[str, datetime]:
        """When each source of a site was heard last. Raises Unreachable."""
        rows = read_rows(self.store, signal_sources.select().where(signal_sources.c.site_id == site_id))
        return {row["source_id"]: row["heard_at_utc"] for row in rows}
