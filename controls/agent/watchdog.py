"""When the agent must not go on: a pure decision, and the thin act that follows it.

Silence of the planner needs no watching: its commands end by themselves. Silence of a device or the broker ends in
the device's own timer. Here stand the rest: store, lease, clock, and the agent itself.
"""

from controls.agent.parts import Bench, Device
from controls.agent.wire import close_hand, revert
from controls.ledger.device_lease import STOP_S
from data_quality.contracts.model import Model

# The same second as guard I10: a slewed clock stays below it, a jump of any size that matters does not.
MAX_CLOCK_STEP_S = 1.0


class Pulse(Model):
    """What the watchdog looks at, seconds. lease_age_s: since the lease was last renewed; None: none is held.

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


def to_safe_default(bench: Bench, devices: list[Device], *, lease_s: float) -> int:
    """Put every device that may hold a set-point of ours back, as long as the lease has not run out; how many.

    After that another agent may own the devices: then only their own timers act. The hands are dropped either way.
    """
    count = 0
    for device in devices:
        for slot in device.slots:
            # A row in hand counts although nothing may be sent yet: a needless revert beats a forgotten value.
            is_held = bench.monotonic() < slot.wire_until_s or slot.row is not None
            if is_held and device.writer is not None and bench.monotonic() - bench.renewed_s < lease_s:
                revert(bench, device, slot)
                count += 1
            slot.drop()
        close_hand(device)
        device.is_ready = False
    return count
