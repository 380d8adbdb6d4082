"""A register that fell because its display begins again at 0: only where that is proven, never because it is handy."""

from data_quality.rules.of_registers.register_jump import RateLimit

NAME = "register_rollover"
MEANING = "A display that passed its last digit and begins again at 0"
# Without plate or history a display that wraps stood in its last tenth, and begins again in its first.
NEAR_END, NEAR_START = 9, 1
# Where nobody declared the digits, the amount across must be so small that chance explains it in under a percent.
PROOF = 100
UNIT = 10**9
DECIMAL_DIGITS = range(3, 13)
BINARY_WIDTHS = (16, 24, 32)


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
