"""Suppliers' bills, their audits, dated tariff overrides and notifications: append-only, each once.

A bill is known by its file's hash and the version of what was read from it; an audit stands beside it, never in it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from assets.stores.file_hashes import changed_copies
from assets.stores.journal import AppendOnly, Ledger, row_of
from assets.stores.schema.tables_bills import bill_audits, bill_lines, bills, notifications, tariff_overrides
from assets.stores.seals import append
from assets.stores.transactions import Store
from assets.stores.whole_file import keep_copy
from data_quality.contracts.billing.supplier_bill import BilledLine, SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.text import file_name
from data_quality.contracts.time import Clock

_BILLS = Ledger(
    bills, SupplierBill, "bill", order=("period_start", "recorded_at_utc", "bill_id"), is_proven=True
)  # fmt: skip
_LINES = AppendOnly(bill_lines, dict, order=("position",), is_proven=True)
_AUDITS = AppendOnly(bill_audits, dict, order=("recorded_at_utc", "audit_id"), is_proven=True)
_OVERRIDES = AppendOnly(tariff_overrides, dict, order=("recorded_at_utc", "id"), is_proven=True)
_NOTIFICATIONS = AppendOnly(notifications, dict, order=("recorded_at_utc", "event_id"))


class BillStore:
    """Bills of one project; copies of their files stand under one folder, so that a page can be shown."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store

    def keep_bill(self, path: Path, bill: SupplierBill, *, site_id: str, clock: Clock) -> str:
        """Keep the bill, its lines and its file; the same reading of the same file is kept once. Returns its id.

        Of a picture that was read before no second draft is kept: what a person confirmed stands.
        """
        if bill.is_draft and (known := _BILLS.rows(self.store, "bill_id", site_id=site_id, source_sha256=bill.sha256)):
            return str(known[-1]["bill_id"])
        content = bill.model_dump(mode="json")
        bill_id = _digest([site_id, json.dumps(content, sort_keys=True)])
        # The copy first: a row that names one must never find none.
        kept = keep_copy(path, root=self.root, site_id=site_id, sha256=bill.sha256)
        row = _BILLS.row(
            bill,
            bill_id=bill_id,
            site_id=site_id,
            period_start=bill.start,
            period_end=bill.end,
            currency=bill.currency or "",
            total=_text(bill.total),
            source_name=file_name(path),
            source_sha256=bill.sha256,
            kept_path=kept,
            unread_parts=len(bill.unread),
        )
        lines = [_line_row(bill_id, number, line) for number, line in enumerate(bill.lines, start=1)]
        with self.store.together(), self.store.begin() as connection:
            if _BILLS.add_once(self.store, clock, row):
                append(connection, bill_lines, lines)
        return bill_id

    def bill(self, bill_id: str) -> SupplierBill:
        """The bill as it was read. Raises BadInput for an unknown id."""
        found = _BILLS.latest(self.store, bill_id=bill_id)
        if found is None:
            raise BadInput(f"no bill {bill_id!r}", reason="unknown_bill")
        return found

    def bills(self, site_id: str, *, account: str | None = None) -> list[dict[str, Any]]:
        """Bills of the site (columns of the table without `bill`) in order of their periods."""
        # Without the whole bill: a list of years would parse every one of them.
        columns = [name for name in bills.c.keys() if name != "bill"]  # noqa: SIM118 - columns are no mapping
        return list(_BILLS.rows(self.store, *columns, site_id=site_id, account=account))

    def lines(self, bill_id: str) -> list[dict[str, Any]]:
        """Line items of a bill in their order; quantity, rate and amount are decimals as text."""
        return _LINES.history(self.store, bill_id=bill_id)

    def unread(self, bill_id: str) -> list[dict[str, Any]]:
        """Unread parts of the bill, each with the page of the kept file that shows it."""
        bill = self.bill(bill_id)
        kept = _BILLS.rows(self.store, "kept_path", bill_id=bill_id)[0]["kept_path"]
        return [
            {
                "picture": f"{self.root / kept}#page={part.place.page}" if part.place.page else str(self.root / kept),
                "line": part.place.line,
                "label": part.label,
                "text": part.text,
                "expected": part.expected,
            }
            for part in bill.unread
        ]

    def kept_file(self, bill_id: str) -> Path:
        """The copy of the bill's file. Raises BadInput for an unknown id."""
        found = _BILLS.rows(self.store, "kept_path", bill_id=bill_id)
        if not found:
            raise BadInput(f"no bill {bill_id!r}", reason="unknown_bill")
        return self.root / str(found[0]["kept_path"])

    def altered(self) -> tuple[str, ...]:
        """Kept copies that are no longer the file that was read; one that retention or an erasure removed is none."""
        rows = _BILLS.rows(self.store, "kept_path", "source_sha256")
        return changed_copies(self.root, {each["kept_path"]: each["source_sha256"] for each in rows})

    def keep_audit(self, bill_id: str, audit: Mapping[str, Any], *, clock: Clock) -> str:
        """Keep an audit (a Reconciliation as JSON); the same outcome for the same bill once. Returns its id."""
        audit_id = _digest([bill_id, json.dumps(audit, sort_keys=True)])
        outcome = {"verdict": audit["verdict"], "cause": audit["cause"], "delta_total": str(audit["delta_total"])}
        _AUDITS.add_once(self.store, clock, {"audit_id": audit_id, "bill_id": bill_id, **outcome, "audit": dict(audit)})
        return audit_id

    def audits(self, bill_id: str) -> list[dict[str, Any]]:
        """Audits of a bill, the newest last."""
        return _AUDITS.history(self.store, bill_id=bill_id)


def override_tariff(
    store: Store,
    *,
    site_id: str,
    account: str,
    tariff_id: str,
    valid_from: date,
    valid_to: date,
    person_id: str,
    reason: str,
    clock: Clock,
) -> None:
    """Put an account on a tariff on local dates [valid_from, valid_to). A later row wins. Raises BadInput."""
    if valid_to <= valid_from:
        raise BadInput(f"the override ends ({valid_to}) before it starts ({valid_from})", reason="bad_period")
    for name, text in (("account", account), ("person", person_id), ("reason", reason)):
        if not text.strip():
            raise BadInput(f"a tariff override needs a {name}", reason="incomplete_override")
    row = {"site_id": site_id, "account": account, "tariff_id": tariff_id, "person_id": person_id, "reason": reason}
    _OVERRIDES.add(store, clock, row | {"valid_from": valid_from, "valid_to": valid_to})


def tariff_overrides_of(store: Store, site_id: str) -> list[dict[str, Any]]:
    """Overrides of the site in the order in which they were recorded."""
    return _OVERRIDES.history(store, site_id=site_id)


def notify(
    store: Store, *, site_id: str, kind: str, subject: str, message: str, facts: Mapping[str, Any], clock: Clock
) -> str:
    """Record an event to be reported; the same one once. Returns its id."""
    event_id = _digest([site_id, kind, subject, json.dumps(dict(facts), sort_keys=True)])
    row = {"event_id": event_id, "site_id": site_id, "kind": kind, "subject": subject, "message": message}
    _NOTIFICATIONS.add_once(store, clock, row | {"facts": dict(facts)})
    return event_id


def notifications_of(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Events of the site as of then, in the order in which they were recorded."""
    return _NOTIFICATIONS.history(store, site_id=site_id, as_of_utc=as_of_utc)


def _line_row(bill_id: str, number: int, line: BilledLine) -> dict[str, Any]:
    numbers = {name: _text(getattr(line, name)) for name in ("quantity", "rate", "amount")}
    place = {"page": line.place.page, "line": line.place.line}
    return row_of(bill_lines, line, bill_id=bill_id, position=number, **numbers, **place)


def _text(number: Decimal | None) -> str:
    return "" if number is None else str(number)


def _digest(parts: Sequence[str]) -> str:
    # A mark that no text of a bill holds: "ab", "c" and "a", "bc" must not become one id.
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
