"""A bill from register reads: use between reads, split by days where prices change (formulas 5.11)."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, localcontext

from assets.bills.engine.bill_load import Reads, RegisterUse
from assets.bills.engine.book import Book, Span, month_share
from assets.bills.engine.compute import one_bill
from assets.bills.engine.settle import Account
from assets.tariffs.bill_part import Usage, billed_per_unit
from data_quality.contracts.billing.bill import Bill
from data_quality.contracts.billing.tariff import Rounding, Tariff
from data_quality.contracts.billing.tariff_charges import DemandCharge
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.units import EXACT

_ZERO = Decimal(0)


def make_bill_from_reads(
    tariffs: Sequence[Tariff],
    reads: Reads,
    *,
    time_zone: str,
    start: date | None = None,
    end: date | None = None,
    rounding: Rounding | None = None,
    currency: str | None = None,
) -> Bill:
    """One bill for local dates [start, end); without them for the span of the reads.

    A register's use is spread over its days: a part of it that lies in another price, or outside the bill, goes by
    days, not rounded. coverage: share of the bill's days that the scarcest register covers. Raises BadInput for a
    tariff that asks what registers cannot tell: prices by reference, net metering, or demand without a kW register.
    """
    if not reads.uses:
        raise BadInput("the reads are empty", reason="no_rows")
    book = Book(tariffs, time_zone=time_zone, rounding=rounding, currency=currency)
    first = start or min(use.start for use in reads.uses)
    last = end or max(use.end for use in reads.uses)
    if last <= first:
        raise BadInput(f"the bill ends ({last}) before it starts ({first})", reason="bad_period")
    span = Span(first, last)
    with localcontext(EXACT):
        parts = [(tariff, _usage(tariff, reads, span, a, b)) for tariff, a, b in book.parts(span)]
        raw = one_bill(book, span, parts, Account[Decimal]())
    return book.published([raw] if raw else [])


def _usage(tariff: Tariff, reads: Reads, span: Span, start: date, end: date) -> Usage[Decimal]:
    if tariff.metering.arrangement.startswith("net_metering"):
        raise BadInput(
            f"tariff {tariff.tariff_id} nets what is fed in (net metering); register reads count what is bought only",
            reason="needs_intervals",
        )
    factor = _factor(tariff, reads)
    energy: dict[str, tuple[Decimal | None, ...]] = {}
    for charge in tariff.energy_charges:
        if charge.series is not None:
            raise BadInput(
                f"tariff {tariff.tariff_id}: charge {charge.charge_id} has a price per interval; register reads do not "
                "show when energy was used",
                reason="needs_intervals",
            )
        # Energy and kW registers stand in one list; a demand must not be summed as energy.
        uses, names = _energies(reads), [period.period_id for period in charge.all_periods]
        # One price is that of all registers, whatever they are called; several need a register each.
        parts = {name: [use for use in uses if len(names) == 1 or use.period_id == name] for name in names}
        lacking = [name for name, own in parts.items() if not own and len(names) > 1]
        if lacking:
            raise BadInput(
                f"tariff {tariff.tariff_id}: charge {charge.charge_id} has periods {', '.join(names)}; no register "
                f"counts {', '.join(lacking)}",
                reason="missing_register",
            )
        energy[charge.charge_id] = tuple(_between(own, start, end) * factor for own in parts.values())
    reactive = [use for use in reads.uses if use.unit == "kvarh"]
    days = (end - start).days
    return Usage(
        start=start,
        end=end,
        month_share=month_share(tariff, span, start, end),
        bill_share=Decimal(days) / (span.end - span.start).days,
        import_kwh=_between(_energies(reads), start, end) * factor,
        export_kwh=_ZERO,
        energy=energy,
        demand={charge.charge_id: _demands(tariff, charge, reads) for charge in tariff.demand},
        capacity={charge.charge_id: _highest(tariff, charge.charge_id, reads, "") for charge in tariff.capacity},
        # Registers of demand hold the highest of their span: the greatest, and never a sum.
        max_kw=max((use.quantity for use in reads.uses if use.unit == "kw"), default=_ZERO),
        kvarh=_between(reactive, start, end) if reactive else None,
        slots=days,
        present=_covered_days(reads, start, end),
        findings=_findings(reads, span),
    )


def _energies(reads: Reads) -> list[RegisterUse]:
    return [use for use in reads.uses if use.unit in ("kwh", "m3")]


def _factor(tariff: Tariff, reads: Reads) -> Decimal:
    units = {use.unit for use in _energies(reads)}
    if len(units) > 1:
        raise BadInput("registers count kWh and m3; expected one unit", reason="wrong_unit")
    return billed_per_unit(tariff, units.pop(), "the registers count") if units else Decimal(1)


def _between(uses: Sequence[RegisterUse], start: date, end: date) -> Decimal:
    """Use on [start, end): of each span between reads, its days inside over its days."""
    total = _ZERO
    for use in uses:
        inside = (min(use.end, end) - max(use.start, start)).days
        if inside > 0:
            total += use.quantity * inside / (use.end - use.start).days
    return total


def _demands(tariff: Tariff, charge: DemandCharge, reads: Reads) -> tuple[Decimal | None, ...]:
    names = [""] if len(charge.periods) == 1 else [period.period_id for period in charge.periods]
    return tuple(_highest(tariff, charge.charge_id, reads, name) for name in names)


def _highest(tariff: Tariff, charge_id: str, reads: Reads, period_id: str) -> Decimal:
    found = [use.quantity for use in reads.uses if use.unit == "kw" and (not period_id or use.period_id == period_id)]
    # Demand is often the dearest part of a bill: without its register it is refused, not billed as zero.
    if not found:
        raise BadInput(
            f"tariff {tariff.tariff_id}: charge {charge_id} is per kW and no register of highest demand is given"
            + (f" for period {period_id}" if period_id else ""),
            reason="needs_intervals",
        )
    return max(found)


def _covered_days(reads: Reads, start: date, end: date) -> int:
    """Days of [start, end) of the register with the fewest."""
    registers: dict[str, set[date]] = {}
    # By register: a day that one register does not cover is not billed in full.
    for use in _energies(reads):
        days = registers.setdefault(use.period_id, set())
        first, last = max(use.start, start), min(use.end, end)
        days.update(date.fromordinal(n) for n in range(first.toordinal(), max(last, first).toordinal()))
    return min((len(days) for days in registers.values()), default=0)


def _findings(reads: Reads, span: Span) -> tuple[Finding, ...]:
    found = []
    estimated = [use for use in reads.uses if use.is_estimated]
    if estimated:
        found.append(
            Finding(
                code="estimated_read",
                message=f"bill from {span.start} to {span.end}: {len(estimated)} of {len(reads.uses)} register uses "
                "rest on an estimated read",
                facts={"estimated": len(estimated), "uses": len(reads.uses)},
            )
        )
    # Reads that meet the bill's dates are exact; others are spread evenly, which the reader should know.
    if any(use.start < span.start or use.end > span.end for use in _energies(reads)):
        found.append(
            Finding(
                code="reads_split_by_days",
                message=f"bill from {span.start} to {span.end}: reads on other dates were split by days",
                severity="info",
            )
        )
    return tuple(found)
