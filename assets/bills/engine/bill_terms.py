"""Linear terms of one bill from what a site knows: dated tariffs, the load so far, earlier bills' account."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Literal, cast

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.book import Book, Span
from assets.bills.engine.compute import stretch_of, write_bill
from assets.bills.engine.open_usage import OpenUsage, refuse_at_once
from assets.bills.engine.settle import Account, carried_kwh
from assets.tariffs.bill_part import BillPart, Usage
from assets.tariffs.compiled import Grid
from assets.tariffs.linear_build import LinearWriter, shaped
from assets.tariffs.linear_model import (
    ONE,
    ZERO,
    Energy,
    Form,
    LinearTerms,
    NotLinear,
    Refused,
    Side,
    Term,
    forms_of,
)
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import ends_month, local_midnight_utc
from data_quality.contracts.units import EXACT


def bill_terms(
    tariffs: Sequence[Tariff],
    *,
    time_zone: str,
    start: date,
    end: date,
    step_minutes: int,
    horizon: tuple[datetime, datetime] | None = None,
    known: Load | None = None,
    account: Account[Decimal] | None = None,
    prices: Mapping[str, PriceSeries] | None = None,
    kvarh: Decimal | None = None,
    max_import_kw: Decimal | None = None,
    max_export_kw: Decimal | None = None,
    currency: str | None = None,
    credits_beyond: Literal["refuse", "leave_out"] = "refuse",
    day_types: dict[date, DayType] | None = None,
) -> LinearTerms | NotLinear:
    """The unrounded bill of local dates [start, end) as linear terms of the horizon's intervals.

    horizon: UTC instants on the grid (none: the whole bill); of a bill over several tariffs the terms are those of the
    part that holds it, where the bill is the sum of its parts. known: the load outside it, in kWh; intervals that are
    neither count as no energy. account: earlier bills' credit and peaks, not changed. max_import_kw, max_export_kw:
    of the connection, bounds for binaries. Raises BadInput as the bill does; NotLinear names what cannot be linear.
    """
    if end <= start:
        raise BadInput(f"the bill ends ({end}) before it starts ({start})", reason="bad_period")
    # Rounding is a staircase, which no linear term can be: the optimiser sees the amounts before it.
    book = Book(tariffs, time_zone=time_zone, rounding="none", currency=currency)
    span = Span(start, end)
    part = _part(book, span, horizon)
    if isinstance(part, NotLinear):
        return part
    hours = Decimal(step_minutes) / 60
    writer = LinearWriter(
        book.currency,
        max_import_kwh=None if max_import_kw is None else max_import_kw * hours,
        max_export_kwh=None if max_export_kw is None else max_export_kw * hours,
    )
    before = account or Account()
    try:
        refuse_at_once(part[0], before)
        # Shares of a month are those of the bill, which rounds them as decimals are by default.
        stretch = stretch_of(book, part[0], [span], [(0, *part[1:])], step_minutes, prices, day_types)
        with localcontext(EXACT):
            grid = stretch.measure.compiled.grid
            first, last = _slots(grid, horizon)
            opened = OpenUsage(writer, stretch.measure, _known(known, grid, first, last), first=first, last=last)
            usage = opened.usage(kvarh=kvarh)
            peaks = {name: dict(months) for name, months in before.peaks.items()}
            own = cast(Account[Form], replace(before, kwh=dict(before.kwh), peaks=peaks))
            write_bill(writer, [(part[0], usage)], own)
            left_out = _left_out(writer, part[0], usage, own, credits_beyond)
            return _published(writer, part[0], usage, grid, (first, last), left_out)
    except Refused as refusal:
        return refusal.answer


def _part(book: Book, span: Span, horizon: tuple[datetime, datetime] | None) -> tuple[Tariff, date, date] | NotLinear:
    """The tariff of the horizon and its part of the bill; the whole of a bill that lies under one tariff."""
    parts = book.parts(span)
    if len(parts) == 1:
        return parts[0]
    names = " and ".join(tariff.tariff_id for tariff, _, _ in parts)
    tariffs = [tariff for tariff, _, _ in parts]
    # What one bill closes over all of its days is no sum of what its parts come to.
    if any(
        tariff.minimum.monthly
        or tariff.minimum.daily
        or tariff.minimum.annual
        or tariff.metering.arrangement not in ("net_billing", "buy_all_sell_all")
        or tariff.export_terms.cap_kwh
        or any(rider.price_per_kw for rider in tariff.riders)
        for tariff in tariffs
    ):
        why = (
            f"over two tariffs ({names}) a minimum, carried surplus, a cap in kWh or a rider per kW is of both at once"
        )
        return NotLinear(component="bill", why=why)
    for part in parts:
        first, last = (local_midnight_utc(day, book.time_zone) for day in part[1:])
        if horizon is not None and first <= horizon[0] and horizon[1] <= last:
            return part
    return NotLinear(component="bill", why=f"a bill over two tariffs ({names}); give each part by itself")


def _slots(grid: Grid, horizon: tuple[datetime, datetime] | None) -> tuple[int, int]:
    """The horizon as slots of the grid. Raises BadInput where it is off the grid or leaves the bill."""
    if horizon is None:
        return 0, grid.size
    step = timedelta(minutes=grid.step_minutes)
    found = []
    for edge in horizon:
        slot, rest = divmod(edge - grid.start_utc, step)
        if rest or not 0 <= slot <= grid.size:
            raise BadInput(
                f"the horizon's edge {edge:%Y-%m-%d %H:%M} UTC is no edge of the bill's {grid.step_minutes}-minute "
                "intervals",
                reason="horizon_off_grid",
            )
        found.append(slot)
    if found[1] <= found[0]:
        raise BadInput("the horizon ends before it starts", reason="bad_period")
    return found[0], found[1]


def _known(load: Load | None, grid: Grid, first: int, last: int) -> Load:
    """The load on the whole grid, with nothing in the horizon."""
    if load is None:
        nothing = np.zeros(grid.size, dtype=np.int64)
        return Load(grid.start_utc, grid.step_minutes, nothing, nothing.astype(np.bool_))
    if load.step_minutes != grid.step_minutes or load.unit != "kwh":
        raise BadInput(
            f"the known load has {load.step_minutes}-minute intervals in {load.unit}; expected {grid.step_minutes} "
            "minutes in kWh",
            reason="mixed_intervals",
        )

    def closed(values: np.ndarray) -> np.ndarray:
        # A copy, for the arrays are the load's own. What is known of the solver's intervals would be counted twice.
        kept = values.copy()
        kept[first:last] = 0
        return kept

    return load.between(grid.start_utc, grid.start_utc + timedelta(minutes=grid.step_minutes * grid.size)).mapped(
        closed
    )


def _left_out(
    writer: LinearWriter, tariff: Tariff, usage: Usage[Form], account: Account[Form], credits_beyond: str
) -> list[NotLinear]:
    """Effects of this bill on later ones: named, not counted. Raises Refused for credit that is not to be left out."""
    found, terms = list[NotLinear](), tariff.metering
    if tariff.minimum.annual and not ends_month(usage.end, tariff.minimum.year_ends_with):
        why = "what this bill does to the year is settled with its last"
        found.append(NotLinear(component="annual_minimum", why=why))
    # Before the true-up, or where credit is kept, surplus is worth what it saves in bills that nobody knows yet.
    is_kept = not ends_month(usage.end, terms.true_up_month) or terms.true_up == "keep"
    if terms.arrangement not in ("net_billing", "buy_all_sell_all") and is_kept:
        most = [writer.range(each)[1] for each in (carried_kwh(tariff, account), account.money)]
        if any(value is None or value for value in most):
            why = "surplus carried to later bills lowers them; its worth is not known with this bill"
            # To leave a credit out in silence would let the optimiser export too little.
            if credits_beyond == "refuse":
                raise Refused("credit", why)
            found.append(NotLinear(component="credit", why=why))
    why = "this month's peak may set the ratchet of later bills"
    looking = [each for each in tariff.demand if each.ratchet and each.ratchet.is_set_in(usage.start.month)]
    return [*found, *(NotLinear(component=charge.charge_id, why=why) for charge in looking)]


def _published(
    writer: LinearWriter, tariff: Tariff, part: BillPart, grid: Grid, slots: tuple[int, int], left_out: list[NotLinear]
) -> LinearTerms:
    """Prices per interval from the sums that the cost uses directly; the other variables stay terms."""
    total, size = Form.of(writer.sum()), slots[1] - slots[0]
    by_name = {term.name: term for term in writer.terms}
    rates: dict[Side, list[Decimal]] = {"import": [ZERO] * size, "export": [ZERO] * size}
    constant, objective = total.constant, []
    for name, coefficient in total.parts:
        # What the cost takes of an energy directly is a price per interval: the solver needs no variable for it.
        energy = by_name[name]
        if not isinstance(energy, Energy):
            objective.append((name, coefficient))
            continue
        constant += coefficient * energy.incurred
        weights = energy.weights or (ONE,) * len(energy.intervals)
        row = rates[energy.side]
        for interval, weight in zip(energy.intervals, weights, strict=True):
            row[interval] += coefficient * weight
    cost = Form(parts=tuple(objective))
    used: dict[str, Term] = {}
    _follow(cost, by_name, used)
    return LinearTerms(
        tariff_id=tariff.tariff_id,
        currency=writer.currency,
        start=part.start,
        end=part.end,
        time_zone=grid.time_zone,
        start_utc=grid.start_utc + timedelta(minutes=grid.step_minutes * slots[0]),
        step_minutes=grid.step_minutes,
        size=size,
        constant=constant,
        import_price_per_kwh=tuple(rates["import"]),
        export_price_per_kwh=tuple(rates["export"]),
        objective=cost.parts,
        terms=shaped(tuple(used.values()), cost, writer.ranges, max_export_kwh=writer.max_export_kwh),
        max_import_kwh=writer.max_import_kwh,
        max_export_kwh=writer.max_export_kwh,
        left_out=tuple(left_out),
    )


def _follow(form: Form, by_name: Mapping[str, Term], used: dict[str, Term]) -> None:
    """The terms that a form stands on, each behind what it is worked out from."""
    for name, _ in form.parts:
        if name not in used:
            for each in forms_of(by_name[name]):
                _follow(each, by_name, used)
            used[name] = by_name[name]
