"""Which of a charge's periods holds in each quarter hour of each kind of day; proof that it is exactly one.

A kind of day is month, seasons in force and day type. There are few, so the whole calendar can be looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Protocol

import numpy as np

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DAY_TYPES, WEEKDAYS, DayType, Window
from data_quality.contracts.billing.tariff_charges import EnergyCharge, TouPeriod
from data_quality.contracts.errors import BadInput

QUARTERS = 96
# As an index -1 takes the last period in silence: who prices a layout that is not total looks for FREE first.
FREE = -1
# A leap year: every month and day that can be.
_ALL_DAYS = tuple(date(2024, 1, 1) + timedelta(days=n) for n in range(366))


class NotExact(BadInput):
    """Not exactly one period of a charge holds. place: charge_id, and the position of the period to look at, or None
    where none holds.
    """

    def __init__(self, message: str, *, charge_id: str, position: int | None) -> None:
        self.charge_id, self.position = charge_id, position
        super().__init__(message, reason="tariff_not_exact")


class Timed(Protocol):
    """A period of any charge."""

    @property
    def period_id(self) -> str:
        """Its name."""

    @property
    def when(self) -> tuple[Window, ...]:
        """Its windows."""


@dataclass(frozen=True)
class DayKind:
    """Properties of a day by which a tariff's windows choose."""

    month: int
    seasons: tuple[str, ...]
    day_type: DayType

    def text(self, *, is_seasonal: bool) -> str:
        """For people: `a weekday`, or where the year matters `a weekday in July (summer)`."""
        if not is_seasonal:
            return f"a {self.day_type}"
        month = date(2024, self.month, 1).strftime("%B")
        return f"a {self.day_type} in {month}" + (f" ({', '.join(self.seasons)})" if self.seasons else "")


def day_kind(tariff: Tariff, day: date, day_type: DayType) -> DayKind:
    """The kind of that local date under the tariff."""
    return DayKind(month=day.month, seasons=tariff.calendar.seasons_on(day), day_type=day_type)


def all_kinds(tariff: Tariff) -> tuple[DayKind, ...]:
    """Every kind of day that any year can hold; that the tariff's days hold, where seasons are published days."""
    days: Iterable[date] = _ALL_DAYS
    if tariff.calendar.published_days:
        count = (tariff.valid_to - tariff.first_day).days
        days = (tariff.first_day + timedelta(days=n) for n in range(count))
    # Seasons and months do not ask for the day type: the year is walked once, and the types are added to it.
    found = dict.fromkeys(day_kind(tariff, day, "weekday") for day in days)
    return tuple(DayKind(kind.month, kind.seasons, day_type) for kind in found for day_type in DAY_TYPES)


def tariff_day_types(tariff: Tariff, days: Sequence[date], *, given: Sequence[DayType] | None = None) -> list[DayType]:
    """Day types of dates by the tariff's calendar; what it leaves out is taken from `given` (the site's day types).

    Holidays come before the weekend. Without `given` the weekend is Saturday and Sunday, and no day is a holiday.
    """
    calendar = tariff.calendar
    weekend = calendar.weekend if calendar.weekend is not None else (None if given else ("sat", "sun"))
    # An observed holiday may lie in the year beside its rule's: 1 January on a Saturday is observed on 31 December.
    years = {day.year + shift for day in days for shift in (-1, 0, 1)}
    holidays = None if calendar.holidays is None else calendar.days_off(years)
    found: list[DayType] = []
    for index, day in enumerate(days):
        site_type = given[index] if given else "weekday"
        is_holiday = day in holidays if holidays is not None else site_type == "holiday"
        # Without a weekend of its own, a site's holiday that the tariff does not know is a day of the plain week.
        is_weekend = (
            WEEKDAYS[day.weekday()] in weekend
            if weekend is not None
            else site_type == "weekend" or (site_type == "holiday" and not is_holiday and day.weekday() >= 5)
        )
        found.append("holiday" if is_holiday else "weekend" if is_weekend else "weekday")
    return found


def charge_layout(
    tariff: Tariff, charge_id: str, periods: Sequence[Timed], kinds: Iterable[DayKind], *, is_total: bool
) -> np.ndarray:
    """Index of the period that holds, [kind, quarter hour of the wall clock], int16; FREE where none does.

    Raises BadInput, naming charge, kind of day, local time and periods, where two hold, or none and is_total.
    """
    rows = []
    for kind in kinds:
        row = np.full(QUARTERS, FREE, dtype=np.int16)
        for index, period in enumerate(periods):
            for window in period.when:
                if kind.day_type not in window.day_types:
                    continue
                if window.months and kind.month not in window.months:
                    continue
                if window.seasons and not set(window.seasons) & set(kind.seasons):
                    continue
                for quarter in window.quarters():
                    # Windows of one period may overlap; only two different periods contradict each other.
                    if row[quarter] not in (FREE, index):
                        raise _not_one(tariff, charge_id, kind, quarter, periods, (int(row[quarter]), index))
                    row[quarter] = index
        # A demand charge may leave hours free. An energy charge may not: kWh of such an hour would go unbilled.
        if is_total and (row == FREE).any():
            raise _not_one(tariff, charge_id, kind, int(np.argmax(row == FREE)), periods, ())
        rows.append(row)
    return np.stack(rows)


def check_periods(tariff: Tariff) -> None:
    """Exactly one period of every energy and export charge, at most one of every demand charge, at any instant.

    Looks at every quarter hour of every kind of day there can be. Raises BadInput.
    """
    kinds = all_kinds(tariff)
    for charge in tariff.energy_charges:
        # Registers change over by the meter's own clock: there are no hours to prove.
        if charge.all_periods and not charge.by_register:
            table = charge_layout(tariff, charge.charge_id, charge.all_periods, kinds, is_total=True)
            # Tiers by period each have their own bounds; those that fill with a
            # total must end at the same kWh in all periods.
            if charge.tier_basis != "period":
                _check_shared_tiers(tariff, charge, kinds, table)
    if tariff.export_terms.all_periods:
        charge_layout(tariff, tariff.export_terms.charge_id, tariff.export_terms.all_periods, kinds, is_total=True)
    for demand in tariff.demand:
        charge_layout(tariff, demand.charge_id, demand.periods, kinds, is_total=False)


def _check_shared_tiers(tariff: Tariff, charge: EnergyCharge, kinds: Sequence[DayKind], table: np.ndarray) -> None:
    """Tiers that fill with the total of all periods need one set of bounds for the periods of a month."""
    # By month: bounds may change with the season, since a bill is taken to lie in one month.
    for month in range(1, 13):
        rows = [index for index, kind in enumerate(kinds) if kind.month == month]
        periods = [charge.all_periods[index] for index in sorted({int(n) for n in np.unique(table[rows])})]
        first = _ends(periods[0])
        for period in periods[1:]:
            bounds = _ends(period)
            if bounds != first:
                raise BadInput(
                    f"tariff {tariff.tariff_id}, charge {charge.charge_id}: in {date(2024, month, 1):%B} the tiers of "
                    f"period {period.period_id} end at {_bounds(bounds)}, those of {periods[0].period_id} at "
                    f"{_bounds(first)}; tiers that fill with the total need the same bounds",
                    reason="tier_bounds_differ",
                )


def _ends(period: TouPeriod) -> list[tuple[Decimal | None, str]]:
    """Ends of its tiers, those of the steps inside them among them."""
    return [
        end
        for tier in period.blocks
        for end in (*((step.up_to_kwh, "kwh") for step in tier.steps), (tier.up_to, tier.up_to_unit))
    ]


def _bounds(bounds: Sequence[tuple[Decimal | None, str]]) -> str:
    return ", ".join(f"{bound} {unit}" for bound, unit in bounds if bound is not None) or "no bound"


def _not_one(
    tariff: Tariff, charge_id: str, kind: DayKind, quarter: int, periods: Sequence[Timed], holding: Sequence[int]
) -> NotExact:
    names = " and ".join(periods[index].period_id for index in holding) or "none"
    is_seasonal = any(window.months or window.seasons for period in periods for window in period.when)
    # `periods` of a tariff are a charge named "energy" by us, which nobody finds in the file.
    where = f"tariff {tariff.tariff_id}" + ("" if charge_id == "energy" else f", charge {charge_id}")
    return NotExact(
        f"{where}: exactly one period must hold on {kind.text(is_seasonal=is_seasonal)} at "
        f"{quarter // 4:02d}:{quarter % 4 * 15:02d} "
        f"{tariff.clock} time, found {names} of {', '.join(period.period_id for period in periods)}",
        charge_id=charge_id,
        position=holding[-1] if holding else None,
    )
