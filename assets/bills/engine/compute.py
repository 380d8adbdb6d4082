"""The bill of a load under one or several dated tariffs: local calendar months, or one period (formulas 5.11).

Which tariff bills which slots is planned once for a grid, and used for any number of loads on it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Generic, NamedTuple

import numpy as np

from assets.bills.engine.bill_load import Load, as_rows
from assets.bills.engine.book import Book, RawBill, Span, bill_spans, month_share
from assets.bills.engine.measure import Measure, Segment
from assets.bills.engine.settle import (
    Account,
    net_energy,
    write_credits,
    write_export,
    write_minimum,
    write_riders,
    write_taxes,
    write_true_up,
)
from assets.tariffs.bill_part import Hours, Usage
from assets.tariffs.calendar_layout import FREE
from assets.tariffs.charge_lines import (
    RoundingWriter,
    Writer,
    billed_demand,
    write_capacity,
    write_demand,
    write_energy,
    write_fixed,
    write_reactive,
)
from assets.tariffs.compiled import Compiled, Grid, compile_tariff, wall_clock
from assets.tariffs.linear_model import N
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.billing.tariff import Rounding, Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import local_midnight_utc
from data_quality.contracts.units import EXACT


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


_ZERO = Decimal(0)


def make_bill(
    tariffs: Sequence[Tariff],
    load: Load,
    *,
    time_zone: str,
    start: date | None = None,
    end: date | None = None,
    prices: Mapping[str, PriceSeries] | None = None,
    prior_peaks_kw: Mapping[str, Mapping[tuple[int, int], Mapping[str, Decimal]]] | None = None,
    rounding: Rounding | None = None,
    currency: str | None = None,
    day_types: dict[date, DayType] | None = None,
) -> Bill:
    """One bill per local calendar month of the load, or one for local dates [start, end) where both are given.

    tariffs: dated, not overlapping, one currency; a bill over a change is split by date. prices: per series name.
    prior_peaks_kw: charge -> (year, month) -> period -> measured demand, for ratchets, beside what an earlier part of
    the load shows. rounding: instead of the tariff's. currency: of tariffs that name none. day_types: the site's.
    Raises BadInput; a gap in the load is a coverage below 1 and a finding, never zero in silence.
    """
    book = Book(tariffs, time_zone=time_zone, rounding=rounding, currency=currency)
    spans = bill_spans(load, time_zone=time_zone, start=start, end=end, with_history=book.has_ratchet)
    account = Account[Decimal]()
    for charge, months in (prior_peaks_kw or {}).items():
        for month, periods in months.items():
            account.peaks.setdefault(charge, {})[month] = dict(periods)
    plan = make_plan(book, spans, step_minutes=load.step_minutes, prices=prices, day_types=day_types)
    raw = next(iter(raw_bills(plan, load, accounts=[account])))
    return book.published(raw)


def raw_bills(plan: Plan, load: Load, *, accounts: Sequence[Account[Decimal]] | None = None) -> Iterable[list[RawBill]]:
    """Bills per meter. load: arrays [slot] or [meter, slot]; accounts: one per meter, changed in place."""
    wide = as_rows(load)
    meters = wide.load.shape[0]
    accounts = accounts or [Account[Decimal]() for _ in range(meters)]
    # A generator may be left between two bills: the precision is set for each piece, never across a yield.
    with localcontext(EXACT):
        measured = [(part, part.measure.usages(wide.between(part.start_utc, part.end_utc))) for part in plan.stretches]
    # Measured for all meters at once, billed one by one: what a bill carries on depends on the one before it.
    for meter in range(meters):
        bills: list[RawBill] = []
        with localcontext(EXACT):
            for number, span in enumerate(plan.spans):
                parts = [
                    (part.measure.tariff, usages[meter][index])
                    for part, usages in measured
                    for index in part.of_bill.get(number, ())
                ]
                raw = one_bill(plan.book, span, parts, accounts[meter])
                if raw is not None:
                    bills.append(raw)
        yield bills


def one_bill(
    book: Book, span: Span, parts: Sequence[tuple[Tariff, Usage[Decimal]]], account: Account[Decimal]
) -> RawBill | None:
    """Lines of one bill from its parts; None for history. account is changed in place."""
    usages = [usage for _, usage in parts]
    if span.is_history:
        for tariff, usage in parts:
            account.remember(tariff, usage)
        return None
    pen = RoundingWriter(book.currency, book.digits)
    findings = write_bill(pen, parts, account)
    slots, present = sum(u.slots for u in usages), sum(u.present for u in usages)
    if present < slots:
        findings.append(_gap(span, slots, present))
    return RawBill(
        span=span,
        tariff_ids=tuple(tariff.tariff_id for tariff, _ in parts),
        lines=pen.lines,
        slots=slots,
        present=present,
        # Water is metered in m3 and is never in a kWh total.
        energy_kwh=sum((usage.import_kwh for tariff, usage in parts if tariff.billed_unit == "kWh"), _ZERO),
        export_kwh=sum((u.export_kwh for u in usages), _ZERO),
        findings=findings,
    )


class _Work(NamedTuple, Generic[N]):
    """One part: kWh to bill and billed demand of its charges' periods; the highest of all demands."""

    tariff: Tariff
    usage: Usage[N]
    energy: dict[str, tuple[N | Decimal | None, ...]]
    demands: dict[str, tuple[N | Decimal | None, ...]]
    highest: N | Decimal
    suffix: str


def write_bill(pen: Writer[N], parts: Sequence[tuple[Tariff, Usage[N]]], account: Account[N]) -> list[Finding]:
    """All lines of one bill, in its order: shares, minimum and taxes stand on the lines above them. As in one_bill."""
    findings: list[Finding] = []
    works: list[_Work[N]] = []
    for part in parts:
        work, lacking = _work(pen, *part, account, is_split=len(parts) > 1)
        works.append(work)
        findings += work.usage.findings
        findings += lacking
    # Charges of all parts, component by component.
    for tariff, usage, energy, _, highest, pen.suffix in works:
        write_energy(pen, tariff, usage, energy, highest)
    for tariff, usage, _, demands, _, pen.suffix in works:
        write_demand(pen, tariff, usage, demands)
    for tariff, usage, _, _, _, pen.suffix in works:
        write_capacity(pen, tariff, usage)
        write_reactive(pen, tariff, usage)
    for tariff, usage, _, _, _, pen.suffix in works:
        write_fixed(pen, tariff, usage)
    pen.suffix = ""
    # One closing for the whole bill where the parts agree on it; else each part closes for itself.
    is_one = len(works) == 1 or len({_closing(work.tariff) for work in works}) == 1
    closings = [works] if is_one else [[work] for work in works]
    for group in closings:
        findings += _close(pen, group, account, is_split=len(closings) > 1)
    return findings


def _work(
    pen: Writer[N], tariff: Tariff, usage: Usage[N], account: Account[N], *, is_split: bool
) -> tuple[_Work[N], list[Finding]]:
    # Looked back before it is remembered: this month counts in a ratchet only where the tariff includes it.
    history, lacking = account.ratchet_demands(tariff, usage.start)
    demands = {
        charge.charge_id: billed_demand(pen, charge, usage, history.get(charge.charge_id, {}))
        for charge in tariff.demand
    }
    energy = net_energy(pen, tariff, usage, account)
    account.remember(tariff, usage)
    # Tiers of hours use and riders per kW go by billed demand; without demand charge by the highest interval.
    billed = [kw for each in demands.values() for kw in each if kw is not None]
    highest = _highest(pen, billed) if billed else usage.max_kw
    return _Work(tariff, usage, energy, demands, highest, f"@{usage.start}" if is_split else ""), lacking


def _highest(pen: Writer[N], values: Sequence[N | Decimal]) -> N | Decimal:
    return pen.maximum("highest_demand", values, "highest billed demand")


def _closing(tariff: Tariff) -> str:
    """Closing rules of a tariff: equal for tariffs that may be closed together."""
    parts = (tariff.riders, tariff.metering, tariff.export_terms, tariff.minimum, tariff.taxes)
    return repr(parts)


def _close(pen: Writer[N], works: Sequence[_Work[N]], account: Account[N], *, is_split: bool) -> list[Finding]:
    tariff, usages = works[0].tariff, [work.usage for work in works]
    above = pen.lines
    if is_split:
        # A part that closes for itself stands on its own lines alone.
        pen.suffix = works[0].suffix
        pen.lines = [line for line in above if line.line_id.endswith(pen.suffix)]
    known = len(pen.lines)
    first = next((charge.charge_id for charge in tariff.energy_charges if charge.series is None), None)
    used = [kwh for work in works for kwh in (work.energy[first] if first else (work.usage.import_kwh,))]
    billed = sum((kwh for kwh in used if kwh is not None), _ZERO)
    # The order is the bill's: a share of lines above, a tax on riders, a minimum before taxes.
    highest = _highest(pen, [work.highest for work in works])
    write_riders(pen, tariff.riders, usages, billed, highest, billed_unit=tariff.billed_unit)
    # A cap is one of the whole bill: a part that closes for itself has its share of it.
    share = usages[0].bill_share if is_split else Decimal(1)
    write_export(pen, tariff, usages, account, bill_share=share)
    write_credits(pen, tariff, account)
    end = usages[-1].end
    months, days = sum((u.month_share for u in usages), _ZERO), sum(u.days for u in usages)
    findings = write_minimum(pen, tariff, account, months, days, end)
    write_true_up(pen, tariff, account, end)
    write_taxes(pen, tariff)
    if is_split:
        pen.lines, pen.suffix = above + pen.lines[known:], ""
    return findings


def _gap(span: Span, slots: int, present: int) -> Finding:
    return Finding(
        code="load_gap",
        message=f"bill from {span.start} to {span.end}: the load has {present} of {slots} intervals; "
        "energy and demand are those of the intervals present",
        severity="warning",
        facts={"intervals": slots, "present": present, "coverage": present / slots},
    )
