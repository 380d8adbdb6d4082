"""When the agent must not go on: a pure decision, and the thin act that follows it.

Silence of the planner needs no watching: its commands end by themselves. Silence of a device or the broker ends in
the device's own timer. Here stand the rest: store, lease, clock, and the agent itself.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from typing import Any

from controls.agent.context import AgentContext, Device, Slot, Step
from controls.agent.rounds import wire_only
from controls.agent.wire import close_connection, revert
from controls.ledger.device_lease import LEASE_S, STOP_S
from controls.safety.verdict import Fact
from data_quality.contracts.model import Model

# The same second as guard I10: a slewed clock stays below it, a jump of any size that matters does not.
MAX_CLOCK_STEP_S = 1.0


class Pulse(Model):
    """Ages for the watchdog, seconds. lease_age_s: since the lease was last renewed; None: none is held.

    clock_step_s: wall clock against monotonic clock since the last cycle.
    """

    lease_age_s: float | None
    clock_step_s: float


def reason_to_stop(pulse: Pulse) -> str | None:
    """Why every device must go back to its safe default now, or None.

    A store that does not answer, a network that is gone and an agent that was stopped all show as a lease that was
    not renewed: after STOP_S its holder gives up, before another may take over.
    """
    if pulse.lease_age_s is not None and pulse.lease_age_s >= STOP_S:
        return f"the lease was not renewed for {pulse.lease_age_s:.0f} s"
    if abs(pulse.clock_step_s) > MAX_CLOCK_STEP_S:
        return f"the wall clock stepped by {pulse.clock_step_s:.1f} s"
    return None


def to_safe_default(context: AgentContext, devices: list[Device], why: str, *, is_emergency: bool = False) -> int:
    """Put every device that may hold a set-point of ours back, as long as the lease has not run out; how many.

    After that another agent may own the devices: then only their own timers act, unless it is an emergency, which stops
    that agent too. The lease and all hands are dropped. why: for the ledger, which is told after the next start.
    """
    # Before anything else: a write that still waits for its turn finds it gone.
    lease, context.lease = context.lease, None
    steps: list[tuple[Device, Step[dict[str, Fact]]]] = []
    written: list[Slot] = []
    may_write = is_emergency or (lease is not None and context.monotonic() - context.renewed_s < LEASE_S)
    for device in devices:
        for slot in device.slots:
            # A row in hand counts although nothing may be sent yet: a needless revert beats a forgotten value.
            is_ours = context.monotonic() < slot.wire_until_s or slot.row is not None
            # Without a timer of its own a device holds its set-point until the next one.
            is_ours = is_ours or (is_emergency and slot.wire_until_s > 0 and not device.template.has_device_ttl)
            if is_emergency:
                # A person who pulls it means every device, also one that another person has in hand.
                is_ours, slot.is_held = is_ours or (slot.is_held and slot.wire_until_s > 0), False
            if is_ours and is_emergency and device.writer is None:
                close_connection(device)
                device.writer = context.transports.open_device(device.asset, device.template, epoch=context.epoch)
            if is_ours and device.writer is not None and may_write:
                steps.append((device, revert(context, device, slot, epoch=context.epoch)))
                written.append(slot)
            slot.drop()
    _all_at_once(context, steps)
    for slot in written:
        # Where it was not read back, the device's own timer will have done it.
        slot.sent_home = "" if slot.must_revert else why
    for device in devices:
        close_connection(device)
        device.is_ready = False
    return len(steps)


def _all_at_once(context: AgentContext, steps: Sequence[tuple[Device, Step[Any]]]) -> None:
    """Run steps that need the wire only, each in its lane, for as long as a released lease allows."""
    if context.lanes is None:
        for _, step in steps:
            wire_only(step)
        return
    began = [context.lanes.submit(device, partial(wire_only, step)) for device, step in steps]
    done, _ = wait(began, LEASE_S - STOP_S - 1.0)
    # Faults of a device are reported by its step; a fault of ours must not keep quiet.
    for each in done:
        each.result()


def heartbeat(environ: Mapping[str, str]) -> Callable[[object], None]:
    """A function that reports READY to the service manager after the first full cycle, and WATCHDOG after each.

    A cycle that hangs says nothing, and its process is ended. It does nothing where no service manager listens.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    # An abstract socket is written with an @ in front.
    place = f"\0{address[1:]}" if address.startswith("@") else address
    is_new = True

    def beat(_agent: object) -> None:
        nonlocal is_new
        if place:
            # A manager that is away must not stop what it watches.
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(b"READY=1\nWATCHDOG=1" if is_new else b"WATCHDOG=1", place)
        is_new = False

    return beat
