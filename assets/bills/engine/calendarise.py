"""Bills and reads of odd periods laid over calendar months, by days or by a profile; nothing is made or lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import months_after
from data_quality.contracts.units import EXACT

_ZERO = Decimal(0)
# Shares are kept to the quantum; the last month of a span takes what is left, so that parts add up.
_QUANTUM = Decimal("1e-9")


@dataclass(frozen=True)
class OddPeriod:
    """Energy and cost of local dates [start, end), from a bill or two reads. name: where it comes from."""

    start: date
    end: date
    quantity: Decimal
    cost: Decimal = _ZERO
    is_estimated: bool = False
    name: str = ""


@dataclass(frozen=True)
class CalendarMonth:
    """One calendar month. coverage: share of its days that a period covers; estimated: share of its quantity."""

    start: date
    end: date
    quantity: Decimal
    cost: Decimal
    coverage: float
    estimated_share: float


def calendarise(
    periods: Sequence[OddPeriod], *, profile: Mapping[date, Decimal] | None = None
) -> tuple[CalendarMonth, ...]:
    """Calendar months that the periods touch, in order; a month that none touches is not made up.

    A period is spread over its days evenly, or by the profile's weight of each day (degree days, metered use). An
    estimated period inside a measured one is dropped: the later read has put it right. Raises BadInput for other
    overlaps, for a period without a day, and for a profile without weight in a period.
    """
    kept = _without_replaced(periods)
    months: dict[date, _Sum] = {}
    with localcontext(EXACT):
        for period in kept:
            _spread(period, profile, months)
    return tuple(months[month].published(month) for month in sorted(months))


@dataclass
class _Sum:
    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    estimated: Decimal = _ZERO
    days: int = 0

    def published(self, start: date) -> CalendarMonth:
        end = months_after(start, 1)
        return CalendarMonth(
            start=start,
            end=end,
            quantity=self.quantity,
            cost=self.cost,
            coverage=self.days / (end - start).days,
            # Estimated and nothing used: all of nothing is estimated.
            estimated_share=float(self.estimated / self.quantity) if self.quantity else float(bool(self.estimated)),
        )


def _without_replaced(periods: Sequence[OddPeriod]) -> list[OddPeriod]:
    for period in periods:
        if period.end <= period.start:
            raise BadInput(f"{_name(period)} ends before it starts", reason="bad_period")
    # Only a measured period replaces an estimate; of two estimates neither is better.
    measured = [period for period in periods if not period.is_estimated]
    kept = [
        period
        for period in periods
        if not period.is_estimated
        or not any(each.start <= period.start and period.end <= each.end for each in measured)
    ]
    ordered = sorted(kept, key=lambda period: period.start)
    for first, second in pairwise(ordered):
        # A shared day would count twice in its month, and nobody can say which bill is right.
        if second.start < first.end:
            raise BadInput(f"{_name(first)} and {_name(second)} both cover {second.start}", reason="periods_overlap")
    return ordered


def _spread(period: OddPeriod, profile: Mapping[date, Decimal] | None, months: dict[date, _Sum]) -> None:
    days = [period.start + timedelta(days=n) for n in range((period.end - period.start).days)]
    weights = [Decimal(1) if profile is None else profile.get(day, _ZERO) for day in days]
    total = sum(weights, _ZERO)
    if total <= 0 or min(weights) < 0:
        raise BadInput(f"the profile has no weight in {_name(period)}", reason="empty_profile")
    by_month: dict[date, tuple[Decimal, int]] = {}
    for day, weight in zip(days, weights, strict=True):
        held, count = by_month.get(day.replace(day=1), (_ZERO, 0))
        by_month[day.replace(day=1)] = (held + weight, count + 1)
    reached, quantity_before, cost_before = _ZERO, _ZERO, _ZERO
    for month, (weight, count) in by_month.items():
        reached += weight
        # Cut the running amount, not each part: what one month's cut leaves the next one takes.
        quantity, cost = ((value * reached / total).quantize(_QUANTUM) for value in (period.quantity, period.cost))
        if reached == total:
            quantity, cost = period.quantity, period.cost
        into = months.setdefault(month, _Sum())
        into.quantity += quantity - quantity_before
        into.cost += cost - cost_before
        into.estimated += quantity - quantity_before if period.is_estimated else _ZERO
        into.days += count
        quantity_before, cost_before = quantity, cost


def _name(period: OddPeriod) -> str:
    return f"{period.name or 'the period'} from {period.start} to {period.end}"
