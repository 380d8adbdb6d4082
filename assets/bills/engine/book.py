"""Inputs of a bill and its publication: a site's dated tariffs, spans of local dates, raw bills."""

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from assets.bills.engine.bill_load import Load
from assets.tariffs.charge_lines import Line
from assets.tariffs.periods import example_prices, in_order, tariffs_of
from data_quality.contracts.billing.bill import Bill, BillLine, BillPeriod, ItemKind
from data_quality.contracts.billing.tariff import Rounding, Tariff, minor_digits
from data_quality.contracts.billing.tariff_charges import EnergyCharge, SeriesPrice
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import last_local_day, local_day, months_after

_ZERO = Decimal(0)
_KINDS = {kind.name.lower(): kind for kind in ItemKind}


@dataclass(frozen=True)
class Span:
    """One bill to be made: local dates [start, end); history: only its demands are wanted."""

    start: date
    end: date
    is_history: bool = False


class Run(NamedTuple):
    """Local dates [start, end) of one month, all with a tariff in force, or all without."""

    start: date
    end: date
    has_tariff: bool


@dataclass
class RawBill:
    """A bill before it is published: lines as tuples."""

    span: Span
    tariff_ids: tuple[str, ...]
    lines: list[Line[Decimal]]
    slots: int
    present: int
    energy_kwh: Decimal
    export_kwh: Decimal
    findings: list[Finding]

    @property
    def total(self) -> Decimal:
        """Sum of the lines that are charges or credits."""
        # Carried amounts tell of the account; they are no part of what is due.
        return sum((line.amount for line in self.lines if line.component != "carried"), _ZERO)


class Book:
    """Dated tariffs of one supply, checked once."""

    def __init__(
        self,
        tariffs: Sequence[Tariff],
        *,
        time_zone: str,
        rounding: Rounding | None = None,
        currency: str | None = None,
    ) -> None:
        if not tariffs:
            raise BadInput("a bill needs a tariff", reason="no_tariff")
        self.tariffs, self.time_zone = in_order(tariffs), time_zone
        named = sorted({tariff.currency for tariff in tariffs if tariff.currency is not None})
        if len(named) > 1:
            each = ", ".join(f"{tariff.tariff_id} in {tariff.currency}" for tariff in self.tariffs if tariff.currency)
            raise BadInput(
                f"tariffs are in {' and '.join(named)}; expected one currency: {each}", reason="currency_mismatch"
            )
        if currency and named and currency != named[0]:
            raise BadInput(
                f"tariff {self.tariffs[0].tariff_id} is in {named[0]}, expected {currency}", reason="currency_mismatch"
            )
        self.currency = named[0] if named else currency or ""
        if not self.currency:
            raise BadInput(
                f"tariff {self.tariffs[0].tariff_id} names no currency", reason="no_currency", mend="add currency: EUR"
            )
        # One bill has one rounding; where dated tariffs differ, the earliest says it.
        self.rounding: Rounding = rounding or self.tariffs[0].rounding
        self.digits = minor_digits(self.currency) if self.rounding == "line" else None

    @property
    def has_ratchet(self) -> bool:
        """True where a demand charge looks back."""
        return any(charge.ratchet is not None for tariff in self.tariffs for charge in tariff.demand)

    def parts(self, span: Span) -> list[tuple[Tariff, date, date]]:
        """The tariffs in force during the span. Raises BadInput where none is."""
        found, day = [], span.start
        for tariff in self.tariffs:
            first, last = max(tariff.valid_from, span.start), min(tariff.valid_to, span.end)
            if first < last:
                # A day without tariff cannot be billed: zero would look like a free day.
                if first > day:
                    break
                found.append((tariff, first, last))
                day = last
        if day < span.end:
            raise BadInput(f"no tariff is in force on {day}", reason="no_tariff_in_force")
        return found

    def published(self, raw: Sequence[RawBill]) -> Bill:
        """Raw bills as the contract."""
        periods = tuple(_published(bill) for bill in raw)
        slots, present = sum(bill.slots for bill in raw), sum(bill.present for bill in raw)
        # By message: each bill of a year would repeat the same finding about the tariff.
        by_message = {f.message: f for period in periods for f in period.findings}
        used = {name for period in periods for name in period.tariff_ids}
        examples = [tariff for tariff in self.tariffs if tariff.prices == "example" and tariff.tariff_id in used]
        by_message |= {f.message: f for f in map(example_prices, examples)}
        return Bill(
            currency=self.currency,
            time_zone=self.time_zone,
            rounding=self.rounding,
            periods=periods,
            total=sum((period.total for period in periods), _ZERO),
            coverage=present / slots if slots else 1.0,
            findings=tuple(by_message.values()),
        )


def bill_spans(
    load: Load, *, time_zone: str, start: date | None, end: date | None, with_history: bool = False
) -> list[Span]:
    """Local calendar months that the load reaches into, or one span; before it, months of history for ratchets.

    A month that the load does not fill is billed whole, with the coverage that it has.
    """
    if (start is None) != (end is None):
        raise BadInput("give both start and end of a bill, or neither", reason="bad_period")
    if start is not None and end is not None and end <= start:
        raise BadInput(f"the bill ends ({end}) before it starts ({start})", reason="bad_period")
    first, last = local_day(load.start_utc, time_zone), last_local_day(load.end_utc, time_zone)
    if start is None or end is None:
        return [Span(*month) for month in calendar_months(first, last + timedelta(days=1))]
    if end <= first or start > last:
        raise BadInput(
            f"the load covers {first} to {last} and has nothing of the bill from {start} to {end}", reason="no_load"
        )
    # What the load holds before the bill is not billed, only looked back on: its demands may be the ratchet.
    before = calendar_months(first, start) if with_history and first < start else []
    # Only months that end before the bill: the peak of half a month would pass for the month's.
    history = [Span(a, b, is_history=True) for a, b in before if b <= start]
    return [*history, Span(start, end)]


def month_share(tariff: Tariff, span: Span, first: date, last: date) -> Decimal:
    """Months that a segment is worth: days over days of the month, or its part of one bill."""
    if tariff.proration == "none":
        # Without proration the bill is worth one month, whatever its days; a split shares that one month.
        return Decimal((last - first).days) / (span.end - span.start).days
    share = _ZERO
    for start, end in calendar_months(first, last):
        days = (min(end, last) - max(start, first)).days
        # Days of each month over its own length: 28 days of February are one month, of March they are less.
        share += Decimal(days) / calendar.monthrange(start.year, start.month)[1]
    return share


def calendar_months(first: date, last: date) -> list[tuple[date, date]]:
    """Whole calendar months that [first, last) touches."""
    found, day = [], first.replace(day=1)
    while day < last:
        found.append((day, months_after(day, 1)))
        day = found[-1][1]
    return found


def carries_over(tariffs: Iterable[Tariff]) -> bool:
    """True where a bill depends on the bills before it: ratchets, carried credits, annual minimum."""
    return any(
        any(charge.ratchet is not None for charge in tariff.demand)
        or tariff.metering.arrangement in ("net_metering_energy", "net_metering_money", "net_billing_carry")
        or tariff.minimum.annual > 0
        for tariff in tariffs
    )


def book_of(site: Site) -> Book | None:
    """The site's tariffs of electricity, energy at its price stream where it buys by that; None where it has neither.

    Raises BadInput for tariffs that overlap, or in another currency.
    """
    tariffs = [_by_stream(site, tariff) for tariff in tariffs_of(site)]
    if not tariffs and site.price_stream is not None:
        tariffs = [Tariff(tariff_id=site.price_stream, currency=site.currency, energy=(_charge(site.price_stream),))]
    if not tariffs:
        return None
    # Rounding belongs to printed lines: spread over quarter hours it would come back as steps.
    return Book(tariffs, time_zone=site.time_zone, rounding="none", currency=site.currency)


def _by_stream(site: Site, tariff: Tariff) -> Tariff:
    """The tariff with its energy at the site's price stream, where the site buys by that and the tariff does not."""
    has_series = any(charge.series is not None for charge in tariff.energy_charges)
    # Net metering nets the kWh of periods, and a price by the quarter hour has no periods.
    if site.price_stream is None or has_series or tariff.metering.arrangement.startswith("net_metering"):
        return tariff
    # A tax or a discount of one of the charges that the stream stands for is one of the stream.
    taken = {charge.charge_id for charge in tariff.energy_charges}
    shares = {
        name: tuple(
            share.model_copy(update={"of": tuple("energy" if each in taken else each for each in share.of)})
            for share in part
        )
        for name, part in (("riders", tariff.riders), ("taxes", tariff.taxes))
    }
    return tariff.model_copy(update={"periods": (), "energy": (_charge(site.price_stream),), **shares})


def _charge(stream: str) -> EnergyCharge:
    return EnergyCharge(charge_id="energy", series=SeriesPrice(series=stream))


def runs_of(book: Book | None, start: date, end: date) -> list[Run]:
    """A month's dates as runs with and without a tariff in force."""
    runs: list[Run] = []
    for offset in range((end - start).days):
        day = start + timedelta(days=offset)
        is_known = book is not None and any(tariff.is_in_force(day) for tariff in book.tariffs)
        if runs and runs[-1].has_tariff == is_known:
            runs[-1] = runs[-1]._replace(end=day + timedelta(days=1))
        else:
            runs.append(Run(day, day + timedelta(days=1), is_known))
    return runs


def _published(raw: RawBill) -> BillPeriod:
    return BillPeriod(
        start=raw.span.start,
        end=raw.span.end,
        tariff_ids=raw.tariff_ids,
        lines=tuple(BillLine.model_validate({**line._asdict(), "kind": _KINDS[line.kind]}) for line in raw.lines),
        total=raw.total,
        coverage=raw.present / raw.slots if raw.slots else 1.0,
        energy_kwh=raw.energy_kwh,
        export_kwh=raw.export_kwh,
        findings=tuple(raw.findings),
    )
