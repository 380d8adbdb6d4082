"""Table of weather as it was forecast, in two times: issued, and known here."""

import sqlalchemy as sa

from assets.stores.column_types import JsonText, UtcDateTime
from assets.stores.schema.tables_metadata import append_only, usual

weather_issues = append_only(
    "weather_issues",
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("issued_at_utc", UtcDateTime, primary_key=True),
    # One issue may come twice with other values: both stand, each known from its own time on.
    sa.Column("content_sha256", sa.String(64), primary_key=True, comment="Of steps and values"),
    sa.Column("available_at_utc", UtcDateTime, nullable=False, comment="From when on it could be known here"),
    *usual("start_utc", "end_utc"),
    sa.Column("step_minutes", sa.Integer, nullable=False),
    sa.Column("is_synthetic", sa.Boolean, nullable=False),
    sa.Column("labels", JsonText, nullable=False),
    sa.Column("weather", JsonText, nullable=False, comment="Name of WEATHER_UNITS -> a value a step, null unknown"),
    sa.Index("ix_weather_issues_span", "site_id", "end_utc"),
)
