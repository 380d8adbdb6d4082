"""Linear terms of one bill from what a site knows: dated tariffs, the load so far, earlier bills' account."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np

from assets.bills.engine.bill_load import Load
from assets.bills.engine.book import Book, Span, month_share
from assets.bills.engine.settle import Account
from assets.tariffs.compiled import Grid
from assets.tariffs.linear.linear_frame import BillFrame, Carried
from assets.tariffs.linear.linear_model import LinearTerms, NotLinear
from assets.tariffs.linear.linear_terms import linear_terms
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc


def bill_terms(
    tariffs: Sequence[Tariff],
    *,
    time_zone: str,
    start: date,
    end: date,
    step_minutes: int,
    horizon: tuple[datetime, datetime] | None = None,
    known: Load | None = None,
    account: Account | None = None,
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
    tariff, start, end = part
    grid = _grid(time_zone, start, end, step_minutes)
    first, last = _slots(grid, horizon)
    bought, sold = _known(known, grid, first, last, is_gross=tariff.metering.arrangement == "buy_all_sell_all")
    hours = Decimal(step_minutes) / 60
    frame = BillFrame(
        start=start,
        end=end,
        month_share=month_share(tariff, span, start, end),
        bill_share=Decimal((end - start).days) / (span.end - span.start).days,
        grid=grid,
        first=first,
        last=last,
        known_import=bought,
        known_export=sold,
        kvarh=kvarh,
        max_import_kwh=None if max_import_kw is None else max_import_kw * hours,
        max_export_kwh=None if max_export_kw is None else max_export_kw * hours,
        prices=dict(prices or {}),
    )
    carried = carried_into(tariff, account or Account(), start)
    return linear_terms(
        tariff, frame, carried=carried, currency=book.currency, credits_beyond=credits_beyond, day_types=day_types
    )


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


def carried_into(tariff: Tariff, account: Account, start: date) -> Carried:
    """State that a bill which starts then takes over: credit, the year so far, floors of ratchets."""
    history, _ = account.looked_back(tariff, start)
    return Carried(
        kwh=dict(account.kwh),
        netted_kwh=account.netted_kwh,
        money=account.money,
        billed_year=account.billed_year,
        months_in_year=account.months_in_year,
        demands_kw=history,
    )


def _grid(time_zone: str, start: date, end: date, step_minutes: int) -> Grid:
    begun, done = (local_midnight_utc(day, time_zone) for day in (start, end))
    return Grid(begun, step_minutes, (done - begun) // timedelta(minutes=step_minutes), time_zone)


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


def _known(load: Load | None, grid: Grid, first: int, last: int, *, is_gross: bool) -> tuple[np.ndarray, np.ndarray]:
    """Import and export outside the horizon, 1e-9 kWh per slot of the grid."""
    if load is None:
        return np.zeros(grid.size, dtype=np.int64), np.zeros(grid.size, dtype=np.int64)
    if load.step_minutes != grid.step_minutes or load.unit != "kwh":
        raise BadInput(
            f"the known load has {load.step_minutes}-minute intervals in {load.unit}; expected {grid.step_minutes} "
            "minutes in kWh",
            reason="mixed_intervals",
        )
    whole = load.between(grid.start_utc, grid.start_utc + timedelta(minutes=grid.step_minutes * grid.size))
    # Copies: the arrays may be the load's own, kept for its other tariffs.
    sides = [whole.imported(is_gross=is_gross).copy(), whole.exported(is_gross=is_gross).copy()]
    for side in sides:
        # Open intervals are the solver's: what is known of them would be counted twice.
        side[first:last] = 0
    return sides[0], sides[1]
