"""Tables of demand response: events after each act, votes on classes, versions of settlements, accepted tests."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only, usual

dr_events = append_only(
    "dr_events",
    *usual("event_id", "site_id"),
    sa.Column("programme", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("source", sa.String(160), nullable=False, comment="Where the call came from; empty: a person"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: the clock or a guard"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("event", JsonText, nullable=False, comment="The event as the act left it"),
    sa.Index("ix_dr_events_event", "site_id", "event_id"),
)

dr_class_votes = append_only(
    "dr_class_votes",
    sa.Column("class_id", sa.String(16), nullable=False, comment="Of site, programme, power and length"),
    *usual("site_id", "is_yes", "person_id", "reason"),
    sa.Column("vote", JsonText, nullable=False),
    sa.Index("ix_dr_class_votes_class", "site_id", "class_id"),
)

dr_settlements = append_only(
    "dr_settlements",
    *usual("event_id", "site_id", "version", "person_id"),
    sa.Column("settlement", JsonText, nullable=False),
    sa.Index("ix_dr_settlements_event", "site_id", "event_id"),
)

dr_accepted_loads = append_only(
    "dr_accepted_loads",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("load_id", sa.String(64), nullable=False),
    *usual("person_id", "reason"),
    sa.Column("accepted", JsonText, nullable=False, comment="The test, and what the site file said then"),
    sa.Index("ix_dr_accepted_loads_load", "site_id", "load_id"),
)
