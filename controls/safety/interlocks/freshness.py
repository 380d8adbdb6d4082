"""I09: what the command was decided on, and what the device said last, must be young enough, and of the stored plan."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block
from data_quality.contracts.control.command import Command

# Planner and agent may run on two machines, whose clocks may differ by this much (I10).
CLOCK_TOLERANCE_S = 2.0


def check_freshness(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block where plan or device read is older than its limit or of unknown age, or the plan is another one.

    Prices and forecasts are as old as the plan at most when it is made, which its maker sees to; so its age bounds
    theirs. The state of charge and the meters have their own limits (I04 to I07).
    """
    for name, age_s, limit_s in (
        ("plan", live.plan_age_s, limits.max_plan_age_s),
        ("device read", live.read_age_s, limits.max_read_age_s),
    ):
        if age_s is None:
            return block("I09", f"the age of the {name} is not known", limit_s=limit_s)
        # From the future by more than clocks differ: the age cannot be believed at all.
        if not -CLOCK_TOLERANCE_S <= age_s <= limit_s:
            reason = f"the {name} is {age_s:.0f} s old; at most {limit_s:.0f} s are allowed"
            return block("I09", reason, age_s=age_s, limit_s=limit_s)
    if live.plan_hash is not None and live.plan_hash != command.plan_hash:
        return block("I09", "the command is of another plan than the one that is stored", plan_hash=live.plan_hash)
    return ALLOW
