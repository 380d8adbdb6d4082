"""When an audit is worth telling a person: its variance is above the site's threshold."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from assets.bills.dispute.applies import TariffOverride
from assets.bills.dispute.reconcile import Reconciliation
from assets.stores.ledgers.bill_ledger import BillStore, notify, tariff_overrides_of
from assets.stores.transactions import Store
from data_quality.contracts.billing.supplier_bill import VarianceThreshold
from data_quality.contracts.time import Clock


def is_notable(audit: Reconciliation, threshold: VarianceThreshold) -> bool:
    """True for a bill that differs by more than the threshold, up or down; one at the threshold is not reported.

    A variance that nothing explains and one that only moves money between lines count by their largest line.
    """
    if audit.verdict == "agrees":
        return False
    # Faults that cancel in the total are faults all the same: they are reported by their size.
    largest = max((abs(line.delta) for line in audit.lines), default=Decimal(0))
    variance = max(abs(audit.delta_total), largest)
    # Either suffices: a small share of a large bill is much money, and a small amount may be half of a small bill.
    return variance > threshold.amount or variance > threshold.share * abs(audit.recomputed_total)


def record_audit(
    books: BillStore, bill_id: str, audit: Reconciliation, *, site_id: str, threshold: VarianceThreshold, clock: Clock
) -> str | None:
    """Keep the audit with its bill and, above the threshold, an event. Returns the event's id, or None."""
    # Kept below the threshold too: it is the evidence that the bill was looked at.
    books.keep_audit(bill_id, audit.model_dump(mode="json"), clock=clock)
    if not is_notable(audit, threshold):
        return None
    return notify(
        books.store, site_id=site_id, kind="bill_variance", subject=bill_id, message=sentence(audit),
        facts=facts(audit), clock=clock,
    )  # fmt: skip


def sentence(audit: Reconciliation) -> str:
    """The notification as one sentence."""
    more = "more" if audit.delta_total > 0 else "less"
    why = f": {audit.evidence[0]}" if audit.evidence else ""
    return (
        f"bill {audit.invoice or audit.file} of account {audit.account or 'unknown'}, {audit.billed_period[0]} to "
        f"{audit.billed_period[1]}: {abs(audit.delta_total)} {audit.currency} {more} than recomputed "
        f"({audit.cause.replace('_', ' ')}){why}"
    )


def facts(audit: Reconciliation) -> Mapping[str, Any]:
    """The numbers behind the sentence; also the metadata of an observation."""
    return {
        "cause": audit.cause,
        "billed_total": str(audit.billed_total),
        "recomputed_total": str(audit.recomputed_total),
        "delta_total": str(audit.delta_total),
        "currency": audit.currency,
        "account": audit.account,
        "meter": audit.meter,
    }


def overrides_of(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> Sequence[TariffOverride]:
    """Dated overrides of the site's accounts, as recorded by then."""
    # Rows have columns of the ledger as well, which a closed model refuses.
    keep = set(TariffOverride.model_fields)
    return [
        TariffOverride.model_validate({key: row[key] for key in keep})
        for row in tariff_overrides_of(store, site_id)
        if as_of_utc is None or row["recorded_at_utc"] <= as_of_utc
    ]
