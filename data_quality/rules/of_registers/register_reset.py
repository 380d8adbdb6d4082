"""A register that fell to about 0: most likely a reset, but only an event can say what was counted before it."""

from data_quality.rules.of_registers.register_jump import RateLimit

NAME = "register_reset"
MEANING = "A register that begins again at 0"


def looks_like_reset(before: int, after: int, *, limit: RateLimit, resolution: int, hours: float) -> bool:
    """True where all that the register shows now can have been counted since the read before (quanta, hours)."""
    if limit.is_evidence:
        return after <= limit.between(hours, resolution)
    # Nothing is known about the meter: a tenth of what it was tells a new count from another meter's.
    return 10 * after <= before
