"""What a saving is worth: that of each day at what a kWh of the use cost on that day."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal

from assets.kpi.enpi.enpi_result import ARITHMETIC, DayPair, EnpiRule, compared, sum_kwh
from assets.kpi.from_readings import AskedKpi, KpiRow
from data_quality.contracts.time import Period

# Of a use's day: what its quarter hours cost at their own prices, and how much they were.
PRICED = ("cost", "consumption_kwh")
NO_PRICE = "no_price"
_DAY = timedelta(days=1)


def days_compared(pairs: Sequence[DayPair], period: Period, rule: EnpiRule) -> list[DayPair]:
    """Days that have a saving, and so need a price."""
    return compared(pairs, rule=rule, start=period.start, end=period.end)


def asked_of_day(scope: str, day: date) -> list[AskedKpi]:
    """What tells the price of a day: PRICED."""
    return [AskedKpi(kpi, scope, day, day + _DAY) for kpi in PRICED]


def worth(days: Sequence[DayPair], scope: str, row: Callable[[AskedKpi], KpiRow | None]) -> Decimal | None:
    """Σ (expected - metered) · price over the days, in the site's currency; below zero where more was used.

    A baseline expects whole days, so a day is the interval that has a price: cost over energy of the use, weighed by
    its own quarter hours. None without a day, and where a day that counts has no whole price: an unpriced day is not
    free of charge. Source: face.md 12, formulas 5.8 and 5.11.
    """
    found: list[Decimal] = []
    for day in days:
        assert day.expected_kwh is not None and day.actual_kwh is not None  # noqa: S101, PT018 - of days_compared
        saved = ARITHMETIC.subtract(day.expected_kwh, day.actual_kwh)
        cost, energy = (row(each) for each in asked_of_day(scope, day.local_date))
        is_whole = cost is not None and cost.value is not None and NO_PRICE not in cost.findings
        if saved and not (is_whole and energy is not None and energy.value):
            return None
        if saved:
            price = ARITHMETIC.divide(cost.value, energy.value)  # type: ignore[union-attr,arg-type]
            found.append(ARITHMETIC.multiply(saved, price))
    return sum_kwh(found) if days else None
