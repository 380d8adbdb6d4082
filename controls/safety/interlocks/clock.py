"""I10: a clock that jumps, or is off its reference, makes every window doubtful."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block


def check_clock(live: Live, limits: DeviceLimits) -> Verdict:
    """Block where the wall clock stepped against the monotonic one, or is off its reference (the store's clock)."""
    if not abs(live.clock_step_s) <= limits.max_clock_step_s:
        reason = f"the wall clock stepped by {live.clock_step_s:.1f} s; at most {limits.max_clock_step_s:g} s"
        return block("I10", reason, clock_step_s=live.clock_step_s)
    offset_s = live.reference_offset_s
    if offset_s is not None and not abs(offset_s) <= limits.max_reference_offset_s:
        reason = f"the wall clock is {offset_s:.1f} s off its reference; at most {limits.max_reference_offset_s:g} s"
        return block("I10", reason, reference_offset_s=offset_s)
    return ALLOW
