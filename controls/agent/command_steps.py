"""The agent's next step with one slot, state by state (dispatch.md B.3). Each step queries ledger and wire with
`yield from` and blocks nothing: rounds.py goes on with the other slots meanwhile.
"""

from datetime import timedelta

from controls.agent.context import AgentContext, Device, Slot, Step, View
from controls.agent.meter_verification import ask_meter, expect, meter_facts
from controls.agent.transitions import issue, move, refresh_verdict
from controls.agent.wire import OBSERVE_S, fits, is_safe, look, observe, revert, send
from controls.gateways.capabilities import DeviceRefused, DeviceSilent, NotSent, ReadBack
from controls.ledger.device_faults import is_latched
from controls.ledger.rows import Facts, LedgerRow
from controls.ledger.states import IN_HAND
from controls.safety.interlocks.ramp import STEP_S, ramped
from controls.safety.verdict import Block, Fact
from data_quality.contracts.control.command import Command, EvidenceGrade, Mode
from data_quality.contracts.control.command import CommandState as S

# The first and two more: set-points are absolute, so the same again does no harm; after three a person must look.
MAX_ATTEMPTS = 3
# How long a released command waits for a device that does not answer, before the guards refuse it.
PICK_WAIT_S = 10.0
# A device may count its time to live in whole seconds.
TTL_GRACE_S = 1.0
# A third of the time to live: a refresh that is lost is tried again long before the device falls back.
REFRESH_SHARE = 3
# A person waits for what they set: what nobody sent by then is over, and begins at no later time by itself.
START_WITHIN = timedelta(seconds=60)
HOME_AGAIN = "after-recovery: the device reads its safe default"


def advance(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    """One step of the slot. Raises Unreachable where the store does not answer."""
    if slot.row is None:
        yield from _take_next(context, view, device, slot)
    # Asked a second time: what was taken in hand above may be over already, and then the hand is empty again.
    if slot.row is None:
        yield from _rest(context, view, device, slot)
    elif slot.row.state is S.PENDING:
        yield from _pending(context, view, device, slot)
    elif slot.row.state is S.ACKED:
        yield from _acked(context, device, slot)
    elif slot.row.state in (S.UNKNOWN, S.MISMATCH):
        yield from _doubt(context, device, slot)
    elif slot.row.state is S.VERIFIED:
        yield from _verified(context, view, device, slot)
    elif slot.row.state is S.DRIFTED:
        yield from _drifted(context, device, slot)


def _take_next(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    """Take the slot's next command: first one already in hand in the ledger (after a crash), then a released one."""
    for row in view.of(device, slot):
        now_utc, now_s = context.clock.now_utc(), context.monotonic()
        is_open = row.command.valid_from_utc <= now_utc < row.command.valid_until_utc
        if row.state in IN_HAND:
            slot.take(row, now_utc=now_utc, now_s=now_s, is_adopted=True)
            # A set-point on the wire may have been sent up to now.
            slot.wire_until_s = now_s + row.command.ttl_s
            # Nobody knows whether the bytes left: only a read can tell, so it counts as unknown and not as unsent.
            if row.state is S.ISSUED:
                yield from move(context, slot, S.UNKNOWN, "after-recovery: the agent stopped after issuing it")
        elif row.command.valid_until_utc <= now_utc:
            slot.take(row, now_utc=now_utc, now_s=now_s)
            yield from move(context, slot, S.EXPIRED, "the window ended before it was sent")
        elif row.command.is_by_hand and now_utc > row.command.valid_from_utc + START_WITHIN:
            slot.take(row, now_utc=now_utc, now_s=now_s)
            reason = f"nobody sent it within {START_WITHIN.total_seconds():g} s of the moment it was set"
            yield from move(context, slot, S.EXPIRED, reason)
        elif slot.waits(row.command):
            continue
        # Released while the mode was higher. It needs an outcome in the ledger even where no writer is open.
        elif is_open and view.mode_of(device, slot) < Mode.PARTIAL:
            slot.take(row, now_utc=now_utc, now_s=now_s)
            yield from _block_by_mode(context, view, device, slot)
        elif is_open and device.writer is not None and now_s >= device.turn_at_s:
            slot.take(row, now_utc=now_utc, now_s=now_s)
            if (yield from move(context, slot, S.PENDING, "picked up")):
                context.hook("picked")
        if slot.row is not None:
            return


def _rest(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    """Nothing in hand: the device belongs at its safe default, by our hand where its own timer has not done it.

    A latched device is left alone where nothing of ours can stand there any more.
    """
    if not slot.must_revert or device.writer is None or slot.read is None or not (yield from observe(context, device)):
        return
    is_ours = context.monotonic() < slot.wire_until_s or device.is_left(slot)
    if is_safe(slot.read, slot):
        slot.must_revert = False
    # Another capability of the device may be written; this one may not, unless our own value may still stand there.
    elif view.mode_of(device, slot) < Mode.PARTIAL and not view.is_stopped and not is_ours:
        return
    elif context.monotonic() >= slot.revert_again_s and (
        # Under a latch we still undo what may be our own value, but no longer than that can stand.
        is_ours or not is_latched(view.faults, device.device_id)
    ):
        yield from revert(context, device, slot)


def _pending(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    row, now_s = slot.in_hand, context.monotonic()
    # The earlier of wall clock and monotonic deadline: a clock set back must not prolong a window.
    remaining_s = min((row.command.valid_until_utc - context.clock.now_utc()).total_seconds(), slot.deadline_s - now_s)
    # Devices take whole seconds: less than one would be rounded to none.
    if remaining_s < 1:
        yield from move(context, slot, S.EXPIRED, "the window ended before it was sent")
    elif view.mode_of(device, slot) < Mode.PARTIAL:
        yield from _block_by_mode(context, view, device, slot)
    # After the wait a silent device is issued to all the same: the guards refuse it, and so the ledger has a reason.
    elif device.writer is not None and ((yield from observe(context, device)) or now_s - slot.picked_s >= PICK_WAIT_S):
        yield from _issue_and_send(context, device, slot)


def _block_by_mode(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    guard = "STOP" if view.is_stopped else "MODE"
    reason = f"{guard}: {_why_lowered(context, view, device, slot)}: nothing is written"
    yield from move(context, slot, S.BLOCKED, reason, facts={"guard": guard})


def _why_lowered(context: AgentContext, view: View, device: Device, slot: Slot) -> str:
    if view.is_stopped:
        return f"emergency stop ({context.stop_reason})"
    return f"the mode is {view.mode_of(device, slot).name}"


def _issue_and_send(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    """PENDING, UNKNOWN or MISMATCH → ISSUED → ACKED, or what came instead."""
    row, value = slot.in_hand, _next_value(slot)
    is_first = row.state is S.PENDING
    ttl_s = max(slot.ttl_left_s(context.monotonic()), 1.0)
    verdict = yield from issue(context, device, slot, ttl_s=ttl_s, value=value)
    if isinstance(verdict, Block):
        reason = f"{verdict.guard_id}: {verdict.reason}"
        if is_first:
            yield from move(context, slot, S.BLOCKED, reason, facts={"guard": verdict.guard_id, **verdict.facts})
        else:
            yield from _give_up(context, device, slot, f"not sent again: {reason}")
        return
    if verdict is None:
        return
    context.hook("issued")
    command = slot.in_hand.command.model_copy(update={"ttl_s": ttl_s, "value": value})
    expect(context, device, slot, row.command)
    try:
        ack = yield from send(context, device, slot, command)
    except NotSent as fault:
        # After an earlier attempt the earlier value may stand, so "blocked" would claim too much.
        state = S.BLOCKED if is_first else S.UNKNOWN
        yield from move(context, slot, state, f"the gateway did not send it: {fault}")
        return
    except (DeviceSilent, DeviceRefused) as fault:
        slot.read_by_s = context.monotonic() + slot.rule.within_s
        yield from move(context, slot, S.UNKNOWN, str(fault))
        return
    slot.step, slot.stepped_s = (None if value == row.command.value else value), context.monotonic()
    context.hook("written")
    facts = {"ack_code": ack.code, "applied_value": ack.applied_value, "acked_at_utc": ack.at_utc.isoformat()}
    slot.read_by_s = context.monotonic() + slot.rule.within_s
    grade = EvidenceGrade.DEVICE_ACKNOWLEDGED
    if (yield from move(context, slot, S.ACKED, "acknowledged", facts=facts, evidence_grade=grade)):
        context.hook("acked")
        yield from _acked(context, device, slot)


def _acked(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    read, command = (yield from look(context, device, slot)), slot.in_hand.command
    if read is not None and slot.step is not None and fits(read, command.model_copy(update={"value": slot.step}), slot):
        if context.monotonic() >= slot.stepped_s + STEP_S:
            yield from _step(context, device, slot)
    elif read is not None and fits(read, command, slot):
        yield from _prove(context, slot, read, "read back")
    elif context.monotonic() >= slot.read_by_s:
        if read is None:
            slot.read_by_s = context.monotonic() + slot.rule.within_s
            yield from move(
                context, slot, S.UNKNOWN, f"no read-back within {slot.rule.within_s:g} s: {device.last_fault}"
            )
        else:
            yield from move(context, slot, S.MISMATCH, f"the device reads {read.value:g}", facts=_facts(read))


def _next_value(slot: Slot) -> float:
    """The command's value, or the next step towards it from the device's present set-point (I02)."""
    target = slot.in_hand.command.value
    return target if slot.read is None else ramped(slot.read.value, target, slot.limits.ramp_per_s, STEP_S)


def _step(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    """The next step of a ramp, if every guard allows it; whatever comes between is a doubt, and is decided there."""
    row, value = slot.in_hand, _next_value(slot)
    command = None if device.writer is None else _renewal(context, device, slot, value)
    if command is None:
        yield from move(context, slot, S.UNKNOWN, f"the ramp to {row.command.value:g} ended on its way")
        return
    verdict = yield from refresh_verdict(context, device, slot, command)
    if isinstance(verdict, Block):
        yield from move(context, slot, S.UNKNOWN, f"{verdict.guard_id}: {verdict.reason}", facts=verdict.facts)
        return
    slot.read_by_s = context.monotonic() + slot.rule.within_s
    expect(context, device, slot, row.command)
    try:
        yield from send(context, device, slot, command)
    except (DeviceSilent, DeviceRefused) as fault:
        yield from move(context, slot, S.UNKNOWN, str(fault))
        return
    slot.step, slot.stepped_s = (None if value == row.command.value else value), context.monotonic()
    context.hook("stepped")


def _renewal(context: AgentContext, device: Device, slot: Slot, value: float) -> Command | None:
    """The command in hand as it is written once more; None without a lease, or where no whole second is left."""
    ttl_s = slot.ttl_left_s(context.monotonic())
    if context.lease is None or ttl_s < 1:
        return None
    # A new number, or a device that drops repeated ones would not start its timer anew.
    order = {"epoch": context.lease.epoch, "seq": device.next_seq(), "ttl_s": ttl_s, "value": value}
    return slot.in_hand.command.model_copy(update=order)


def _doubt(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    """Read first, then decide: proven, sent again (twice at most, inside the window), or given up."""
    read, row = (yield from look(context, device, slot)), slot.in_hand
    if read is None:
        if context.monotonic() >= slot.read_by_s:
            yield from _give_up(
                context, device, slot, f"no read-back within {slot.rule.within_s:g} s: {device.last_fault}"
            )
        return
    # One second early: a send that takes that long would reach the device after the window.
    is_over = slot.is_over(row.command, now_utc=context.clock.now_utc(), now_s=context.monotonic() + 1)
    if fits(read, row.command, slot) and not is_over:
        yield from _prove(context, slot, read, "read back after doubt")
    elif is_over and is_safe(read, slot):
        yield from move(
            context, slot, S.EXPIRED, "the window ended; the device reads its safe default", facts=_facts(read)
        )
    elif is_over or slot.attempts >= MAX_ATTEMPTS:
        why = "the window ended" if is_over else f"{slot.attempts} attempts were made"
        yield from _give_up(context, device, slot, f"{why}; the device reads {read.value:g}", facts=_facts(read))
    elif device.writer is not None:
        yield from _issue_and_send(context, device, slot)
    # No writer in this mode: the device's own timer gets its chance to end it before a person is called.
    elif context.monotonic() >= slot.read_by_s + row.command.ttl_s + TTL_GRACE_S:
        yield from _give_up(context, device, slot, "it may not be sent again in this mode", facts=_facts(read))


def _prove(context: AgentContext, slot: Slot, read: ReadBack, reason: str) -> Step[None]:
    context.hook("read_back")
    grade = EvidenceGrade.READ_BACK
    slot.refresh_s = context.monotonic() + slot.in_hand.command.ttl_s / REFRESH_SHARE
    slot.judged_s = slot.read_at_s
    reason = f"after-recovery: {reason}" if slot.is_adopted else reason
    if (yield from move(context, slot, S.VERIFIED, reason, facts=_facts(read), evidence_grade=grade)):
        context.hook("verified")


def _give_up(
    context: AgentContext, device: Device, slot: Slot, reason: str, *, facts: Facts | None = None
) -> Step[None]:
    """Never proven: the device goes to its safe default and its latch is set until a person looks."""
    # Revert first: what came of it belongs to the same ledger entry as the latch.
    done = yield from revert(context, device, slot)
    yield from move(context, slot, S.UNVERIFIED, reason, facts={**(facts or {}), **done}, latch=True)


def _verified(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    command, now_s = slot.in_hand.command, context.monotonic()
    successors = [
        row
        for row in view.of(device, slot)
        if row.state is S.RELEASED and _is_open(context, row) and not slot.waits(row.command)
    ]
    is_due = device.writer is not None and now_s >= slot.refresh_s
    if view.mode_of(device, slot) < Mode.PARTIAL:
        yield from _lowered(context, view, device, slot)
    # Its window was over before this agent even started: the ordinary end below would claim a clean completion.
    elif slot.is_adopted and slot.picked_s >= slot.deadline_s:
        yield from _ended_alone(context, device, slot)
    elif slot.is_over(command, now_utc=context.clock.now_utc(), now_s=now_s):
        # With a successor waiting, a detour over the safe default would make the device jump twice.
        facts = {} if successors else (yield from revert(context, device, slot))
        yield from move(context, slot, S.COMPLETED, "the window ended", facts={**facts, **meter_facts(slot.meter)})
    elif successors:
        yield from move(context, slot, S.SUPERSEDED, f"command {successors[0].command.command_id} follows")
    elif command.is_by_hand and slot.by_hand != command.command_id:
        yield from move(
            context, slot, S.REVERTED, "given back to the plan", facts=(yield from revert(context, device, slot))
        )
    # A renewal writes over what stands there: what a person set since the last look, or a device forgot, comes first.
    elif not (yield from observe(context, device, max_age_s=0.0 if is_due else OBSERVE_S)):
        # While its time to live runs, silence is no proof of anything; after it the value cannot be ours any more.
        if now_s >= slot.wire_until_s + TTL_GRACE_S:
            yield from _give_up(context, device, slot, f"silent past its time to live: {device.last_fault}")
    elif not (yield from _still_fits(context, slot)) or not (yield from ask_meter(context, device, slot)):
        return
    elif is_due:
        yield from _refresh(context, device, slot)


def _ended_alone(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    """The window ended while no agent ran: the device's own timer has done it, or our hand does it now."""
    read = yield from look(context, device, slot)
    # The device may still hold the value: wait until it cannot before calling it silent.
    if read is None and context.monotonic() < slot.wire_until_s + TTL_GRACE_S:
        return
    if read is None:
        yield from _give_up(context, device, slot, f"silent since the agent came back: {device.last_fault}")
    elif is_safe(read, slot):
        yield from move(context, slot, S.REVERTED, HOME_AGAIN, facts=_facts(read))
    elif device.writer is not None:
        done = yield from revert(context, device, slot)
        yield from move(context, slot, S.REVERTED, "after-recovery: put back", facts=done)


def _still_fits(context: AgentContext, slot: Slot) -> Step[bool]:
    """Judge each new read once; another value than ours is a drift, or the device's own return to its safe default."""
    if slot.read is None or slot.read_at_s is None or (slot.judged_s is not None and slot.read_at_s <= slot.judged_s):
        return True
    slot.judged_s = slot.read_at_s
    # The last time to live is cut to whole seconds inside the window, so the device may be home a little early.
    is_ending = context.monotonic() >= slot.deadline_s - 1 - TTL_GRACE_S
    if fits(slot.read, slot.in_hand.command, slot) or (is_ending and is_safe(slot.read, slot)):
        return True
    yield from move(context, slot, S.DRIFTED, f"the device reads {slot.read.value:g}", facts=_facts(slot.read))
    return False


def _refresh(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    """Write the same value again so that the device's timer starts anew, if every guard still allows it.

    One without a timer is told nothing: it keeps its value, and a frame would renew nothing but wear out its memory.
    What is renewed there is our own lease, on what was read and on the guards' word; its end is a revert by our hand.
    """
    row, has_timer = slot.in_hand, device.template.has_device_ttl
    command = _renewal(context, device, slot, row.command.value)
    if command is None:
        return
    verdict = yield from refresh_verdict(context, device, slot, command)
    # Where nothing is written, no budget of writes (I12) is touched.
    if isinstance(verdict, Block) and (has_timer or verdict.guard_id != "I12"):
        facts = {**(yield from revert(context, device, slot)), "guard": verdict.guard_id}
        reason, is_wrong = f"{verdict.guard_id}: {verdict.reason}", verdict.guard_id == "I14"
        yield from move(context, slot, S.REVERTED, reason, facts=facts, latch=is_wrong)
        return
    try:
        if has_timer:
            yield from send(context, device, slot, command)
    except (DeviceSilent, DeviceRefused) as fault:
        # The next look tells what stands there; until then the device's timer runs on.
        device.last_fault = str(fault)
        slot.refresh_s = context.monotonic() + TTL_GRACE_S
        return
    slot.wire_until_s = max(slot.wire_until_s, context.monotonic() + command.ttl_s)
    slot.refresh_s = context.monotonic() + row.command.ttl_s / REFRESH_SHARE
    context.hook("refreshed")


def _lowered(context: AgentContext, view: View, device: Device, slot: Slot) -> Step[None]:
    """The mode was lowered: back to the safe default. Without a writer the device's own timer does it."""
    reason = _why_lowered(context, view, device, slot)
    if device.writer is not None:
        done = yield from revert(context, device, slot)
        yield from move(context, slot, S.REVERTED, reason, facts=done)
        return
    read = yield from look(context, device, slot)
    if read is not None and is_safe(read, slot):
        yield from move(context, slot, S.REVERTED, f"{reason}; the device reads its safe default", facts=_facts(read))
    elif context.monotonic() >= slot.wire_until_s + TTL_GRACE_S:
        yield from _give_up(context, device, slot, f"{reason}; the device did not return to its safe default")


def _drifted(context: AgentContext, device: Device, slot: Slot) -> Step[None]:
    """Look once more. Ours again: go on. Safe default: it reverted by itself. Else somebody took over: hands off."""
    read = yield from look(context, device, slot)
    if read is None:
        if context.monotonic() >= slot.wire_until_s + TTL_GRACE_S:
            yield from _give_up(context, device, slot, f"silent past its time to live: {device.last_fault}")
        return
    slot.judged_s = slot.read_at_s
    if fits(read, slot.in_hand.command, slot):
        yield from move(context, slot, S.VERIFIED, "read back again", facts=_facts(read))
    elif is_safe(read, slot):
        yield from move(context, slot, S.REVERTED, _who_reverted(slot), facts=_facts(read))
    else:
        # must_revert stays off: a person's value is never fought, until the hold ends (I08).
        reason = f"somebody else set {read.value:g}"
        if (yield from move(context, slot, S.OVERRIDDEN, reason, facts=_facts(read), hold=read.value)):
            slot.is_held = True


def _who_reverted(slot: Slot) -> str:
    if slot.sent_home:
        return f"the agent brought it to its safe default: {slot.sent_home}"
    # Its predecessor may have done it and had no ledger to say so.
    return HOME_AGAIN if slot.is_adopted else "the device returned to its safe default by itself"


def _is_open(context: AgentContext, row: LedgerRow) -> bool:
    return row.command.valid_from_utc <= context.clock.now_utc() < row.command.valid_until_utc


def _facts(read: ReadBack) -> dict[str, Fact]:
    return {
        "readback_value": read.value,
        # What a device states is its own business, and goes into a ledger that is kept for ever.
        "readback_raw": read.raw[:500],
        "readback_at_utc": read.at_utc.isoformat(),
        "readback_remaining_s": read.revert_remaining_s,
    }
