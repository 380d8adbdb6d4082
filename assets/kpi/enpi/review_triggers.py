"""When an energy baseline is to be reviewed or fitted anew: typed findings, never an act (formulas 5.7, clause 6.5)."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from pydantic import Field

from assets.kpi.enpi.alerts import QuarterStatus, runs_over_limit
from assets.kpi.enpi.enpi_result import DayPair
from data_quality.contracts.baselines.adjustment import Adjustment
from data_quality.contracts.baselines.baseline import Baseline, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Seu


class StaticChange(Model):
    """One change of a static factor: from its day on the use is not the one that the baseline was fitted on."""

    name: str
    before: str
    after: str
    changed_on: date


def static_changes(seu: Seu, *, since: date, until: date) -> list[StaticChange]:
    """Changes of value of the SEU's static factors on local dates [since, until), oldest first."""
    found = []
    for name in dict.fromkeys(each.name for each in seu.static_factors):
        dated = sorted((each for each in seu.static_factors if each.name == name), key=lambda each: each.valid_from)
        found += [
            StaticChange(name=name, before=old.value, after=new.value, changed_on=new.valid_from)
            for old, new in pairwise(dated)
            if new.value != old.value and since <= new.valid_from < until
        ]
    return sorted(found, key=lambda each: (each.changed_on, each.name))


def unanswered_changes(
    seu: Seu, baseline: Baseline, adjustments: Sequence[Adjustment], *, start: date, end: date
) -> list[StaticChange]:
    """Changes since the training began that hold in the period [start, end) and that no adjustment answers.

    An adjustment answers a change where it holds on the first day of the period on which the change does. A change
    inside of the training period can be answered by no adjustment: the model was fitted on two different uses.
    """
    found = []
    for change in static_changes(seu, since=baseline.train_start, until=end):
        first = max(change.changed_on, start)
        is_answered = change.changed_on >= baseline.train_end and any(
            each.start <= first < each.end for each in adjustments
        )
        if not is_answered:
            found.append(change)
    return found


class ReviewRule(Model):
    """The organisation's own limits; ISO 50001 asks for a predetermined method and names none."""

    max_days_outside: int = Field(default=30, ge=0, description="Days with a driver outside of the trained range")
    max_age_years: int = Field(default=3, ge=1, description="Since the end of the training period")
    quarters_over_limit: int = Field(default=2, ge=1, description="In a row")


def review_findings(
    version: BaselineVersion,
    *,
    today: date,
    changes: Sequence[StaticChange],
    pairs: Sequence[DayPair],
    quarters: Sequence[QuarterStatus],
    rule: ReviewRule | None = None,
) -> tuple[Finding, ...]:
    """Reasons to review the version, as known today (a local date).

    changes: static factors that changed since the training and that no adjustment answers; pairs: the last year's days
    with their `is_extrapolated`; quarters: complete quarters assessed against this version, oldest first.
    """
    used, found = rule or ReviewRule(), list[Finding]()

    def speak(code: str, message: str, **facts: str | float | bool | None) -> None:
        scope = f"baseline:{version.baseline_id}@{version.version}"
        found.append(Finding(code=code, message=message, scope=scope, facts=dict(facts)))

    for each in changes:
        what = f"{each.name} is {each.after} since {each.changed_on}, it was {each.before}; no adjustment says"
        on = each.changed_on.isoformat()
        speak("static_factor_changed", f"{what} what that means for the energy.", name=each.name, changed_on=on)
    outside, most = sum(pair.is_extrapolated for pair in pairs), used.max_days_outside
    if outside > most:
        message = f"Drivers left the range of the training on {outside} of {len(pairs)} days; at most {most} may."
        speak("drivers_outside_range", message, days_outside=outside, days=len(pairs), days_allowed=most)
    runs = [run for run in runs_over_limit(quarters) if len(run) >= used.quarters_over_limit]
    if runs:
        count, first, last = len(runs[-1]), runs[-1][0].label, runs[-1][-1].label
        message = f"{count} quarters in a row are critical, {first} to {last}."
        speak("quarters_beyond_limit", message, quarters=count, first=first, last=last)
    end, years = version.baseline.train_end, used.max_age_years
    if today >= years_after(end, years):
        message = f"The training period ended on {end}, {years} years ago or more."
        speak("baseline_too_old", message, train_end=end.isoformat(), max_age_years=years)
    return tuple(found)


def years_after(day: date, years: int) -> date:
    """The same date some years later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
