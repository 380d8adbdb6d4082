"""Proposed places of meters and what people decided about them: rows are added, never changed."""

from datetime import datetime
from typing import Any, Literal

from assets.stores.column_types import text_sha256
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_readings import meter_decisions, meter_proposals
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

State = Literal["open", "accepted", "rejected"]
_PROPOSALS = AppendOnly(meter_proposals, dict)
_DECISIONS = AppendOnly(meter_decisions, dict, order=("id",))


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


class ProposalStore(Repository):
    """Proposals and decisions of one transactional store."""

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
        # Without the numbers: the same readings under a later version of the arithmetic make no second proposal.
        # Short, for a person types it.
        proposal_id = text_sha256("\n".join([site_id, child, parent, digest]))[:12]
        named = {"proposal_id": proposal_id, "site_id": site_id, "child": child, "parent": parent}
        found = {"confidence": confidence, "facts": facts, "readings_digest": digest}
        _PROPOSALS.add_once(self.store, clock, {**named, **found})
        return proposal_id

    def proposals(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[StoredProposal]:
        """All proposals, the oldest first, with their decisions, as known at T."""
        decisions = {row["proposal_id"]: _decided(row) for row in _DECISIONS.rows(self.store, as_of_utc=as_of_utc)}
        rows = _PROPOSALS.rows(self.store, as_of_utc=as_of_utc, site_id=site_id)
        return [StoredProposal.model_validate({**row, **decisions.get(row["proposal_id"], {})}) for row in rows]

    def proposal(self, proposal_id: str) -> StoredProposal:
        """The proposal whose id starts so. Raises BadInput (no_proposal) for none and for several."""
        found = [each for each in self.proposals() if proposal_id and each.proposal_id.startswith(proposal_id)]
        if len(found) != 1:
            raise BadInput(
                f"{len(found)} proposals have an id that starts with {proposal_id!r}; 'meterloom meters proposals' "
                "lists them",
                reason="no_proposal",
            )
        return found[0]

    def open_proposal(self, proposal_id: str) -> StoredProposal:
        """The proposal whose id starts so, if nobody decided it. Raises BadInput: no_proposal, decided."""
        found = self.proposal(proposal_id)
        if found.state != "open":
            raise BadInput(
                f"proposal {found.proposal_id} was {found.state} by {found.person_id} already", reason="decided"
            )
        return found

    def decide(
        self, proposal_id: str, verdict: Literal["accepted", "rejected"], *, person: Person, reason: str, clock: Clock
    ) -> StoredProposal:
        """Record a person's decision. Raises BadInput without reason, for an unknown or a decided proposal."""
        if not reason.strip():
            raise BadInput("a decision needs a reason", reason="no_reason")
        with self.store.together():
            proposal_id = self.open_proposal(proposal_id).proposal_id
            row = {"proposal_id": proposal_id, "verdict": verdict, "person_id": person.person_id}
            _DECISIONS.add(self.store, clock, row | {"role": Role.ENGINEER.value, "reason": reason})
        return next(each for each in self.proposals() if each.proposal_id == proposal_id)


def _decided(row: dict[str, Any]) -> dict[str, Any]:
    decision = {"state": row["verdict"], "decided_at_utc": row["recorded_at_utc"]}
    return decision | {name: row[name] for name in ("person_id", "reason")}
