"""Stored bills of a site with their newest audit, their state, and what people did about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from assets.bills.dispute.reconcile import Reconciliation
from assets.bills.stored import bills_of, refuse_unpriced
from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.open_finding import FindingEvent, OpenFinding, state_after
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.figures.bill_figures import AuditedBill, BillState
from reports.pages.findings import BILLS

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

_DECIDED: dict[str, BillState] = {"disputed": "disputed", "accepted": "accepted"}


def site_bills(
    project: "OpenProject",
    site: Site,
    *,
    now_utc: datetime,
    as_of_utc: datetime | None = None,
    period: Period | None = None,
) -> list[AuditedBill]:
    """In order of their periods, as known at T. period: those that reach into it."""
    books = BillStore(project.project.data_dir / "bills", project.store)
    events = AlertEvents(project.store).of_site(site.site_id, as_of_utc=as_of_utc)
    found = []
    for bill_id, bill in bills_of(books, site, period=period, as_of_utc=as_of_utc, with_drafts=True):
        rows = [each for each in books.audits(bill_id) if as_of_utc is None or each["recorded_at_utc"] <= as_of_utc]
        mine = events.get(finding_of(site.site_id, bill_id), [])
        audit = Reconciliation.model_validate(rows[-1]["audit"]) if rows else None
        at_utc = rows[-1]["recorded_at_utc"] if rows else None
        found.append(
            AuditedBill(
                bill_id=bill_id, bill=bill, audit=audit, checked_at_utc=at_utc, events=tuple(mine),
                state="draft" if bill.is_draft else _state(audit, mine, at_utc, now_utc),
                refused="" if audit else _refusal(bill, site),
            )
        )  # fmt: skip
    return found


def the_bill(bills: Sequence[AuditedBill], bill_id: str) -> AuditedBill:
    """The bill whose id starts so. Raises BadInput (unknown_bill) for none, or several."""
    found = [each for each in bills if bill_id and each.bill_id.startswith(bill_id)]
    if len(found) != 1:
        raise BadInput(
            f"{len(found) or 'no'} bill{'s' if len(found) > 1 else ''} with an id that starts with {bill_id[:40]!r}",
            reason="unknown_bill",
            mend="meterloom bill list shows the bills of a site",
        )
    return found[0]


def finding_of(site_id: str, bill_id: str) -> str:
    """The id of the finding that a bill which differs is."""
    return OpenFinding(site_id=site_id, source=BILLS, cause=bill_id, severity=3, what="").finding_id


def _state(
    audit: Reconciliation | None, events: list[FindingEvent], at_utc: datetime | None, now_utc: datetime
) -> BillState:
    if audit is None:
        return "not_checked"
    if audit.verdict == "agrees":
        return "matches"
    # An audit with another outcome is another case: then what was said of the one before holds no more.
    state, _ = state_after(events, at_utc=at_utc, now_utc=now_utc)
    return _DECIDED.get(state, "differs")


def _refusal(bill: SupplierBill, site: Site) -> str:
    """Reason that the bill cannot be checked; empty where it only has not been."""
    if bill.is_draft:
        return "it was read from an image, and a person has to confirm it"
    try:
        refuse_unpriced(bill, site)
    except BadInput as fault:
        return fault.message
    return "" if bill.start and bill.end else "the dates of the bill could not be read"
