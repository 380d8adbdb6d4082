"""When an energy baseline is to be reviewed or fitted anew: typed findings, never an act (formulas 5.7, clause 6.5)."""

from collections.abc import Sequence
from datetime import date

from pydantic import Field

from assets.kpi.enpi_of_use.alerts import QuarterStatus, runs_over_limit
from assets.kpi.enpi_of_use.enpi_result import DayPair
from assets.kpi.enpi_of_use.static_factors import StaticChange
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
    used, scope = rule or ReviewRule(), f"baseline:{version.baseline_id}@{version.version}"
    found = [
        Finding(
            code="static_factor_changed",
            message=f"{each.name} is {each.after} since {each.changed_on}, it was {each.before}; no adjustment says "
            "what that means for the energy.",
            scope=scope,
            facts={"name": each.name, "changed_on": each.changed_on.isoformat()},
        )
        for each in changes
    ]
    outside = sum(pair.is_extrapolated for pair in pairs)
    if outside > used.max_days_outside:
        found.append(
            Finding(
                code="drivers_outside_range",
                message=f"Drivers left the range of the training on {outside} of {len(pairs)} days; at most "
                f"{used.max_days_outside} may.",
                scope=scope,
                facts={"days_outside": outside, "days": len(pairs), "days_allowed": used.max_days_outside},
            )
        )
    runs = [run for run in runs_over_limit(quarters) if len(run) >= used.quarters_over_limit]
    if runs:
        found.append(
            Finding(
                code="quarters_beyond_limit",
                message=f"{len(runs[-1])} quarters in a row are critical, {runs[-1][0].label} to {runs[-1][-1].label}.",
                scope=scope,
                facts={"quarters": len(runs[-1]), "first": runs[-1][0].label, "last": runs[-1][-1].label},
            )
        )
    trained_to = version.baseline.train_end
    if today >= years_after(trained_to, used.max_age_years):
        found.append(
            Finding(
                code="baseline_too_old",
                message=f"The training period ended on {trained_to}, {used.max_age_years} years ago or more.",
                scope=scope,
                facts={"train_end": trained_to.isoformat(), "max_age_years": used.max_age_years},
            )
        )
    return tuple(found)


def years_after(day: date, years: int) -> date:
    """The same date some years later; 29 February becomes 1 March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
