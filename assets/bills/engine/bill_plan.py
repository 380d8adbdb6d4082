"""Which tariff bills which slots: made once for a grid, used for any number of loads on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np

from assets.bills.engine.book import Book, Span, month_share
from assets.bills.engine.measure import Measure, Segment
from assets.tariffs.bill_part import Hours
from assets.tariffs.calendar_layout import FREE
from assets.tariffs.compiled import Compiled, Grid, compile_tariff, wall_clock
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc


@dataclass(frozen=True)
class Stretch:
    """One tariff's part of the bills. of_bill: bill number -> indices of its segments."""

    measure: Measure
    start_utc: datetime
    end_utc: datetime
    of_bill: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Plan:
    """Bills to be made, and what measures each of their parts."""

    book: Book
    spans: tuple[Span, ...]
    stretches: tuple[Stretch, ...]


def make_plan(
    book: Book,
    spans: Sequence[Span],
    *,
    step_minutes: int,
    prices: Mapping[str, PriceSeries] | None = None,
    day_types: dict[date, DayType] | None = None,
) -> Plan:
    """Lay every tariff of the book over its part of the spans, on a grid of step_minutes. Raises BadInput."""
    by_tariff: dict[int, list[tuple[int, date, date]]] = {}
    for number, span in enumerate(spans):
        for tariff, first, last in book.parts(span):
            # By identity: to compare tariffs by value walks through all their charges.
            index = next(n for n, each in enumerate(book.tariffs) if each is tariff)
            by_tariff.setdefault(index, []).append((number, first, last))
    stretches = [
        stretch_of(book, book.tariffs[index], spans, parts, step_minutes, prices, day_types)
        for index, parts in sorted(by_tariff.items())
    ]
    return Plan(book=book, spans=tuple(spans), stretches=tuple(stretches))


def stretch_of(
    book: Book,
    tariff: Tariff,
    spans: Sequence[Span],
    parts: Sequence[tuple[int, date, date]],
    step_minutes: int,
    prices: Mapping[str, PriceSeries] | None,
    day_types: dict[date, DayType] | None,
) -> Stretch:
    """The tariff laid over its parts (bill number, local dates [start, end)) of the spans. As make_plan."""
    _refuse_registers(tariff)
    step = timedelta(minutes=step_minutes)
    # From the first part to the last: what lies between parts that do not meet belongs to no segment.
    start, end = (local_midnight_utc(day, book.time_zone) for day in (parts[0][1], parts[-1][2]))
    grid = Grid(start, step_minutes, (end - start) // step, book.time_zone)
    compiled = compile_tariff(tariff, grid, day_types=day_types)
    segments = []
    for number, first, last in parts:
        # Days, not slots: the day of 25 hours is one day of the bill's fixed amounts.
        share = Decimal((last - first).days) / (spans[number].end - spans[number].start).days
        slots = [(local_midnight_utc(day, book.time_zone) - start) // step for day in (first, last)]
        segments.append(
            Segment(
                start=first,
                end=last,
                first=slots[0],
                last=slots[1],
                month_share=month_share(tariff, spans[number], first, last),
                bill_share=share,
                hours=_hours(compiled, slice(*slots)),
            )
        )
    numbers = [number for number, _, _ in parts]
    return Stretch(
        measure=Measure(compiled, segments, prices),
        start_utc=start,
        end_utc=end,
        of_bill={number: tuple(n for n, each in enumerate(numbers) if each == number) for number in set(numbers)},
    )


def _refuse_registers(tariff: Tariff) -> None:
    for charge in tariff.energy_charges:
        if charge.by_register and len(charge.periods) > 1:
            raise BadInput(
                f"tariff {tariff.tariff_id}: charge {charge.charge_id} has its periods by the meter's "
                "registers, not by hours; expected register reads",
                reason="needs_registers",
                mend="give --reads instead of --load",
            )


def _hours(compiled: Compiled, part: slice) -> Hours:
    """Hours of the slots, where surplus moves by hour of day."""
    # Hours cost a look at every slot; only surplus that moves by hours asks for them.
    if not compiled.tariff.metering.carry_by_hours:
        return {}
    days, quarters = wall_clock(compiled.grid, "local")
    # Day 0 of 1970 is a Thursday.
    is_weekday = (days[part] + 3) % 7 < 5
    found: Hours = {}
    for charge in compiled.tariff.energy_charges:
        periods = compiled.energy[charge.charge_id]
        if periods is None:
            continue
        for hour in range(24):
            # The first such weekday speaks for the bill: one period must be named, though a season may change in it.
            at = np.flatnonzero(is_weekday & (quarters[part] == hour * 4))
            if at.size and periods[part][at[0]] != FREE:
                named = charge.all_periods[int(periods[part][at[0]])].period_id
                found.setdefault(charge.charge_id, {})[hour] = named
    return found
