"""M&V projects: what is inside of the boundary, which days are compared, what was saved (formulas 5.2).

A project's baseline is of its own type and never expects an EnPI; an EnPI's never says what a project saved.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

import polars as pl

from assets.kpi.claims.gate import claim_findings, is_far_outside, known_span
from assets.kpi.enpi.daily import adjusted_days, expected_days, features_by_day, require_type, seu_days
from assets.kpi.enpi.enpi_result import (
    DayPair,
    EnpiRule,
    Exact,
    compared,
    day_pairs,
    deviation_percent,
    period_uncertainty_kwh,
    sum_kwh,
)
from assets.kpi.enpi.savings_band import (
    DAYS_A_MONTH,
    MAX_RHO,
    fractional_savings_uncertainty,
    savings_uncertainty_kwh,
)
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.adjustments import AdjustmentStore
from data_quality.contracts.baselines.baseline import Adjustment, Baseline, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, SeuDriver, Site
from data_quality.contracts.time import Period, local_day
from data_quality.contracts.units import ARITHMETIC

PLAN_FIELDS = (
    "drivers_because", "static_factors", "accuracy_profile", "non_routine_procedure", "responsible", "price_basis",
    "report_format",
)  # fmt: skip
MIN_DAYS_SHARE = 0.9


class ProjectSavings(Model):
    """Avoided energy of a project's reporting period, sums over the days that may be compared.

    savings_kwh = expected - actual, adjustments in the expectation; claimed_kwh: the saving where an approved baseline
    stands behind it, it exceeds its uncertainty and no blocking finding stands against it.
    """

    project_id: str
    kind: str = "avoided_energy"
    option: str
    start: date
    end: date
    expected_kwh: Exact
    actual_kwh: Exact
    savings_kwh: Exact
    delta_kwh: Exact
    adjustment_kwh: Exact
    savings_percent: Exact | None
    uncertainty_kwh: float | None
    interval_kwh: tuple[float, float] | None
    fsu: float | None
    confidence: float
    is_significant: bool | None
    claimed_kwh: Exact | None
    days: int
    compared_days: int
    baseline_id: str
    baseline_version: int
    findings: tuple[Finding, ...]


def project_of(site: Site, project_id: str) -> MvProject:
    """The project of that id. Raises BadInput naming those that there are."""
    for project in site.projects:
        if project.project_id == project_id:
            return project
    known = ", ".join(each.project_id for each in site.projects) or "none"
    raise BadInput(f"site {site.site_id!r} has no project {project_id!r}; it has {known}", reason="unknown_project")


def project_use(site: Site, project: MvProject) -> Seu:
    """Energy use inside the project's boundary, under the project's own id."""
    if project.seu is not None:
        seu = next(each for each in site.seus if each.seu_id == project.seu)
        # The boundary is that of the use, the baseline is the project's own.
        return seu.model_copy(update={"seu_id": project.project_id, "name": project.name, "baseline": None})
    return Seu(
        seu_id=project.project_id,
        name=project.name,
        meters=project.meters,
        drivers=tuple(
            SeuDriver(driver_id=name, justification=project.plan.drivers_because or "named by the project")
            for name in project.drivers
        ),
        day_types=project.day_types,
    )


def reported_span(project: MvProject, period: Period, now_utc: datetime) -> Period | None:
    """The local days of a span that are in the reporting period and over; None where there is none."""
    first, after = project.reporting_period
    today = local_day(now_utc, period.time_zone)
    # A day that is not over has too little energy for a whole day's expectation.
    start, end = max(first, period.start), min(after, period.end, today)
    return Period(label="", start=start, end=end, time_zone=period.time_zone) if start < end else None


def project_pairs(days: pl.DataFrame, version: BaselineVersion, adjustments: Sequence[Adjustment]) -> list[DayPair]:
    """Local days of the boundary, metered and expected, approved adjustments in the expectation.

    days: `seu_days` of the project's use.
    """
    expected = adjusted_days(expected_days(version.baseline, days), adjustments)
    return day_pairs(days, expected, features_by_day(version.baseline, days))


def project_savings(
    site: Site,
    project: MvProject,
    version: BaselineVersion,
    *,
    lake: Lake,
    now_utc: datetime,
    as_of_utc: datetime | None = None,
) -> ProjectSavings | Finding:
    """Savings of the days of the reporting period that are over, by one version of the project's baseline.

    Raises BadInput for a baseline of another type. A Finding where no day can be compared.
    """
    require_type(version, "savings")
    first, after = project.reporting_period
    whole = Period(label="", start=first, end=after, time_zone=site.time_zone)
    period = reported_span(project, whole, now_utc)
    if period is None:
        return nothing_reported(project)
    known = known_span(version, now_utc, site.time_zone)
    readings = site_readings(lake, site, start_utc=known.start_utc, end_utc=known.end_utc, as_of_utc=as_of_utc)
    # Adjustments as known at T: a saving that was reported then is recomputed from the same ones.
    given = AdjustmentStore(lake.store).in_force(version.baseline_id, version.baseline, as_of_utc=as_of_utc)
    days = seu_days(readings, site=site, seu=project_use(site, project), start=known.start, end=known.end)
    pairs = project_pairs(days, version, given)
    findings = project_claim_findings(site, project, version, pairs, end=period.end)
    # The gate looks at every day that is known, the figure only at the days of its span.
    inside = [each for each in pairs if period.start <= each.local_date < period.end]
    return savings_of(project, version, inside, period=period, project_findings=findings)


def project_claim_findings(
    site: Site, project: MvProject, version: BaselineVersion, pairs: Sequence[DayPair], *, end: date
) -> tuple[Finding, ...]:
    """Findings against a saving of the project up to `end`: changes of use outside of its installation, and other
    projects whose saving the same meters show, named.

    pairs: every day that is known, from the baseline's first on.
    """
    first, last = project.installation_start, project.installation_end
    found = claim_findings(
        # Days of the installation belong to neither period.
        [each for each in pairs if not first <= each.local_date < last],
        version.baseline,
        end=end,
        declared=(first, last),
        least_coverage=EnpiRule().min_day_coverage,
    )
    scope = f"project:{project.project_id}"
    return tuple(
        each.model_copy(update={"scope": scope, "message": f"{project.name}: {each.message}"})
        for each in (*found, *shared_savings(site, project))
    )


def shared_savings(site: Site, project: MvProject) -> Iterator[Finding]:
    """Other projects at the same meters, or at one above or below, that the same days hold: a saving is claimed once.

    It is the earlier project's, which is told so; the later one claims none while the earlier reports. Nothing where
    the plan says that interactive effects are adjusted.
    """
    mine = set(project_use(site, project).meters)
    for other in site.projects:
        theirs = set(project_use(site, other).meters)
        is_apart = not any(
            one in others or others & set(site.above(one)) for meters, others in ((mine, theirs), (theirs, mine))
            for one in meters
        )  # fmt: skip
        if is_apart or other.project_id == project.project_id or project.interactive_effects == "adjusted":
            continue
        first, later = sorted((project, other), key=lambda each: (each.installation_start, each.project_id))
        if later.installation_start >= first.reporting_period[1]:
            continue
        facts = {"project": other.project_id, "start": later.installation_start.isoformat()}
        if project is first:
            message = Sentence(
                "From {0} on the meters show the saving of {1} too.", later.installation_start, other.name
            )
            yield Finding(code="holds_other_saving", message=message, facts=facts)
        else:
            message = Sentence(
                "{0} reports at the same meters, and its saving holds this one: it is claimed there.", other.name
            )
            yield Finding(code="claimed_elsewhere", message=message, severity="blocking", facts=facts)


def nothing_reported(project: MvProject) -> Finding:
    """No day of the reporting period is over."""
    message = Sentence("The reporting period starts on {0}: no day of it is over.", project.reporting_period[0])
    return _no_number("nothing_reported", message, project)


def savings_of(
    project: MvProject,
    version: BaselineVersion,
    pairs: Sequence[DayPair],
    *,
    period: Period,
    project_findings: Sequence[Finding] = (),
) -> ProjectSavings | Finding:
    """Savings over local days of the reporting period. A Finding where no day can be compared.

    project_findings: those beyond these days (project_claim_findings). Raises BadInput for a baseline of another type.
    """
    require_type(version, "savings")
    both = compared(pairs, rule=EnpiRule(), start=period.start, end=period.end)
    actual, expected = sum_kwh(each.actual_kwh for each in both), sum_kwh(each.expected_kwh for each in both)
    if not both or expected <= 0:
        message = Sentence(
            "{0} of {1} days can be compared, and they expect {2} kWh.", len(both), period.days, Numeral(expected)
        )
        return _no_number("no_comparison", message, project, days=period.days, compared_days=len(both))
    saved, deviation = ARITHMETIC.subtract(expected, actual), deviation_percent(actual, expected)
    confidence = project.plan.confidence
    half = period_uncertainty_kwh(version, expected, both, confidence=confidence)
    outside = sum(each.is_extrapolated for each in both)
    findings = (*project_findings, *_findings(project, version, period, compared_days=len(both), outside=outside))
    is_significant = None if half is None else abs(float(saved)) > half
    # Significant the other way is an increase of use: reported, never claimed.
    may_claim = is_significant is True and saved > 0 and not any(each.is_blocking for each in findings)
    return ProjectSavings(
        project_id=project.project_id,
        option=project.option,
        start=period.start,
        end=period.end,
        expected_kwh=expected,
        actual_kwh=actual,
        savings_kwh=saved,
        delta_kwh=-saved,
        adjustment_kwh=sum_kwh(each.adjustment_kwh for each in both),
        savings_percent=None if deviation is None else -deviation,
        uncertainty_kwh=half,
        interval_kwh=None if half is None else (float(saved) - half, float(saved) + half),
        fsu=None if half is None else fractional_savings_uncertainty(half, float(saved)),
        confidence=confidence,
        is_significant=is_significant,
        claimed_kwh=saved if may_claim else None,
        days=period.days,
        compared_days=len(both),
        baseline_id=version.baseline_id,
        baseline_version=version.version,
        findings=findings,
    )


def _no_number(code: str, message: str, project: MvProject, **facts: int) -> Finding:
    scope = f"project:{project.project_id}"
    return Finding(code=code, message=message, severity="blocking", scope=scope, facts={**facts})


def _findings(
    project: MvProject, version: BaselineVersion, period: Period, *, compared_days: int, outside: int
) -> tuple[Finding, ...]:
    found, planned_end = [], project.reporting_period[1]
    if not version.status.has_approval:
        found.append(Finding(code="provisional", message="Nobody has approved the baseline.", severity="blocking"))
    if compared_days < MIN_DAYS_SHARE * period.days:
        found.append(
            Finding(
                code="coverage",
                message=Sentence("Only {0} of {1} days can be compared.", compared_days, period.days),
                severity="blocking",
                facts={"days": period.days, "compared_days": compared_days},
            )
        )
    if period.end < planned_end:
        found.append(
            Finding(
                code="period_not_over",
                message=Sentence("The reporting period goes on to {0}.", planned_end),
                severity="info",
                facts={"end": planned_end.isoformat()},
            )
        )
    if outside:
        found.append(
            Finding(
                code="extrapolation",
                message=Sentence(
                    "On 1 day a driver lies outside what the baseline knows."
                    if outside == 1
                    else "On {0} days a driver lies outside what the baseline knows.",
                    outside,
                ),
                severity="blocking" if is_far_outside(outside, compared_days) else "warning",
                facts={"days_outside": outside},
            )
        )
    return tuple(found)


def plan_of(site: Site, project: MvProject, baseline: Baseline | None) -> dict[str, object]:
    """The M&V plan with every field of formulas 5.2, what is missing of it, and the smallest saving it can tell."""
    start, end = project.baseline_period
    first, after = project.reporting_period
    use = project_use(site, project)
    return {
        "project": project.project_id,
        "name": project.name,
        "boundary": project.boundary,
        "option": project.option,
        "meters": list(use.meters),
        "drivers": [each.driver_id for each in use.drivers],
        "baseline_period": {"start": start, "end": end},
        "installation": {"start": project.installation_start, "end": project.installation_end},
        "reporting_period": {"start": first, "end": after},
        "interactive_effects": project.interactive_effects,
        **project.plan.model_dump(mode="json"),
        **({"comparison_group": list(project.comparison_group)} if project.comparison_group else {}),
        "model": None if baseline is None else baseline.model,
        "minimum_detectable_percent": None if baseline is None else minimum_detectable_percent(project, baseline),
        "missing": missing_of(project),
    }


def missing_of(project: MvProject) -> list[str]:
    """Fields of the plan that say nothing."""
    named = [name for name in PLAN_FIELDS if not getattr(project.plan, name)]
    return named + ([] if project.interactive_effects else ["interactive_effects"])


def minimum_detectable_percent(project: MvProject, baseline: Baseline) -> float | None:
    """The saving that equals its own uncertainty over the reporting period, percent of expected; None without spread.

    The 10 % rule of thumb for option C is not used: the data say what they can tell (formulas 5.2). The G14 form, since
    nobody knows the reporting period's drivers before it.
    """
    fit = baseline.statistics
    first, after = project.reporting_period
    days = (after - first).days
    # A perfect fit has no spread from which a limit of detection could be computed.
    if fit.cvrmse_g14 <= 0 or fit.n <= fit.p:
        return None
    return 100.0 * savings_uncertainty_kwh(
        expected_kwh=1.0,
        cvrmse=fit.cvrmse_g14,
        rho1=min(max(fit.rho1, 0.0), MAX_RHO),
        n=fit.n,
        m=days,
        months=max(days / DAYS_A_MONTH, 1.0),
        confidence=project.plan.confidence,
        n_params=fit.p,
    )
