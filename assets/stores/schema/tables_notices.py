"""Tables of the notices: cases of findings, and what people were told of them."""

import sqlalchemy as sa

from assets.stores.schema.column_types import UtcDateTime
from assets.stores.schema.tables_metadata import append_only

_TOLD = "what people were told of findings: no figure, no right and no act rests on it"

# A finding that went and came again is another case of it.
finding_cases = append_only(
    "finding_cases",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("finding_id", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer, nullable=False, comment="1: the first case of the finding"),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Index("ix_finding_cases_site", "site_id", "finding_id"),
    unsealed=_TOLD,
)

notice_events = append_only(
    "notice_events",
    sa.Column("notice_id", sa.String(32), nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("finding_id", sa.String(32), nullable=False),
    sa.Column("channel", sa.String(16), nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("cause", sa.Text, nullable=False, comment="Notices of the same go together"),
    sa.Column("text", sa.Text, nullable=False, comment="In the person's language"),
    sa.Column("link", sa.Text, nullable=False),
    sa.Column("per_hour", sa.Integer, nullable=False, comment="Letters an hour that the person wants at most"),
    sa.Column("letter_id", sa.String(32), nullable=False, comment="Of the letter that it goes with; the same each try"),
    sa.Column("state", sa.String(8), nullable=False, comment="queued, retrying, sent, dead or obsolete"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_utc", UtcDateTime, comment="Not before; null: it is sent or dead"),
    sa.Column("reason", sa.Text, nullable=False, comment="Why the last try failed; empty otherwise"),
    sa.Column(
        "kind",
        sa.String(16),
        nullable=False,
        server_default="finding",
        comment="finding, order or workflow: what finding_id names",
    ),
    sa.Index("ix_notice_events_notice", "notice_id"),
    sa.Index("ix_notice_events_person", "person_id", "recorded_at_utc"),
    unsealed=_TOLD,
)
