"""Meter events as recorded: append-only, so that every view at T has the events recorded by T.

An event of the site file is recorded when the file is first used; one that is gone from it is withdrawn by a row of its
own. Events of a person are recorded by command and withdrawn by command.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from assets.stores.journal import AppendOnly, fields_of
from assets.stores.schema.column_types import canonical_json
from assets.stores.schema.tables_readings import meter_events
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter_event import MeterEvent, RecordedEvent
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

# By number: rows of one addition share their recorded time.
_EVENTS = AppendOnly(meter_events, fields_of(RecordedEvent), order=("id",), is_proven=True)


class MeterEventStore:
    """Events of all sites in the transactional store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def current(self, site_id: str, *, as_of_utc: datetime | None = None) -> list[RecordedEvent]:
        """Events that apply as known at T, in time order."""
        newest = _EVENTS.all_as_of(self.store, "event_id", as_of_utc=as_of_utc, site_id=site_id)
        applying = [each for each in newest if not each.is_withdrawn]
        return sorted(applying, key=lambda each: (each.at_utc, each.recorded_at_utc, each.event_id))

    def history(self, site_id: str, *, as_of_utc: datetime | None = None) -> list[RecordedEvent]:
        """Every row as recorded, oldest first."""
        return _EVENTS.history(self.store, as_of_utc=as_of_utc, site_id=site_id)

    def record(self, site: Site, meter_id: str, event: MeterEvent, clock: Clock) -> tuple[RecordedEvent, bool]:
        """Record a person's event. Returns (the event, whether it is new); the same one twice changes nothing."""
        row = _row(site, meter_id, event, "person")
        # Among those that apply: an event that was withdrawn may be recorded anew.
        for known in self.current(site.site_id):
            if known.event_id == row["event_id"]:
                return known, False
        return self._append([row], clock)[0], True

    def withdraw(self, site_id: str, event_id: str, *, person_id: str, reason: str, clock: Clock) -> RecordedEvent:
        """Let a person's event no longer apply. Raises BadInput for one that is unknown or stands in the site file."""
        found = [each for each in self.current(site_id) if each.event_id.startswith(event_id)]
        if len(found) != 1:
            raise BadInput(f"{event_id!r} names {len(found)} events that apply at {site_id!r}", reason="unknown_event")
        if found[0].origin == "site_file":
            raise BadInput("that event stands in the site file: take it out there", reason="event_of_site_file")
        return self._append([_withdrawal(found[0], person_id, reason)], clock)[0]

    def know_site_file(self, site: Site, clock: Clock) -> list[RecordedEvent]:
        """Record what the site file's events changed since they were last looked at: new rows and withdrawals."""
        stated = {row["event_id"]: row for row in _site_rows(site)}
        known = {each.event_id: each for each in self.current(site.site_id) if each.origin == "site_file"}
        gone = [each for event_id, each in known.items() if event_id not in stated]
        rows = [row for event_id, row in stated.items() if event_id not in known]
        rows += [_withdrawal(each, each.event.person, "no longer in the site file") for each in gone]
        return self._append(rows, clock) if rows else []

    def _append(self, rows: list[dict[str, Any]], clock: Clock) -> list[RecordedEvent]:
        recorded_at = _EVENTS.add(self.store, clock, *rows)
        return [_EVENTS.read(row | {"recorded_at_utc": recorded_at}) for row in rows]


def _site_rows(site: Site) -> Iterable[dict[str, Any]]:
    return (_row(site, meter.meter_id, event, "site_file") for meter in site.meters for event in meter.events)


def _row(site: Site, meter_id: str, event: MeterEvent, origin: str) -> dict[str, Any]:
    at_utc = event.at_utc(site.time_zone)
    # With its origin: the same event in the site file and by a person is two, each withdrawn where it was said.
    named = canonical_json([site.site_id, meter_id, origin, at_utc.isoformat(), event.model_dump(mode="json")])
    return {
        "event_id": hashlib.sha256(named.encode()).hexdigest()[:32],
        "site_id": site.site_id,
        "meter_id": meter_id,
        "at_utc": at_utc,
        "origin": origin,
        "is_withdrawn": False,
        "person_id": event.person,
        "reason": event.reason,
        **_said(event),
    }


def _withdrawal(event: RecordedEvent, person_id: str, reason: str) -> dict[str, Any]:
    same = event.model_dump(exclude={"event", "recorded_at_utc"}) | _said(event.event)
    return same | {"is_withdrawn": True, "person_id": person_id, "reason": reason}


def _said(event: MeterEvent) -> dict[str, Any]:
    return {"register": event.register_id, "kind": event.kind.value, "event": event.model_dump(mode="json")}
