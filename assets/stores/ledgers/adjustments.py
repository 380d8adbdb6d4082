"""The ledger of adjustments, append-only: proposed, approved by another person, withdrawn by a row of its own."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.journal import AppendOnly, Ledger
from assets.stores.schema.tables_baselines import adjustments, baseline_versions
from assets.stores.transactions import Repository, Store
from data_quality.contracts.baselines.baseline import (
    Adjustment,
    AdjustmentRecord,
    AdjustmentStatus,
    Baseline,
    BaselineType,
    canonical_sha256,
)
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

PROPOSED, APPROVED, WITHDRAWN = (each.value for each in AdjustmentStatus)
# Types whose expected energy is compared with what was metered in a figure; no other may be adjusted.
ADJUSTABLE = (BaselineType.ENB, BaselineType.MV_PROJECT)
_STEPS = Ledger(adjustments, Adjustment, "adjustment", is_proven=True)
_VERSIONS = AppendOnly(baseline_versions, dict, order=("version",))


class AdjustmentStore(Repository):
    """Adjustments of every baseline, as known at any instant."""

    def propose(self, adjustment: Adjustment, person: Person, clock: Clock) -> AdjustmentRecord:
        """Write an adjustment down; nothing changes until somebody else approves it.

        Raises BadInput for a person who is no analyst, an unknown baseline or one of a type without adjustments, days
        inside of every version's own training period, and a proposal that stands already.
        """
        person.must_be(Role.ANALYST)
        with self.store.together():
            rows = _VERSIONS.rows(self.store, "baseline", "baseline_type", baseline_id=adjustment.baseline_id)
            if not rows:
                raise BadInput(
                    f"unknown baseline {adjustment.baseline_id!r}",
                    reason="unknown_baseline",
                    mend="'meterloom baseline list' names them",
                )
            baseline_type = rows[0]["baseline_type"]
            if baseline_type not in {each.value for each in ADJUSTABLE}:
                allowed = " and ".join(each.value for each in ADJUSTABLE)
                raise BadInput(
                    f"baseline {adjustment.baseline_id!r} is of type {baseline_type}; adjustments are for {allowed}",
                    reason="baseline_type",
                )
            # One version that can take it is enough: those trained over the change leave it out (`in_force`).
            ends = [Baseline.model_validate(row["baseline"]).train_end for row in rows]
            if adjustment.start < min(ends):
                raise BadInput(
                    f"the adjustment starts on {adjustment.start}, inside of the training period of every version of "
                    f"{adjustment.baseline_id!r} (the first that could take it was trained to {min(ends)})",
                    reason="inside_training",
                    mend="fit a baseline on another period instead",
                )
            if _STEPS.rows(self.store, adjustment_id=adjustment.adjustment_id):
                raise BadInput(f"adjustment {adjustment.adjustment_id} is proposed already", reason="proposed_already")
            return self._append(adjustment, PROPOSED, person, Role.ANALYST, adjustment.reason, clock)

    def approve(self, adjustment_id: str, person: Person, reason: str, clock: Clock) -> AdjustmentRecord:
        """Let a proposed adjustment enter expected energy from now on.

        Raises BadInput for a missing role, one's own proposal, an empty reason, or an adjustment that is not proposed.
        """
        person.must_be(Role.APPROVER)
        if not reason.strip():
            raise BadInput("an approval needs a reason", reason="no_reason")
        with self.store.together():
            record = self.get(adjustment_id)
            if record.status is not AdjustmentStatus.PROPOSED:
                raise BadInput(f"adjustment {adjustment_id} is {record.status.value} already", reason="decided_already")
            if record.proposed_by == person.person_id:
                raise BadInput(f"{person.name} proposed this adjustment and cannot approve it", reason="own_work")
            return self._append(record.adjustment, APPROVED, person, Role.APPROVER, reason.strip(), clock)

    def withdraw(self, adjustment_id: str, person: Person, reason: str, clock: Clock) -> AdjustmentRecord:
        """End an adjustment from now on; what was computed before keeps it, as of then.

        A proposal may be withdrawn by who made it; an approved adjustment by an approver who did not propose it.
        Raises BadInput otherwise, for an empty reason and for one that is withdrawn.
        """
        if not reason.strip():
            raise BadInput("a withdrawal needs a reason", reason="no_reason")
        with self.store.together():
            record = self.get(adjustment_id)
            if record.status is AdjustmentStatus.WITHDRAWN:
                raise BadInput(f"adjustment {adjustment_id} is withdrawn already", reason="decided_already")
            role = _role_to_withdraw(record, person)
            return self._append(record.adjustment, WITHDRAWN, person, role, reason.strip(), clock)

    def get(self, adjustment_id: str, *, as_of_utc: datetime | None = None) -> AdjustmentRecord:
        """One adjustment. Raises BadInput for an unknown id."""
        steps = _STEPS.rows(self.store, as_of_utc=as_of_utc, adjustment_id=adjustment_id)
        if not steps:
            raise BadInput(
                f"unknown adjustment {adjustment_id!r}",
                reason="unknown_adjustment",
                mend="'meterloom baseline adjustments' names them",
            )
        return _record(steps)

    def records(
        self,
        *,
        site_id: str | Collection[str] | None = None,
        baseline_id: str | None = None,
        as_of_utc: datetime | None = None,
    ) -> list[AdjustmentRecord]:
        """Adjustments with their status as of then, in the order of their proposal."""
        by_id: dict[str, list[Mapping[str, Any]]] = {}
        for row in _STEPS.rows(self.store, as_of_utc=as_of_utc, site_id=site_id, baseline_id=baseline_id):
            by_id.setdefault(row["adjustment_id"], []).append(row)
        return [_record(rows) for rows in by_id.values()]

    def in_force(
        self, baseline_id: str, baseline: Baseline, *, as_of_utc: datetime | None = None
    ) -> tuple[Adjustment, ...]:
        """Approved adjustments that this version's expected energy takes, in order of start and id.

        An adjustment answers a change that the training period does not hold: it applies to versions whose training
        ended by its start, and to no other. One that has its own approval only later is not known at `as_of_utc`.
        """
        return self.all_in_force({baseline_id: baseline}, as_of_utc=as_of_utc)[baseline_id]

    def all_in_force(
        self, baselines: Mapping[str, Baseline], *, as_of_utc: datetime | None = None
    ) -> dict[str, tuple[Adjustment, ...]]:
        """The same of many baselines, by their ids, for one look into the ledger."""
        site_ids = {baseline_id.partition("/")[0] for baseline_id in baselines}
        one = next(iter(baselines)) if len(baselines) == 1 else None
        found: dict[str, list[Adjustment]] = {baseline_id: [] for baseline_id in baselines}
        for each in self.records(site_id=site_ids, baseline_id=one, as_of_utc=as_of_utc):
            baseline = baselines.get(each.adjustment.baseline_id)
            if baseline and each.status is AdjustmentStatus.APPROVED and each.adjustment.start >= baseline.train_end:
                found[each.adjustment.baseline_id].append(each.adjustment)
        return {
            name: tuple(sorted(given, key=lambda each: (each.start, each.adjustment_id)))
            for name, given in found.items()
        }

    def _append(
        self, adjustment: Adjustment, step: str, person: Person, role: Role, reason: str, clock: Clock
    ) -> AdjustmentRecord:
        # A baseline's id begins with its site (baselines.py: baseline_id_of).
        place = {"adjustment_id": adjustment.adjustment_id, "site_id": adjustment.baseline_id.partition("/")[0]}
        by = {"person_id": person.person_id, "role": role.value, "reason": reason}
        before = _STEPS.rows(self.store, adjustment_id=adjustment.adjustment_id)
        row = _STEPS.row(adjustment, step=step, **place, **by)
        # Not read again: where people have keys, it is signed and believed only once this transaction is.
        return _record([*before, row | {"recorded_at_utc": _STEPS.add(self.store, clock, row)}])


def adjusted_baselines(store: Store) -> set[str]:
    """Ids of the baselines that an adjustment was ever proposed for."""
    return {row["baseline_id"] for row in store.rows(sa.select(adjustments.c.baseline_id).distinct())}


def adjustments_sha256(given: Iterable[Adjustment]) -> str:
    """Digest of the adjustments that a figure rests on: equal digests mean equal expected energy by one version."""
    # An id is a digest of all that the adjustment says, so ids suffice.
    return canonical_sha256(sorted(each.adjustment_id for each in given))


def _record(rows: Sequence[Mapping[str, Any]]) -> AdjustmentRecord:
    by_step = {row["step"]: row for row in rows}
    first, withdrawn = by_step[PROPOSED], by_step.get(WITHDRAWN)
    status = WITHDRAWN if withdrawn else APPROVED if APPROVED in by_step else PROPOSED
    lived = {f"{step}_by": row["person_id"] for step, row in by_step.items()}
    lived |= {f"{step}_at_utc": row["recorded_at_utc"] for step, row in by_step.items()}
    return AdjustmentRecord(
        adjustment_id=first["adjustment_id"],
        site_id=first["site_id"],
        status=AdjustmentStatus(status),
        adjustment=Adjustment.model_validate(first["adjustment"]),
        **lived,
        withdrawn_because=withdrawn["reason"] if withdrawn else "",
    )


def _role_to_withdraw(record: AdjustmentRecord, person: Person) -> Role:
    is_own = person.person_id == record.proposed_by
    if record.status is AdjustmentStatus.PROPOSED and is_own:
        return Role.ANALYST
    person.must_be(Role.APPROVER)
    if is_own:
        raise BadInput(f"{person.name} proposed this adjustment and cannot withdraw its approval", reason="own_work")
    return Role.APPROVER
