"""I12: memory that wears out is written no more often than its maker allows."""

from controls.safety.limits import DeviceLimits
from controls.safety.verdict import ALLOW, Live, Verdict, block
from data_quality.contracts.control.command import Command


def check_write_budget(command: Command, live: Live, limits: DeviceLimits) -> Verdict:
    """Block what is beyond the budget of the hour or the day; a count that is not known is a budget that is used up.

    The way home is essential and never counted out: the safe default passes.
    """
    if command.value == limits.safe_default:
        return ALLOW
    for span, count, most in (
        ("hour", live.writes_last_hour, limits.writes_per_hour),
        ("day", live.writes_last_day, limits.writes_per_day),
    ):
        if most is not None and (count is None or count >= most):
            known = "not known" if count is None else str(count)
            reason = f"its writes of the last {span} are {known}; at most {most} are allowed"
            return block("I12", reason, writes=count, limit=most, span=span)
    return ALLOW
