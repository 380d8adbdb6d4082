"""Table of what became of jobs, where that is something that a person must know."""

import sqlalchemy as sa

from assets.stores.schema.column_types import UtcDateTime
from assets.stores.schema.tables_metadata import append_only

JOB_LETTERS = 64
job_outcomes = append_only(
    "job_outcomes",
    sa.Column("site_id", sa.String(64), nullable=False, comment="Empty: the job is of no single site"),
    sa.Column("job", sa.String(JOB_LETTERS), nullable=False),
    sa.Column("part", sa.String(16), comment="The month that it was of"),
    sa.Column("outcome", sa.String(16), nullable=False, comment="succeeded, or the kind of its failure"),
    sa.Column("sentence", sa.Text, nullable=False),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("ended_utc", UtcDateTime, nullable=False),
    sa.Index("ix_job_outcomes_site", "site_id", "job"),
    unsealed="what became of a job, for people to read: no figure, no right and no act rests on it",
)
