"""Changes of use that are no saving: steps of the residual that no declared measure explains, and changes of unit.

A lasting step in the year-over-year difference (non_routine_steps.py) is a change of use, in the reporting year where
the reporting residual steps, in the baseline where the other one does. Nothing here knows a building.
"""

from collections.abc import Sequence
from datetime import date

import polars as pl

from data_quality.contracts.finding import Finding
from ml.baselines.fit import Fit
from ml.baselines.non_routine_steps import MIN_WEEKS, Step, matched_weeks, steps
from ml.baselines.non_routine_unit import unit_change
from ml.baselines.usage import Usage

# A step this close to a declared measure is that measure.
MEASURE_DAYS = 21


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

    usage: energy and drivers of both periods. measures: first days of declared energy conservation measures; days
    between the end of the baseline and report_start count as the installation of one. Bills are not assessed.
    """
    if usage.frequency == "billing":
        return (_not_assessed("bills are too few to date a change of use; give daily or hourly energy", 0),)
    weeks = matched_weeks(daily_residuals(fit, usage), fit.train_start, fit.train_end, report_start, report_end)
    if weeks.height < MIN_WEEKS:
        return (
            _not_assessed(f"{weeks.height} weeks meet their season of the baseline; {MIN_WEEKS} wanted", weeks.height),
        )
    declared = [*measures, *([report_start] if report_start > fit.train_end else [])]
    unit = unit_change(weeks)
    if unit is not None:
        return (unit,)
    return tuple(
        _finding(step, fit.unit)
        for step in steps(weeks, report_start=report_start, has_installation=bool(declared))
        if all(abs((step.start - day).days) > MEASURE_DAYS for day in declared)
    )


def _finding(step: Step, unit: str) -> Finding:
    where = {
        "baseline": "within the baseline year",
        "reporting": "within the reporting period",
        "at_start": "at the start of the reporting period, with no measure declared",
    }[step.period]
    return Finding(
        code="non_routine_event",
        message=f"Use changed by {step.share:+.0%} of the expected energy ({step.per_day:+,.4g} {unit}/day) from "
        f"{step.start}, {where}, and stayed so (score {step.score:.1f}): not a saving unless explained by a measure or "
        "adjusted for.",
        severity="blocking",
        facts={
            "start": str(step.start),
            "period": step.period,
            "share": step.share,
            "per_day": step.per_day,
            "score": step.score,
        },
    )


def _not_assessed(why: str, weeks: int) -> Finding:
    return Finding(
        code="non_routine_not_assessed",
        message=f"Changes of use were not looked for: {why}.",
        severity="info",
        facts={"weeks": weeks},
    )
