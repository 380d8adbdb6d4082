"""Edits of readings by a person, append-only: who, in which role, why. Their values are a batch of the lake."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_readings import batches, reading_edits
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

_EDITS = AppendOnly(reading_edits, dict)


class RecordedEdit(Model):
    """An edit as recorded. batch_id: the batch that it became; None where it never reached the lake."""

    edit_sha256: str
    site_id: str
    meter_id: str
    register_id: str
    start_utc: datetime
    end_utc: datetime
    edit: dict[str, Any]
    person_id: str
    role: str
    reason: str
    reopened: tuple[str, ...]
    batch_id: str | None
    recorded_at_utc: datetime


def record_edit(store: Store, row: dict[str, Any], clock: Clock) -> None:
    """Record an edit (columns of the table without recorded_at_utc) before its batch is written; the same one once."""
    _EDITS.add_once(store, clock, row)


def edits(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[RecordedEdit]:
    """Edits of the site as known at T, oldest first."""
    table = reading_edits
    # An edit is its own source file: its digest stands where a batch names the file that it read.
    became = sa.and_(batches.c.source_sha256 == table.c.edit_sha256, batches.c.site_id == table.c.site_id)
    query = _EDITS.select(as_of_utc=as_of_utc, site_id=site_id).add_columns(batches.c.batch_id)
    return [
        RecordedEdit.model_validate({"register_id" if name == "register" else name: row[name] for name in row})
        # Outer: an edit that was recorded and never reached the lake must be seen, not lost.
        for row in store.rows(query.select_from(table.outerjoin(batches, became)))
    ]
