"""Tables of work orders and of instances of workflows: a row is what stands after an act or a step."""

import sqlalchemy as sa

from assets.stores.schema.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only

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
    sa.Column("reason", sa.Text, nullable=False),
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
