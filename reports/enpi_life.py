"""EnPIs over time: quarters by every approved version, alerts, and what speaks for a review of a baseline."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from assets.kpi.enpi_of_use.alerts import EnpiAlert, QuarterStatus, alerts_of, quarter_label, quarters_of
from assets.kpi.enpi_of_use.enpi_result import EnpiRule, rule_of
from assets.kpi.enpi_of_use.review_triggers import ReviewRule, review_findings
from assets.kpi.enpi_of_use.static_factors import unanswered_changes
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.again.figure_sources import Sources, seu_of
from reports.assess import assess_seu

TREND_YEARS = 3
# Quarters before the asked ones that an escalation counts.
MOST_BEFORE = 7


def quarter_statuses(
    site: Site,
    version: BaselineVersion,
    period: Period,
    *,
    sources: Sources,
    as_of_utc: datetime,
    rule: EnpiRule | None = None,
) -> list[QuarterStatus]:
    """Whole quarters of the period that the lake touches, assessed against one version, oldest first."""
    span = sources.lake.span(site.site_id, as_of_utc=as_of_utc)
    if span is None:
        return []
    seu_id = version.baseline.seu_id
    # At once: the quarters are parts of it.
    sources.days(site, seu_id, period, as_of_utc)
    found = []
    for quarter in quarters_of(period):
        # Quarters end exclusively, the lake's last day is one with readings.
        if quarter.end <= span[0] or quarter.start > span[1]:
            continue
        result = assess_seu(
            site, seu_id, quarter, sources=sources, versions={seu_id: version}, as_of_utc=as_of_utc, rule=rule
        )
        if result.coverage == 0:
            # The lake counts UTC days: its first one may belong to the year before, in local time.
            continue
        found.append(
            QuarterStatus(
                label=quarter.label,
                start=quarter.start,
                end=quarter.end,
                baseline_id=version.baseline_id,
                baseline_version=version.version,
                actual_kwh=result.actual_kwh,
                expected_kwh=result.expected_kwh,
                enpi=result.enpi,
                deviation_percent=result.deviation_percent,
                status=result.status,
                reason=result.reason,
                review_flags=result.review_flags,
            )
        )
    return found


def trend(
    site: Site,
    versions: Sequence[BaselineVersion],
    *,
    end: date,
    sources: Sources,
    as_of_utc: datetime,
    years: int = TREND_YEARS,
) -> list[QuarterStatus]:
    """Quarters of the `years` up to the quarter that ends by `end`, by every version that was ever approved.

    Quarters inside of a version's own training are among them: there the EnPI is close to 1 by construction.
    """
    period = years_before(end, years, site.time_zone)
    # Superseded ones too: a trend shows what was reported at its time.
    approved = [each for each in versions if each.status is not BaselineStatus.PROVISIONAL]
    return [
        row
        for version in approved
        for row in quarter_statuses(site, version, period, sources=sources, as_of_utc=as_of_utc)
    ]


def alerts_for(
    site: Site,
    version: BaselineVersion,
    period: Period,
    *,
    sources: Sources,
    as_of_utc: datetime,
) -> tuple[EnpiAlert, ...]:
    """Alerts of the period's whole quarters; those before it count towards an escalation and are not told again."""
    rule = rule_of(seu_of(site, version.baseline.seu_id))
    asked = {each.label for each in quarters_of(period)}

    def judged(span: Period) -> list[QuarterStatus]:
        return quarter_statuses(site, version, span, sources=sources, as_of_utc=as_of_utc, rule=rule)

    found = judged(period)
    # Quarters before are read only as long as they lengthen a run.
    while found and found[0].status == "critical" and len(found) < len(asked) + MOST_BEFORE:
        before = judged(quarter_before(found[0].start, site.time_zone))
        if not before:
            break
        found = [*before, *found]
    every = alerts_of(version.baseline.seu_id, found, limit_percent=rule.crit_percent)
    return tuple(each for each in every if each.quarter in asked)


def quarter_before(end: date, time_zone: str) -> Period:
    """The calendar quarter that ends on that first day of a quarter."""
    start = date(end.year, end.month - 3, 1) if end.month > 3 else date(end.year - 1, 10, 1)
    return Period(label=quarter_label(start), start=start, end=end, time_zone=time_zone)


def review_of(
    site: Site, version: BaselineVersion, *, sources: Sources, as_of_utc: datetime, rule: ReviewRule | None = None
) -> tuple[Finding, ...]:
    """What speaks for a review of an energy baseline, as known then (clause 6.5)."""
    today = as_of_utc.astimezone(ZoneInfo(site.time_zone)).date()
    start, end = today - timedelta(days=365), today
    given = sources.adjustments(version.baseline_id, version.version, as_of_utc)
    seu = seu_of(site, version.baseline.seu_id)
    pinned = (version.baseline_id, version.version)
    year = Period(label="", start=start, end=end, time_zone=site.time_zone)
    quarters = quarter_statuses(
        site, version, years_before(today, 1, site.time_zone), sources=sources, as_of_utc=as_of_utc
    )
    # What the model was fitted on is no evidence against it.
    after = [each for each in quarters if each.start >= version.baseline.train_end]
    return review_findings(
        version,
        today=today,
        changes=unanswered_changes(seu, version.baseline, given, start=start, end=end),
        pairs=sources.pairs(site, seu.seu_id, pinned, year, as_of_utc),
        quarters=after,
        rule=rule,
    )


def years_before(end: date, years: int, time_zone: str) -> Period:
    """The whole quarters of that many years up to the last quarter that has ended by `end`."""
    first_month = 3 * ((end.month - 1) // 3) + 1
    after = date(end.year, first_month, 1)
    return Period(
        label=quarter_label(after), start=after.replace(year=after.year - years), end=after, time_zone=time_zone
    )
