"""A stored bill made again from the site's own readings and tariff: what its figures are traced to."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl

from assets.bills.applies import TariffOverride
from assets.bills.load import Load, load_of
from assets.bills.reconcile import Reconciliation, reconcile
from assets.kpi.recompute import scope_meters
from assets.sites.meter_tree import ENERGY_UNIT
from assets.stores.bills import BillStore, tariff_overrides_of
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site import Site
from data_quality.contracts.supplier_bill import SupplierBill
from reports.sources import Sources

FIELDS = ("billed", "recomputed", "energy_kwh")


def stored_bill(sources: Sources, bill_id: str) -> SupplierBill:
    """The bill as it was read. Raises BadInput for an unknown id."""
    made: SupplierBill = sources.keep(("bill", bill_id), lambda: BillStore(Path(), sources.lake.store).bill(bill_id))
    return made


def billed_total(bill: SupplierBill) -> Decimal:
    """The total as printed, else the sum of its lines."""
    return bill.total if bill.total is not None else sum((line.amount for line in bill.lines), Decimal(0))


def reconciled(sources: Sources, site: Site, bill_id: str, as_of_utc: datetime) -> Reconciliation | BadInput:
    """The bill's audit against the site's readings and tariffs as known at T; a BadInput says why there is none."""
    made: Reconciliation | BadInput = sources.keep(
        ("reconciled", site.site_id, bill_id, as_of_utc), lambda: _reconcile(sources, site, bill_id, as_of_utc)
    )
    return made


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
        return _energy(sources, site, bill, as_of_utc)
    if field == "billed" and not line:
        return billed_total(bill)
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


def meters_of(site: Site, bill: SupplierBill) -> tuple[str, ...]:
    """The meter whose id or name the bill prints, in whatever letters, else those of the site's electricity total."""
    printed = bill.meter.lower()
    named = tuple(each.meter_id for each in site.meters if printed and printed in (each.meter_id, each.name.lower()))
    return named or scope_meters(site, f"site:{site.site_id}")


def _reconcile(sources: Sources, site: Site, bill_id: str, as_of_utc: datetime) -> Reconciliation | BadInput:
    bill = stored_bill(sources, bill_id)
    try:
        if bill.currency is not None and bill.currency != site.currency:
            raise BadInput(
                f"the bill is in {bill.currency}, the site in {site.currency}",
                file=bill.file,
                reason="currency_mismatch",
            )
        if not site.tariffs:
            raise BadInput("the site file has no tariff", reason="no_tariff")
        rows = tariff_overrides_of(sources.lake.store, site.site_id)
        names = TariffOverride.model_fields
        return reconcile(
            bill,
            site.tariffs,
            load=_load(sources, site, bill, as_of_utc),
            overrides=[
                TariffOverride(**{name: row[name] for name in names})
                for row in rows
                if row["recorded_at_utc"] <= as_of_utc
            ],
            time_zone=site.time_zone,
        )
    except BadInput as fault:
        return fault


def _rows(sources: Sources, site: Site, bill: SupplierBill, as_of_utc: datetime) -> pl.DataFrame:
    """Quarter hours of the bill's meters over its dates: interval_start_utc, minutes, kwh; only where all were read."""
    span = dates_of(bill)
    if span is None:
        raise BadInput("the dates of the bill could not be read", file=bill.file, reason="label_unread")
    meters = meters_of(site, bill)
    rows = sources.stream_readings(site, meters, *span, as_of_utc).filter(
        pl.col("meter_id").is_in(list(meters))
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & (pl.col("unit") == ENERGY_UNIT)
    )
    whole = rows.group_by("interval_start_utc").agg(
        pl.col("interval_minutes").first().alias("minutes"),
        pl.col("value").sum().alias("kwh"),
        pl.len().alias("meters"),
    )
    return whole.filter(pl.col("meters") == len(meters)).sort("interval_start_utc")


def _load(sources: Sources, site: Site, bill: SupplierBill, as_of_utc: datetime) -> Load:
    rows = _rows(sources, site, bill, as_of_utc)
    if rows.is_empty():
        raise BadInput("no readings of the bill's meters lie in its dates", file=bill.file, reason="no_rows")
    return load_of(rows)


def _energy(sources: Sources, site: Site, bill: SupplierBill, as_of_utc: datetime) -> Decimal | None:
    if dates_of(bill) is None:
        return None
    rows = _rows(sources, site, bill, as_of_utc)
    return None if rows.is_empty() else Decimal(int(load_of(rows).load.sum())).scaleb(-9)
