"""Proposed places of meters and what people decided about them: rows are added, never changed."""

from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

import sqlalchemy as sa

from assets.stores.seals import append_row
from assets.stores.tables_readings import meter_decisions, meter_proposals
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

State = Literal["open", "accepted", "rejected"]


class StoredProposal(Model):
    """A proposal as it was made, with the decision about it where there is one."""

    proposal_id: str
    site_id: str
    child: str
    parent: str
    confidence: float
    facts: dict[str, Any]
    readings_digest: str
    recorded_at_utc: datetime
    state: State = "open"
    person_id: str | None = None
    reason: str | None = None
    decided_at_utc: datetime | None = None


class ProposalStore:
    """Proposals and decisions of one transactional store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(
        self,
        site_id: str,
        *,
        child: str,
        parent: str,
        confidence: float,
        facts: dict[str, Any],
        digest: str,
        clock: Clock,
    ) -> str:
        """Keep a proposal; the same one of the same readings is kept once. Returns its id."""
        text = "\n".join([site_id, child, parent, digest])
        proposal_id = sha256(text.encode()).hexdigest()[:12]
        with self._store.begin() as connection:
            known = connection.execute(
                sa.select(meter_proposals.c.proposal_id).where(meter_proposals.c.proposal_id == proposal_id)
            ).first()
            if known is None:
                append_row(
                    connection,
                    meter_proposals,
                    proposal_id=proposal_id,
                    site_id=site_id,
                    child=child,
                    parent=parent,
                    confidence=confidence,
                    facts=facts,
                    readings_digest=digest,
                    recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
                )
        return proposal_id

    def proposals(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[StoredProposal]:
        """All proposals, the oldest first, with their decisions, as known at T."""
        query = sa.select(meter_proposals).order_by(meter_proposals.c.recorded_at_utc)
        decided = sa.select(meter_decisions).order_by(meter_decisions.c.id)
        if site_id is not None:
            query = query.where(meter_proposals.c.site_id == site_id)
        if as_of_utc is not None:
            query = query.where(meter_proposals.c.recorded_at_utc <= as_of_utc)
            decided = decided.where(meter_decisions.c.recorded_at_utc <= as_of_utc)
        decisions = {row["proposal_id"]: row for row in self._store.rows(decided)}
        found = []
        for row in self._store.rows(query):
            decision = decisions.get(row["proposal_id"])
            known = StoredProposal(**row)
            if decision is not None:
                known = known.model_copy(
                    update={
                        "state": decision["verdict"],
                        "person_id": decision["person_id"],
                        "reason": decision["reason"],
                        "decided_at_utc": decision["recorded_at_utc"],
                    }
                )
            found.append(known)
        return found

    def open_proposal(self, proposal_id: str) -> StoredProposal:
        """The proposal whose id starts so, if nobody decided it. Raises BadInput."""
        found = [each for each in self.proposals() if proposal_id and each.proposal_id.startswith(proposal_id)]
        if len(found) != 1:
            raise BadInput(
                f"{len(found)} proposals have an id that starts with {proposal_id!r}; 'meterloom meters proposals' "
                "lists them",
                reason="no_proposal",
            )
        if found[0].state != "open":
            raise BadInput(
                f"proposal {found[0].proposal_id} was {found[0].state} by {found[0].person_id} already",
                reason="decided",
            )
        return found[0]

    def decide(
        self, proposal_id: str, verdict: Literal["accepted", "rejected"], *, person: Person, reason: str, clock: Clock
    ) -> StoredProposal:
        """Record a person's decision. Raises BadInput without reason, for an unknown or a decided proposal."""
        if not reason.strip():
            raise BadInput("a decision needs a reason", reason="no_reason")
        proposal = self.open_proposal(proposal_id)
        with self._store.begin() as connection:
            append_row(
                connection,
                meter_decisions,
                proposal_id=proposal.proposal_id,
                verdict=verdict,
                person_id=person.person_id,
                role=Role.ENGINEER.value,
                reason=reason,
                recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
            )
        return next(each for each in self.proposals() if each.proposal_id == proposal.proposal_id)
