"""The ledger of adjustments, append-only: proposed, approved by another person, withdrawn by a row of its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.access import Connection
from assets.stores.seals import append_row
from assets.stores.tables_baselines import adjustments, baseline_versions
from assets.stores.transactions import Store, next_recorded_at
from assets.stores.trust import must_be_proven
from data_quality.contracts.adjustment import Adjustment, AdjustmentRecord, AdjustmentStatus, canonical_sha256
from data_quality.contracts.baseline import Baseline, BaselineType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

PROPOSED, APPROVED, WITHDRAWN = (each.value for each in AdjustmentStatus)
# Types whose expected energy is compared with what was metered in a figure; no other may be adjusted.
ADJUSTABLE = (BaselineType.ENB, BaselineType.MV_PROJECT)


class AdjustmentStore:
    """Adjustments of every baseline, as known at any instant."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def propose(self, adjustment: Adjustment, person: Person, clock: Clock) -> AdjustmentRecord:
        """Write an adjustment down; nothing changes until somebody else approves it.

        Raises BadInput for a person who is no analyst, an unknown baseline or one of a type without adjustments, days
        inside of every version's own training period, and a proposal that stands already.
        """
        if Role.ANALYST not in person.roles:
            raise _no_role(person, Role.ANALYST)
        site_id = adjustment.baseline_id.partition("/")[0]
        with self.store.begin() as connection:
            _refuse_baseline(connection, adjustment)
            if _steps(connection, adjustment.adjustment_id):
                raise BadInput(f"adjustment {adjustment.adjustment_id} is proposed already", reason="proposed_already")
            self._append(connection, adjustment, PROPOSED, person, Role.ANALYST, adjustment.reason, clock, site_id)
        return self.get(adjustment.adjustment_id)

    def approve(self, adjustment_id: str, person: Person, reason: str, clock: Clock) -> AdjustmentRecord:
        """Let a proposed adjustment enter expected energy from now on.

        Raises BadInput for a missing role, one's own proposal, an empty reason, or an adjustment that is not proposed.
        """
        if Role.APPROVER not in person.roles:
            raise _no_role(person, Role.APPROVER)
        if not reason.strip():
            raise BadInput("an approval needs a reason", reason="no_reason")
        with self.store.begin() as connection:
            record = _record(_known(connection, adjustment_id))
            if record.status is not AdjustmentStatus.PROPOSED:
                raise BadInput(f"adjustment {adjustment_id} is {record.status.value} already", reason="decided_already")
            if record.proposed_by == person.person_id:
                raise BadInput(f"{person.name} proposed this adjustment and cannot approve it", reason="own_work")
            self._append(
                connection, record.adjustment, APPROVED, person, Role.APPROVER, reason.strip(), clock, record.site_id
            )
        return self.get(adjustment_id)

    def withdraw(self, adjustment_id: str, person: Person, reason: str, clock: Clock) -> AdjustmentRecord:
        """End an adjustment from now on; what was computed before keeps it, as known then.

        A proposal may be withdrawn by who made it; an approved adjustment by an approver who did not propose it.
        Raises BadInput otherwise, for an empty reason and for one that is withdrawn.
        """
        if not reason.strip():
            raise BadInput("a withdrawal needs a reason", reason="no_reason")
        with self.store.begin() as connection:
            record = _record(_known(connection, adjustment_id))
            if record.status is AdjustmentStatus.WITHDRAWN:
                raise BadInput(f"adjustment {adjustment_id} is withdrawn already", reason="decided_already")
            role = _role_to_withdraw(record, person)
            self._append(connection, record.adjustment, WITHDRAWN, person, role, reason.strip(), clock, record.site_id)
        return self.get(adjustment_id)

    def get(self, adjustment_id: str, *, as_of_utc: datetime | None = None) -> AdjustmentRecord:
        """One adjustment. Raises BadInput for an unknown id."""
        found = [each for each in self.records(as_of_utc=as_of_utc) if each.adjustment_id == adjustment_id]
        if not found:
            raise _unknown(adjustment_id)
        return found[0]

    def records(
        self, *, site_id: str | None = None, baseline_id: str | None = None, as_of_utc: datetime | None = None
    ) -> list[AdjustmentRecord]:
        """Adjustments with their status as known then, in the order of their proposal."""
        query = sa.select(adjustments).order_by(adjustments.c.recorded_at_utc)
        if site_id is not None:
            query = query.where(adjustments.c.site_id == site_id)
        if baseline_id is not None:
            query = query.where(adjustments.c.baseline_id == baseline_id)
        if as_of_utc is not None:
            query = query.where(adjustments.c.recorded_at_utc <= as_of_utc)
        by_id: dict[str, list[Mapping[str, Any]]] = {}
        for row in must_be_proven(self.store, adjustments, self.store.rows(query)):
            by_id.setdefault(row["adjustment_id"], []).append(row)
        return [_record(rows) for rows in by_id.values()]

    def in_force(
        self, baseline_id: str, baseline: Baseline, *, as_of_utc: datetime | None = None
    ) -> tuple[Adjustment, ...]:
        """Approved adjustments that this version's expected energy takes, in order of start and id.

        An adjustment answers a change that the training period does not hold: it applies to versions whose training
        ended by its start, and to no other. One that has its own approval only later is not known at `as_of_utc`.
        """
        found = [
            each.adjustment
            for each in self.records(baseline_id=baseline_id, as_of_utc=as_of_utc)
            if each.status is AdjustmentStatus.APPROVED and each.adjustment.start >= baseline.train_end
        ]
        return tuple(sorted(found, key=lambda each: (each.start, each.adjustment_id)))

    @staticmethod
    def _append(
        connection: Connection,
        adjustment: Adjustment,
        step: str,
        person: Person,
        role: Role,
        reason: str,
        clock: Clock,
        site_id: str,
    ) -> None:
        append_row(
            connection,
            adjustments,
            adjustment_id=adjustment.adjustment_id,
            step=step,
            site_id=site_id,
            baseline_id=adjustment.baseline_id,
            adjustment=adjustment.model_dump(mode="json"),
            person_id=person.person_id,
            role=role.value,
            reason=reason,
            recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
        )


def adjusted_baselines(store: Store) -> set[str]:
    """Ids of the baselines that an adjustment was ever proposed for."""
    return {row["baseline_id"] for row in store.rows(sa.select(adjustments.c.baseline_id).distinct())}


def adjustments_sha256(given: Iterable[Adjustment]) -> str:
    """Digest of the adjustments that a figure rests on: equal digests mean equal expected energy by one version."""
    return canonical_sha256(sorted(each.adjustment_id for each in given))


def _steps(connection: Connection, adjustment_id: str) -> list[Mapping[str, Any]]:
    query = sa.select(adjustments).where(adjustments.c.adjustment_id == adjustment_id)
    return [dict(row) for row in connection.execute(query.order_by(adjustments.c.recorded_at_utc)).mappings()]


def _known(connection: Connection, adjustment_id: str) -> list[Mapping[str, Any]]:
    found = _steps(connection, adjustment_id)
    if not found:
        raise _unknown(adjustment_id)
    return found


def _record(rows: list[Mapping[str, Any]]) -> AdjustmentRecord:
    by_step = {row["step"]: row for row in rows}
    first, approved, withdrawn = by_step[PROPOSED], by_step.get(APPROVED), by_step.get(WITHDRAWN)
    status = WITHDRAWN if withdrawn else APPROVED if approved else PROPOSED
    return AdjustmentRecord(
        adjustment_id=first["adjustment_id"],
        site_id=first["site_id"],
        status=AdjustmentStatus(status),
        adjustment=Adjustment.model_validate(first["adjustment"]),
        proposed_by=first["person_id"],
        proposed_at_utc=first["recorded_at_utc"],
        approved_by=approved["person_id"] if approved else None,
        approved_at_utc=approved["recorded_at_utc"] if approved else None,
        withdrawn_by=withdrawn["person_id"] if withdrawn else None,
        withdrawn_at_utc=withdrawn["recorded_at_utc"] if withdrawn else None,
        withdrawn_because=withdrawn["reason"] if withdrawn else "",
    )


def _refuse_baseline(connection: Connection, adjustment: Adjustment) -> None:
    table = baseline_versions
    rows = connection.execute(
        sa.select(table.c.baseline, table.c.baseline_type).where(table.c.baseline_id == adjustment.baseline_id)
    ).all()
    if not rows:
        raise BadInput(
            f"unknown baseline {adjustment.baseline_id!r}",
            reason="unknown_baseline",
            mend="'meterloom baseline list' names them",
        )
    if rows[0].baseline_type not in {each.value for each in ADJUSTABLE}:
        allowed = " and ".join(each.value for each in ADJUSTABLE)
        raise BadInput(
            f"baseline {adjustment.baseline_id!r} is of type {rows[0].baseline_type}; adjustments are for {allowed}",
            reason="baseline_type",
        )
    ends = [Baseline.model_validate(row.baseline).train_end for row in rows]
    if adjustment.start < min(ends):
        raise BadInput(
            f"the adjustment starts on {adjustment.start}, inside of the training period of every version of "
            f"{adjustment.baseline_id!r} (the first that could take it was trained to {min(ends)})",
            reason="inside_training",
            mend="fit a baseline on another period instead",
        )


def _role_to_withdraw(record: AdjustmentRecord, person: Person) -> Role:
    is_own = person.person_id == record.proposed_by
    if record.status is AdjustmentStatus.PROPOSED and is_own:
        return Role.ANALYST
    if Role.APPROVER not in person.roles:
        raise _no_role(person, Role.APPROVER)
    if is_own:
        raise BadInput(f"{person.name} proposed this adjustment and cannot withdraw its approval", reason="own_work")
    return Role.APPROVER


def _no_role(person: Person, role: Role) -> BadInput:
    roles = ", ".join(person.roles) or "none"
    return BadInput(f"{person.name} has not the role {role.value!r} (roles: {roles})", reason="missing_role")


def _unknown(adjustment_id: str) -> BadInput:
    return BadInput(
        f"unknown adjustment {adjustment_id!r}",
        reason="unknown_adjustment",
        mend="'meterloom baseline adjustments' names them",
    )
