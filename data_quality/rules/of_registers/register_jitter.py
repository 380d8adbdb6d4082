"""A register that falls by a digit or two: noise of its display or of its transmission, no energy and no event."""

from collections.abc import Iterable
from math import gcd

NAME = "register_jitter"
MEANING = "A register that steps back by no more than two of its last digits"
# One digit is the display's own rounding; a second one is the rounding of whoever transmitted it.
MAX_DIGITS = 2
UNIT = 10**9


def resolution_of(reads: Iterable[int]) -> int:
    """Value of the last digit that the reads (quanta of 1e-9) show: a power of ten, at most one whole unit."""
    # At most a whole unit, also for reads that are all round thousands, or all 0 (whose divisor is 0).
    common = gcd(*reads)
    digit = 1
    while digit < UNIT and common % (10 * digit) == 0:
        digit *= 10
    return digit


def is_jitter(fall: int, resolution: int) -> bool:
    """True for a fall (quanta, > 0) so small that the register stands still."""
    return fall <= MAX_DIGITS * resolution
