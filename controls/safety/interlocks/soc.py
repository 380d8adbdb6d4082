"""I06: no charging at the ceiling, no discharging at the floor, nothing on a doubtful state of charge."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block, is_young
from data_quality.contracts.control.command import Command
from data_quality.contracts.model import Model

# After so much energy, as a share of the capacity, or so much time, counting begins anew: losses would add up.
TRACK_SHARE, TRACK_S = 0.1, 3600.0


def check_soc(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block by state of charge; a device without storage passes."""
    if limits.soc_min is None or limits.soc_max is None:
        return ALLOW
    soc, facts = live.soc, {"soc": live.soc, "soc_age_s": live.soc_age_s, "soc_drift": live.soc_drift}
    if soc is None or live.soc_age_s is None:
        return block("I06", "the state of charge is not known", **facts)
    if not 0 <= soc <= 1:
        return block("I06", f"a state of charge of {soc:.0%} cannot be", **facts)
    if not is_young(live.soc_age_s, limits.max_soc_age_s):
        reason = f"the state of charge is {live.soc_age_s:.0f} s old; at most {limits.max_soc_age_s:.0f} s are allowed"
        return block("I06", reason, **facts)
    if live.soc_drift is not None and not abs(live.soc_drift) <= limits.max_soc_drift:
        reason = (
            f"the state of charge is {live.soc_drift:+.0%} off what the energy since implies; "
            f"at most {limits.max_soc_drift:.0%} are allowed"
        )
        return block("I06", reason, **facts)
    # Only the direction that makes it worse: a battery above its ceiling must be able to come down.
    if command.value > 0 and soc >= limits.soc_max:
        return block("I06", f"charging at the ceiling of {limits.soc_max:.0%}", **facts)
    if command.value < 0 and soc <= limits.soc_min:
        return block("I06", f"discharging at the floor of {limits.soc_min:.0%}", **facts)
    return ALLOW


class SocTrack(Model):
    """A state of charge followed by its energy: one that is frozen or jumps shows against it. Times monotonic."""

    soc: float
    since_s: float
    at_s: float
    moved: float = 0.0
    drift: float = 0.0

    def after(self, soc: float, kw: float, at_s: float, *, capacity_kwh: float, allowed: float) -> "SocTrack":
        """With one more look: the state it tells, and the power (charging is positive) since the last look."""
        moved = self.moved + kw * (at_s - self.at_s) / 3600.0 / capacity_kwh
        drift = soc - self.soc - moved
        is_done = abs(moved) >= TRACK_SHARE and abs(drift) <= allowed
        if is_done or at_s - self.since_s >= TRACK_S:
            return SocTrack(soc=soc, since_s=at_s, at_s=at_s)
        return self.model_copy(update={"at_s": at_s, "moved": moved, "drift": drift})
