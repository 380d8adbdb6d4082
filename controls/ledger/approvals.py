"""Approvals other than of modes: classes of plans, and the risk of devices that do not end a set-point themselves;
and every refused approval.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum

from assets.stores.schema.tables_control import approval_events
from assets.stores.seals import append_row
from assets.stores.transactions import Connection, Store, site_transaction
from assets.stores.trust import proven_of_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock


class Kind(StrEnum):
    """Kind of an approval. Subjects: `device/capability`, a device, the number of a request, an event, a class."""

    PLAN_CLASS = "PLAN_CLASS"
    RESIDUAL_RISK = "RESIDUAL_RISK"
    MODE_REQUEST = "MODE_REQUEST"
    DR_EVENT = "DR_EVENT"
    DR_CLASS = "DR_CLASS"


class Outcome(StrEnum):
    """Decision of a person. REFUSED: the program did not let them."""

    APPROVED = "APPROVED"
    REVOKED = "REVOKED"
    REFUSED = "REFUSED"


def plan_class(device_id: str, capability: str) -> str:
    """The class of plans that a command belongs to: in mode PARTIAL each is approved once."""
    return f"{device_id}/{capability}"


def record(
    connection: Connection,
    site_id: str,
    kind: Kind,
    subject: str,
    outcome: Outcome,
    *,
    person: Person,
    reason: str,
    at_utc: datetime,
) -> None:
    """Record a person's decision, in the caller's transaction. Raises BadInput without reason, or without the role
    engineer where they approve; to revoke, an operator does.
    """
    if outcome is Outcome.APPROVED or (outcome is Outcome.REVOKED and Role.OPERATOR not in person.roles):
        person.must_be(Role.ENGINEER)
    if not reason.strip():
        raise BadInput("an approval needs a reason", reason="missing_reason")
    append_row(
        connection,
        approval_events,
        site_id=site_id,
        kind=str(kind),
        subject=subject,
        outcome=str(outcome),
        person_id=person.person_id,
        reason=reason,
        recorded_at_utc=at_utc,
    )


@contextmanager
def audited(store: Store, site_id: str, kind: Kind, subject: str, *, person: Person, clock: Clock) -> Iterator[None]:
    """Record a refusal from inside, in a transaction of its own, and raise it again.

    Around the act's transaction, not in it: a refusal rolls that back.
    """
    try:
        yield
    except BadInput as fault:
        with site_transaction(store, site_id) as connection:
            row = {"person_id": person.person_id, "reason": str(fault), "recorded_at_utc": clock.now_utc()}
            words = {"kind": str(kind), "subject": subject[:160], "outcome": str(Outcome.REFUSED)}
            append_row(connection, approval_events, site_id=site_id, **words, **row)
        raise


class Approvals:
    """Approvals in force of one kind. A row that is not believed approves nothing."""

    def __init__(self, approved: Iterable[str], *, is_used: bool) -> None:
        self.approved, self.is_used = frozenset(approved), is_used

    def missing(self, subjects: Iterable[str]) -> list[str]:
        """Subjects without an approval."""
        return [each for each in subjects if each not in self.approved]


def read_approvals(store: Store, site_id: str, kind: Kind, *, connection: Connection | None = None) -> Approvals:
    """Approvals of a kind in force. is_used: somebody approved or revoked one at this site before: from the first on
    all must be, as with keys. connection: read in that transaction. Raises Unreachable.
    """
    _, good, problems = proven_of_site(store, approval_events, site_id, connection=connection, kind=str(kind))
    if problems:
        # A revocation may be what is missing.
        return Approvals((), is_used=True)
    outcomes = {row["subject"]: row["outcome"] for row in good if row["outcome"] != Outcome.REFUSED}
    return Approvals((name for name, what in outcomes.items() if what == Outcome.APPROVED), is_used=bool(outcomes))
