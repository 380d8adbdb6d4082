"""I07: no heating above the hard band of a zone or tank, none withheld below it, no stale air, no hygiene cycle cut."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block, is_known, is_young
from data_quality.contracts.control.command import Command


def check_comfort(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block what pushes further out of the band, now or by what is foreseen for the end of the window.

    Above the safe default a device gives more heat or air, below it less; the safe default itself is never refused,
    since the device falls back to it by itself.
    """
    if command.value == limits.safe_default:
        return ALLOW
    is_more = command.value > limits.safe_default
    if live.is_hygiene_cycle and not is_more:
        return block("I07", "a hygiene cycle runs, which must not be cut")
    for name, value, most in (
        ("humidity_percent", live.humidity_percent, limits.max_humidity_percent),
        ("co2_ppm", live.co2_ppm, limits.max_co2_ppm),
    ):
        if most is not None and not is_more and (value is None or not value <= most):
            known = "not known" if value is None else f"{value:.0f}"
            return block("I07", f"{name} is {known}, at most {most:g}: no less air", **{name: value, "limit": most})
    edge = limits.max_degc if is_more else limits.min_degc
    if edge is None:
        return ALLOW
    if live.degc is None or not is_known(live.degc) or not is_young(live.degc_age_s, limits.max_degc_age_s):
        return block("I07", "the temperature is not known", degc_age_s=live.degc_age_s)
    for what, degc in (("is", live.degc), ("would be", live.end_degc)):
        if degc is not None and not (degc < edge if is_more else degc > edge):
            side = "above" if is_more else "below"
            reason = f"the temperature {what} {degc:.1f} °C: nothing may push it {side} {edge:g} °C"
            return block("I07", reason, degc=live.degc, end_degc=live.end_degc, limit_degc=edge)
    return ALLOW
