"""Holidays: a person says until when nobody is at home; it ends by itself, or by a person before.

Kept in the ledger, append-only. A holiday sends nothing and needs no key: it changes what plans keep to, and every
guard stays as it is. A row that nobody can prove counts as none: then the usual comfort is kept.
"""

from datetime import datetime
from typing import Any

from assets.stores.schema.tables_control import holiday_events
from assets.stores.seals import append_row
from assets.stores.transactions import Connection, Store, read_rows
from assets.stores.trust import proven_of_site
from controls.ledger.device_holds import must_act
from data_quality.contracts.control.holiday import LONGEST, Holiday
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.time import parse_instant


def open_holiday(
    store: Store,
    site_id: str,
    now_utc: datetime,
    *,
    connection: Connection | None = None,
    as_of_utc: datetime | None = None,
) -> Holiday | None:
    """The holiday that holds at a site, as recorded by then; None for none. Raises Unreachable.

    connection: read in that transaction.
    """
    rows, good, _ = proven_of_site(store, holiday_events, site_id, connection=connection, as_of_utc=as_of_utc)
    # Only where the newest is good: one that was changed may have ended what stands before it.
    if not good or good[-1]["id"] != rows[-1]["id"] or not good[-1]["is_set"]:
        return None
    last = good[-1]
    until_utc = parse_instant(str(last["until_utc"]))
    if until_utc <= now_utc:
        return None
    names = ("site_id", "person_id", "reason")
    since_utc = parse_instant(str(last["recorded_at_utc"]))
    return Holiday(**{name: last[name] for name in names}, until_utc=until_utc, since_utc=since_utc)


def set_holiday(
    connection: Connection, site_id: str, *, until_utc: datetime, person: Person, reason: str, at_utc: datetime
) -> None:
    """Record until when nobody is at home, in the caller's transaction; a later row moves the end of one before.

    Raises BadInput for an end that has passed or is too far, without a reason, or without the role operator or
    engineer.
    """
    must_act(person, reason, "a holiday is set and ended with a reason")
    if until_utc <= at_utc:
        raise BadInput(f"the end {until_utc:%Y-%m-%d %H:%M}Z has passed", reason="end_has_passed")
    if until_utc > at_utc + LONGEST:
        raise BadInput(f"a holiday lasts {LONGEST.days} days at most", reason="end_too_far")
    _append(connection, site_id, person, reason, at_utc, is_set=True, until_utc=until_utc)


def end_holiday(
    store: Store, connection: Connection, site_id: str, *, person: Person, reason: str, at_utc: datetime
) -> Holiday:
    """End the holiday that holds, in the caller's transaction; what it was. Raises BadInput as set_holiday, and where
    none holds.
    """
    must_act(person, reason, "a holiday is set and ended with a reason")
    found = open_holiday(store, site_id, at_utc, connection=connection)
    if found is None:
        raise BadInput(f"no holiday holds at {site_id}", reason="no_holiday")
    _append(connection, site_id, person, reason, at_utc, is_set=False)
    return found


def holiday_history(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Every holiday that was set or ended by then, oldest first. Raises Unreachable."""
    query = holiday_events.select().where(holiday_events.c.site_id == site_id).order_by(holiday_events.c.id)
    return read_rows(store, query if as_of_utc is None else query.where(holiday_events.c.recorded_at_utc <= as_of_utc))


def _append(
    connection: Connection, site_id: str, person: Person, reason: str, at_utc: datetime, **fields: Any
) -> None:  # fmt: skip
    append_row(
        connection, holiday_events, site_id=site_id, person_id=person.person_id, reason=reason.strip(),
        recorded_at_utc=at_utc, **fields,
    )  # fmt: skip
