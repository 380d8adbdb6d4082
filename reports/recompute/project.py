"""An M&V project's savings made from its readings, its baseline and its adjustments: what its figures trace to."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from assets.kpi.claims.comparison_group import CorrectedSavings
from assets.kpi.claims.gate import known_span
from assets.kpi.claims.mv_savings import (
    ProjectSavings,
    minimum_detectable_percent,
    nothing_reported,
    project_of,
    project_pairs,
    project_use,
    reported_span,
    savings_of,
)
from assets.kpi.enpi.daily import adjustment_of_day_kwh
from assets.kpi.enpi.enpi_result import DayPair, EnpiRule, compared, sum_kwh
from data_quality.contracts.baselines.baseline import Adjustment, AdjustmentKind, Baseline, BaselineVersion
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from data_quality.contracts.units import ARITHMETIC
from reports.recompute import group
from reports.recompute.figure_sources import Sources

FIELDS = ("actual_kwh", "expected_kwh", "uncertainty_kwh", "claimed_kwh", "compared_days", "days")
ADJUSTED = {"routine_kwh": AdjustmentKind.ROUTINE, "non_routine_kwh": AdjustmentKind.NON_ROUTINE}
GROUPED = (*group.FIELDS, *group.OF_MEMBERS, group.COUNTED)
PLANNED = ("confidence", "detectable_kwh", "detectable_percent")


def number(
    sources: Sources,
    site: Site,
    project_id: str,
    version: BaselineVersion,
    period: Period,
    as_of_utc: datetime,
    *,
    field: str,
    adjustment_id: str = "",
    member: str = "",
) -> Decimal | None:
    """A number of the project over the days of a span that are in its reporting period. None where none is known.

    adjustment_id: what that adjustment alone added (field `adjusted_kwh`). member: of the comparison group, SITE/USE.
    Raises OurFault for an unknown field.
    """
    project = project_of(site, project_id)
    if field in PLANNED:
        return _planned(project, version.baseline, field)
    found = result(sources, site, project, version, period, as_of_utc)
    if isinstance(found, Finding):
        return None
    if field in GROUPED:
        return group.number(group_of(sources, project, version, found, as_of_utc), field, member)
    if field == "adjusted_kwh" or field in ADJUSTED:
        given = [
            each
            for each in sources.adjustments(version.baseline_id, version.version, as_of_utc)
            if (each.adjustment_id == adjustment_id if field == "adjusted_kwh" else each.kind is ADJUSTED[field])
        ]
        return added_kwh(days(sources, site, project, version, period, as_of_utc), given)
    if field not in FIELDS:
        raise OurFault(f"{field!r} is not a number of a project")
    value = getattr(found, field)
    return value if value is None or isinstance(value, Decimal) else Decimal(repr(value))


def result(
    sources: Sources, site: Site, project: MvProject, version: BaselineVersion, period: Period, as_of_utc: datetime
) -> ProjectSavings | Finding:
    """The project's savings over the days of a span that are in its reporting period and over at T."""
    span = reported_span(project, period, as_of_utc)
    if span is None:
        return nothing_reported(project)
    key = (
        "project result",
        site.site_id,
        project.project_id,
        *_pin(version),
        # The same version claims nothing before its approval.
        version.status,
        span.start,
        span.end,
        as_of_utc,
    )
    return sources.keep(
        key,
        lambda: _weighed(sources, site, project, version, span, as_of_utc),
    )


def _weighed(
    sources: Sources, site: Site, project: MvProject, version: BaselineVersion, span: Period, as_of_utc: datetime
) -> ProjectSavings | Finding:
    """The saving, and what its comparison group says of it where the plan names one."""
    made = savings_of(project, version, _pairs(sources, site, project, version, span, as_of_utc), period=span)
    if isinstance(made, Finding) or not project.comparison_group:
        return made
    return group.weighed(made, group_of(sources, project, version, made, as_of_utc))


def group_of(
    sources: Sources, project: MvProject, version: BaselineVersion, saved: ProjectSavings, as_of_utc: datetime
) -> CorrectedSavings | tuple[Finding, ...]:
    """The saving corrected by the project's comparison group, made once for the same days."""
    key = ("project group", *_pin(version), version.status, project.comparison_group, saved.start, saved.end, as_of_utc)
    return sources.keep(key, lambda: group.corrected(sources, project, version, saved, as_of_utc))


def days(
    sources: Sources, site: Site, project: MvProject, version: BaselineVersion, period: Period, as_of_utc: datetime
) -> list[DayPair]:
    """The compared days of a span."""
    span = reported_span(project, period, as_of_utc)
    if span is None:
        return []
    pairs = _pairs(sources, site, project, version, span, as_of_utc)
    return compared(pairs, rule=EnpiRule(), start=span.start, end=span.end)


def added_kwh(both: Sequence[DayPair], given: Sequence[Adjustment]) -> Decimal:
    """Energy that these adjustments added to the expected energy of the compared days."""
    found = []
    for pair in both:
        assert pair.expected_kwh is not None  # noqa: S101 - compared days have both
        # A percentage is of the model's own expectation, not of one that other adjustments have moved.
        model = ARITHMETIC.subtract(pair.expected_kwh, pair.adjustment_kwh)
        found.append(adjustment_of_day_kwh(given, pair.local_date, model))
    return sum_kwh(found)


def _pairs(
    sources: Sources, site: Site, project: MvProject, version: BaselineVersion, span: Period, as_of_utc: datetime
) -> list[DayPair]:
    """Days of a part of the reporting period."""
    made = boundary_pairs(sources, site, project, version, as_of_utc)
    return [pair for pair in made if span.start <= pair.local_date < span.end]


def boundary_pairs(
    sources: Sources, site: Site, project: MvProject, version: BaselineVersion, as_of_utc: datetime
) -> list[DayPair]:
    """Every day that is known inside the project's boundary, from its baseline's first on, made from the readings and
    the adjustments as known then. Read once: what is saved and what speaks against it are of the same days.
    """

    def made() -> list[DayPair]:
        span, use = known_span(version, as_of_utc, site.time_zone), project_use(site, project)
        days = sources.use_days(site, use, span, as_of_utc)
        return project_pairs(days, version, sources.adjustments(version.baseline_id, version.version, as_of_utc))

    key = ("project pairs", site.site_id, project.project_id, *_pin(version), as_of_utc)
    return sources.keep(key, made)


def _planned(project: MvProject, baseline: Baseline, field: str) -> Decimal | None:
    if field == "confidence":
        return Decimal(repr(project.plan.confidence))
    share, fit = minimum_detectable_percent(project, baseline), baseline.statistics
    if share is None or field == "detectable_percent":
        return None if share is None else Decimal(repr(share))
    first, after = project.reporting_period
    # CV(RMSE) is the error over the mean day: error over CV(RMSE) gives that day back, in kWh.
    return Decimal(repr(share / 100.0 * fit.rmse_dof / fit.cvrmse_g14 * (after - first).days))


def _pin(version: BaselineVersion) -> tuple[str, int]:
    return version.baseline_id, version.version
