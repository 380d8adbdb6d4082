"""Questions about the batches that the lake was written in: columns of their table, the oldest first."""

from collections.abc import Iterable
from typing import Any

from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_readings import batches
from assets.stores.transactions import Store

_BATCHES = AppendOnly(batches, dict, order=("recorded_at_utc", "batch_id"))


def batches_of_source(store: Store, *, site_id: str, source_sha256: str) -> list[dict[str, Any]]:
    """Batches that brought this very file for this site, the newest first."""
    return _BATCHES.rows(store, site_id=site_id, source_sha256=source_sha256)[::-1]


def batches_of_reader(store: Store, site_id: str, reader: str) -> list[str]:
    """Ids of the site's batches that this reader wrote."""
    return [str(row["batch_id"]) for row in _BATCHES.rows(store, "batch_id", site_id=site_id, reader=reader)]


def named_batches(store: Store, batch_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The batches of these ids."""
    return _BATCHES.rows(store, batch_id=sorted(set(batch_ids)))
