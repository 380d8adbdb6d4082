"""A stored bill recomputed from the site's own readings and tariff: what its figures are traced to.

Its money's spread is by its meters' classes: the bill is recomputed with each meter at either end of what it may be
off. So an energy line moves by its price, a tier by that of its last kWh, a demand line by its peak, a tax with what it
is on, and a fixed charge not at all, whatever the tariff; the slope is the mean one over the meter's whole limit.
"""

import math
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.bills.dispute.pairing import pair_lines
from assets.bills.dispute.reconcile import Reconciliation, make_case, reconcile
from assets.bills.dispute.scenario import each_tariff, scaled, scenario_bill
from assets.bills.engine.bill_load import Load
from assets.bills.notice import overrides_of
from assets.bills.stored import days_of_bill, load_of_meters, meters_of_bill, refuse_unpriced
from assets.kpi.propagation import Spread
from assets.sites.virtual import inputs_of, with_virtual
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.reporting.figure import BandExclusion
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import QUANTUM_DECIMALS
from reports.recompute.figure_leaf import Leaf
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
        return reconcile(make_case(bill, site.tariffs, load=load, **_terms(sources, site, bill, as_of_utc)))
    # Kept like an answer: every figure of the bill would otherwise run into the same refusal again.
    except BadInput as fault:
        return fault


def amounts(
    sources: Sources, site: Site, bill_id: str, as_of_utc: datetime, *, off: tuple[str, float]
) -> dict[str, float] | None:
    """Numbers of the bill recomputed with one metered meter off by a factor, unrounded: money by line id, of the whole
    under "", and kWh under "energy_kwh"; that alone where no bill can be made. None where the bill goes by registers of
    several meters.
    """
    bill = stored_bill(sources, bill_id)
    load = _load(sources, site, bill, as_of_utc, off=off)
    kwh = {"energy_kwh": 0.0 if load is None else load.load.sum() / 1e9}
    if isinstance(reconciled(sources, site, bill_id, as_of_utc), BadInput):
        return kwh
    truth = make_case(bill, site.tariffs, load=load, **_terms(sources, site, bill, as_of_utc)).truth
    if truth.load is None:
        if meters_of_bill(site, bill) != [off[0]]:
            return None
        truth = scaled(Decimal(repr(off[1])))(truth) or truth
    # A cent of rounding would be more than what a meter moves a small line by.
    ours = scenario_bill(each_tariff(lambda each: each.model_copy(update={"rounding": "none"}))(truth) or truth)
    lines = {each.line_id: float(each.recomputed or 0) for each in pair_lines(bill.lines, ours)}
    return lines | kwh | {"": float(ours.total)}


def _terms(sources: Sources, site: Site, bill: SupplierBill, as_of_utc: datetime) -> dict[str, Any]:
    overrides = overrides_of(sources.lake.store, site.site_id, as_of_utc=as_of_utc)
    return {"overrides": overrides, "time_zone": site.time_zone, "day_types": days_of_bill(site, bill)}


def _load(
    sources: Sources, site: Site, bill: SupplierBill, as_of_utc: datetime, off: tuple[str, float] | None = None
) -> Load | None:
    """Energy that a bill's meters imported over its dates, as known at T. Raises BadInput for a bill without dates.

    off: a metered meter, and the factor by which it is taken to be off.
    """
    span = dates_of(bill)
    if span is None:
        raise BadInput("the dates of the bill could not be read", file=bill.file, reason="label_unread")
    meters = meters_of_bill(site, bill)
    rows = sources.stream_readings(site, meters, *span, as_of_utc)
    if off is not None:
        name, factor = off
        value = pl.when(pl.col("meter_id") == name).then((pl.col("value") * factor).round(QUANTUM_DECIMALS))
        rows = with_virtual(site, rows.with_columns(value.otherwise(pl.col("value")).alias("value")), meters)
    return load_of_meters(rows, meters)


class Moves(NamedTuple):
    """Effect of each source on a bill's numbers: source -> number (`amounts`) -> standard uncertainty."""

    by_source: Mapping[str, Mapping[str, float]]
    left_out: frozenset[BandExclusion]


def bill_spread(leaf: Leaf) -> Spread:
    """Spread of a `bill_number`: of the bill recomputed, or of what its meters counted; a billed one is a claim."""
    named = leaf.named
    if named["field"] == "billed":
        return Spread(leaf.value, {}, frozenset({BandExclusion("billed_as_claimed")}))
    found = leaf.sources.keep(
        ("bill moves", leaf.site.site_id, named["bill"], leaf.trace.as_of_utc), lambda: _moves(leaf, named["bill"])
    )
    number = "energy_kwh" if named["field"] == "energy_kwh" else named["line"]
    parts = {source: moved.get(number, 0.0) for source, moved in found.by_source.items()}
    return Spread(leaf.value, parts, found.left_out)


def _moves(leaf: Leaf, bill_id: str) -> Moves:
    meters = meters_of_bill(leaf.site, stored_bill(leaf.sources, bill_id))
    metered = {name: [each.meter_id for each in inputs_of(leaf.site, name)] or [name] for name in meters}
    moved, left_out = dict[str, dict[str, float]](), set[BandExclusion]()
    for name in dict.fromkeys(each for inputs in metered.values() for each in inputs):
        for source, relative in leaf.of_meter(name, left_out, None).items():
            # As likely anywhere within its limit, which is the root of three standard uncertainties.
            ends = [1 + sign * math.sqrt(3) * relative for sign in (1, -1)]
            given = leaf.site, bill_id, leaf.trace.as_of_utc
            higher, lower = (amounts(leaf.sources, *given, off=(name, end)) for end in ends)
            if higher is None or lower is None:
                return Moves({}, frozenset({BandExclusion("not_propagated", bill_id)}))
            numbers = higher.keys() | lower.keys()
            moved[source] = {
                each: (higher.get(each, 0.0) - lower.get(each, 0.0)) / 2 / math.sqrt(3) for each in numbers
            }
    return Moves(moved, frozenset(left_out))
