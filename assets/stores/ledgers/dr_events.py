"""Events of demand response, append-only: a row an act, with the event as the act left it; settlements by version."""

from collections.abc import Callable
from datetime import datetime

from assets.stores.journal import AppendOnly, document_in, row_of
from assets.stores.schema.tables_demand_response import dr_class_votes, dr_events, dr_settlements
from assets.stores.transactions import Store
from data_quality.contracts.control.dr_event import ClassVote, DrEvent, Settlement
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

_EVENTS = AppendOnly(dr_events, document_in("event", DrEvent), order=("id",), is_proven=True)
_VOTES = AppendOnly(dr_class_votes, document_in("vote", ClassVote), order=("id",), is_proven=True)
_SETTLED = AppendOnly(dr_settlements, document_in("settlement", Settlement), order=("id",), is_proven=True)


class DrEvents:
    """The events of one transactional store. A row that is not as it was sealed is refused, not read."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def standing(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[DrEvent]:
        """Events of a site, or of all, as known at T, in the order in which they were called."""
        return _EVENTS.all_as_of(self._store, "site_id", "event_id", as_of_utc=as_of_utc, site_id=site_id)

    def history(self, event: DrEvent, *, as_of_utc: datetime | None = None) -> list[DrEvent]:
        """The event after each act, as known at T, the oldest first."""
        return _EVENTS.history(self._store, as_of_utc=as_of_utc, site_id=event.site_id, event_id=event.event_id)

    def named(self, start: str, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> DrEvent:
        """The event whose id starts so. Raises BadInput (no_event) for none, or several."""
        known = self.standing(site_id, as_of_utc=as_of_utc)
        found = [each for each in known if start and each.event_id.startswith(start)]
        if len(found) != 1:
            said = f"{len(found)} events have" if found else "no event has"
            mend = "meterloom dr event list shows them"
            raise BadInput(f"{said} an id that starts with {start!r}", reason="no_event", mend=mend)
        return found[0]

    def create(self, event: DrEvent, clock: Clock) -> tuple[DrEvent, bool]:
        """Record a new event and answer True; where one of its id or its source stands, that one and False."""
        with self._store.together():
            for each in self.standing(event.site_id):
                if each.event_id == event.event_id or (event.source and each.source == event.source):
                    return each, False
            return self._add(event, clock), True

    def move(self, event: DrEvent, act: Callable[[DrEvent], DrEvent], clock: Clock) -> DrEvent:
        """Record what an act makes of the event as it stands now. act raises BadInput where it does not fit."""
        # Read and added in one write transaction: of two people who act at once one is told.
        with self._store.together():
            now = self.named(event.event_id)
            after = act(now)
            return now if after == now else self._add(after, clock)

    def vote(self, vote: ClassVote, clock: Clock) -> None:
        """Record a person's word on a class of events."""
        row = row_of(dr_class_votes, vote, class_id=vote.class_id)
        row.pop("recorded_at_utc", None)
        _VOTES.add(self._store, clock, row | {"vote": vote.model_copy(
            update={"recorded_at_utc": clock.now_utc()}).model_dump(mode="json")})  # fmt: skip

    def votes(self, site_id: str) -> list[ClassVote]:
        """Everything that was said on classes of a site, the oldest first."""
        return _VOTES.history(self._store, site_id=site_id)

    def settle(self, settlement: Settlement, clock: Clock) -> Settlement:
        """Record a settlement as the next version of its event's; the same figures again change nothing."""
        with self._store.together():
            stands = self.settlement(settlement.event_id)
            beside = {"version", "person_id", "recorded_at_utc"}
            if stands and stands.model_dump(exclude=beside) == settlement.model_dump(exclude=beside):
                return stands
            said = {"version": stands.version + 1 if stands else 1, "recorded_at_utc": clock.now_utc()}
            made = settlement.model_copy(update=said)
            row = row_of(dr_settlements, made, settlement=made.model_dump(mode="json"))
            row.pop("recorded_at_utc", None)
            _SETTLED.add(self._store, clock, row)
        return made

    def settlement(self, event_id: str, *, as_of_utc: datetime | None = None) -> Settlement | None:
        """The newest settlement of an event; None before the first."""
        return _SETTLED.latest(self._store, as_of_utc=as_of_utc, event_id=event_id)

    def _add(self, event: DrEvent, clock: Clock) -> DrEvent:
        made = event.model_copy(update={"recorded_at_utc": clock.now_utc()})
        row = row_of(dr_events, made, event=made.model_dump(mode="json"))
        row.pop("recorded_at_utc", None)
        _EVENTS.add(self._store, clock, row)
        return made
