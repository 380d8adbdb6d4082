"""I03: a compressor that was switched on stays on, and off stays off, for its minimum time; few starts an hour."""

from datetime import datetime

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block, is_known
from data_quality.contracts.control.command import Command

# So late at most a switch may come in a window that is shorter than the minimum time.
LATE_S = 60.0


def check_minimum_times(command: Command, live: Live, limits: DeviceLimits, now_utc: datetime) -> Verdict:
    """Block a switch that comes too soon after the last one, counted from what was measured.

    The safe default is never refused: the device falls back to it by itself. So a deviation from it whose window ends
    before the minimum time is refused at its beginning instead.
    """
    if not limits.is_timed or command.value == limits.safe_default:
        return ALLOW
    if live.is_on is None or live.state_for_s is None or not is_known(live.state_for_s):
        return block("I03", "since when the device is on or off is not known")
    wants_on = limits.is_on(command.value)
    if wants_on == live.is_on:
        return ALLOW
    was, named = ("off", limits.min_off_s) if wants_on else ("on", limits.min_on_s)
    if named is not None and not live.state_for_s >= named:
        return block(
            "I03",
            f"it has been {was} for {live.state_for_s:.0f} s; at least {named:.0f} s are needed",
            state_for_s=live.state_for_s,
            limit_s=named,
        )
    # At its end the device goes back, whether the minimum time has passed or not. A window that is shorter than that
    # time is one of several that follow each other; then it must be there nearly whole.
    stays = limits.min_on_s if wants_on else limits.min_off_s
    left_s = (command.valid_until_utc - now_utc).total_seconds()
    if stays is not None and wants_on != limits.is_on(limits.safe_default):
        needed_s = min(stays, (command.valid_until_utc - command.valid_from_utc).total_seconds() - LATE_S)
        if not left_s >= needed_s:
            reason = f"its window ends in {left_s:.0f} s; to switch now, {needed_s:.0f} s must be left"
            return block("I03", reason, left_s=left_s, limit_s=needed_s)
    most = limits.max_starts_per_hour
    if wants_on and most is not None and (live.starts_last_hour is None or live.starts_last_hour >= most):
        known = "not known" if live.starts_last_hour is None else str(live.starts_last_hour)
        reason = f"its starts of the last hour are {known}; at most {most} are allowed"
        return block("I03", reason, starts_last_hour=live.starts_last_hour, limit=most)
    return ALLOW
