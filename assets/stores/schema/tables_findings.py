"""Tables of findings and of what follows from them: jobs that failed, acts of people, anomaly events with causes that
people say, alert rules, notices, work orders, and instances of workflows.
"""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, usual

JOB_LETTERS = 64
job_outcomes = append_only(
    "job_outcomes",
    sa.Column("site_id", sa.String(64), nullable=False, comment="Empty: the job is of no single site"),
    sa.Column("job", sa.String(JOB_LETTERS), nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False, comment="succeeded, or the kind of its failure"),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    *usual("ended_utc", "recorded_at_utc"),
    sa.Column("part", sa.String(16), comment="The month that it was of"),
    sa.Index("ix_job_outcomes_site", "site_id", "job"),
    unsealed="what became of a job, for people to read: no figure, no right and no act rests on it",
)

alert_events = append_only(
    "alert_events",
    *usual("finding_id", "site_id"),
    sa.Column("act", sa.String(16), nullable=False, comment="acknowledged, muted, explained or reopened"),
    sa.Column("until_utc", UtcDateTime, comment="Of a mute: when it ends"),
    *usual("person_id", "reason"),
    sa.Column("what", sa.Text, nullable=False, comment="The finding's sentence as the person saw it"),
    sa.Index("ix_alert_events_finding", "site_id", "finding_id"),
)

anomaly_events = append_only(
    "anomaly_events",
    *usual("event_id", "site_id", "meter_id"),
    sa.Column("register_id", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("cause", sa.String(32), comment="Null: nothing classified it"),
    sa.Column("confidence", sa.Float),
    *usual("severity", "start_utc", "end_utc"),
    sa.Column("kwh", sa.Float, comment="Measured less expected; null where kWh are not counted"),
    sa.Column("cost", sa.Float, comment="Null: see cost_finding"),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("cost_finding", sa.String(64)),
    sa.Column("params_version", sa.String(16), nullable=False),
    sa.Column("evidence", JsonText, nullable=False, comment="Figures: name, value, unit"),
    sa.Column("is_withdrawn", sa.Boolean, nullable=False, comment="The detectors no longer find it"),
    sa.Index("ix_anomaly_events_site", "site_id", "event_id"),
)

anomaly_labels = append_only(
    "anomaly_labels",
    *usual("event_id", "site_id", "cause", "person_id", "reason"),
    sa.Index("ix_anomaly_labels_event", "site_id", "event_id"),
)

alert_rules = append_only(
    "alert_rules",
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("rule_id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="1: the first text of the rule"),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("rule", JsonText, comment="As the site file says it; null: it was taken out"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: found changed in the site file"),
    sa.Index("ix_alert_rules_rule", "site_id", "rule_id"),
)

_REPORTED = "what people were told of findings: no figure, no right and no act rests on it"

# A finding that went and came again is another case of it.
finding_cases = append_only(
    "finding_cases",
    *usual("site_id", "finding_id"),
    sa.Column("number", sa.Integer, nullable=False, comment="1: the first case of the finding"),
    sa.Column("is_open", sa.Boolean, nullable=False),
    sa.Index("ix_finding_cases_site", "site_id", "finding_id"),
    unsealed=_REPORTED,
)

notice_events = append_only(
    "notice_events",
    sa.Column("notice_id", sa.String(32), nullable=False),
    *usual("person_id", "site_id", "finding_id", "channel"),
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
    *usual("recorded_at_utc"),
    sa.Column(
        "kind",
        sa.String(16),
        nullable=False,
        server_default="finding",
        comment="finding, order or workflow: what finding_id names",
    ),
    sa.Index("ix_notice_events_notice", "notice_id"),
    sa.Index("ix_notice_events_person", "person_id", "recorded_at_utc"),
    unsealed=_REPORTED,
)

work_orders = append_only(
    "work_orders",
    sa.Column("order_id", sa.String(32), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("priority", sa.String(2), nullable=False, comment="P1 to P4"),
    sa.Column("state", sa.String(16), nullable=False, comment="open, assigned, done or cancelled"),
    sa.Column("due", sa.Date, comment="Local day of the site"),
    sa.Column("assignee", sa.String(64), nullable=False, comment="Empty: nobody"),
    sa.Column("source_kind", sa.String(16), nullable=False, comment="finding, workflow, recommendation or empty"),
    sa.Column("source_id", sa.String(64), nullable=False),
    sa.Column("figure_ids", JsonText, nullable=False),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: a workflow"),
    *usual("reason", "recorded_at_utc"),
    sa.Column("title_parts", JsonText, comment="The title as a sentence; null: a person's, or from before"),
    sa.Index("ix_work_orders_order", "site_id", "order_id"),
)

workflow_instances = append_only(
    "workflow_instances",
    sa.Column("instance_id", sa.String(32), nullable=False, comment="Of workflow, site and subject"),
    sa.Column("workflow", sa.String(64), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("subject", sa.String(128), nullable=False, comment="What set it off: a finding's case, a day, a bill"),
    sa.Column("state", sa.String(16), nullable=False, comment="watching, running, asked, done, refused or lapsed"),
    sa.Column("steps", JsonText, nullable=False, comment="Each with its state and what came of it"),
    sa.Column("order_id", sa.String(32), nullable=False, comment="Of the work order that it made; empty: none"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Who approved, refused or ran it; empty: nobody"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("ix_workflow_instances_instance", "site_id", "instance_id"),
)
