"""Tables of suppliers' bills, their audits, tariff overrides and notifications."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only, usual

bills = append_only(
    "bills",
    sa.Column("bill_id", sa.String(32), primary_key=True),
    *usual("site_id", "account"),
    sa.Column("invoice", sa.Text, nullable=False),
    # Null where the period could not be read: the bill is kept all the same, with what is unread in it.
    sa.Column("period_start", sa.Date),
    sa.Column("period_end", sa.Date, comment="Exclusive"),
    sa.Column("currency", sa.String(3), nullable=False),
    # Text, since SQLite would keep a decimal as a float, and cents must stay cents.
    sa.Column("total", sa.Text, nullable=False, comment="Decimal; empty where it was not read"),
    *usual("source_name", "source_sha256"),
    sa.Column("kept_path", sa.Text, nullable=False, comment="Copy of the file in the bills folder"),
    sa.Column("bill", JsonText, nullable=False, comment="SupplierBill as read"),
    sa.Column("unread_parts", sa.Integer, nullable=False),
    sa.Index("ix_bills_account", "site_id", "account", "period_start"),
)

bill_lines = append_only(
    "bill_lines",
    sa.Column("bill_id", sa.String(32), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("quantity", sa.Text, nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("rate", sa.Text, nullable=False),
    sa.Column("amount", sa.Text, nullable=False, comment="Decimal, in the bill's currency"),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("line", sa.Integer, nullable=False),
    # They are written with their bill, in its transaction.
    recorded=False,
)

bill_audits = append_only(
    "bill_audits",
    sa.Column("audit_id", sa.String(32), primary_key=True),
    sa.Column("bill_id", sa.String(32), nullable=False),
    sa.Column("verdict", sa.String(8), nullable=False),
    sa.Column("cause", sa.String(32), nullable=False),
    sa.Column("delta_total", sa.Text, nullable=False, comment="Billed less recomputed; decimal"),
    sa.Column("audit", JsonText, nullable=False),
    sa.Index("ix_bill_audits_bill", "bill_id"),
)

tariff_overrides = append_only(
    "tariff_overrides",
    *usual("site_id", "account"),
    sa.Column("tariff_id", sa.String(128), nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("valid_to", sa.Date, nullable=False, comment="Exclusive"),
    *usual("person_id", "reason"),
)

notifications = append_only(
    "notifications",
    sa.Column("event_id", sa.String(32), primary_key=True),
    *usual("site_id", "kind"),
    sa.Column("subject", sa.Text, nullable=False),
    *usual("message", "facts"),
    sa.Index("ix_notifications_site", "site_id", "recorded_at_utc"),
)
