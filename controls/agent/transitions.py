"""Transitions of a command in the ledger by the agent: in the round's transaction, then the slot follows."""

from datetime import datetime
from functools import partial
from typing import Any

from assets.stores.schema.tables_control import commands, device_leases
from assets.stores.transactions import Connection, select_rows
from assets.stores.trust import Trust, trust_of
from controls.agent.context import AgentContext, Device, OnLedger, Slot, Step
from controls.agent.live_values import live_of
from controls.ledger.device_faults import latch_fault
from controls.ledger.device_holds import HOLD, end_manual_hold, set_hold
from controls.ledger.rows import Facts, LedgerRow, doubt_of, stored, transition
from controls.ledger.states import is_terminal
from controls.safety.check import check_all
from controls.safety.verdict import Block, Verdict
from data_quality.contracts.control.command import Command, CommandState, EvidenceGrade


def move(
    context: AgentContext,
    slot: Slot,
    to_state: CommandState,
    reason: str,
    *,
    facts: Facts | None = None,
    evidence_grade: EvidenceGrade | None = None,
    latch: bool = False,
    hold: float | None = None,
) -> Step[bool]:
    """Move the command in hand on; False where somebody else moved it first, and then it is dropped from the hand.

    latch: set the device's fault latch in the same transaction. hold: what somebody else set; hands stay off it, too.
    Raises Unreachable.
    """
    row = slot.in_hand

    def act(connection: Connection) -> LedgerRow | None:
        now_utc, name = context.clock.now_utc(), row.command.command_id
        place = (row.command.site_id, row.command.device_id, row.command.capability)
        moved = transition(
            connection,
            row,
            to_state,
            at_utc=now_utc,
            reason=reason,
            facts=facts,
            evidence_grade=evidence_grade,
            together=context.moves,
        )
        if moved is not None and row.command.is_by_hand and is_terminal(to_state):
            end_manual_hold(context.store, connection, row.command, reason=f"{to_state}: {reason}", at_utc=now_utc)
        if moved is not None and latch:
            name, change = row.command.command_id, f"{to_state}: {reason}"
            latch_fault(
                connection, context.site_id, row.command.device_id, reason=change, command_id=name, at_utc=now_utc
            )
        if moved is not None and hold is not None:
            until_utc = now_utc + HOLD
            set_hold(
                connection, *place, until_utc=until_utc, value=hold, reason=reason, command_id=name, at_utc=now_utc
            )
        return moved

    moved: LedgerRow | None = yield OnLedger(act)
    slot.row = None if moved is None or is_terminal(to_state) else moved
    if is_terminal(to_state) and context.trust is not None:
        context.trust.forget(commands, (row.command.command_id,))
    if moved is not None:
        context.counts["state", str(to_state)] += 1
        if evidence_grade is not None:
            context.counts["grade", str(int(evidence_grade))] += 1
    context.must_recover = context.must_recover or moved is None
    return moved is not None


def issue(context: AgentContext, device: Device, slot: Slot, *, ttl_s: float, value: float) -> Step[Verdict | None]:
    """Ask every guard with live values and set ISSUED, in one transaction that also reads mode, latches and lease.

    So a mode that was lowered first always wins. value: what is written now, on a ramp a step of the way (I02).
    Answers the verdict, or None where the lease or the row is no longer ours (the command is dropped from the hand).
    After Allow the row carries the order it is sent with.
    """
    row = slot.in_hand

    def act(connection: Connection) -> tuple[Verdict | None, LedgerRow | None]:
        now_utc = context.clock.now_utc()
        if context.lease is None or not context.once("lease", lambda: _holds_lease(connection, context, now_utc)):
            # Without the lease another agent may act on the device: not even "blocked" is ours to write.
            return None, None
        if context.stop_reason:
            return Block(guard_id="STOP", reason=f"emergency stop: {context.stop_reason}"), row
        # Last look before the wire: a row changed past the program would otherwise be sent as if it had been planned.
        trust = context.once("trust", lambda: _trust(context, connection))
        raw = context.once("stored", lambda: _sendable(connection, context.site_id)).get(row.command.command_id)
        doubt = doubt_of(trust, raw)
        if doubt:
            return Block(guard_id="LEDGER", reason=doubt), row
        seq = device.next_seq()
        order = {"epoch": context.lease.epoch, "seq": seq, "ttl_s": ttl_s, "value": value}
        command = row.command.model_copy(update=order)
        live = live_of(connection, context, device, slot, command, now_utc)
        verdict = check_all(command, live, slot.limits, now_utc)
        if isinstance(verdict, Block):
            return verdict, row
        issued = transition(
            connection,
            row,
            CommandState.ISSUED,
            at_utc=now_utc,
            reason="all guards allow it" if value == row.command.value else f"all guards allow it; stepping: {value:g}",
            facts={
                # Counted and stored before sending, so that a crash loop does not start from zero each time.
                "attempts": slot.attempts + 1,
                "ttl_s": ttl_s,
                "soc": live.soc,
                "soc_age_s": live.soc_age_s,
                "read_age_s": live.read_age_s,
                "plan_age_s": live.plan_age_s,
            },
            evidence_grade=EvidenceGrade.SENT,
            mode_at_issue=live.mode,
            wire=(command.epoch, command.seq),
            together=context.moves,
        )
        return None if issued is None else verdict, issued

    verdict: Verdict | None
    verdict, slot.row = yield OnLedger(act)
    context.must_recover = context.must_recover or verdict is None
    slot.attempts += verdict is not None and verdict.is_allowed
    return verdict


def refresh_verdict(context: AgentContext, device: Device, slot: Slot, command: Command) -> Step[Verdict]:
    """The guards' verdict on keeping the active value, with live values."""

    def act(connection: Connection) -> Verdict:
        now_utc = context.clock.now_utc()
        return check_all(command, live_of(connection, context, device, slot, command, now_utc), slot.limits, now_utc)

    verdict: Verdict = yield OnLedger(act)
    return verdict


def _sendable(connection: Connection, site_id: str) -> dict[str, dict[str, Any]]:
    """The site's commands that may be sent now: one read for all devices of a round."""
    states = [str(each) for each in (CommandState.PENDING, CommandState.UNKNOWN, CommandState.MISMATCH)]
    return stored(connection, commands.c.site_id == site_id, commands.c.state.in_(states))


def _trust(context: AgentContext, connection: Connection) -> Trust:
    """Seals of the commands checked so far: the agent's own, which drops those of past commands."""
    # What this transaction sealed may yet be rolled back: nothing of it is kept.
    if connection.info.get("sealed"):
        return trust_of(context.store, [commands], connection=connection)
    if context.trust is None:
        context.trust = Trust(context.store.public_keys)
    context.trust.refresh(partial(select_rows, connection), [commands.name])
    return context.trust


def _holds_lease(connection: Connection, context: AgentContext, now_utc: datetime) -> bool:
    rows = select_rows(connection, device_leases.select().where(device_leases.c.site_id == context.site_id))
    return (
        context.lease is not None
        and len(rows) == 1
        and rows[0]["holder"] == context.holder
        and rows[0]["epoch"] == context.lease.epoch
        # Holder and epoch alone do not do: after the expiry another agent may take over at any moment.
        and rows[0]["expires_utc"] > now_utc
    )
