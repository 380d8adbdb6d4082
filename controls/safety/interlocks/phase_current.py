"""I04: no phase of the connection carries more than its fuse, less a tenth, and no phase much more than the others."""

from controls.safety.limits import PHASE_KV, DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block, is_known, is_young
from data_quality.contracts.control.command import Command

# Of a fuse's rating; the rest is for what starts while nobody looks.
FUSE_SHARE = 0.9
Phases = tuple[float, float, float]


def check_phase_current(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block what would load a phase above its fuse in the worst case, where the safe default would load it less.

    Measured current and the worst change of the device's own. A site that measures its phases and has no fresh value
    does not know them: only what cannot load them more than the safe default passes. A site without such a meter is
    held to what the device alone would load: what else hangs there nobody tells, and to refuse everything would make
    every declared fuse a ban.
    """
    power, home = limits.power_kw(command.value, live.own_kw), limits.power_kw(limits.safe_default, live.own_kw)
    if limits.fuse_a is None or power is None or home is None:
        return ALLOW
    allowed, worse = limits.fuse_a * FUSE_SHARE, (power[1] > home[1], power[0] < home[0])
    if not any(worse) and power == home:
        return ALLOW
    measured: Phases = (0.0, 0.0, 0.0)
    own_least, own_most = 0.0, 0.0
    if limits.has_phase_meter:
        if (
            live.phase_a is None
            or not is_known(*live.phase_a)
            or not is_young(live.phase_age_s, limits.max_meter_age_s)
        ):
            return block("I04", "the currents of the phases are not known", phase_age_s=live.phase_age_s)
        measured = live.phase_a
        own_least, own_most = (live.own_kw, live.own_kw) if live.own_kw is not None else limits.span_kw()
    per_kw = [share / PHASE_KV for share in limits.phase_share]
    for number, (now_a, each) in enumerate(zip(measured, per_kw, strict=True), start=1):
        if not each:
            continue
        most, least = now_a + (power[1] - own_least) * each, now_a + (power[0] - own_most) * each
        if (worse[0] and not most <= allowed) or (worse[1] and not least >= -allowed):
            found = most if worse[0] and not most <= allowed else least
            return block(
                "I04",
                f"L{number} would carry {abs(found):.1f} A; its fuse of {limits.fuse_a:g} A allows {allowed:.1f} A",
                phase=number,
                measured_a=now_a,
                predicted_a=found,
                allowed_a=allowed,
            )
    return _check_imbalance(measured, per_kw, (power, home, (own_least, own_most)), limits)


def _check_imbalance(
    measured: Phases, per_kw: list[float], powers: tuple[tuple[float, float], ...], limits: DeviceLimits
) -> Verdict:
    if limits.max_imbalance_a is None:
        return ALLOW
    (low, high), (home_low, home_high), (own_least, own_most) = powers

    def spread(kw: float) -> float:
        phases = [now_a + kw * each for now_a, each in zip(measured, per_kw, strict=True)]
        return max(phases) - min(phases)

    found = max(spread(high - own_least), spread(low - own_most))
    at_home = max(spread(home_high - own_least), spread(home_low - own_most))
    if not found <= limits.max_imbalance_a and found > at_home:
        return block(
            "I04",
            f"the phases would differ by {found:.1f} A; at most {limits.max_imbalance_a:g} A are allowed",
            predicted_a=found,
            allowed_a=limits.max_imbalance_a,
        )
    return ALLOW
