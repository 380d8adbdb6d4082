"""Stored bills as figures: what was billed, what was expected by the newest audit, the difference, and sums of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from assets.bills.dispute.reconcile import ReconciledLine, Reconciliation
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.reporting.figure import Figure, TraceInput
from data_quality.contracts.reporting.open_finding import FindingEvent
from data_quality.contracts.site_file.site import Site
from reports.figure_book import FigureBook

BillState = Literal["matches", "differs", "not_checked", "disputed", "accepted", "draft"]


@dataclass(frozen=True)
class AuditedBill:
    """A stored bill with its newest audit, its state, and what people did about it, the oldest first.

    refused: why it cannot be checked at all.
    """

    bill_id: str
    bill: SupplierBill
    state: BillState
    audit: Reconciliation | None = None
    checked_at_utc: datetime | None = None
    refused: str = ""
    events: tuple[FindingEvent, ...] = ()

    @property
    def name(self) -> str:
        """The supplier's name of it."""
        return self.bill.invoice or self.bill.file


class BillNumbers(NamedTuple):
    """Billed, expected, and billed less expected."""

    billed: Figure
    expected: Figure
    difference: Figure


class BillFigures:
    """Figures of a site's bills, stored nowhere; /why makes each again from readings and tariff.

    Bills in another currency than the site's, and those without dates, are in no sum.
    """

    def __init__(self, site: Site, bills: Sequence[AuditedBill], *, as_of_utc: datetime) -> None:
        self.site, self.bills = site, bills
        self.book = FigureBook(
            report_id=f"bills/{site.site_id}", revision=0, as_of_utc=as_of_utc, is_synthetic=site.is_simulated
        )

    def of(self, bill: AuditedBill, line: ReconciledLine | None = None) -> BillNumbers | None:
        """The numbers of a bill or of one of its lines; None for a bill whose dates were not read."""
        if bill.bill.start is None or bill.bill.end is None:
            return None
        path = f"{bill.bill_id}/{line.id}" if line is not None else bill.bill_id
        if self.book.has(f"{path}/delta"):
            return self._at(path)
        if line is not None:
            values = (line.billed, line.recomputed)
        else:
            values = (bill.bill.amount_due, None if bill.audit is None else bill.audit.recomputed_total)
        start, end = bill.bill.period
        named = {"site": self.site.site_id, "start": start.isoformat(), "end": end.isoformat(), "bill": bill.bill_id}
        source = TraceInput(kind="version", id=bill.bill_id, role="bill", sha256=bill.bill.sha256, value=bill.bill.file)
        for field, value in zip(("billed", "recomputed"), values, strict=True):
            self.book.add(
                f"{path}/{field}", value, label="Billed" if field == "billed" else "Expected", kpi=field,
                scope=f"bill:{path}", start=start, end=end, unit=bill.bill.currency or self.site.currency,
                computation="bill_number", inputs=[source],
                parameters={**named, "field": field, "line": "" if line is None else line.id},
                status="" if value is not None else "not_made_again",
            )  # fmt: skip
        return self._difference(path)

    def total(self, bills: Sequence[AuditedBill], path: str) -> BillNumbers | None:
        """The sums of bills under a name; None where none of them can be summed."""
        known = [self.of(each) for each in bills if self.is_summed(each)]
        if not known:
            return None
        for field, at in (("billed", 0), ("recomputed", 1)):
            parts = [("part", each[at]) for each in known if each is not None]
            self.book.derive(
                f"{path}/{field}", "sum", parts, label=parts[0][1].label, kpi=field, unit=self.site.currency,
                scope=f"site:{self.site.site_id}",
            )  # fmt: skip
        return self._difference(path)

    def is_summed(self, bill: AuditedBill) -> bool:
        """True where the bill has dates and the site's currency, and is no draft that a person has yet to confirm."""
        return (
            bill.state != "draft"
            and bill.bill.start is not None
            and bill.bill.end is not None
            and self.has_currency(bill)
        )

    def has_currency(self, bill: AuditedBill) -> bool:
        """True where the bill is in the site's currency."""
        return bill.bill.currency in (None, self.site.currency)

    def by_month(self, months: int) -> dict[tuple[int, int], list[AuditedBill]]:
        """Bills that can be summed by year and month of their last day, the last so many months of them."""
        found: dict[tuple[int, int], list[AuditedBill]] = {}
        for each in filter(self.is_summed, self.bills):
            last = each.bill.period[1] - timedelta(days=1)
            found.setdefault((last.year, last.month), []).append(each)
        if not found:
            return {}
        year, month = max(found)
        newest = year * 12 + month
        return {at: mine for at, mine in sorted(found.items()) if at[0] * 12 + at[1] > newest - months}

    def _difference(self, path: str) -> BillNumbers:
        billed, expected = (self.book.at(f"{path}/{field}") for field in ("billed", "recomputed"))
        pair = [("first", billed), ("second", expected)]
        self.book.derive(f"{path}/delta", "difference", pair, label="Difference", kpi="delta", unit=billed.unit)
        return self._at(path)

    def _at(self, path: str) -> BillNumbers:
        return BillNumbers(*(self.book.at(f"{path}/{field}") for field in ("billed", "recomputed", "delta")))
