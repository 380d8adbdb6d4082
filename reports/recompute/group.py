"""A project's comparison group recomputed: uses of other sites without a measure, over the days that it reports."""

from datetime import date, datetime
from decimal import Decimal

from assets.kpi.claims import comparison_group as group
from assets.kpi.claims.comparison_group import CorrectedSavings, GroupMember, corrected_savings
from assets.kpi.claims.mv_savings import MIN_DAYS_SHARE, ProjectSavings, project_use
from assets.kpi.enpi.enpi_result import EnpiRule, compared, period_uncertainty_kwh, sum_kwh
from assets.sites.virtual import inputs_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from reports.recompute.figure_sources import Sources

# Of the group as a whole, beside `member_percent` and `member_kwh` of one of it.
FIELDS = {
    "corrected_kwh": "savings_kwh",
    "corrected_claimed_kwh": "claimed_kwh",
    "corrected_uncertainty_kwh": "uncertainty_kwh",
    "shift_kwh": "shift_kwh",
    "group_percent": "group_share",
    "group_spread_percent": "spread_share",
}
OF_MEMBERS = ("member_percent", "member_uncertainty_percent")
COUNTED = "members"
# A shock between the ends of two baselines is in one saving and not in the other.
_MONTH_DAYS = 31
_AS_PERCENT = ("group_percent", "group_spread_percent")


def number(found: CorrectedSavings | tuple[Finding, ...], field: str, member: str) -> Decimal | None:
    """A number of the group: of FIELDS, of one member, or how many are compared. None where nothing is corrected, or
    the member is left out.
    """
    if isinstance(found, tuple):
        return None
    if field == COUNTED:
        return Decimal(len(found.members))
    if field in OF_MEMBERS:
        one = next((each for each in found.members if each.name == member), None)
        if one is None or (field != OF_MEMBERS[0] and one.uncertainty_kwh is None):
            return None
        share = one.share if field == OF_MEMBERS[0] else (one.uncertainty_kwh or 0.0) / one.expected_kwh
        return Decimal(repr(100.0 * share))
    value = getattr(found, FIELDS[field])
    return None if value is None else Decimal(repr(100.0 * value if field in _AS_PERCENT else value))


def weighed(saved: ProjectSavings, found: CorrectedSavings | tuple[Finding, ...]) -> ProjectSavings:
    """The saving with what its group says of it: one that the group explains keeps its number and is not claimed."""
    findings = found if isinstance(found, tuple) else found.findings
    is_explained = any(each.code == group.EXPLAINED for each in findings)
    claimed = None if is_explained else saved.claimed_kwh
    return saved.model_copy(update={"claimed_kwh": claimed, "findings": (*saved.findings, *findings)})


def corrected(
    sources: Sources,
    project: MvProject,
    version: BaselineVersion,
    saved: ProjectSavings,
    as_of_utc: datetime,
) -> CorrectedSavings | tuple[Finding, ...]:
    """The saving over the days of `saved` without what its group saved in them, as known at T.

    Findings alone where fewer than three members can be compared, or the saving has no band of its own.
    """
    members, findings = list[GroupMember](), list[Finding]()
    # A use that is named twice is one member.
    for name in dict.fromkeys(project.comparison_group):
        one, own_findings = _member(sources, project, version, name, saved, as_of_utc)
        findings += own_findings
        members += [] if one is None else [one]
    if saved.uncertainty_kwh is None:
        message = "The saving has no band of its own, so the comparison group corrects nothing."
        return Finding(code="group_without_band", message=message), *findings
    return corrected_savings(
        members,
        expected_kwh=float(saved.expected_kwh),
        savings_kwh=float(saved.savings_kwh),
        uncertainty_kwh=saved.uncertainty_kwh,
        confidence=saved.confidence,
        left_out=findings,
        is_barred=any(each.is_blocking for each in saved.findings),
    )


def use_of(sources: Sources, name: str) -> tuple[Site, Seu] | None:
    """The use SITE/USE of a site of the project; None where there is none."""
    site_id, _, seu_id = name.partition("/")
    site = sources.sites.get(site_id)
    found = None if site is None else next((each for each in site.seus if each.seu_id == seu_id), None)
    return None if site is None or found is None else (site, found)


def baseline_of(sources: Sources, name: str, as_of_utc: datetime) -> BaselineVersion | None:
    """The member's approved baseline that was in force then."""
    site_id, _, seu_id = name.partition("/")
    held = sources.keep(
        ("member baselines", site_id, as_of_utc), lambda: sources.baselines.in_force(site_id, as_of_utc=as_of_utc)
    )
    version = held.get(seu_id)
    return version if version is not None and version.status.has_approval else None


def member_label(sources: Sources, name: str) -> str:
    """Site and use of a member, as reports print them; its own name where there is no such use."""
    known = use_of(sources, name)
    return name if known is None else f"{known[0].name}: {known[1].name}"


def member_inputs(sources: Sources, project: MvProject, period: Period, as_of_utc: datetime) -> list[TraceInput]:
    """Inputs of the group's numbers over a span: of every member readings, site file, baseline and adjustments. They
    stand behind the project's own, whose baseline is the first of the trace.
    """
    found = list[TraceInput]()
    for name in project.comparison_group:
        known, version = use_of(sources, name), baseline_of(sources, name, as_of_utc)
        if known is None:
            continue
        site = known[0]
        found += [sources.lake_input(site, period.start, period.end, as_of_utc), sources.site_input(site)]
        if version is not None:
            pinned, checksum = f"{version.baseline_id}@{version.version}", version.model_checksum
            run = version.mlflow_run_id
            found.append(TraceInput(kind="version", id=pinned, role="baseline", sha256=checksum, value=run))
            found.append(sources.adjustments_input(version.baseline_id, version.version, as_of_utc))
    # Two uses of one site rest on one site file.
    return list(dict.fromkeys(found))


def _member(
    sources: Sources, project: MvProject, own: BaselineVersion, name: str, saved: ProjectSavings, as_of_utc: datetime
) -> tuple[GroupMember | None, list[Finding]]:
    """The member over the days of the saving, or None; and what must be said of it."""
    known = use_of(sources, name)
    if known is None:
        return None, [group.unknown(name)]
    site, seu = known
    version = baseline_of(sources, name, as_of_utc)
    if version is None:
        return None, [group.no_baseline(name)]
    baseline = version.baseline
    measure = next(
        (each for each in site.projects if _is_measured(site, each, seu, baseline.train_start, saved.end)), None
    )
    if measure is not None:
        return None, [group.has_measure(name, measure.name)]
    first, after = project.reporting_period
    if baseline.train_end > first:
        return None, [group.trained_on_report(name)]
    sources.know([version])
    # Of the whole reporting period, read once: months are parts of it.
    whole = Period(label="", start=first, end=after, time_zone=site.time_zone)
    pairs = sources.pairs(site, seu.seu_id, (version.baseline_id, version.version), whole, as_of_utc)
    both = compared(pairs, rule=EnpiRule(), start=saved.start, end=saved.end)
    expected = sum_kwh(each.expected_kwh for each in both)
    if len(both) < MIN_DAYS_SHARE * saved.days or expected <= 0:
        return None, [group.too_few_days(name, len(both) / saved.days)]
    findings = []
    if abs((baseline.train_end - own.baseline.train_end).days) > _MONTH_DAYS:
        findings.append(group.other_years(name, baseline.train_start, baseline.train_end))
    return GroupMember(
        name=name,
        expected_kwh=float(expected),
        actual_kwh=float(sum_kwh(each.actual_kwh for each in both)),
        uncertainty_kwh=period_uncertainty_kwh(version, expected, both, confidence=project.plan.confidence),
    ), findings


def _is_measured(site: Site, project: MvProject, seu: Seu, first: date, end: date) -> bool:
    """True where a measure touches the use between its baseline's first day and the end of the reported days: on one of
    its meters, one below or one above.
    """
    its = project_use(site, project).meters
    is_its = any(_counts(site, one, two) or _counts(site, two, one) for one in seu.meters for two in its)
    return is_its and project.installation_end > first and project.installation_start < end


def _counts(site: Site, name: str, part: str) -> bool:
    """True where what the meter `part` counts is in what a meter counts: it is that one, stands below it, or below what
    that one is computed of and is not taken off again.
    """
    above, meter = set[str](), site.meter(part)
    while meter is not None and meter.meter_id not in above:
        above.add(meter.meter_id)
        meter = site.meter(meter.parent_on() or "")
    return name in above or sum(each.coefficient for each in inputs_of(site, name) if each.meter_id in above) != 0
