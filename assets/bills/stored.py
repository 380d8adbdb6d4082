"""Stored bills of a site held against its readings and dated tariffs; and laid over calendar months."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from assets.bills.dispute.reconcile import Reconciliation, make_case, reconcile
from assets.bills.documents.reads import MeterReads, RegisteredMeter, advance
from assets.bills.engine.bill_load import Load, load_of
from assets.bills.engine.calendarise import OddPeriod, calendarise
from assets.bills.notice import overrides_of, record_audit, sentence
from assets.sites.calendar import types_around
from assets.sites.meter_tree import ENERGY_UNIT, total_meters
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period, local_midnight_utc

_ZERO = Decimal(0)
# Further than any audit moves the dates of a bill.
_SLIP_DAYS = 62


@dataclass(frozen=True)
class StoredAudit:
    """The audit of one stored bill, or why there is none; event_id: the notification of its variance, if any."""

    bill_id: str
    bill: SupplierBill
    audit: Reconciliation | None
    refused: str = ""
    event_id: str | None = None

    @property
    def notice(self) -> str:
        """Text of the notification; empty where there is none."""
        return sentence(self.audit) if self.audit is not None and self.event_id is not None else ""


@dataclass(frozen=True)
class AccountMonth:
    """One calendar month of an account. kwh: None where a bill of it does not say its kWh without doubt."""

    account: str
    meter: str
    currency: str
    start: date
    end: date
    kwh: Decimal | None
    cost: Decimal
    coverage: float
    estimated_share: float


def bills_of(
    books: BillStore,
    site: Site,
    *,
    period: Period | None = None,
    as_of_utc: datetime | None = None,
    with_drafts: bool = False,
) -> list[tuple[str, SupplierBill]]:
    """(id, bill) of the site in order of their periods: of a file that was read more than once the last reading.

    period: bills that reach into it; one whose dates were not read always counts, so that it is not lost. with_drafts:
    those too that were read of a picture and that nobody has confirmed.
    """
    latest: dict[str, str] = {}
    rows = books.bills(site.site_id)
    for row in sorted(rows, key=lambda each: each["recorded_at_utc"]):
        if as_of_utc is None or row["recorded_at_utc"] <= as_of_utc:
            latest[row["source_sha256"]] = row["bill_id"]
    wanted = set(latest.values())
    found = []
    for row in rows:
        start, end = row["period_start"], row["period_end"]
        is_outside = period is not None and start and end and (end <= period.start or start >= period.end)
        if row["bill_id"] in wanted and not is_outside:
            found.append((row["bill_id"], books.bill(row["bill_id"])))
    return [each for each in found if with_drafts or not each[1].is_draft]


def audit_bills(
    bills: Iterable[tuple[str, SupplierBill]],
    books: BillStore,
    lake: Lake,
    site: Site,
    *,
    clock: Clock,
    reads: Mapping[str, MeterReads] | None = None,
    register: Sequence[RegisteredMeter] | None = None,
) -> list[StoredAudit]:
    """Reconcile each bill with the site's tariffs, overrides and readings; keep the audit, tell what is above the
    site's threshold. reads: per meter, instead of the lake. A bill that cannot be audited says why; others go on.
    """
    overrides = overrides_of(books.store, site.site_id)
    found = []
    for bill_id, bill in bills:
        try:
            # First: a bill in another currency would differ in every line, for a reason that is no variance.
            refuse_unpriced(bill, site)
            mine = (reads or {}).get(bill.meter)
            case = make_case(
                bill, site.tariffs, load=None if mine else load_of_bill(lake, site, bill), reads=mine,
                register=register, overrides=overrides, time_zone=site.time_zone, day_types=days_of_bill(site, bill),
            )  # fmt: skip
            audit = reconcile(case)
        except BadInput as fault:
            found.append(StoredAudit(bill_id, bill, None, refused=str(fault)))
            continue
        event = record_audit(
            books, bill_id, audit, site_id=site.site_id, threshold=site.bill_variance, clock=clock
        )  # fmt: skip
        found.append(StoredAudit(bill_id, bill, audit, event_id=event))
    return found


def refuse_unpriced(bill: SupplierBill, site: Site) -> None:
    """Raises BadInput where the site's tariffs cannot price the bill: there is none, or another currency."""
    if not site.tariffs:
        raise BadInput("the site file has no tariff", file=bill.file, reason="no_tariff")
    if bill.currency is not None and bill.currency != site.currency:
        raise BadInput(
            f"the bill is in {bill.currency}, the site in {site.currency}", file=bill.file, reason="currency_mismatch"
        )


def meters_of_bill(site: Site, bill: SupplierBill) -> list[str]:
    """The meter whose id or name the bill prints, in whatever letters, else those of the site's electricity total."""
    # Suppliers print a meter's number in capitals; a site file has it as id or as name.
    printed = bill.meter.lower()
    named = [each.meter_id for each in site.meters if printed and printed in (each.meter_id, each.name.lower())]
    return named or list(total_meters(site, Carrier.ELECTRICITY))


def days_of_bill(site: Site, bill: SupplierBill) -> dict[date, DayType] | None:
    """The site's day types on the dates of the bill and on those that it may be mistaken for; None: no dates."""
    return None if bill.start is None or bill.end is None else types_around(site, *bill.period, days=_SLIP_DAYS)


def load_of_bill(lake: Lake, site: Site, bill: SupplierBill) -> Load | None:
    """Import of the bill's meters over its dates; None: no readings, or no dates."""
    if bill.start is None or bill.end is None:
        return None
    meters = meters_of_bill(site, bill)
    start, end = (local_midnight_utc(day, site.time_zone) for day in bill.period)
    rows = lake.current(site.site_id, start_utc=start, end_utc=end, meters=meters)
    return load_of_meters(rows.filter(pl.col("interval_start_utc").is_between(start, end, closed="left")), meters)


def load_of_meters(readings: pl.DataFrame, meters: Sequence[str]) -> Load | None:
    """Import of these meters together; an interval counts where all of them have one. None without any."""
    rows = readings.filter(
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    whole = rows.group_by("interval_start_utc").agg(
        pl.col("interval_minutes").first().alias("minutes"), pl.col("value").sum().alias("kwh"), pl.len()
    )
    # An interval that one of several meters lacks is no sum of the site: it becomes a gap of the bill.
    whole = whole.filter(pl.col("len") == len(meters)).sort("interval_start_utc")
    return None if whole.is_empty() else load_of(whole)


def bill_months(bills: Iterable[SupplierBill]) -> list[AccountMonth]:
    """Bills of odd periods and estimated reads by calendar month, per account, meter and currency; an estimate that a
    later bill covers is dropped. Raises BadInput for two bills of one account over the same days.
    """
    accounts: dict[tuple[str, str, str], list[SupplierBill]] = {}
    for bill in bills:
        if bill.start is None or bill.end is None:
            # Left out it would leave a hole in its months that looks like no use.
            raise BadInput("the dates of the bill could not be read", file=bill.file, reason="label_unread")
        accounts.setdefault((bill.account, bill.meter, bill.currency or ""), []).append(bill)
    found = []
    for (account, meter, currency), mine in sorted(accounts.items()):
        amounts = [bill_kwh(bill) for bill in mine]
        periods = [
            OddPeriod(
                start=bill.period[0], end=bill.period[1], quantity=kwh or _ZERO, cost=bill.amount_due,
                is_estimated=is_estimated(bill), name=bill.invoice or bill.file,
            )
            for bill, kwh in zip(mine, amounts, strict=True)
        ]  # fmt: skip
        # A month that such a bill touches has no kWh rather than too few.
        silent = [period for period, kwh in zip(periods, amounts, strict=True) if kwh is None]
        for month in calendarise(periods):
            is_known = not any(each.start < month.end and each.end > month.start for each in silent)
            found.append(
                AccountMonth(
                    account=account, meter=meter, currency=currency, start=month.start, end=month.end,
                    kwh=month.quantity if is_known else None, cost=month.cost, coverage=month.coverage,
                    estimated_share=month.estimated_share,
                )
            )  # fmt: skip
    return found


def is_estimated(bill: SupplierBill) -> bool:
    """True where the bill, or one of its registers, says so."""
    return bill.is_estimated or any(register.is_estimated for register in bill.registers)


def bill_kwh(bill: SupplierBill) -> Decimal | None:
    """KWh of the bill: of its registers, else of its one kWh line, or the one that others add up to; else None.

    Levies repeat the kWh of energy lines, so that their sum would count energy twice.
    """
    lines = [line.quantity for line in bill.lines if line.unit.lower() == "kwh" and line.quantity is not None]
    if bill.registers and lines:
        # Behind current transformers a register counts a fraction of the energy: the multiplier makes it whole.
        multiplier = bill.multiplier or Decimal(1)
        return sum((advance(each.opened, each.closed) for each in bill.registers), _ZERO) * multiplier
    if len(lines) == 1:
        return lines[0]
    whole = [one for number, one in enumerate(lines) if sum(lines[:number] + lines[number + 1 :], _ZERO) == one]
    return whole[0] if len(lines) > 2 and whole else None


def facts_of(audits: Sequence[StoredAudit]) -> dict[str, Any]:
    """Counts for people and for an asset's metadata."""
    return {
        "bills": len(audits),
        "agree": sum(each.audit is not None and each.audit.verdict == "agrees" for each in audits),
        "differ": sum(each.audit is not None and each.audit.verdict == "differs" for each in audits),
        "told": sum(each.event_id is not None for each in audits),
        "not_audited": [f"{each.bill.file}: {each.refused}" for each in audits if each.audit is None],
    }
