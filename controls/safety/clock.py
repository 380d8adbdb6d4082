"""I10: a clock that jumps makes every window doubtful."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Block, Live, Verdict


def check_clock(live: Live, limits: DeviceLimits) -> Verdict:
    """Block where the wall clock stepped against the monotonic one, or is off its reference."""
    if abs(live.clock_step_s) > limits.max_clock_step_s:
        return Block(
            guard_id="I10",
            reason=f"the wall clock stepped by {live.clock_step_s:.1f} s; at most {limits.max_clock_step_s:g} s",
            facts={"clock_step_s": live.clock_step_s},
        )
    offset_s = live.reference_offset_s
    if offset_s is not None and abs(offset_s) > limits.max_reference_offset_s:
        return Block(
            guard_id="I10",
            reason=f"the wall clock is {offset_s:.1f} s off its reference; at most {limits.max_reference_offset_s:g} s",
            facts={"reference_offset_s": offset_s},
        )
    return ALLOW
