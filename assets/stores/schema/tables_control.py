"""Tables of plans, modes, commands and faults: what the controllers and the agent write."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import SEALED, append_only, metadata, usual

plans = append_only(
    "plans",
    sa.Column("plan_id", sa.String(64), primary_key=True),
    *usual("site_id", "version", "plan_hash"),
    sa.Column("input_digest", sa.String(64), nullable=False),
    sa.Column("plan", JsonText, nullable=False),
    sa.UniqueConstraint("site_id", "version"),
)

mode_events = append_only(
    "mode_events",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("device_id", sa.String(64), nullable=False, comment="Empty: the whole site"),
    *usual("mode", "person_id", "reason", "recorded_at_utc"),
    # Null where they say nothing: seals leave null out, so that entries of before these columns keep their digests.
    sa.Column("capability", sa.String(64)),
    sa.Column("expires_utc", UtcDateTime),
    sa.Column("approved_by", sa.String(64)),
    sa.Column("request_id", sa.Integer),
    sa.Index("ux_mode_events_request", "request_id", unique=True),
)

mode_requests = append_only(
    "mode_requests",
    *usual("site_id", "device_id", "capability", "mode", "person_id", "reason"),
    sa.Column("expires_utc", UtcDateTime, nullable=False, comment="Until when the mode is wanted"),
    sa.Column("seen_event", sa.Integer, nullable=False, comment="Newest mode event of the site then; 0: none"),
)

# Not append-only, since a command's state moves; triggers allow the moves of ledgers/command_states.py alone.
commands = sa.Table(
    "commands",
    metadata,
    sa.Column("command_id", sa.String(64), primary_key=True),
    # A retry and a second planner end at this row, and not at a second command to the device.
    sa.Column("idempotency_key", sa.String(256), nullable=False, unique=True),
    sa.Column("plan_id", sa.String(64), nullable=False),
    *usual("plan_hash", "site_id", "device_id", "capability"),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("unit", sa.String(16), nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),
    # Counts the holders of the lease: devices drop what an agent that lost it, and does not know yet, still sends.
    *usual("epoch", "valid_from_utc", "valid_until_utc"),
    sa.Column("ttl_s", sa.Float, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("mode_at_issue", sa.String(16)),
    sa.Column("evidence_grade", sa.Integer),
    *usual("facts", "recorded_at_utc"),
    sa.Index("ix_commands_site_state", "site_id", "state"),
    info=SEALED,
)

command_events = append_only(
    "command_events",
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("command_id", sa.String(64), nullable=False),
    sa.Column("from_state", sa.String(16)),
    sa.Column("to_state", sa.String(16), nullable=False),
    *usual("reason", "facts", "at_utc"),
    sa.Column("prev_hash", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    recorded=False,
    unsealed="they hold a chain of their own, one a site (event_chain.py), whose length is sealed in chain_marks",
)

device_leases = sa.Table(
    "device_leases",
    metadata,
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("holder", sa.String(64), nullable=False),
    *usual("epoch", "expires_utc"),
    info={
        "unsealed": "a lock that its holder renews every few seconds: it says which agent may send, "
        "what is sent is a sealed command whose epoch its events state"
    },
)

fault_events = append_only(
    "fault_events",
    *usual("site_id", "device_id"),
    sa.Column("is_set", sa.Boolean, nullable=False, comment="False: a person acknowledged it"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("command_id", sa.String(64)),
    sa.Column("person_id", sa.String(64)),
    sa.Index("ix_fault_events_site", "site_id", "device_id"),
)

hold_events = append_only(
    "hold_events",
    *usual("site_id", "device_id"),
    sa.Column("capability", sa.String(64), nullable=False, comment="Empty: every one of the device"),
    sa.Column("is_set", sa.Boolean, nullable=False, comment="False: a person gave it back"),
    sa.Column("until_utc", UtcDateTime),
    sa.Column("value", sa.Float, comment="What a person set, in the capability's unit"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("command_id", sa.String(64)),
    sa.Column("person_id", sa.String(64)),
    sa.Index("ix_hold_events_site", "site_id", "device_id"),
)

holiday_events = append_only(
    "holiday_events",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("is_set", sa.Boolean, nullable=False, comment="False: a person ended it"),
    sa.Column("until_utc", UtcDateTime, comment="Null where it is ended"),
    *usual("person_id", "reason"),
    sa.Index("ix_holiday_events_site", "site_id"),
)

approval_events = append_only(
    "approval_events",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, comment="PLAN_CLASS, RESIDUAL_RISK or MODE_REQUEST"),
    sa.Column("subject", sa.String(160), nullable=False, comment="device/capability, device, or number of request"),
    sa.Column("outcome", sa.String(16), nullable=False, comment="APPROVED, REVOKED or REFUSED"),
    *usual("person_id", "reason"),
    sa.Index("ix_approval_events_site", "site_id", "kind"),
)

device_states = append_only(
    "device_states",
    *usual("site_id", "device_id", "capability"),
    sa.Column("state", sa.String(8), nullable=False, comment="switched, seen (still so) or write"),
    sa.Column("is_on", sa.Boolean, comment="Null for a write"),
    sa.Index("ix_device_states_site", "site_id", "recorded_at_utc"),
)

# The chain of command events is as long and as it was here: sealed, so that a chain that is cut or rewritten shows.
chain_marks = append_only(
    "chain_marks",
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.String(64), nullable=False, comment="Of the command event that stood there"),
)

ledger_identity = append_only(
    "ledger_identity",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("ledger_id", sa.String(32), nullable=False, comment="Names this ledger; a replaced one has another"),
    recorded=False,
)

what_if_results = append_only(
    "what_if_results",
    *usual("result_id", "site_id", "result"),
    sa.Index("ix_what_if_results_site", "site_id", "result_id"),
)
