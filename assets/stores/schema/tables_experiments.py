"""Table of experiments: the drawn design, each day as it was followed, and the end."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only

experiment_acts = append_only(
    "experiment_acts",
    sa.Column("experiment_id", sa.String(64), nullable=False),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("act", sa.String(8), nullable=False, comment="start, day or stop"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: the planner"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("said", JsonText, nullable=False, comment="The act whole: the design with every arm, or a day"),
    sa.Index("ix_experiment_acts_site", "site_id", "experiment_id"),
)
