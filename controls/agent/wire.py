"""The agent's hand on one device: open it, look at it, send a set-point, put it back to its safe default."""

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import uuid4

from controls.agent.context import AgentContext, Device, DeviceCall, Slot, Step
from controls.agent.meter_verification import expect
from controls.gateways.capabilities import (
    Ack,
    DeviceReader,
    DeviceRefused,
    DeviceSilent,
    DeviceWriter,
    NotSent,
    ReadBack,
)
from controls.ledger.device_lease import LEASE_S
from controls.safety.restore import restore_delay_s
from controls.safety.verdict import Fact
from data_quality.contracts.control.command import Command

# Values are looked at this often: half the age at which the guards refuse them.
OBSERVE_S = 5.0
# Silent for longer than any set-point of ours stands: it was away, and so perhaps were its neighbours.
OUTAGE_S = 60.0
# In so many seconds all devices come back one after the other.
RESTORE_S = 60.0
# A silent device is queried again after this pause, so that it does not hold up the others.
SILENT_PAUSE_S = 1.0
# When it ends, the device falls back to the very value that was written. Short, for a device that makes another value
# of all that is written.
REVERT_TTL_S = 10.0


def open_connection(context: AgentContext, device: Device, *, may_write: bool) -> None:
    """Hold a writer where the device may be written, else an object that has no way to write."""
    epoch = 0 if context.lease is None else context.lease.epoch
    if may_write and device.writer is None:
        close_connection(device)
        device.writer = context.transports.open_device(device.asset, device.template, epoch=epoch)
    elif not may_write and (device.writer is not None or device.reader is None):
        close_connection(device)
        device.reader = context.transports.open_reader(device.asset, device.template, epoch=epoch)


def close_connection(device: Device) -> None:
    """Drop whatever is open."""
    hand, device.reader, device.writer = device.hand, None, None
    if hand is not None:
        hand.close()


def observe(context: AgentContext, device: Device, *, max_age_s: float = OBSERVE_S) -> Step[bool]:
    """Read what guards need and every active set-point, unless younger than max_age_s; False where it is silent.

    A failed read leaves the old values with their old age: it never counts as evidence.
    """
    now_s = context.monotonic()
    if device.read_at_s is not None and now_s - device.read_at_s < max_age_s:
        return True
    hand = device.hand
    if hand is None or now_s < device.silent_until_s:
        return False
    try:
        seen: _DeviceReading = yield DeviceCall(partial(_see, context, device, hand))
    except (DeviceSilent, DeviceRefused) as fault:
        device.last_fault, device.is_silent = str(fault), isinstance(fault, DeviceSilent)
        device.silent_until_s = context.monotonic() + SILENT_PAUSE_S
        return False
    if device.read_at_s is not None and seen.at_s - device.read_at_s >= OUTAGE_S and device.device_id in context.names:
        delay_s = restore_delay_s(device.device_id, context.names, epoch=context.epoch, spread_s=RESTORE_S)
        device.turn_at_s = seen.at_s + delay_s
    device.values |= {name: (value, seen.at_s) for name, value in seen.values.items()}
    for slot, read in zip(device.slots, seen.reads, strict=True):
        slot.read, slot.read_at_s = read, seen.at_s
    device.read_at_s, device.is_silent = seen.at_s, False
    # Only after everything was read: a device that answers half its questions may not be written to.
    device.is_ready = True
    return True


@dataclass(frozen=True)
class _DeviceReading:
    """One look at a device. at_s: when it began, so that no value passes for younger than it is."""

    at_s: float
    values: dict[str, float]
    reads: list[ReadBack]


def _see(context: AgentContext, device: Device, hand: DeviceReader) -> _DeviceReading:
    at_s = context.monotonic()
    values = {name: hand.read(name) for name in device.needed_values}
    return _DeviceReading(at_s=at_s, values=values, reads=[hand.read_back(slot.capability) for slot in device.slots])


def look(context: AgentContext, device: Device, slot: Slot) -> Step[ReadBack | None]:
    """The slot's set-point as the device states it now, or None where it is silent."""
    return slot.read if (yield from observe(context, device, max_age_s=0.0)) else None


def fits(read: ReadBack, command: Command, slot: Slot) -> bool:
    """True where the device holds the command's value by our order, with its own timer running.

    The order must be the command's or a later refresh of ours. A device at its safe default needs no timer.
    """
    if abs(read.value - command.value) > slot.rule.tolerance:
        return False
    # The right value by an older order is the last plan's: its timer ends with the last plan.
    if read.epoch is not None and read.seq is not None and (read.epoch, read.seq) < (command.epoch, command.seq):
        return False
    # Without a running timer nothing would end the value if we vanished, unless it is the safe one.
    return is_safe(read, slot) or read.revert_remaining_s is None or read.revert_remaining_s > 0


def is_safe(read: ReadBack, slot: Slot) -> bool:
    """True where the device is at its safe default."""
    return abs(read.value - slot.limits.safe_default) <= slot.rule.tolerance


def send(context: AgentContext, device: Device, slot: Slot, command: Command) -> Step[Ack]:
    """Send once. Raises NotSent, DeviceRefused, DeviceSilent; after the last two the value may still be active."""
    if device.writer is None:
        raise DeviceSilent(f"no writer is open for {device.device_id}")
    if context.site is not None:
        context.site.wrote(context, device, slot)
    slot.sent_home = ""
    # Before the write, not after it: one that is never answered may stand all the same.
    slot.wire_until_s = max(slot.wire_until_s, context.monotonic() + command.ttl_s)
    try:
        ack: Ack = yield DeviceCall(partial(_write, context, device, device.writer, command, slot.deadline_s))
    except (DeviceSilent, DeviceRefused):
        # It may have waited for its turn before it was written.
        slot.wire_until_s = context.monotonic() + command.ttl_s
        raise
    slot.wire_until_s = context.monotonic() + command.ttl_s
    return ack


def _write(context: AgentContext, device: Device, writer: DeviceWriter, command: Command, deadline_s: float) -> Ack:
    with device.turn:
        now_s = context.monotonic()
        # It may have waited for a thread, and the world went on: whoever has the lease now must not be crossed.
        if context.stop_reason or context.emergency():
            raise NotSent("the emergency stop was pulled before its turn came")
        if context.lease is None or context.lease.epoch != command.epoch or now_s - context.renewed_s >= LEASE_S:
            raise NotSent("the lease was over before its turn came")
        # A wall clock set back would let the gateway's own look at the window pass.
        if deadline_s - now_s < command.ttl_s:
            command = command.model_copy(update={"ttl_s": float(math.floor(deadline_s - now_s))})
        context.counts["written", ""] += 1
        return writer.write(command)


def revert(context: AgentContext, device: Device, slot: Slot, *, epoch: int | None = None) -> Step[dict[str, Fact]]:
    """Write the safe default and read it back; what came of it, as facts. Never raises for the device's faults.

    What a person set by hand is left alone. epoch: of the lease that is just being given up; None: of the one that is
    held. Where it fails, the slot remembers to try again until the device's own timer must have run out.
    """
    if slot.is_held:
        return {"revert": "left alone: somebody else has the device"}
    slot.must_revert = True
    if epoch is None and context.lease is not None:
        epoch = context.lease.epoch
    if device.writer is None or epoch is None:
        has_timer = device.template.has_device_ttl
        return {"revert": "left to the device's own timer" if has_timer else "not sent: it has no timer of its own"}
    slot.revert_again_s = context.monotonic() + SILENT_PAUSE_S
    if context.site is not None:
        context.site.wrote(context, device, slot)
    context.counts["reverts", ""] += 1
    command = _safe_command(context, device, slot, epoch)
    expect(context, device, slot, command)
    try:
        read: ReadBack = yield DeviceCall(partial(_write_safe, device, device.writer, command))
    except (DeviceSilent, DeviceRefused) as fault:
        device.last_fault = str(fault)
        return {"revert": f"not confirmed: {fault}"}
    slot.must_revert = not is_safe(read, slot)
    slot.read, slot.read_at_s = read, context.monotonic()
    if not slot.must_revert:
        slot.wire_until_s = 0.0
    elif device.template.has_device_ttl:
        # It took our word and made another value of it: said again, that would stand for as long again. Its own timer
        # is the better hand now, and where that fails too, it is told again.
        slot.revert_again_s = context.monotonic() + command.ttl_s + 1.0
    return {"revert": "read back" if not slot.must_revert else "not confirmed", "revert_value": read.value}


def _safe_command(context: AgentContext, device: Device, slot: Slot, epoch: int) -> Command:
    now_utc = context.clock.now_utc()
    name = f"revert-{uuid4().hex}"
    expires_s = device.template.capabilities[slot.capability].expires_s or REVERT_TTL_S
    return Command(
        command_id=name,
        idempotency_key=name,
        plan_id="",
        plan_hash="",
        site_id=context.site_id,
        device_id=device.device_id,
        capability=slot.capability,
        value=slot.limits.safe_default,
        unit=slot.limits.unit,
        seq=device.next_seq(),
        epoch=epoch,
        # A second back: the gateway refuses what has not begun, and clocks are corrected backwards, too.
        valid_from_utc=now_utc - timedelta(seconds=1),
        valid_until_utc=now_utc + timedelta(hours=1),
        ttl_s=min(REVERT_TTL_S, expires_s),
    )


def _write_safe(device: Device, writer: DeviceWriter, command: Command) -> ReadBack:
    with device.turn:
        writer.write(command)
        return writer.read_back(command.capability)
