"""A register that counts more than its meter can: what is plausible between two reads, and why.

All amounts are whole quanta (1e-9) of the register's unit, before its multiplier. The limit comes from the meter's
plate, else from its own history, and says so; without either only the impossible is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass

NAME = "register_jump"
MEANING = "A register that rises by more than its meter can count"
# Above three times the connected load it is not the load that is wrong (the same limit as for intervals).
LOAD_LIMIT = 3
# Twenty times the highest usual rate: an electric boiler after a summer of standby stays below it, a lost or added
# digit of a total does not.
HISTORY_LIMIT = 20
# A day of hourly reads: fewer rates do not tell what is usual.
MIN_RATES = 24
# The few highest rates may be the fault itself: one percent of them, and two in a short history, are not asked.
SPARED_SHARE, SPARED = 100, 2
# One gigawatt: no single meter of ours counts more, whatever is known about it.
IMPOSSIBLE_PER_HOUR = 1_000_000
# Reads a second apart round up to a digit each; a limit over less than a quarter hour would be noise.
SHORTEST_H = 0.25


@dataclass(frozen=True)
class RateLimit:
    """Quanta per hour that are still plausible. is_evidence: from plate or history, so that it can prove something."""

    per_hour: float
    source: str
    is_evidence: bool

    def between(self, hours: float, resolution: int) -> int:
        """Largest plausible amount over that time; two digits of the display are free."""
        return int(self.per_hour * max(hours, SHORTEST_H)) + 2 * resolution


def rate_limit(*, plate_per_hour: float | None, rates: Sequence[float], impossible_per_hour: float) -> RateLimit:
    """The limit for one register.

    plate_per_hour: quanta per hour at the connected load; rates: quanta per hour between earlier rising reads.
    """
    if plate_per_hour is not None:
        return RateLimit(LOAD_LIMIT * plate_per_hour, f"{LOAD_LIMIT} x connected load", is_evidence=True)
    rising = sorted((rate for rate in rates if rate > 0), reverse=True)
    if len(rising) < MIN_RATES:
        return RateLimit(impossible_per_hour, f"1 GW, with {len(rising)} rates of history", is_evidence=False)
    usual = rising[max(SPARED, len(rising) // SPARED_SHARE)]
    source = f"{HISTORY_LIMIT} x the highest usual rate of {len(rising)}"
    return RateLimit(min(HISTORY_LIMIT * usual, impossible_per_hour), source, is_evidence=True)
