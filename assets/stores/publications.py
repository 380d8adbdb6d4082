"""A report's life after it was made: who reviewed, who published, what was signed, packed and delivered.

Append-only. A revision's status is derived from its rows: draft, reviewed, published, published (synthetic).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from assets.stores.access import site_transaction
from assets.stores.actions import Signature, sign_action
from assets.stores.seals import append, bound_facts
from assets.stores.sign import Signer
from assets.stores.tables_reports import evidence_packs, report_decisions, report_makers, signatures
from assets.stores.transactions import Store, next_recorded_at
from assets.stores.trust import must_be_proven, proven
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person
from data_quality.contracts.time import Clock

DRAFT, REVIEWED, PUBLISHED, PUBLISHED_SYNTHETIC = "draft", "reviewed", "published", "published (synthetic)"
GENESIS = "0" * 64
Key = tuple[str, int]


class Decision(Model):
    """One step of a revision's life, by one person."""

    report_id: str
    revision: int
    step: Literal["reviewed", "published"]
    site_id: str
    period: str
    is_synthetic: bool
    person_id: str
    role: str
    reason: str
    content_sha256: str
    allowed: dict[str, str]
    recorded_at_utc: datetime


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


class PublicationStore:
    """Decisions, signatures and packs in the transactional store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def maker(self, report_id: str, revision: int) -> str | None:
        """Who made the revision: a person's id, or `schedule:NAME` and the like; None where nobody was named."""
        query = sa.select(report_makers.c.person_id).filter_by(report_id=report_id, revision=revision)
        rows = self.store.rows(query)
        return str(rows[0]["person_id"]) if rows else None

    def decide(self, decision: Decision, clock: Clock) -> Decision:
        """Append a step. Raises BadInput where the step was taken already."""
        with site_transaction(self.store, decision.site_id) as connection:
            key = decision.model_dump(include={"report_id", "revision", "step"})
            taken = connection.execute(sa.select(report_decisions.c.person_id).filter_by(**key)).first()
            if taken is not None:
                raise BadInput(
                    f"{decision.report_id}@{decision.revision} was {decision.step} already, by {taken.person_id}",
                    reason="decided_already",
                )
            moment = next_recorded_at(connection, clock.now_utc())
            append(connection, report_decisions, [decision.model_dump() | {"recorded_at_utc": moment}])
        return decision.model_copy(update={"recorded_at_utc": moment})

    def decisions(self, report_id: str, revision: int, *, as_of_utc: datetime | None = None) -> list[Decision]:
        """Steps of one revision, oldest first."""
        query = sa.select(report_decisions).filter_by(report_id=report_id, revision=revision)
        if as_of_utc is not None:
            query = query.where(report_decisions.c.recorded_at_utc <= as_of_utc)
        rows = self.store.rows(query.order_by(report_decisions.c.recorded_at_utc))
        return [Decision(**row) for row in proven(self.store, report_decisions, rows)[0]]

    def statuses(self, *, as_of_utc: datetime | None = None) -> dict[Key, str]:
        """Status of every revision that anybody decided on; all others are drafts."""
        query = sa.select(report_decisions).order_by(report_decisions.c.recorded_at_utc)
        if as_of_utc is not None:
            query = query.where(report_decisions.c.recorded_at_utc <= as_of_utc)
        return {
            (row["report_id"], row["revision"]): status_of(row["step"], is_synthetic=row["is_synthetic"])
            for row in proven(self.store, report_decisions, self.store.rows(query))[0]
        }

    def signatures(self, subject: str) -> list[Signature]:
        """Signatures over actions on that subject, oldest first."""
        query = sa.select(signatures).where(signatures.c.subject == subject).order_by(signatures.c.recorded_at_utc)
        return [Signature(**row) for row in self.store.rows(query)]

    def packs(self, site_id: str) -> list[PackLink]:
        """The site's chain of packs, oldest first."""
        query = sa.select(evidence_packs).filter_by(site_id=site_id).order_by(evidence_packs.c.position)
        return [PackLink(**row) for row in self.store.rows(query)]

    def add_pack(self, link: PackLink) -> None:
        """Append a pack to its site's chain. Raises BadInput where another one took its place meanwhile."""
        with site_transaction(self.store, link.site_id) as connection:
            newest = connection.execute(
                sa.select(sa.func.max(evidence_packs.c.position)).filter_by(site_id=link.site_id)
            ).scalar()
            if (newest or 0) + 1 != link.position:
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
        moment = next_recorded_at(connection, clock.now_utc())
        bound = {**facts, **bound_facts(connection)}
        signed = sign_action(signer, person, kind=kind, subject=subject, facts=bound, at_utc=clock.now_utc())
        append(connection, signatures, [signed.model_dump() | {"recorded_at_utc": moment}])
    return True


def status_of(step: str, *, is_synthetic: bool) -> str:
    """The status that a step gives."""
    if step == "published" and is_synthetic:
        return PUBLISHED_SYNTHETIC
    return step


def published_periods(store: Store, site_id: str) -> Iterable[Mapping[str, Any]]:
    """Report, period and newest published revision of a site: report_id, period, revision."""
    table = report_decisions
    query = sa.select(table).where(table.c.site_id == site_id, table.c.step == "published")
    newest: dict[tuple[str, str], int] = {}
    for row in must_be_proven(store, table, store.rows(query.order_by(table.c.report_id, table.c.revision))):
        newest[row["report_id"], row["period"]] = row["revision"]
    return [{"report_id": name, "period": period, "revision": number} for (name, period), number in newest.items()]
