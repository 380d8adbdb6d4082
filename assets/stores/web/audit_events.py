"""Audit events of the pages: every act, refusal, sign-in and export; append-only, and sealed in the house's one chain.

Never a body or a secret: of a body only the SHA-256.
"""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from assets.stores.journal import AppendOnly, Row
from assets.stores.schema.tables_web import audit_events
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

_EVENTS = AppendOnly(audit_events, dict, order=("id",))


class AuditEvent(Model):
    """One line. route: its pattern. subject: site and scope, or whom it was about. outcome: a status or a reason."""

    person_id: str = ""
    key_id: str = ""
    method: str
    route: str
    permission: str = ""
    subject: str = ""
    outcome: str
    body_sha256: str = ""


def note_event(store: Store, clock: Clock, event: AuditEvent) -> None:
    """Append a line."""
    columns = audit_events.c
    row = {name: value[: columns[name].type.length] for name, value in event.model_dump().items()}  # type: ignore[attr-defined]
    _EVENTS.add(store, clock, row)


def newest_events(
    store: Store,
    *,
    most: int = 100,
    person_id: str = "",
    sites: Collection[str] = (),
    as_of_utc: datetime | None = None,
    about: tuple[str, str] | None = None,
) -> list[Row]:
    """Lines, the newest first; of one person, about some sites, as of then, or all.

    about: a route and a subject; of whatever subject where that is empty.
    """
    columns = audit_events.c
    query = _EVENTS.select(as_of_utc=as_of_utc).order_by(None).order_by(columns.id.desc()).limit(most)
    if person_id:
        query = query.where(columns.person_id == person_id)
    if sites:
        # A subject is a site, or a site and a scope of it.
        of_site = (columns.subject.startswith(f"{each} ", autoescape=True) for each in sites)
        query = query.where(sa.or_(columns.subject.in_(sites), *of_site))
    if about is not None:
        query = query.where(columns.route == about[0])
        query = query.where(columns.subject == about[1]) if about[1] else query
    return list(store.rows(query))
