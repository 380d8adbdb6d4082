"""Changes of use that are no saving: steps of the residual that no declared measure explains, and changes of unit.

The rule itself is the gate of every printed saving: assets/kpi/claims/gate.py.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from assets.kpi.claims.gate import changes_of_use, not_assessed
from data_quality.contracts.finding import Finding
from ml.baselines.fit import Fit
from ml.baselines.usage import Usage

# A gap between the periods that is no longer than this is the installation of a measure; a longer one must be declared.
LONGEST_INSTALLATION = timedelta(days=31)


def daily_residuals(fit: Fit, usage: Usage) -> pl.DataFrame:
    """local_date, actual, expected of each day whose energy and drivers are known (hours: at least 22 of them)."""
    frame = usage.frame.select(local_date=pl.col("local_start").dt.date(), actual="energy_kwh").with_columns(
        expected=pl.Series(fit.predict(usage), dtype=pl.Float64).fill_nan(None)
    )
    known = frame.drop_nulls()
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
    report_start: date,
    report_end: date,
    measures: Sequence[date] = (),
) -> tuple[Finding, ...]:
    """Findings `non_routine_event` and `unit_change_suspected`, or `non_routine_not_assessed` with the reason.

    usage: energy and drivers of both periods and of the days between and behind them, which are looked at too: neither
    a long gap nor a window that ends early hides a step. measures: first days of declared energy conservation
    measures; a gap of up to LONGEST_INSTALLATION is one. Of bills nothing is assessed.
    """
    if usage.frequency == "billing":
        return (not_assessed("bills are too few to date a change of use; give daily or hourly energy", 0),)
    is_installed = timedelta(0) < report_start - fit.train_end <= LONGEST_INSTALLATION
    found = changes_of_use(
        daily_residuals(fit, usage),
        train=(fit.train_start, fit.train_end),
        end=report_end,
        unit=fit.unit,
        declared=[*measures, *([fit.train_end, report_start] if is_installed else [])],
    )
    if not is_installed or measures:
        return found
    message = (
        f"The days from {fit.train_end} to {report_start}, between baseline and reporting period, are taken for the "
        "installation of a measure: a change of use there is its effect."
    )
    return (*found, Finding(code="installation_assumed", message=message, severity="info"))
