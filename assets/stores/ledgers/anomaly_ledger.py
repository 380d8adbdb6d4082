"""Anomaly events of a site, append-only: a row when one is found, when it changed, and when it is found no more."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from assets.stores.journal import Ledger
from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.schema.tables_findings import anomaly_events, anomaly_labels
from assets.stores.transactions import Repository
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.anomaly_event import OPEN_FOR, AnomalyEvent, AnomalyLabel, Cause
from data_quality.contracts.reporting.open_finding import state_after
from data_quality.contracts.time import Clock

_EVENTS = Ledger(anomaly_events, AnomalyEvent)
_LABELS = Ledger(anomaly_labels, AnomalyLabel)

# An event that ends so near to the last reading may not be over.
_EDGE = timedelta(days=1)


class Published(NamedTuple):
    """Row counts of a scoring: of events that are new, that changed, and that are found no more."""

    new: int = 0
    changed: int = 0
    withdrawn: int = 0


class AnomalyLedger(Repository):
    """The events of one transactional store."""

    def current(
        self, site_id: str | None, *, since_utc: datetime | None = None, as_of_utc: datetime | None = None
    ) -> list[AnomalyEvent]:
        """The events of a site, or of all, that the detectors still find, by time. since_utc: that ended later."""
        newest = _EVENTS.all_as_of(self.store, "event_id", as_of_utc=as_of_utc, site_id=site_id)
        found = [each for each in newest if not each.is_withdrawn and (since_utc is None or each.end_utc > since_utc)]
        return sorted(found, key=lambda each: (each.start_utc, each.meter_id, each.kind))

    def publish(
        self,
        site_id: str,
        found: Sequence[AnomalyEvent],
        *,
        start_utc: datetime,
        end_utc: datetime,
        seen_until_utc: datetime,
        judged: Collection[tuple[str, str]],
        clock: Clock,
    ) -> Published:
        """Record what a scoring of [start, end) says that the store does not.

        found: every event that shares time with the span. judged: meter and register of each stream that was scored;
        what stands of another is left as it is. An event that shares time with a standing one of its kind has its id;
        one that reaches to where the readings of this scoring ended is no shorter than it was known to be.
        """
        with self.store.together():
            known = [
                each
                for each in self.current(site_id, since_utc=start_utc - timedelta(seconds=1))
                if each.start_utc < end_utc and (each.meter_id, each.register_id) in judged
            ]
            rows, kept, new = list[AnomalyEvent](), set[str](), 0
            for each in found:
                same = next((one for one in known if one.event_id not in kept and one.is_same_case(each)), None)
                event = each if same is None else each.model_copy(update={"event_id": same.event_id})
                kept.add(event.event_id)
                if same is not None and same.end_utc > event.end_utc >= seen_until_utc - _EDGE:
                    continue
                new += same is None
                if event != same:
                    rows.append(event)
            # What ended where the span begins may have grown into it; it is none of the span's own. What reaches beyond
            # the readings was found in live values, or in readings that are gone: not seen is not found no more.
            seen = (start_utc, seen_until_utc)
            gone = [each for each in known if each.event_id not in kept and seen[0] < each.end_utc <= seen[1]]
            changed = len(rows) - new
            rows += [each.model_copy(update={"is_withdrawn": True}) for each in gone]
            _EVENTS.put(self.store, clock, *rows)
        return Published(new, changed, len(gone))

    def note(self, site_id: str, found: Sequence[AnomalyEvent], *, gone: Collection[str] = (), clock: Clock) -> int:
        """Record events of live values: those that are new or grew, and the withdrawal of those that are gone.

        One that shares time with a standing one of its kind is that event, and never shorter than it stands. gone: ids
        of events that live values alone had found. Returns how many events are new.
        """
        with self.store.together():
            known, rows, kept = self.current(site_id), list[AnomalyEvent](), set[str]()
            for each in found:
                same = next((one for one in known if one.is_same_case(each)), None)
                event = each if same is None else _grown(each, same)
                kept.add(event.event_id)
                if same is None or (event.start_utc, event.end_utc) != (same.start_utc, same.end_utc):
                    rows.append(event)
            new = len(kept - {each.event_id for each in known})
            ended = [each for each in known if each.event_id in gone and each.event_id not in kept]
            rows += [each.model_copy(update={"is_withdrawn": True}) for each in ended]
            _EVENTS.put(self.store, clock, *rows)
        return new

    def labels(self, site_id: str, *, as_of_utc: datetime | None = None) -> dict[str, AnomalyLabel]:
        """The last label of each event that has one."""
        found = _LABELS.all_as_of(self.store, "event_id", as_of_utc=as_of_utc, site_id=site_id)
        return {each.event_id: each for each in found}

    def label(
        self, event: AnomalyEvent, cause: Cause, *, person: Person, reason: str, clock: Clock, replaces: bool = False
    ) -> AnomalyLabel:
        """Record the cause that a person gives; the same cause again is the label in force. Raises BadInput for who may
        not, without reason, and (contradicts) for another cause than the one that stands, unless it replaces that.
        """
        if not reason.strip():
            raise BadInput("an event is labelled with a reason", reason="no_reason")
        expect(person, Permission.ANOMALY_UPDATE)
        with self.store.together():
            last = self.labels(event.site_id).get(event.event_id)
            if last is not None and last.cause == cause:
                return last
            if last is not None and not replaces:
                raise BadInput(
                    f"{last.person_id} labelled {event.event_id} as {last.cause}, and one event has one cause",
                    reason="contradicts",
                    mend="--replace puts the new cause in its place",
                )
            made = AnomalyLabel(
                event_id=event.event_id, site_id=event.site_id, cause=cause, person_id=person.person_id,
                reason=reason.strip(), recorded_at_utc=clock.now_utc(),
            )  # fmt: skip
            (made,) = _LABELS.put(self.store, clock, made)
        return made


def _grown(event: AnomalyEvent, same: AnomalyEvent) -> AnomalyEvent:
    times = {"start_utc": min(event.start_utc, same.start_utc), "end_utc": max(event.end_utc, same.end_utc)}
    # The cause that the night found holds until the next night.
    cause = {} if event.confidence is not None else {"cause": same.cause, "confidence": same.confidence}
    return event.model_copy(update={"event_id": same.event_id, **times, **cause})


def recent(events: Sequence[AnomalyEvent]) -> list[AnomalyEvent]:
    """Events that ended not long before the newest of them: what is older needs nobody any more."""
    newest = max((each.end_utc for each in events), default=None)
    return [each for each in events if newest is not None and each.end_utc > newest - OPEN_FOR]


def open_events(events: Sequence[AnomalyEvent], acts: AlertEvents, *, now_utc: datetime) -> list[AnomalyEvent]:
    """The recent events of one site that nobody muted or explained."""
    found = recent(events)
    done = acts.of_site(found[0].site_id) if found else {}
    states = {e.event_id: state_after(done.get(e.event_id, []), at_utc=e.end_utc, now_utc=now_utc)[0] for e in found}
    return [each for each in found if states[each.event_id] in ("open", "acknowledged")]
