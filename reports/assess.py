"""One energy use against a version of its baseline: spans, alerts, trend, review, and quarters as figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path

from assets.kpi.enpi.alerts import (
    EnpiAlert,
    QuarterStatus,
    ReviewRule,
    alerts_of,
    first_of_quarter,
    review_findings,
    unanswered_changes,
)
from assets.kpi.enpi.enpi_result import EnpiResult
from assets.stores.ledgers.baselines import BaselineStore, baseline_id_of
from assets.stores.warehouse.marts import ReadMart
from data_quality.contracts.baselines.baseline import BaselineType, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, local_day, months_after, span, whole_quarters
from reports.datasets.base import ReportInput, use_item
from reports.datasets.enpi import EnpiData, assessed
from reports.datasets.template_queries import TemplateQueries
from reports.figure_book import FigureBook
from reports.recompute.figure_sources import Sources, seu_of
from reports.report_content import Tone
from reports.writer import TONES, standing_of

TREND_YEARS = 3
# Quarters before the asked ones that an escalation counts.
MOST_BEFORE = 7


# Of a use's quarter: measure of the dataset enpi -> title and unit of its column.
SHOWN: Mapping[str, tuple[str, str]] = {
    "actual_kwh": ("Actual", "kwh"),
    "expected_kwh": ("Expected", "kwh"),
    "deviation_percent": ("Deviation", "percent"),
    "enpi_index": ("Index", "percent"),
    "uncertainty_kwh": ("Uncertainty ±", "kwh"),
}


@dataclass(frozen=True)
class Asking:
    """Inputs of answers, as of an instant. read: marts as of then; marts_dir: those of now, of which
    alone there are some of energy uses; None of an instant that these are not of.
    """

    site: Site
    sources: Sources
    marts_dir: Path | None
    read: ReadMart
    as_of_utc: datetime


@dataclass(frozen=True)
class UseRequest:
    """One use, the version that it is held against (None: there is none), and the readings as known at an instant.

    marts_dir: marts that may say its days in place of the readings; None: the readings do.
    """

    site: Site
    seu: Seu
    version: BaselineVersion | None
    sources: Sources
    as_of_utc: datetime
    marts_dir: Path | None = None

    def assess(self, span: Period, *, confidence: float = 0.9) -> EnpiResult:
        """The use's assessment over a span."""
        pinned = None if self.version is None else (self.version.baseline_id, self.version.version)
        pairs = self.sources.pairs(self.site, self.seu.seu_id, pinned, span, self.as_of_utc)
        return assessed(
            self.seu, self.version, span, pairs, self.sources, as_of_utc=self.as_of_utc, confidence=confidence
        )

    def touched(self, spans: Sequence[Period]) -> list[Period]:
        """Spans, of those given, that the site's readings touch."""
        known = known_days(self.site, self.sources, self.as_of_utc)
        return [each for each in spans if known is not None and each.end > known.start and each.start < known.end]

    def quarters(self, span: Period) -> list[QuarterStatus]:
        """Whole quarters of the span that the use was read in, oldest first."""
        wanted = self.touched(whole_quarters(span))
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
        quarters = {each.label for each in whole_quarters(span)}
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
        today = local_day(self.as_of_utc, self.site.time_zone)
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


def ever_approved(versions: Sequence[BaselineVersion]) -> list[BaselineVersion]:
    """Superseded ones too: a trend shows what was reported at its time."""
    return [each for each in versions if each.status.has_approval]


def quarters_before(end: date, time_zone: str, *, months: int = 3) -> Period:
    """The whole quarters of that many months up to the last quarter that has ended by `end`."""
    after = first_of_quarter(end)
    start = months_after(after, -months)
    return span(start, after, time_zone)


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


def version_of(name: str, given: Asking, seu_id: str) -> BaselineVersion | None:
    """The version `id@number`, or without a name the one in force. Raises BadInput."""
    if not name:
        return baselines_in_force(given.site, given.sources.baselines, as_of_utc=given.as_of_utc).get(seu_id)
    baseline_id, _, number = name.rpartition("@")
    is_number = number.isascii() and number.isdecimal() and len(number) < len("123456789")
    if not (is_number and baseline_id.startswith(f"{given.site.site_id}/{seu_id}/")):
        raise BadInput(f"{name!r} is no version of a baseline of {seu_id!r}", reason="no_baseline")
    return given.sources.baselines.get(baseline_id, int(number), as_of_utc=given.as_of_utc)


@dataclass(frozen=True)
class Quarter:
    """One quarter, or another span, of one use by one version. figures: by measure of the dataset enpi."""

    period: Period
    result: EnpiResult
    figures: Mapping[str, Figure]

    @property
    def standing(self) -> str:
        """The one code of how the use stands."""
        return standing_of(self.result.status, self.result.performance)

    @property
    def tone(self) -> Tone:
        """Tone of its standing."""
        return TONES.get(self.standing, "plain")

    @property
    def name(self) -> str:
        """Quarter or month within its year: Q1, 01."""
        return self.period.label[-2:]

    @property
    def baseline(self) -> str:
        """Version that it was held against, as `id@version`; empty without one."""
        return f"{self.result.baseline_id}@{self.result.baseline_version}" if self.result.baseline_id else ""


def use_request(given: Asking, seu_id: str, number: str = "") -> UseRequest:
    """The use against the version of its energy baseline of that number, or the one in force. Raises BadInput."""
    seu = seu_of(given.site, seu_id)
    version = version_of(f"{enb_of(given.site, seu)}@{number}" if number else "", given, seu_id)
    return UseRequest(given.site, seu, version, given.sources, given.as_of_utc, given.marts_dir)


def quarters(
    use: UseRequest,
    spans: Sequence[Period],
    *,
    measures: Iterable[str] = SHOWN,
    book: Callable[[Sequence[Figure]], object] = len,
) -> list[Quarter]:
    """The spans of the use that were read at all, each with its numbers as figures.

    book: takes all of them and what they are made of, in the order in which they were made.
    """
    wanted = use.touched(spans)
    if not wanted:
        return []
    ask, data = use_asker(use, wanted[0].start, wanted[-1].end)
    found = []
    for each in wanted:
        item = use_item(use.seu, each)
        figures = {name: ask.measure("enpi", name, item) for name in measures}
        found.append(Quarter(period=each, result=data.result(use.seu, each), figures=figures))
    book(ask.book.figures())
    # The lake counts UTC days: its first one may belong to the day before, in local time.
    return [each for each in found if each.result.coverage > 0]


def use_asker(use: UseRequest, start: date, end: date) -> tuple[TemplateQueries, EnpiData]:
    """The questions about a use over a span, and the dataset that answers them."""
    whole = Period(label=f"{start}/{end}", start=start, end=end, time_zone=use.site.time_zone)
    book = FigureBook(
        report_id="/".join(["enpi", use.site.site_id, use.seu.seu_id, f"{start}~{end}"]),
        revision=0,
        as_of_utc=use.as_of_utc,
        is_synthetic=use.sources.has_synthetic(use.site, whole, use.as_of_utc),
    )
    known = ReportInput(
        site=use.site,
        period=whole,
        as_of_utc=use.as_of_utc,
        sources=use.sources,
        versions={} if use.version is None else {use.seu.seu_id: use.version},
        marts_dir=use.marts_dir,
    )
    data = EnpiData(known)
    return TemplateQueries(known, {"enpi": data}, book), data
