"""Demand response, append-only: events as each act left them, votes on classes, settlements by version, and accepted
tests of sheddable loads, which stand in place of what the site file says.
"""

from collections.abc import Callable
from datetime import datetime

from assets.stores.journal import CurrentStateLedger, Ledger
from assets.stores.schema.tables_demand_response import dr_accepted_loads, dr_class_votes, dr_events, dr_settlements
from assets.stores.transactions import Repository
from data_quality.contracts.control.dr_event import ClassVote, DrEvent, Settlement
from data_quality.contracts.site_file.accepted_load import AcceptedLoad, in_force, with_accepted
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

_VOTES = Ledger(dr_class_votes, ClassVote, "vote", is_proven=True)
_SETTLED = Ledger(dr_settlements, Settlement, "settlement", is_proven=True)
_ACCEPTED = Ledger(dr_accepted_loads, AcceptedLoad, "accepted", is_proven=True)


class DrEvents(CurrentStateLedger[DrEvent]):
    """The events of one transactional store. A row that is not as it was sealed is refused, not read."""

    rows = Ledger(dr_events, DrEvent, "event", is_proven=True)
    key, noun, mend = ("site_id", "event_id"), "event", "meterloom dr event list shows them"

    def create(self, event: DrEvent, clock: Clock) -> tuple[DrEvent, bool]:
        """Record a new event and answer True; where one of its id or its source stands, that one and False."""
        with self.store.together():
            for each in self.current(event.site_id):
                if each.event_id == event.event_id or (event.source and each.source == event.source):
                    return each, False
            return self._add(event, clock), True

    def move(self, event: DrEvent, act: Callable[[DrEvent], DrEvent], clock: Clock) -> DrEvent:
        """Record what an act makes of the event as it stands now. act raises BadInput where it does not fit."""
        # Read and added in one write transaction: of two people who act at once one is refused.
        with self.store.together():
            now = self.named(event.event_id)
            after = act(now)
            return now if after == now else self._add(after, clock)

    def vote(self, vote: ClassVote, clock: Clock) -> None:
        """Record a person's word on a class of events."""
        _VOTES.put(self.store, clock, vote, class_id=vote.class_id)

    def votes(self, site_id: str) -> list[ClassVote]:
        """Votes on classes of a site, the oldest first."""
        return _VOTES.history(self.store, site_id=site_id)

    def settle(self, settlement: Settlement, clock: Clock) -> Settlement:
        """Record a settlement as the next version of its event's; the same figures again change nothing."""
        with self.store.together():
            current = self.settlement(settlement.event_id)
            ignored = {"version", "person_id", "recorded_at_utc"}
            if current and current.model_dump(exclude=ignored) == settlement.model_dump(exclude=ignored):
                return current
            version = current.version + 1 if current else 1
            (made,) = _SETTLED.put(self.store, clock, settlement.model_copy(update={"version": version}))
        return made

    def settlement(self, event_id: str, *, as_of_utc: datetime | None = None) -> Settlement | None:
        """The newest settlement of an event; None before the first."""
        return _SETTLED.latest(self.store, as_of_utc=as_of_utc, event_id=event_id)

    def _add(self, event: DrEvent, clock: Clock) -> DrEvent:
        (made,) = self.rows.put(self.store, clock, event)
        return made


class AcceptedLoads(Repository):
    """The accepted tests of one transactional store. A row that is not as it was sealed is refused, not read."""

    def of(self, site_id: str) -> list[AcceptedLoad]:
        """Everything that was accepted at a site, the oldest first."""
        return _ACCEPTED.history(self.store, site_id=site_id)

    def site(self, site: Site) -> Site:
        """The site with its loads as people accepted them."""
        if not site.sheddable_loads:
            return site
        return site.model_copy(update={"sheddable_loads": with_accepted(site.sheddable_loads, self.of(site.site_id))})

    def in_force(self, site: Site) -> dict[str, AcceptedLoad]:
        """The accepted test that plans use, by load. site: as its file has it."""
        return in_force(site.sheddable_loads, self.of(site.site_id)) if site.sheddable_loads else {}

    def accept(self, wanted: AcceptedLoad, clock: Clock) -> tuple[AcceptedLoad, bool]:
        """Record a test, and whether it is new: the same figures again are the row that stands."""
        ignored = {"person_id", "reason", "recorded_at_utc"}
        with self.store.together():
            newest = next((each for each in self.of(wanted.site_id)[::-1] if each.load_id == wanted.load_id), None)
            if newest is not None and newest.model_dump(exclude=ignored) == wanted.model_dump(exclude=ignored):
                return newest, False
            (made,) = _ACCEPTED.put(self.store, clock, wanted)
        return made, True
