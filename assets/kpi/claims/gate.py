"""The one gate of every printed saving: what forbids to claim it, whatever window of it is asked.

A lasting step in the year-over-year difference (steps.py) is a change of use, in the reporting period where the
reporting residual steps, in the baseline where the other one does; a jump by a factor is a change of unit. Neither is a
saving unless a measure is declared there or an adjustment takes it out of the expected energy (formulas 5.8). A span of
which too little can be compared, or that lies where the baseline has not seen its drivers, has none either. Whether a
saving that may be claimed exceeds its own band is said beside it, by who prints it. Nothing here knows a building.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from assets.kpi.claims.lasting_steps import MIN_WEEKS, Step, best_step, matched_weeks, steps
from assets.kpi.enpi.enpi_result import DayPair, EnpiResult
from data_quality.contracts.baselines.baseline import Baseline, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.time import Period, local_day

# A step this close to a declared measure is that measure.
MEASURE_DAYS = 21
_LONGEST_YEAR, _MONTH = 366, 31
# Guideline 14 takes a model to 10 % beyond its range; here it is the share of the days (hours) that lie beyond.
MAX_OUTSIDE_SHARE = 0.1
_WHERE = {
    "baseline": "within the baseline year",
    "reporting": "within the reporting period",
    "at_start": "at the start of the reporting period, with no measure declared",
}
# A whole-number-of-times jump of the readings themselves: from this factor on it is a unit, not a use.
MIN_UNIT_FACTOR = 4.0
# More than of a use (4): the message names a fault of the data, so it must be nearly certain.
MIN_UNIT_SCORE = 6.0
UNIT_FACTORS = {
    35.3147: "ft3 and m3",
    1000.0: "Wh, kWh and MWh",
    100.0: "a scaling by 100",
    10.0: "a scaling by 10",
    3.6: "kWh and MJ",
    29.3071: "kWh and therm",
    11.2: "m3 of gas and kWh",
    4.0: "kW and kWh of quarter hours",
}


def unit_change(weeks: pl.DataFrame) -> Finding | None:
    """`unit_change_suspected` where the readings themselves, year over year, jump by a factor of four or more."""
    # A ratio needs both above zero; weeks of standstill have none.
    known = weeks.filter((pl.col("was") > 0) & (pl.col("now") > 0))
    if known.height < MIN_WEEKS:
        return None
    # Logarithms: ten times as much and a tenth are the same distance.
    ratio = np.log(known["now"].to_numpy() / known["was"].to_numpy())
    place, score, size = best_step(ratio)
    if abs(score) < MIN_UNIT_SCORE or abs(size) < np.log(MIN_UNIT_FACTOR):
        return None
    # Medians, not means: a summer week of nearly nothing has any ratio.
    left, right = float(np.median(ratio[:place])), float(np.median(ratio[place:]))
    factor = float(np.exp(abs(right - left)))
    # Year over year is level again where the baseline changed, and leaves level where the report did.
    in_baseline = abs(right) < abs(left)
    day = known["baseline_start" if in_baseline else "start"][place]
    # 15 % around: use itself differs between two years by as much.
    near = [
        Sentence("{0} ({1})", Numeral(f"{each:g}"), Sentence(what))
        for each, what in UNIT_FACTORS.items()
        if abs(np.log(each / factor)) < 0.15
    ]
    meaning = Sentence(", close to {0}", Sentence("{0} or {1}", *near) if len(near) == 2 else near[0]) if near else ""
    return Finding(
        code="unit_change_suspected",
        message=Sentence(
            "From {0} on, in the {1}, the readings are {2} times {3} than before{4}: no saving is "
            "claimed across it; convert the readings to one unit.",
            day,
            Sentence("baseline period" if in_baseline else "reporting period"),
            Numeral(f"{factor:.1f}"),
            Sentence("smaller" if (left < right) == in_baseline else "larger"),
            meaning,
        ),
        severity="blocking",
        facts={"start": str(day), "factor": factor, "score": abs(score), "in_baseline": in_baseline},
    )


def horizon(train_end: date, end: date) -> date:
    """Up to where changes of use are looked for, of a span that ends on `end`: the years since the baseline, full.

    All spans of such a year are judged by the same days, so that none gets around a step by where it begins or ends. A
    span that ends in the first month of the next belongs to the one before: a month cannot tell a level.
    """
    days = (end - train_end).days
    # 366 days to a year: an anniversary never falls short of its own year by a leap day.
    full = train_end + timedelta(days=_LONGEST_YEAR * max(-(-(days - _MONTH) // _LONGEST_YEAR), 1))
    return max(full, end)


def changes_of_use(
    days: pl.DataFrame,
    *,
    train: tuple[date, date],
    end: date,
    unit: str,
    declared: Sequence[date] = (),
) -> tuple[Finding, ...]:
    """Findings `non_routine_event` and `unit_change_suspected`, or `non_routine_not_assessed` with the reason.

    days: local_date, actual, expected (in `unit`), from the baseline's first to the last that is known. train: its
    first day and end, exclusive. end: of the span whose saving is asked, exclusive; nothing is said of what began
    after it. declared: days on which use was meant to change; with one at the seam, a level that is other from the
    first compared day on is the measure.
    """
    weeks = matched_weeks(days, *train, train[1], horizon(train[1], end))
    if weeks.height < MIN_WEEKS:
        why = Sentence("{0} weeks meet their season of the baseline; {1} wanted", weeks.height, MIN_WEEKS)
        return (not_assessed(why, weeks.height),)
    # Before the steps: a change of unit is one too, and would be told as a change of use.
    changed = unit_change(weeks)
    if changed is not None:
        return until([changed], end)
    # A measure takes its time: between the baseline and the first days that are compared nobody may have read.
    first: date = weeks["start"][0]
    near = timedelta(days=MEASURE_DAYS)
    found = steps(
        weeks,
        report_start=first,
        has_installation=any(train[1] - near <= day <= first + near for day in declared),
    )
    # Every declared day must be far from it: a measure explains the step beside it and no other.
    unexplained = [each for each in found if all(abs((each.start - day).days) > MEASURE_DAYS for day in declared)]
    return until([_finding(each, unit) for each in unexplained], end)


def until(found: Iterable[Finding], end: date) -> tuple[Finding, ...]:
    """Those findings of changes_of_use that speak of a span that ends on `end` (exclusive)."""
    # ISO dates compare as text; a finding without a start speaks of every span.
    return tuple(each for each in found if str(each.facts.get("start", "")) < end.isoformat())


def known_span(version: BaselineVersion, now_utc: datetime, time_zone: str) -> Period:
    """Every local day that speaks for or against a saving: from the baseline's first to the last that can be known."""
    today = local_day(now_utc, time_zone)
    start, end = version.baseline.train_start, max(today + timedelta(days=1), version.baseline.train_end)
    return Period(label=f"{start} to {end}", start=start, end=end, time_zone=time_zone)


def claim_findings(
    pairs: Iterable[DayPair],
    baseline: Baseline,
    *,
    end: date,
    declared: Sequence[date] = (),
    least_coverage: float,
) -> tuple[Finding, ...]:
    """Findings against claiming a saving of a span that ends on `end`: blocking ones, or why none is known.

    pairs: every day that is known, from the baseline's first on, not those of the span alone: one that begins behind
    a step has the step too.
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
    train = (baseline.train_start, baseline.train_end)
    return changes_of_use(days, train=train, end=end, unit="kWh", declared=declared)


def claim_refusal(result: EnpiResult) -> str:
    """Code of what forbids to claim a saving of an assessed span; empty where nothing does.

    provisional, coverage, expected or no_baseline: why it has no status; extrapolation: see MAX_OUTSIDE_SHARE.
    """
    if result.reason:
        return result.reason
    return "extrapolation" if is_far_outside(result.extrapolated_days, result.compared_days) else ""


def undeclared(share: float) -> Finding:
    """Beside a saving that is claimed where nobody declared a measure: what an untouched use shows by itself."""
    return Finding(
        code="no_measure_declared",
        message=Sentence(
            "No measure was declared: {0} less than expected may as well be drift, which readings do "
            "not distinguish from a saving.",
            Numeral(f"{share:.1%}"),
        ),
        facts={"share": share},
    )


def is_far_outside(outside: int, compared: int) -> bool:
    """True where more of what is compared than MAX_OUTSIDE_SHARE has a driver that the baseline has not seen."""
    return outside > MAX_OUTSIDE_SHARE * compared


def not_assessed(why: str, weeks: int) -> Finding:
    """Changes of use that were not looked for: no reason to refuse a claim, and said beside it."""
    return Finding(
        code="non_routine_not_assessed",
        message=Sentence("Changes of use were not looked for: {0}.", why),
        severity="info",
        facts={"weeks": weeks},
    )


def _finding(step: Step, unit: str) -> Finding:
    if step.period == "outage":
        how = Sentence(
            "Use fell by {0} of the expected energy from {1} for {2} weeks and came back: not a saving "
            "unless adjusted for.",
            Numeral(f"{-step.share:.0%}"),
            step.start,
            Numeral(f"{step.score:.0f}"),
        )
    else:
        how = Sentence(
            "Use changed by {0} of the expected energy ({1} {2}/day) from {3}, {4}, and stayed so (score "
            "{5}): not a saving unless explained by a measure or adjusted for.",
            Numeral(f"{step.share:+.0%}"),
            Numeral.rounded(step.per_day, sign="+"),
            unit,
            step.start,
            Sentence(_WHERE[step.period]),
            Numeral(f"{step.score:.1f}"),
        )
    return Finding(
        code="non_routine_event",
        message=how,
        severity="blocking",
        facts={
            "start": str(step.start),
            "period": step.period,
            "share": step.share,
            "per_day": step.per_day,
            "score": step.score,
        },
    )
