"""A report's life after it was made: who reviewed, who published, what was signed, packed and delivered.

Append-only. A revision's status is derived from its rows: draft, reviewed, published, published (synthetic).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from assets.stores.access import site_transaction
from assets.stores.tables_publications import evidence_packs, report_decisions, report_makers, signatures
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
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


class Signature(Model):
    """A person's signature over the canonical JSON of what they did."""

    action_sha256: str
    kind: str
    subject: str
    person_id: str
    public_key: str
    signature: str
    action: str
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

    def decide(self, decision: Decision, signed: "Signature | None", clock: Clock) -> Decision:
        """Append a step together with its signature. Raises BadInput where the step was taken already."""
        with site_transaction(self.store, decision.site_id) as connection:
            key = decision.model_dump(include={"report_id", "revision", "step"})
            taken = connection.execute(sa.select(report_decisions.c.person_id).filter_by(**key)).first()
            if taken is not None:
                raise BadInput(
                    f"{decision.report_id}@{decision.revision} was {decision.step} already, by {taken.person_id}",
                    reason="decided_already",
                )
            moment = next_recorded_at(connection, clock.now_utc())
            connection.execute(report_decisions.insert().values(**decision.model_dump() | {"recorded_at_utc": moment}))
            if signed is not None:
                add_signature(connection, signed, moment)
        return decision.model_copy(update={"recorded_at_utc": moment})

    def decisions(self, report_id: str, revision: int, *, as_of_utc: datetime | None = None) -> list[Decision]:
        """Steps of one revision, oldest first."""
        query = sa.select(report_decisions).filter_by(report_id=report_id, revision=revision)
        if as_of_utc is not None:
            query = query.where(report_decisions.c.recorded_at_utc <= as_of_utc)
        return [Decision(**row) for row in self.store.rows(query.order_by(report_decisions.c.recorded_at_utc))]

    def statuses(self, *, as_of_utc: datetime | None = None) -> dict[Key, str]:
        """Status of every revision that anybody decided on; all others are drafts."""
        query = sa.select(report_decisions).order_by(report_decisions.c.recorded_at_utc)
        if as_of_utc is not None:
            query = query.where(report_decisions.c.recorded_at_utc <= as_of_utc)
        return {
            (row["report_id"], row["revision"]): status_of(row["step"], is_synthetic=row["is_synthetic"])
            for row in self.store.rows(query)
        }

    def sign(self, signed: Signature, clock: Clock) -> None:
        """Keep a signature over an action that has its row elsewhere."""
        with self.store.begin() as connection:
            add_signature(connection, signed, next_recorded_at(connection, clock.now_utc()))

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
            connection.execute(evidence_packs.insert().values(**link.model_dump()))


def add_signature(connection: sa.Connection, signed: Signature, recorded_at_utc: datetime) -> None:
    """Write a signature inside the caller's transaction; the same one twice is one."""
    known = sa.select(signatures.c.kind).where(signatures.c.action_sha256 == signed.action_sha256)
    if connection.execute(known).first() is None:
        values = signed.model_dump() | {"recorded_at_utc": recorded_at_utc}
        connection.execute(signatures.insert().values(**values))


def status_of(step: str, *, is_synthetic: bool) -> str:
    """The status that a step gives."""
    if step == "published" and is_synthetic:
        return PUBLISHED_SYNTHETIC
    return step


def published_periods(store: Store, site_id: str) -> Iterable[Mapping[str, Any]]:
    """Report, period and newest published revision of a site: report_id, period, revision."""
    table = report_decisions
    query = (
        sa.select(table.c.report_id, table.c.period, sa.func.max(table.c.revision).label("revision"))
        .where(table.c.site_id == site_id, table.c.step == "published")
        .group_by(table.c.report_id, table.c.period)
        .order_by(table.c.report_id)
    )
    return store.rows(query)
