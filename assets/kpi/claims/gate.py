"""The one gate of every printed saving: what forbids to claim it, whatever window of it is asked.

A lasting step in the year-over-year difference (steps.py) is a change of use, in the reporting period where the
reporting residual steps, in the baseline where the other one does; a jump by a factor is a change of unit
(unit_change.py). Neither is a saving unless a measure is declared there or an adjustment takes it out of the expected
energy (formulas 5.8). Nothing here knows a building.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import polars as pl

from assets.kpi.claims.steps import MIN_WEEKS, Step, matched_weeks, steps
from assets.kpi.claims.unit_change import unit_change
from assets.kpi.enpi import DayPair
from data_quality.contracts.baseline import Baseline
from data_quality.contracts.finding import Finding

# A step this close to a declared measure is that measure.
MEASURE_DAYS = 21
_WHERE = {
    "baseline": "within the baseline year",
    "reporting": "within the reporting period",
    "at_start": "at the start of the reporting period, with no measure declared",
}


def changes_of_use(
    days: pl.DataFrame,
    *,
    train: tuple[date, date],
    report: tuple[date, date],
    unit: str,
    declared: Sequence[date] = (),
) -> tuple[Finding, ...]:
    """Findings `non_routine_event` and `unit_change_suspected`, or `non_routine_not_assessed` with the reason.

    days: local_date, actual, expected (in `unit`). train, report: first day and end, exclusive. declared: days on
    which use was meant to change; with any, a level that is other from the first day on is the measure.
    """
    weeks = matched_weeks(days, *train, *report)
    if weeks.height < MIN_WEEKS:
        why = f"{weeks.height} weeks meet their season of the baseline; {MIN_WEEKS} wanted"
        return (not_assessed(why, weeks.height),)
    changed = unit_change(weeks)
    if changed is not None:
        return (changed,)
    return tuple(
        _finding(step, unit)
        for step in steps(weeks, report_start=report[0], has_installation=bool(declared))
        if all(abs((step.start - day).days) > MEASURE_DAYS for day in declared)
    )


def against_claim(
    pairs: Iterable[DayPair],
    baseline: Baseline,
    *,
    declared: Sequence[date] = (),
    least_coverage: float,
) -> tuple[Finding, ...]:
    """What forbids to claim a saving against the baseline, in whatever window: blocking findings, or none.

    pairs: every day that is known, from the baseline's first on, not those of the window alone: one that begins
    behind a step, or ends on it, has the step too; `until` leaves out what began after it.
    """
    rows = [
        (pair.local_date, float(pair.actual_kwh), float(pair.expected_kwh))
        for pair in pairs
        if pair.actual_kwh is not None and pair.expected_kwh is not None and pair.coverage >= least_coverage
    ]
    if not rows:
        return ()
    schema = {"local_date": pl.Date(), "actual": pl.Float64(), "expected": pl.Float64()}
    days = pl.DataFrame(rows, schema=schema, orient="row")
    end = max(row[0] for row in rows) + timedelta(days=1)
    found = changes_of_use(
        days,
        train=(baseline.train_start, baseline.train_end),
        report=(baseline.train_end, end),
        unit="kWh",
        declared=declared,
    )
    return tuple(each for each in found if each.is_blocking)


def until(found: Iterable[Finding], end: date) -> tuple[Finding, ...]:
    """Those findings of `against_claim` that speak against a window that ends on `end` (exclusive)."""
    return tuple(each for each in found if str(each.facts["start"]) < end.isoformat())


def not_assessed(why: str, weeks: int) -> Finding:
    """Changes of use that were not looked for: no reason to refuse a claim, and said beside it."""
    return Finding(
        code="non_routine_not_assessed",
        message=f"Changes of use were not looked for: {why}.",
        severity="info",
        facts={"weeks": weeks},
    )


def _finding(step: Step, unit: str) -> Finding:
    return Finding(
        code="non_routine_event",
        message=f"Use changed by {step.share:+.0%} of the expected energy ({step.per_day:+,.4g} {unit}/day) from "
        f"{step.start}, {_WHERE[step.period]}, and stayed so (score {step.score:.1f}): not a saving unless explained "
        "by a measure or adjusted for.",
        severity="blocking",
        facts={
            "start": str(step.start),
            "period": step.period,
            "share": step.share,
            "per_day": step.per_day,
            "score": step.score,
        },
    )
