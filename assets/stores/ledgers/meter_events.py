"""Meter events as recorded: append-only, so that every view at T has the events recorded by T.

An event of the site file is recorded when the file is first used; one that is gone from it is withdrawn by a row of its
own. Events of a person are recorded by command and withdrawn by command.
"""

from datetime import datetime
from typing import Any, Literal

from assets.stores.column_types import sha256_of
from assets.stores.journal import Ledger
from assets.stores.schema.tables_readings import meter_events
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter_event import MeterEvent, RecordedEvent
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

# By number: rows of one addition share their recorded time.
_EVENTS = Ledger(meter_events, RecordedEvent, is_proven=True)


class MeterEventStore(Repository):
    """Events of all sites in the transactional store."""

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
        stated = _stated(site, meter_id, event, "person", clock)
        # Among those that apply: an event that was withdrawn may be recorded anew.
        for known in self.current(site.site_id):
            if known.event_id == stated.event_id:
                return known, False
        return self._append([_row(stated)], clock)[0], True

    def withdraw(self, site_id: str, event_id: str, *, person_id: str, reason: str, clock: Clock) -> RecordedEvent:
        """Let a person's event no longer apply. Raises BadInput for one that is unknown or stands in the site file."""
        found = [each for each in self.current(site_id) if each.event_id.startswith(event_id)]
        if len(found) != 1:
            raise BadInput(f"{event_id!r} names {len(found)} events that apply at {site_id!r}", reason="unknown_event")
        if found[0].origin == "site_file":
            raise BadInput("that event is in the site file: remove it there", reason="event_of_site_file")
        return self._append([_withdrawal(found[0], person_id, reason)], clock)[0]

    def know_site_file(self, site: Site, clock: Clock) -> list[RecordedEvent]:
        """Record what the site file's events changed since they were last looked at: new rows and withdrawals."""
        events = [(meter.meter_id, event) for meter in site.meters for event in meter.events]
        given = [_stated(site, meter_id, event, "site_file", clock) for meter_id, event in events]
        stated = {each.event_id: each for each in given}
        known = {each.event_id: each for each in self.current(site.site_id) if each.origin == "site_file"}
        gone = [each for event_id, each in known.items() if event_id not in stated]
        rows = [_row(each) for event_id, each in stated.items() if event_id not in known]
        rows += [_withdrawal(each, each.event.person, "no longer in the site file") for each in gone]
        return self._append(rows, clock) if rows else []

    def _append(self, rows: list[dict[str, Any]], clock: Clock) -> list[RecordedEvent]:
        recorded_at = _EVENTS.add(self.store, clock, *rows)
        return [_EVENTS.read(row | {"recorded_at_utc": recorded_at}) for row in rows]


def _stated(
    site: Site, meter_id: str, event: MeterEvent, origin: Literal["site_file", "person"], clock: Clock
) -> RecordedEvent:  # fmt: skip
    at_utc = event.at_utc(site.time_zone)
    # With its origin: the same event in the site file and by a person is two, each withdrawn where it was said.
    named = [site.site_id, meter_id, origin, at_utc.isoformat(), event.model_dump(mode="json")]
    return RecordedEvent(
        event_id=sha256_of(named)[:32],
        site_id=site.site_id,
        meter_id=meter_id,
        at_utc=at_utc,
        event=event,
        origin=origin,
        is_withdrawn=False,
        recorded_at_utc=clock.now_utc(),
    )


def _row(of: RecordedEvent, **by: str) -> dict[str, Any]:
    """By the person whom the event itself names, unless another says why."""
    additional = {"person_id": of.event.person, "reason": of.event.reason} | by
    return _EVENTS.row(of, **additional, register=of.event.register_id, kind=of.event.kind.value)


def _withdrawal(event: RecordedEvent, person_id: str, reason: str) -> dict[str, Any]:
    return _row(event.model_copy(update={"is_withdrawn": True}), person_id=person_id, reason=reason)
