"""Changes of use that are no saving: steps of the residual that no declared measure explains, and changes of unit.

The rule itself is the gate of every printed saving: assets/kpi/claims/gate.py.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.kpi.claims.gate import changes_of_use, not_assessed
from data_quality.contracts.finding import Finding
from ml.baselines.models.fit import Fit
from ml.baselines.usage_tables.usage_table import Usage


def daily_residuals(fit: Fit, usage: Usage) -> pl.DataFrame:
    """local_date, actual, expected of each day whose energy and drivers are known (hours: at least 22 of them)."""
    frame = usage.frame.select(local_date=pl.col("local_start").dt.date(), actual="energy_kwh").with_columns(
        expected=pl.Series(fit.predict(usage), dtype=pl.Float64).fill_nan(None)
    )
    known = frame.drop_nulls()
    # A day of 23 hours may lack one more.
    least = 22 if usage.frequency == "hourly" else 1
    return (
        known.group_by("local_date")
        .agg(pl.col("actual").sum(), pl.col("expected").sum(), rows=pl.len())
        .filter(pl.col("rows") >= least)
        .select("local_date", "actual", "expected")
        .sort("local_date")
    )


def non_routine_findings(
    fit: Fit,
    usage: Usage,
    *,
    report_end: date,
    measures: Sequence[date] = (),
) -> tuple[Finding, ...]:
    """Findings `non_routine_event` and `unit_change_suspected`, or `non_routine_not_assessed` with the reason.

    usage: energy and drivers of both periods and of the days between and behind them, which are looked at too: neither
    a gap nor a window that ends early hides a step. measures: first days of declared energy conservation measures. Of
    bills nothing is assessed.
    """
    if usage.frequency == "billing":
        return (not_assessed("bills are too few to date a change of use; give daily or hourly energy", 0),)
    return changes_of_use(
        daily_residuals(fit, usage),
        train=(fit.train_start, fit.train_end),
        end=report_end,
        unit=fit.unit,
        declared=measures,
    )
