"""Questions about the batches that the lake was written in: columns of their table, the oldest first."""

from collections.abc import Collection, Iterable
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from assets.stores.journal import AppendOnly, among
from assets.stores.schema.tables_readings import batches, lake_manifest
from assets.stores.transactions import Store

_BATCHES = AppendOnly(batches, dict, order=("recorded_at_utc", "batch_id"))
_MANIFEST = AppendOnly(lake_manifest, dict, order=("day", "id"))


def batches_of_source(store: Store, *, site_id: str, source_sha256: str) -> list[dict[str, Any]]:
    """Batches that brought this very file for this site, the newest first."""
    return _BATCHES.rows(store, site_id=site_id, source_sha256=source_sha256)[::-1]


def batches_of_reader(store: Store, site_id: str, reader: str) -> list[str]:
    """Ids of the site's batches that this reader wrote."""
    return [str(row["batch_id"]) for row in _BATCHES.rows(store, "batch_id", site_id=site_id, reader=reader)]


def named_batches(store: Store, batch_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The batches of these ids."""
    return _BATCHES.rows(store, batch_id=sorted(set(batch_ids)))


def manifest_of_batch(store: Store, batch_id: str) -> list[dict[str, Any]]:
    """The manifest rows of one batch, in order."""
    return _MANIFEST.rows(store, batch_id=batch_id)


def days_recorded_after(
    store: Store, site_ids: Collection[str], moment_utc: datetime, *, before: date
) -> list[dict[str, Any]]:
    """The UTC days before `before` that anything was recorded of after a moment, by site: site_id, day, newest_utc."""
    table = lake_manifest
    query = sa.select(table.c.site_id, table.c.day, sa.func.max(table.c.recorded_at_utc).label("newest_utc"))
    query = query.where(table.c.recorded_at_utc > moment_utc, table.c.day < before)
    query = query.where(among(table.c.site_id, site_ids))
    return [row for row in store.rows(query.group_by(table.c.site_id, table.c.day)) if row["site_id"] in site_ids]


def newest_entry(store: Store, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> int:
    """Id of the newest manifest row of the site, or of any, recorded by then; 0 where there is none."""
    query = newest_query(site_id)
    if as_of_utc is not None:
        query = query.where(lake_manifest.c.recorded_at_utc <= as_of_utc)
    return int(store.rows(query)[0]["newest"] or 0)


# Every answer of the pages asks it, and to put the question costs more than to answer it.
@lru_cache(maxsize=256)
def newest_query(site_id: str | None) -> sa.Select[Any]:
    """Question for the id of the newest manifest row of the site, or of any."""
    query = sa.select(sa.func.max(lake_manifest.c.id).label("newest"))
    return query if site_id is None else query.where(lake_manifest.c.site_id == site_id)
