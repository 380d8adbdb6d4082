"""Questions about the batches that the lake was written in."""

from typing import Any

import sqlalchemy as sa

from assets.stores import tables_readings
from assets.stores.transactions import Store


def batches_of_source(store: Store, *, site_id: str, source_sha256: str) -> list[dict[str, Any]]:
    """Batches that brought this very file for this site (columns of the batches table), the newest first."""
    table = tables_readings.batches
    query = sa.select(table).where(table.c.site_id == site_id, table.c.source_sha256 == source_sha256)
    return store.rows(query.order_by(table.c.recorded_at_utc.desc()))
