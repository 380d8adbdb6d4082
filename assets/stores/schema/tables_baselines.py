"""Tables of baselines (versions, approvals, adjustments, recomputations in shadow), of forecasts, their
models, scores and drifts.
"""

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.schema.tables_metadata import append_only, usual

baseline_versions = append_only(
    "baseline_versions",
    sa.Column("baseline_id", sa.String(128), primary_key=True, comment="site/seu/type"),
    sa.Column("version", sa.Integer, primary_key=True),
    *usual("site_id", "seu_id"),
    sa.Column("baseline_type", sa.String(16), nullable=False),
    sa.Column("mlflow_run_id", sa.String(64), nullable=False),
    sa.Column("model_checksum", sa.String(64), nullable=False),
    sa.Column("dataset_digest", sa.String(64), nullable=False),
    sa.Column("fitted_by", sa.String(64), nullable=False),
    sa.Column("baseline", JsonText, nullable=False),
)

baseline_approvals = append_only(
    "baseline_approvals",
    *usual("baseline_id", "version", "person_id", "role", "reason"),
    sa.Column("waivers", JsonText, nullable=False),
    # Said again, of the data that the approver was shown: an approval cannot pass to a version of other data.
    sa.Column("dataset_digest", sa.String(64), nullable=False),
    *usual("recorded_at_utc"),
    # Null where it approves: seals leave null out, so that rows of before this column keep their digests.
    sa.Column("outcome", sa.String(16), comment="Null: approved; or rejected"),
    # Decided once: a later decision is a version of its own.
    sa.UniqueConstraint("baseline_id", "version"),
)

adjustments = append_only(
    "adjustments",
    sa.Column("adjustment_id", sa.String(16), primary_key=True),
    # The key refuses a second approval even where two people press at the same moment.
    sa.Column("step", sa.String(16), primary_key=True, comment="proposed, approved or withdrawn; each at most once"),
    sa.Column("site_id", sa.String(64), nullable=False),
    sa.Column("baseline_id", sa.String(128), nullable=False, comment="site/seu/type"),
    sa.Column("adjustment", JsonText, nullable=False, comment="Adjustment; the same in every step"),
    *usual("person_id", "role"),
    sa.Column("reason", sa.Text, nullable=False, comment="Of this step"),
    sa.Index("ix_adjustments_baseline", "baseline_id", "recorded_at_utc"),
)

baseline_shadows = append_only(
    "baseline_shadows",
    *usual("site_id", "baseline_id", "version", "comparison_sha256"),
    sa.Column("comparison", JsonText, nullable=False, comment="ShadowComparison"),
    sa.Column("person_id", sa.String(64), nullable=False),
    sa.Index("ix_baseline_shadows_site", "site_id", "baseline_id", "version"),
)

baseline_year_rules = append_only(
    "baseline_year_rules",
    *usual("site_id", "seu_id"),
    sa.Column("report_start", sa.String(10), nullable=False),
    sa.Column("report_end", sa.String(10), nullable=False),
    *usual("person_id", "reason"),
    sa.Column("rule", JsonText, nullable=False, comment="YearRule"),
    sa.Index("ix_baseline_year_rules_use", "site_id", "seu_id", "report_start"),
)

forecasts = append_only(
    "forecasts",
    sa.Column("forecast_id", sa.String(64), primary_key=True),
    *usual("site_id", "target", "issued_at_utc"),
    sa.Column("forecast", JsonText, nullable=False),
    sa.Index("ix_forecasts_site", "site_id", "target", "issued_at_utc"),
)

promotions = append_only(
    "promotions",
    sa.Column("model_name", sa.String(128), nullable=False),
    sa.Column("decision", JsonText, nullable=False),
)

# Corrected readings make a day's score anew: of rows about one day, lead and version the last counts.
forecast_scores = append_only(
    "forecast_scores",
    *usual("site_id", "target"),
    sa.Column("local_day", sa.Date, nullable=False),
    sa.Column("lead", sa.String(8), nullable=False),
    sa.Column("model_name", sa.String(128), nullable=False),
    sa.Column("model_version", sa.String(16), nullable=False),
    sa.Column("is_shadow", sa.Boolean, nullable=False),
    sa.Column("score", JsonText, nullable=False, comment="ForecastScore"),
    sa.Index("ix_forecast_scores_day", "site_id", "target", "local_day"),
)

forecast_drifts = append_only(
    "forecast_drifts",
    sa.Column("site_id", sa.String(64), primary_key=True),
    sa.Column("target", sa.String(128), primary_key=True),
    # One a day: a new training is asked for once a day at most.
    sa.Column("local_day", sa.Date, primary_key=True),
    sa.Column("drift", JsonText, nullable=False, comment="ForecastDrift"),
)
