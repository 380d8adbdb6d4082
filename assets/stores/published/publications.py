"""A report's life after it was made: who reviewed, who published, what was signed, packed and delivered.

Append-only. A revision's status is derived from its rows: draft, reviewed, returned, published, published (synthetic),
withdrawn.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from pydantic import field_validator

from assets.stores.journal import AppendOnly, Ledger
from assets.stores.schema.tables_reports import evidence_packs, report_decisions, report_makers, signatures
from assets.stores.schema.tables_web import audit_events
from assets.stores.seals import append, bound_facts
from assets.stores.sign import Signature, Signer, sign_action
from assets.stores.transactions import Repository, Store, next_recorded_at, site_transaction
from assets.stores.trust import proven
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person
from data_quality.contracts.time import Clock

DRAFT, REVIEWED, PUBLISHED, PUBLISHED_SYNTHETIC = "draft", "reviewed", "published", "published (synthetic)"
RETURNED, WITHDRAWN = "returned", "withdrawn"
GENESIS = "0" * 64
Key = tuple[str, int]


class Decision(Model):
    """One step of a revision's life, by one person."""

    report_id: str
    revision: int
    step: Literal["reviewed", "returned", "published", "withdrawn"]
    site_id: str
    period: str
    is_synthetic: bool
    person_id: str
    role: str
    reason: str
    content_sha256: str
    allowed: dict[str, str]
    # Who had a part, by person_id, as the people file named them then; empty in decisions of earlier releases.
    names: dict[str, str] = {}
    recorded_at_utc: datetime

    @field_validator("names", mode="before")
    @classmethod
    def _of_earlier_releases(cls, given: Any) -> Any:
        return {} if given is None else given


class PackLink(Model):
    """A pack's place in its site's chain."""

    site_id: str
    position: int
    report_id: str
    revision: int
    signer: str
    body_sha256: str
    previous_sha256: str
    manifest_sha256: str
    recorded_at_utc: datetime


_MAKERS = AppendOnly(report_makers, dict)
# A decision that is not believed does not count; what was computed on one is refused (published_reports.py).
_DECISIONS = Ledger(report_decisions, Decision)
_SIGNATURES = Ledger(signatures, Signature)
_PACKS = Ledger(evidence_packs, PackLink, order=("position",))


class PublicationStore(Repository):
    """Decisions, signatures and packs in the transactional store."""

    def maker(self, report_id: str, revision: int) -> str | None:
        """Maker of the revision: a person's id, or `schedule:NAME` and the like; None where nobody was named."""
        made = _MAKERS.latest(self.store, report_id=report_id, revision=revision)
        return None if made is None else str(made["person_id"])

    def decide(self, decision: Decision, clock: Clock) -> Decision:
        """Append a step. Raises BadInput where the step was taken already."""
        key = decision.model_dump(include={"report_id", "revision", "step"})
        with self.store.together(), site_transaction(self.store, decision.site_id):
            if taken := _DECISIONS.rows(self.store, "person_id", **key):
                raise BadInput(
                    f"{decision.report_id}@{decision.revision} was {decision.step} already, by {taken[0]['person_id']}",
                    reason="decided_already",
                )
            (kept,) = _DECISIONS.put(self.store, clock, decision)
        return kept

    def decisions(self, report_id: str, revision: int, *, as_of_utc: datetime | None = None) -> list[Decision]:
        """Steps of one revision, oldest first."""
        return self._believed(as_of_utc=as_of_utc, report_id=report_id, revision=revision)

    def every(self, *, as_of_utc: datetime | None = None) -> dict[Key, list[Decision]]:
        """Steps of every revision that anybody decided on, each oldest first."""
        found: dict[Key, list[Decision]] = {}
        for each in self._believed(as_of_utc=as_of_utc):
            found.setdefault((each.report_id, each.revision), []).append(each)
        return found

    def makers(self) -> dict[Key, str]:
        """Maker of each revision, as `maker` returns it."""
        columns = ("report_id", "revision", "person_id")
        rows = _MAKERS.rows(self.store, *columns)
        return {(str(row["report_id"]), int(row["revision"])): str(row["person_id"]) for row in rows}

    def of_report(self, report_id: str) -> list[Decision]:
        """Steps of all revisions of a report."""
        return self._believed(as_of_utc=None, report_id=report_id)

    def statuses(self, *, as_of_utc: datetime | None = None) -> dict[Key, str]:
        """Status of every revision that anybody decided on; all others are drafts."""
        return {
            (each.report_id, each.revision): status_of(each.step, is_synthetic=each.is_synthetic)
            for each in self._believed(as_of_utc=as_of_utc)
        }

    def _believed(self, *, as_of_utc: datetime | None, **conditions: Any) -> list[Decision]:
        rows = _DECISIONS.rows(self.store, as_of_utc=as_of_utc, **conditions)
        return [_DECISIONS.read(row) for row in proven(self.store, report_decisions, rows)[0]]

    def signatures(self, subject: str) -> list[Signature]:
        """Signatures over actions on that subject, oldest first."""
        return _SIGNATURES.history(self.store, subject=subject)

    def packs(self, site_id: str) -> list[PackLink]:
        """The site's chain of packs, oldest first."""
        return _PACKS.history(self.store, site_id=site_id)

    def add_pack(self, link: PackLink) -> None:
        """Append a pack to its site's chain. Raises BadInput where another one took its place meanwhile."""
        with self.store.together(), site_transaction(self.store, link.site_id) as connection:
            before = _PACKS.newest(self.store, "position", site_id=link.site_id)
            # The link was made outside of this transaction, over the manifest of the pack that was the last then.
            if (0 if before is None else before["position"]) + 1 != link.position:
                raise BadInput("another pack of this site was made meanwhile; make it again", reason="pack_overtaken")
            append(connection, evidence_packs, [link.model_dump()])


def sign_act(
    store: Store,
    signer: Signer | None,
    person: Person,
    *,
    kind: str,
    subject: str,
    facts: Mapping[str, Any],
    clock: Clock,
) -> bool:
    """Sign what the transaction of `together` did: its facts, the rows that it sealed and the chain's head.

    False where nobody signs in this project.
    """
    if signer is None:
        return False
    with store.begin() as connection:
        # Takes the lock of the chain: its head must not move between being named and being signed.
        moment = next_recorded_at(connection, clock.now_utc())
        bound = {**facts, **bound_facts(connection)}
        signed = sign_action(signer, person, kind=kind, subject=subject, facts=bound, at_utc=clock.now_utc())
        append(connection, signatures, [signed.model_dump() | {"recorded_at_utc": moment}])
    return True


def act_over(store: Store, file_sha256: str) -> str:
    """The last act that names a file of this hash: `meters add of plant/hall, signed by anna`; of a project without
    keys from the audit trail. Empty where nobody did one.
    """
    signed = sa.select(signatures).where(signatures.c.action.contains(file_sha256))
    if rows := store.rows(signed.order_by(signatures.c.recorded_at_utc)):
        return f"{rows[-1]['kind']} of {rows[-1]['subject']}, signed by {rows[-1]['person_id']}"
    columns = audit_events.c
    # Not a request of the pages: of that the hash is of what was sent, done or refused.
    noted = sa.select(audit_events).where(columns.body_sha256 == file_sha256, columns.method == "")
    rows = store.rows(noted.order_by(columns.id))
    return f"{rows[-1]['route']} of {rows[-1]['subject']}, by {rows[-1]['person_id']}" if rows else ""


def status_of(step: str, *, is_synthetic: bool) -> str:
    """The status that a step gives."""
    if step == "published" and is_synthetic:
        return PUBLISHED_SYNTHETIC
    return step
