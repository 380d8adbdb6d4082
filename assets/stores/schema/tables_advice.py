"""Tables of recommendations (a row: the state after an act), of acts about them, and of disaggregations."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only, usual

recommendations = append_only(
    "recommendations",
    sa.Column("recommendation_id", sa.String(32), nullable=False, comment="Of site, kind, scope and days"),
    *usual("site_id", "kind", "status"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: a run"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("recommendation", JsonText, nullable=False, comment="The recommendation as the act left it"),
    sa.Index("ix_recommendations_recommendation", "site_id", "recommendation_id"),
)

disaggregations = append_only(
    "disaggregations",
    *usual("result_id", "site_id"),
    sa.Column("circuit", sa.String(64), nullable=False),
    sa.Column("result", JsonText, nullable=False),
    sa.Index("ix_disaggregations_site", "site_id", "result_id"),
)

advice_acts = append_only(
    "advice_acts",
    sa.Column("act", sa.String(8), nullable=False, comment="start, draw, stop, forget or word"),
    sa.Column("about", sa.String(64), nullable=False, comment="The trial, the kind or the recommendation"),
    sa.Column("person_id", sa.String(64), nullable=False, comment="Empty: a run"),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("said", JsonText, nullable=False, comment="The act whole: design, drawn arms, or wordings"),
    sa.Index("ix_advice_acts_about", "act", "about"),
)
