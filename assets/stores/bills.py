"""Suppliers' bills, their audits, dated tariff overrides and notifications: append-only, each once.

A bill is known by its file's hash and the version of what was read from it; an audit stands beside it, never in it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assets.stores.kept_files import keep_copy
from assets.stores.seals import append, append_row
from assets.stores.tables_bills import bill_audits, bill_lines, bills, notifications, tariff_overrides
from assets.stores.transactions import Store, next_recorded_at
from assets.stores.trust import must_be_proven
from data_quality.contracts.errors import BadInput
from data_quality.contracts.supplier_bill import SupplierBill
from data_quality.contracts.time import Clock


class BillStore:
    """Bills of one project; copies of their files stand under one folder, so that a page can be shown."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root, self.store = root, store

    def keep_bill(self, path: Path, bill: SupplierBill, *, site_id: str, clock: Clock) -> str:
        """Keep the bill, its lines and its file; the same reading of the same file is kept once. Returns its id."""
        content = bill.model_dump(mode="json")
        bill_id = _digest([site_id, json.dumps(content, sort_keys=True)])
        kept = keep_copy(path, root=self.root, site_id=site_id, sha256=bill.sha256)
        with self.store.begin() as connection:
            if connection.execute(sa.select(bills.c.bill_id).where(bills.c.bill_id == bill_id)).first():
                return bill_id
            append_row(
                connection,
                bills,
                bill_id=bill_id,
                site_id=site_id,
                account=bill.account,
                invoice=bill.invoice,
                period_start=bill.start,
                period_end=bill.end,
                currency=bill.currency or "",
                total="" if bill.total is None else str(bill.total),
                source_name=path.name,
                source_sha256=bill.sha256,
                kept_path=kept,
                bill=content,
                unread_parts=len(bill.unread),
                recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
            )
            rows = [
                {
                    "bill_id": bill_id,
                    "position": number,
                    "label": line.label,
                    "quantity": "" if line.quantity is None else str(line.quantity),
                    "unit": line.unit,
                    "rate": "" if line.rate is None else str(line.rate),
                    "amount": str(line.amount),
                    "page": line.place.page,
                    "line": line.place.line,
                }
                for number, line in enumerate(bill.lines, start=1)
            ]
            if rows:
                append(connection, bill_lines, rows)
        return bill_id

    def bill(self, bill_id: str) -> SupplierBill:
        """The bill as it was read. Raises BadInput for an unknown id."""
        query = sa.select(bills).where(bills.c.bill_id == bill_id)
        found = must_be_proven(self.store, bills, self.store.rows(query))
        if not found:
            raise BadInput(f"no bill {bill_id!r}", reason="unknown_bill")
        return SupplierBill.model_validate(found[0]["bill"])

    def bills(self, site_id: str, *, account: str | None = None) -> list[dict[str, Any]]:
        """Bills of the site (columns of the table without `bill`) in order of their periods."""
        columns = [column for column in bills.c if column.name != "bill"]
        query = sa.select(*columns).where(bills.c.site_id == site_id)
        query = query if account is None else query.where(bills.c.account == account)
        return self.store.rows(query.order_by(bills.c.period_start, bills.c.recorded_at_utc, bills.c.bill_id))

    def lines(self, bill_id: str) -> list[dict[str, Any]]:
        """Line items of a bill in their order; quantity, rate and amount are decimals as text."""
        query = sa.select(bill_lines).where(bill_lines.c.bill_id == bill_id).order_by(bill_lines.c.position)
        return list(must_be_proven(self.store, bill_lines, self.store.rows(query)))

    def unread(self, bill_id: str) -> list[dict[str, Any]]:
        """What could not be read, each with the page of the kept file that shows it."""
        bill = self.bill(bill_id)
        kept = self.store.rows(sa.select(bills.c.kept_path).where(bills.c.bill_id == bill_id))[0]["kept_path"]
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

    def keep_audit(self, bill_id: str, audit: Mapping[str, Any], *, clock: Clock) -> str:
        """Keep an audit (a Reconciliation as JSON); the same outcome for the same bill once. Returns its id."""
        audit_id = _digest([bill_id, json.dumps(audit, sort_keys=True)])
        with self.store.begin() as connection:
            known = connection.execute(sa.select(bill_audits.c.audit_id).where(bill_audits.c.audit_id == audit_id))
            if known.first() is None:
                append_row(
                    connection,
                    bill_audits,
                    audit_id=audit_id,
                    bill_id=bill_id,
                    verdict=audit["verdict"],
                    cause=audit["cause"],
                    delta_total=str(audit["delta_total"]),
                    audit=dict(audit),
                    recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
                )
        return audit_id

    def audits(self, bill_id: str) -> list[dict[str, Any]]:
        """Audits of a bill, the newest last."""
        query = sa.select(bill_audits).where(bill_audits.c.bill_id == bill_id)
        return self.store.rows(query.order_by(bill_audits.c.recorded_at_utc, bill_audits.c.audit_id))


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
    with store.begin() as connection:
        append_row(
            connection,
            tariff_overrides,
            site_id=site_id,
            account=account,
            tariff_id=tariff_id,
            valid_from=valid_from,
            valid_to=valid_to,
            person_id=person_id,
            reason=reason,
            recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
        )


def tariff_overrides_of(store: Store, site_id: str) -> list[dict[str, Any]]:
    """Overrides of the site in the order in which they were recorded."""
    table = tariff_overrides
    query = sa.select(table).where(table.c.site_id == site_id).order_by(table.c.recorded_at_utc, table.c.id)
    return list(must_be_proven(store, table, store.rows(query)))


def notify(
    store: Store, *, site_id: str, kind: str, subject: str, message: str, facts: Mapping[str, Any], clock: Clock
) -> str:
    """Record an event to be told; the same one once. Returns its id."""
    event_id = _digest([site_id, kind, subject, json.dumps(dict(facts), sort_keys=True)])
    with store.begin() as connection:
        known = connection.execute(sa.select(notifications.c.event_id).where(notifications.c.event_id == event_id))
        if known.first() is None:
            connection.execute(
                notifications.insert().values(
                    event_id=event_id,
                    site_id=site_id,
                    kind=kind,
                    subject=subject,
                    message=message,
                    facts=dict(facts),
                    recorded_at_utc=next_recorded_at(connection, clock.now_utc()),
                )
            )
    return event_id


def notifications_of(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Events of the site in the order in which they were recorded, as known then."""
    table = notifications
    query = sa.select(table).where(table.c.site_id == site_id)
    query = query if as_of_utc is None else query.where(table.c.recorded_at_utc <= as_of_utc)
    return store.rows(query.order_by(table.c.recorded_at_utc, table.c.event_id))


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
