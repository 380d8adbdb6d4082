"""One step of one command in the ledger, as the agent takes it: a transaction of its own, then the slot follows."""

from datetime import datetime

from assets.stores.access import Connection, select_rows, site_transaction
from assets.stores.schema.tables_control import device_leases
from controls.agent.live_values import live_of
from controls.agent.parts import Bench, Device, Slot
from controls.ledger.device_faults import latch_fault
from controls.ledger.rows import Facts, LedgerRow, command_doubt, transition
from controls.ledger.states import is_terminal
from controls.safety.check import check_all
from controls.safety.verdict import Block, Verdict
from data_quality.contracts.control.command import Command, CommandState, EvidenceGrade


def move(
    bench: Bench,
    slot: Slot,
    to_state: CommandState,
    reason: str,
    *,
    facts: Facts | None = None,
    evidence_grade: EvidenceGrade | None = None,
    latch: bool = False,
) -> bool:
    """Move the command in hand on; False where somebody else moved it first, and then it is dropped from the hand.

    latch: set the device's fault latch in the same transaction. Raises Unreachable.
    """
    row = _in_hand(slot)
    now_utc = bench.clock.now_utc()
    with site_transaction(bench.store, bench.site_id) as connection:
        moved = transition(
            connection, row, to_state, at_utc=now_utc, reason=reason, facts=facts, evidence_grade=evidence_grade
        )
        if moved is not None and latch:
            command = row.command
            latch_fault(
                connection,
                bench.site_id,
                command.device_id,
                reason=f"{to_state}: {reason}",
                command_id=command.command_id,
                at_utc=now_utc,
            )
    # After the transaction: a commit that fails must not leave the hand ahead of the ledger.
    slot.row = None if moved is None or is_terminal(to_state) else moved
    return moved is not None


def issue(bench: Bench, device: Device, slot: Slot, *, ttl_s: float) -> Verdict | None:
    """Ask every guard with live values and set ISSUED, in one transaction that also reads mode, latches and lease.

    So a mode that was lowered first always wins. Answers the verdict, or None where the lease or the row is no longer
    ours (the command is dropped from the hand). After Allow the row carries the order it is sent with.
    """
    row = _in_hand(slot)
    with site_transaction(bench.store, bench.site_id) as connection:
        now_utc = bench.clock.now_utc()
        if bench.lease is None or not _holds_lease(connection, bench, now_utc):
            # Without the lease another agent may act on the device: not even "blocked" is ours to write.
            slot.drop()
            return None
        # Last look before the wire: a row changed past the program would otherwise be sent as if it had been planned.
        doubt = command_doubt(bench.store, connection, row.command.command_id)
        if doubt:
            return Block(guard_id="LEDGER", reason=doubt)
        seq = device.next_seq()
        command = row.command.model_copy(update={"epoch": bench.lease.epoch, "seq": seq, "ttl_s": ttl_s})
        live = live_of(connection, bench, device, slot, command, now_utc)
        verdict = check_all(command, live, slot.limits, now_utc)
        if isinstance(verdict, Block):
            return verdict
        # Counted and stored before sending, so that a crash loop does not start from zero each time.
        slot.attempts += 1
        issued = transition(
            connection,
            row,
            CommandState.ISSUED,
            at_utc=now_utc,
            reason="all guards allow it",
            facts={
                "attempts": slot.attempts,
                "ttl_s": ttl_s,
                "soc": live.soc,
                "soc_age_s": live.soc_age_s,
                "read_age_s": live.read_age_s,
                "plan_age_s": live.plan_age_s,
            },
            evidence_grade=EvidenceGrade.SENT,
            mode_at_issue=live.mode,
            wire=(command.epoch, command.seq),
        )
    slot.row = issued
    return None if issued is None else verdict


def refresh_verdict(bench: Bench, device: Device, slot: Slot, command: Command) -> Verdict:
    """The guards' answer to holding on to a value that stands, with live values."""
    with site_transaction(bench.store, bench.site_id) as connection:
        now_utc = bench.clock.now_utc()
        return check_all(command, live_of(connection, bench, device, slot, command, now_utc), slot.limits, now_utc)


def _holds_lease(connection: Connection, bench: Bench, now_utc: datetime) -> bool:
    rows = select_rows(connection, device_leases.select().where(device_leases.c.site_id == bench.site_id))
    return (
        bench.lease is not None
        and len(rows) == 1
        and rows[0]["holder"] == bench.holder
        and rows[0]["epoch"] == bench.lease.epoch
        # Holder and epoch alone do not do: after the expiry another agent may take over at any moment.
        and rows[0]["expires_utc"] > now_utc
    )


def _in_hand(slot: Slot) -> LedgerRow:
    assert slot.row is not None, "a step without a command in hand"  # noqa: S101 - narrows for the type checker
    return slot.row
