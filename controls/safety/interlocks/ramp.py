"""I02: a device is moved no faster than it may be. A longer way is gone in steps, each of them a write of its own."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block, is_known
from data_quality.contracts.control.command import Command

# The shortest pace: a step after a long pause is no larger, so that nothing is saved up for a jump.
STEP_S = 1.0
# Numbers are added up in another order elsewhere; beside it a device may round what it tells (limits.tolerance).
HAIR = 1e-6


def ramped(before: float, target: float, ramp_per_s: float | None, passed_s: float) -> float:
    """The value that may be written now on the way from `before` to `target`: the target itself once it is near.

    passed_s: since the last write; what passed before the last STEP_S does not count. Units of the value.
    """
    if ramp_per_s is None:
        return target
    allowed = ramp_per_s * min(max(passed_s, 0.0), STEP_S)
    return min(max(target, before - allowed), before + allowed)


def check_ramp(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block a write that moves the device further than its ramp allows since the last one; unknown: where it stands."""
    if limits.ramp_per_s is None:
        return ALLOW
    before = live.value_before
    if before is None or not is_known(before):
        return block("I02", "the device's present value is not known, so no step can be measured")
    passed_s = STEP_S if live.since_write_s is None else live.since_write_s
    allowed = ramped(before, command.value, limits.ramp_per_s, passed_s)
    if not abs(command.value - allowed) <= limits.tolerance + HAIR:
        return block(
            "I02",
            f"from {before:g} to {command.value:g} in one write is more than its ramp of {limits.ramp_per_s:g} a "
            f"second allows; the next step is {allowed:g}",
            value_before=before,
            step=allowed,
            ramp_per_s=limits.ramp_per_s,
        )
    return ALLOW
