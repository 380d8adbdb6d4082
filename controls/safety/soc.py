"""I06: no charging at the ceiling, no discharging at the floor, and nothing on an old state of charge."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Block, Live, Verdict
from data_quality.contracts.control.command import Command


def check_soc(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block by state of charge; a device without storage passes."""
    if limits.soc_min is None or limits.soc_max is None:
        return ALLOW
    if live.soc is None or live.soc_age_s is None:
        return Block(guard_id="I06", reason="the state of charge is not known")
    facts: dict[str, str | float | int | bool | None] = {"soc": live.soc, "soc_age_s": live.soc_age_s}
    if not 0 <= live.soc_age_s <= limits.max_soc_age_s:
        reason = f"the state of charge is {live.soc_age_s:.0f} s old; at most {limits.max_soc_age_s:.0f} s are allowed"
        return Block(guard_id="I06", reason=reason, facts=facts)
    # Only the direction that makes it worse: a battery above its ceiling must be able to come down.
    if command.value > 0 and live.soc >= limits.soc_max:
        return Block(guard_id="I06", reason=f"charging at the ceiling of {limits.soc_max:.0%}", facts=facts)
    if command.value < 0 and live.soc <= limits.soc_min:
        return Block(guard_id="I06", reason=f"discharging at the floor of {limits.soc_min:.0%}", facts=facts)
    return ALLOW
