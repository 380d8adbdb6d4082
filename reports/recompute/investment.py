"""Worth of measures: the net present value of a cost and what it saves."""

from collections.abc import Sequence
from decimal import Decimal

from data_quality.contracts.units import ARITHMETIC


def net_present_value(operands: Sequence[tuple[str, Decimal | None]]) -> Decimal | None:
    """Savings of so many years, discounted to today, less the cost of today: -C + sum of S / (1 + r)^t, t = 1..n.

    operands, in this order: cost C, saving a year S, rate of a year in percent, whole years n. Savings come at the end
    of their year. Unknown as soon as one of them is.
    """
    cost, saving, percent, years = (value for _, value in operands)
    if cost is None or saving is None or percent is None or years is None:
        return None
    growth = ARITHMETIC.add(Decimal(1), ARITHMETIC.divide(percent, Decimal(100)))
    worth = Decimal(0)
    for _ in range(int(years)):
        worth = ARITHMETIC.divide(ARITHMETIC.add(worth, saving), growth)
    return ARITHMETIC.subtract(worth, cost)
