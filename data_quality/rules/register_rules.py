"""Rules about cumulative registers: what a fall or a leap of a display means, and what proves it.

All amounts are whole quanta (1e-9) of the register's unit, before its multiplier. A limit comes from the meter's plate,
else from its own history, and says so; without either only the impossible is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd

from data_quality.contracts.site_file.meter_event import EventKind, MeterEvent

# A read that its neighbours contradict; a step back by the last digits; a rise that no meter can count; a display that
# passed its last digit.
GLITCH, JITTER, JUMP, ROLLOVER = "register_glitch", "register_jitter", "register_jump", "register_rollover"
# One digit is the display's own rounding; a second one is the rounding of whoever transmitted it.
MAX_DIGITS = 2
UNIT = 10**9
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
# Without plate or history a display that wraps stood in its last tenth, and begins again in its first.
NEAR_END, NEAR_START = 9, 1
# Where nobody declared the digits, the amount across must be so small that chance explains it in under a percent.
PROOF = 100
DECIMAL_DIGITS = range(3, 13)
BINARY_WIDTHS = (16, 24, 32)


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


def missing_reads(event: MeterEvent) -> tuple[str, ...]:
    """Codes for what nobody wrote down, e.g. exchange_without_final_read; a rollover needs no reads."""
    if event.kind is EventKind.ROLLOVER:
        return ()
    found = []
    if event.ends_at is None:
        found.append(f"{event.kind.value}_without_final_read")
    if event.begins_at is None and event.kind is not EventKind.MULTIPLIER_CHANGE:
        found.append(f"{event.kind.value}_without_initial_read")
    return tuple(found)


def is_glitch(before: int, after: int, *, limit: RateLimit, resolution: int, hours: float) -> bool:
    """True where the reads around a doubtful one (quanta, at a distance of `hours`) go on as if it were not there."""
    return 0 <= after - before <= limit.between(hours, resolution)


def resolution_of(reads: Iterable[int]) -> int:
    """Value of the last digit that the reads (quanta of 1e-9) show: a power of ten, at most one whole unit."""
    # At most a whole unit, also for reads that are all round thousands, or all 0 (whose divisor is 0).
    common = gcd(*reads)
    digit = 1
    while digit < UNIT and common % (10 * digit) == 0:
        digit *= 10
    return digit


def is_jitter(fall: int, resolution: int) -> bool:
    """True for a fall (quanta, > 0) so small that the register stands still: noise of its display or transmission."""
    return fall <= MAX_DIGITS * resolution


def looks_like_reset(before: int, after: int, *, limit: RateLimit, resolution: int, hours: float) -> bool:
    """True where all that the register shows now can have been counted since the read before (quanta, hours)."""
    if limit.is_evidence:
        return after <= limit.between(hours, resolution)
    # Nothing is known about the meter: a tenth of what it was tells a new count from another meter's.
    return 10 * after <= before


def modulus_across(
    before: int, after: int, *, modulus: int | None, resolution: int, limit: RateLimit, hours: float
) -> int | None:
    """The modulus by which the fall from `before` to `after` is a rollover, or None where that is not proven.

    modulus: first value that the display lacks, None where nobody declared it. All in quanta of the register's unit.
    """
    most = limit.between(hours, resolution)
    if modulus is not None:
        if before >= modulus:
            return None
        across = after + modulus - before
        if limit.is_evidence:
            # A limit of a whole turn or more cannot tell one turn from two.
            return modulus if across <= most < modulus else None
        return modulus if 10 * before >= NEAR_END * modulus and 10 * after <= NEAR_START * modulus else None
    if not limit.is_evidence:
        return None
    proven = {m for m in _candidates(resolution) if before < m and after + m - before <= most and PROOF * most <= m}
    # Two displays that fit prove neither: the amounts would differ by their sizes.
    return proven.pop() if len(proven) == 1 else None


def _candidates(resolution: int) -> set[int]:
    """Where displays and counters usually end: powers of ten of the unit, and 16, 24, 32 bits of unit or last digit."""
    binary = {2**width * size for width in BINARY_WIDTHS for size in (UNIT, resolution)}
    return binary | {10**digits * UNIT for digits in DECIMAL_DIGITS}
