"""Suppliers' bills against what the site's own readings and tariff make of the same dates, with the cause."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from assets.bills.dispute.reconcile import Reconciliation
from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.billing.tariff_charges import LineOwner
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence, Stored, sentences
from data_quality.contracts.time import Period, months_of, span
from reports.datasets.base import Item, Leaf, Measure, ReportInput
from reports.recompute.bill import number, reconciled, stored_bill
from reports.texts.locales import days_of

NAME = "bills"
MEASURES: Mapping[str, Measure] = {
    "billed": Measure("Billed", "currency", whole="asked", decimals=2),
    "recomputed": Measure("Recomputed", "currency", whole="asked", decimals=2),
    "delta": Measure("Billed less recomputed", "currency", made=("difference", ("billed", "recomputed")), decimals=2),
    "delta_percent": Measure("Difference", "percent", made=("deviation_percent", ("billed", "recomputed")), decimals=2),
    "energy_kwh": Measure("Metered on the billed dates", "kwh", whole="asked"),
}
# Whose a line is, in words.
OWNERS: Mapping[LineOwner, str] = {
    "supplier": "the supplier",
    "distributor": "the grid operator",
    "state": "the state",
    "unknown": "not stated",
}
FACTS = ("invoice", "account", "supplier", "dates", "verdict", "cause", "evidence", "line", "owner", "file")


class BillData:
    """The dataset `bills`. Scopes: bill:<id>, bill:<id>/<line>; the site's sum is made of the bills that end in a span.

    A bill belongs to the month of its last day. One in another currency, or without dates, is in no sum.
    """

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        self.given = given
        rows = BillStore(Path(), given.sources.lake.store).bills(given.site.site_id)
        known = [row for row in rows if row["recorded_at_utc"] <= given.as_of_utc]
        # One file that was read twice is one bill: the later reading counts.
        known.sort(key=lambda row: row["recorded_at_utc"])
        newest: dict[str, dict[str, Any]] = {row["source_sha256"]: row for row in known}
        # Bills whose dates could not be read come first, where they are seen.
        self.rows = sorted(newest.values(), key=lambda row: (row["period_start"] or date.min, row["invoice"]))

    def of_period(self, period: Period) -> list[dict[str, Any]]:
        """Stored bills whose last day lies in the span, in order; those without dates stand in none, nor do drafts that
        were read of a picture and that nobody has confirmed.
        """
        # Ends are exclusive: a bill up to 1 April is March's.
        found = [row for row in self.rows if row["period_end"] and period.start < row["period_end"] <= period.end]
        return [row for row in found if not stored_bill(self.given.sources, row["bill_id"]).is_draft]

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Bills of the span, or the lines of their audits."""
        if axis not in {"bill", "line"}:
            return None
        found = []
        for row in self.of_period(period):
            item = self._item(row)
            if axis == "bill":
                found.append(item)
                continue
            audit = self._audit(row["bill_id"])
            if isinstance(audit, Reconciliation):
                found += [
                    Item(
                        key=f"{item.key}/{line.id}",
                        label=line.label,
                        scope=f"{item.scope}/{line.id}",
                        period=item.period,
                    )
                    for line in audit.lines
                ]
        return found

    def parts(self, measure: str, item: Item) -> list[Item] | None:
        """Parts of a site's sum over a span: its bills in the site's currency. None for a bill itself."""
        if item.scope.startswith("bill:"):
            return None
        return [self._item(row) for row in self.of_period(item.period) if row["currency"] == self.given.site.currency]

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of a bill or of one of its lines."""
        given = self.given
        bill_id, _, line = item.scope.removeprefix("bill:").partition("/")
        bill = stored_bill(given.sources, bill_id)
        value: Decimal | None
        if measure == "billed" and not line:
            value = bill.amount_due
        else:
            value = number(given.sources, given.site, bill_id, given.as_of_utc, field=measure, line=line)
        return Leaf(
            value=value,
            computation="bill_number",
            parameters={**given.span(item.period), "bill": bill_id, "field": measure, "line": line},
            inputs=[
                TraceInput(kind="version", id=bill_id, role="bill", sha256=bill.sha256, value=bill.file),
                *given.behind(item.period),
            ],
            status="" if value is not None else "not_made_again",
            # A currency that was not read must not pass for the site's.
            unit=(bill.currency or "?") if MEASURES[measure].unit == "currency" else "",
        )

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Amounts of a bill and of its audit."""
        bill_id, _, line = item.scope.removeprefix("bill:").partition("/")
        bill = stored_bill(self.given.sources, bill_id)
        if name == "line":
            return item.label or line, "plain"
        if name == "dates":
            dates = Sentence("{0}", days_of(bill.start, bill.end)) if bill.start and bill.end else Sentence("not read")
            return dates, "plain"
        if name in {"invoice", "account", "supplier", "file"}:
            return str(getattr(bill, name)), "plain"
        audit = self._audit(bill_id)
        if name == "owner":
            lines = audit.lines if isinstance(audit, Reconciliation) else ()
            return Sentence(OWNERS[next((each.owner for each in lines if each.id == line), "unknown")]), "plain"
        if isinstance(audit, BadInput):
            return Sentence("not recomputed" if name == "verdict" else audit.reason.replace("_", " ")), "muted"
        if name == "evidence":
            return (
                sentences([Stored(each) for each in audit.evidence]) if audit.evidence else Sentence("none")
            ), "plain"
        if name == "cause":
            causes = [audit.cause, *audit.also] if audit.verdict == "differs" else []
            return sentences([Sentence(each.replace("_", " ")) for each in causes or ["none"]], ", "), "plain"
        return Sentence(audit.verdict), "good" if audit.verdict == "agrees" else "bad"

    def findings(self, period: Period) -> list[Finding]:
        """Bills that differ, that cannot be recomputed, that are in another currency; months without a bill."""
        given, found = self.given, []
        mine = self.of_period(period)
        if not mine:
            return [
                Finding(
                    code="no_bills",
                    message=Sentence("No bill of the site that ends in {0} is stored.", period.label),
                    severity="blocking",
                )
            ]
        for row in mine:
            found += self._bill_findings(row)
        days = [stored_bill(given.sources, row["bill_id"]).period for row in mine if row["period_start"]]
        unbilled = [
            month.label
            for month in months_of(period)
            if not any(start < month.end and end > month.start for start, end in days)
        ]
        if unbilled:
            found.append(
                Finding(
                    code="unbilled_months", message="Some months have no bill.", facts={"months": ", ".join(unbilled)}
                )
            )
        return found

    def _bill_findings(self, row: Mapping[str, Any]) -> list[Finding]:
        found, scope, name = [], f"bill:{row['bill_id']}", row["invoice"] or row["source_name"]
        audit = self._audit(row["bill_id"])
        if row["currency"] and row["currency"] != self.given.site.currency:
            found.append(
                Finding(
                    code="bill_currency",
                    message=Sentence(
                        "Bill {0} is in {1}, the site in {2}: it is in no sum and is not recomputed.",
                        name,
                        row["currency"],
                        self.given.site.currency,
                    ),
                    severity="blocking",
                    scope=scope,
                )
            )
        elif isinstance(audit, BadInput):
            found.append(
                Finding(
                    code="bill_not_made_again",
                    message=Sentence("Bill {0} could not be recomputed: {1}.", name, audit),
                    scope=scope,
                    facts={"reason": audit.reason},
                )
            )
        elif audit.verdict == "differs":
            found.append(
                Finding(
                    code="bill_differs",
                    message=Sentence(
                        "Bill {0} differs from its recomputation: {1}.", name, Sentence(audit.cause.replace("_", " "))
                    ),
                    scope=scope,
                    facts={"billed_less_recomputed": float(audit.delta_total), "currency": audit.currency},
                )
            )
        if row["unread_parts"]:
            found.append(
                Finding(
                    code="bill_unread",
                    message=Sentence("Parts of bill {0} could not be read.", name),
                    scope=scope,
                    facts={"parts": int(row["unread_parts"])},
                )
            )
        return found

    def _audit(self, bill_id: str) -> Reconciliation | BadInput:
        return reconciled(self.given.sources, self.given.site, bill_id, self.given.as_of_utc)

    def _item(self, row: Mapping[str, Any]) -> Item:
        period = span(row["period_start"], row["period_end"], self.given.site.time_zone)
        bill_id = str(row["bill_id"])
        return Item(
            key=bill_id[:12], label=row["invoice"] or row["source_name"], scope=f"bill:{bill_id}", period=period
        )
