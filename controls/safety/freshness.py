"""I09: what the command was decided on, and what the device said last, must be young enough."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Block, Live, Verdict

# Planner and agent may run on two machines, whose clocks may differ by this much (I10).
CLOCK_TOLERANCE_S = 2.0


def check_freshness(live: Live, limits: DeviceLimits) -> Verdict:
    """Block where plan or device read is older than its limit, or of unknown age."""
    for name, age_s, limit_s in (
        ("plan", live.plan_age_s, limits.max_plan_age_s),
        ("device read", live.read_age_s, limits.max_read_age_s),
    ):
        if age_s is None:
            return Block(guard_id="I09", reason=f"the age of the {name} is not known", facts={"limit_s": limit_s})
        # From the future by more than clocks differ: the age cannot be believed at all.
        if not -CLOCK_TOLERANCE_S <= age_s <= limit_s:
            return Block(
                guard_id="I09",
                reason=f"the {name} is {age_s:.0f} s old; at most {limit_s:.0f} s are allowed",
                facts={"age_s": age_s, "limit_s": limit_s},
            )
    return ALLOW
