"""Numbers of a store for who watches a project: readings by what became of them, and when each site's last came."""

from datetime import datetime

import sqlalchemy as sa

from assets.stores.schema.tables_readings import batches
from assets.stores.transactions import Store

# What became of a row of a file, by the column of its batch that counts it.
BECAME = {"new": "new_rows", "corrected": "corrected_rows", "unchanged": "unchanged_rows", "rejected": "rejected_rows"}
# Readers of rows that nobody sent.
_OURS = ("edit", "validation")


def readings_counted(store: Store) -> dict[str, int]:
    """Rows of all files that came in, by what became of them. Raises as `Store.rows`."""
    sums = (sa.func.coalesce(sa.func.sum(batches.c[column]), 0).label(name) for name, column in BECAME.items())
    found = store.rows(sa.select(*sums).where(batches.c.reader.not_in(_OURS)))[0]
    return {name: int(found[name]) for name in BECAME}


def last_arrivals(store: Store) -> dict[str, datetime]:
    """Site -> when the last file with readings of it was taken in. Raises as `Store.rows`."""
    at = sa.func.max(batches.c.recorded_at_utc, type_=batches.c.recorded_at_utc.type).label("at")
    query = sa.select(batches.c.site_id, at).where(batches.c.reader.not_in(_OURS)).group_by(batches.c.site_id)
    return {row["site_id"]: row["at"] for row in store.rows(query)}
