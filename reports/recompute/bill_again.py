"""A stored bill made again from the site's own readings and tariff: what its figures are traced to."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from assets.bills.dispute.reconcile import Reconciliation, reconcile
from assets.bills.engine.bill_load import Load
from assets.bills.notice import overrides_of
from assets.bills.stored import days_of_bill, load_of_meters, meters_of_bill, refuse_unpriced
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.site_file.site import Site
from reports.recompute.figure_sources import Sources

FIELDS = ("billed", "recomputed", "energy_kwh")


def stored_bill(sources: Sources, bill_id: str) -> SupplierBill:
    """The bill as it was read. Raises BadInput for an unknown id."""
    # Without a folder of files: a bill's rows are read here, its paper never.
    return sources.keep(("bill", bill_id), lambda: BillStore(Path(), sources.lake.store).bill(bill_id))


def reconciled(sources: Sources, site: Site, bill_id: str, as_of_utc: datetime) -> Reconciliation | BadInput:
    """The bill's audit against the site's readings and tariffs as known at T; a BadInput says why there is none."""
    return sources.keep(
        ("reconciled", site.site_id, bill_id, as_of_utc), lambda: _reconcile(sources, site, bill_id, as_of_utc)
    )


def number(
    sources: Sources, site: Site, bill_id: str, as_of_utc: datetime, *, field: str, line: str = ""
) -> Decimal | None:
    """A number of the bill or of one of its lines (line: its id in the audit). None where it cannot be made.

    field: billed, recomputed (money), energy_kwh (metered over the billed dates). Raises OurFault for another.
    """
    if field not in FIELDS:
        raise OurFault(f"{field!r} is not a number of a bill")
    bill = stored_bill(sources, bill_id)
    if field == "energy_kwh":
        load = None if dates_of(bill) is None else _load(sources, site, bill, as_of_utc)
        # A load counts whole billionths of a kWh, so this sum is exact.
        return None if load is None else Decimal(int(load.load.sum())).scaleb(-9)
    if field == "billed" and not line:
        return bill.amount_due
    audit = reconciled(sources, site, bill_id, as_of_utc)
    if isinstance(audit, BadInput):
        return None
    if not line:
        return audit.recomputed_total
    found = next((each for each in audit.lines if each.id == line), None)
    if found is None:
        return None
    return found.billed if field == "billed" else found.recomputed


def dates_of(bill: SupplierBill) -> tuple[date, date] | None:
    """Local dates [start, end) of the bill, where they were read."""
    return None if bill.start is None or bill.end is None else bill.period


def _reconcile(sources: Sources, site: Site, bill_id: str, as_of_utc: datetime) -> Reconciliation | BadInput:
    bill = stored_bill(sources, bill_id)
    try:
        refuse_unpriced(bill, site)
        load = _load(sources, site, bill, as_of_utc)
        if load is None:
            raise BadInput("no readings of the bill's meters lie in its dates", file=bill.file, reason="no_rows")
        overrides = overrides_of(sources.lake.store, site.site_id, as_of_utc=as_of_utc)
        return reconcile(
            bill, site.tariffs, load=load, overrides=overrides, time_zone=site.time_zone,
            day_types=days_of_bill(site, bill),
        )  # fmt: skip
    # Kept like an answer: every figure of the bill would otherwise run into the same refusal again.
    except BadInput as fault:
        return fault


def _load(sources: Sources, site: Site, bill: SupplierBill, as_of_utc: datetime) -> Load | None:
    """Energy that a bill's meters imported over its dates, as known at T. Raises BadInput for a bill without dates."""
    span = dates_of(bill)
    if span is None:
        raise BadInput("the dates of the bill could not be read", file=bill.file, reason="label_unread")
    meters = meters_of_bill(site, bill)
    return load_of_meters(sources.stream_readings(site, meters, *span, as_of_utc), meters)
