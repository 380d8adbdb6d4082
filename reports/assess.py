"""One energy use against a version of its baseline, straight from the readings: spans, alerts, trend, review."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from assets.kpi.enpi.alerts import (
    EnpiAlert,
    QuarterStatus,
    ReviewRule,
    alerts_of,
    first_of_quarter,
    quarter_label,
    quarters_of,
    review_findings,
    unanswered_changes,
)
from assets.kpi.enpi.enpi_result import EnpiResult, enpi_for, rule_of
from assets.stores.ledgers.baselines import BaselineStore, baseline_id_of
from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, months_after
from reports.recompute.figure_sources import Sources

TREND_YEARS = 3
# Quarters before the asked ones that an escalation counts.
MOST_BEFORE = 7


@dataclass(frozen=True)
class UseRequest:
    """One use, the version that it is held against (None: there is none), and the readings as known at an instant."""

    site: Site
    seu: Seu
    version: BaselineVersion | None
    sources: Sources
    as_of_utc: datetime

    def assess(self, span: Period, *, confidence: float = 0.9) -> EnpiResult:
        """The use's assessment over a span."""
        version = self.version
        pinned = None if version is None else (version.baseline_id, version.version)
        return enpi_for(
            self.sources.pairs(self.site, self.seu.seu_id, pinned, span, self.as_of_utc),
            seu_id=self.seu.seu_id,
            version=version,
            period=span,
            rule=rule_of(self.seu),
            confidence=confidence,
            is_static_factor_changed=version is not None
            and is_review_due(self.sources, self.seu, version, span, self.as_of_utc),
        )

    def touched(self, spans: Sequence[Period]) -> list[Period]:
        """Spans, of those given, that the site's readings touch."""
        known = known_days(self.site, self.sources, self.as_of_utc)
        return [each for each in spans if known is not None and each.end > known.start and each.start < known.end]

    def quarters(self, span: Period) -> list[QuarterStatus]:
        """Whole quarters of the span that the use was read in, oldest first."""
        wanted = self.touched(quarters_of(span))
        if wanted:
            # At once: the quarters are parts of it.
            self.sources.days(self.site, self.seu.seu_id, span, self.as_of_utc)
        found = [self.assess(each) for each in wanted]
        # The lake counts UTC days: its first one may belong to the year before, in local time.
        return [QuarterStatus.of(each) for each in found if each.coverage > 0]

    def trend(self, versions: Sequence[BaselineVersion], end: date, years: int = TREND_YEARS) -> list[QuarterStatus]:
        """Quarters of the `years` up to the quarter that ends by `end`, by every version that was ever approved.

        Quarters inside of a version's own training are among them: there the EnPI is close to 1 by construction.
        """
        span = quarters_before(end, self.site.time_zone, months=12 * years)
        return [row for each in ever_approved(versions) for row in replace(self, version=each).quarters(span)]

    def alerts(self, span: Period) -> tuple[EnpiAlert, ...]:
        """Alerts of the span's whole quarters; those before it count towards an escalation and are not told again."""
        quarters = {each.label for each in quarters_of(span)}
        found = self.quarters(span) if self.version is not None else []
        # Quarters before are read only as long as they lengthen a run.
        while found and found[0].status == "critical" and len(found) < len(quarters) + MOST_BEFORE:
            before = self.quarters(quarters_before(found[0].start, self.site.time_zone))
            if not before:
                break
            found = [*before, *found]
        every = alerts_of(self.seu.seu_id, found, limit_percent=self.seu.status_rule.crit_percent)
        return tuple(each for each in every if each.quarter in quarters)

    def known_year(self) -> Period:
        """The 365 local days before the day of the instant."""
        today = self.as_of_utc.astimezone(ZoneInfo(self.site.time_zone)).date()
        return Period(label="", start=today - timedelta(days=365), end=today, time_zone=self.site.time_zone)

    def review(self, rule: ReviewRule | None = None) -> tuple[Finding, ...]:
        """Reasons to review the version, as of then (clause 6.5)."""
        version, sources, as_of_utc = self.version, self.sources, self.as_of_utc
        if version is None:
            return ()
        pinned, baseline = (version.baseline_id, version.version), version.baseline
        year = self.known_year()
        today = year.end
        given = sources.adjustments(*pinned, as_of_utc)
        quarters = self.quarters(quarters_before(today, self.site.time_zone, months=12))
        return review_findings(
            version,
            today=today,
            changes=unanswered_changes(self.seu, baseline, given, start=year.start, end=year.end),
            pairs=sources.pairs(self.site, self.seu.seu_id, pinned, year, as_of_utc),
            # What the model was fitted on is no evidence against it.
            quarters=[each for each in quarters if each.start >= baseline.train_end],
            rule=rule,
        )


def enb_of(site: Site, seu: Seu) -> str:
    """Id of the use's energy baseline."""
    return baseline_id_of(site.site_id, seu.seu_id, BaselineType.ENB)


def known_days(site: Site, sources: Sources, as_of_utc: datetime) -> Period | None:
    """First and last local day with readings of the site, the end excluded; None where nothing was read."""
    span = sources.lake.span(site.site_id, as_of_utc=as_of_utc)
    if span is None:
        return None
    return Period(label="known", start=span[0], end=span[1] + timedelta(days=1), time_zone=site.time_zone)


def is_review_due(sources: Sources, seu: Seu, version: BaselineVersion, period: Period, as_of_utc: datetime) -> bool:
    """True where a static factor of the SEU changed since the baseline and no adjustment answers it."""
    given = sources.adjustments(version.baseline_id, version.version, as_of_utc)
    return bool(unanswered_changes(seu, version.baseline, given, start=period.start, end=period.end))


def ever_approved(versions: Sequence[BaselineVersion]) -> list[BaselineVersion]:
    """Superseded ones too: a trend shows what was reported at its time."""
    return [each for each in versions if each.status.has_approval]


def quarters_before(end: date, time_zone: str, *, months: int = 3) -> Period:
    """The whole quarters of that many months up to the last quarter that has ended by `end`."""
    after = first_of_quarter(end)
    start = months_after(after, -months)
    return Period(label=quarter_label(start), start=start, end=after, time_zone=time_zone)


def baselines_in_force(
    site: Site, baselines: BaselineStore, *, as_of_utc: datetime | None = None
) -> dict[str, BaselineVersion]:
    """SEU to the approved baseline, or to the newest provisional one, which the report will not assess."""
    # A provisional one still shows what it would expect; what is judged needs an approval.
    found = baselines.in_force(site.site_id, as_of_utc=as_of_utc)
    return {seu.seu_id: found[seu.seu_id] for seu in site.seus if seu.seu_id in found}


def project_baselines(
    site: Site, baselines: BaselineStore, *, as_of_utc: datetime | None = None
) -> dict[str, BaselineVersion]:
    """M&V project to its own approved baseline, or to the newest provisional one, by which nothing is claimed."""
    found = baselines.in_force(site.site_id, BaselineType.MV_PROJECT, as_of_utc=as_of_utc)
    return {each.project_id: found[each.project_id] for each in site.projects if each.project_id in found}
