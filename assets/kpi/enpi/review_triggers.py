"""When an energy baseline is to be reviewed or fitted anew: typed findings, never an act (formulas 5.7, clause 6.5)."""

from collections.abc import Sequence
from datetime import date

from pydantic import Field

from assets.kpi.enpi.alerts import QuarterStatus, runs_over_limit
from assets.kpi.enpi.enpi_result import DayPair
from assets.kpi.enpi.static_factors import StaticChange
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model


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
