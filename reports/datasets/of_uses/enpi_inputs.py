"""Everything that the EnPI report is made of, already read: content functions take this and touch no disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from assets.kpi.claims.gate import against_span
from assets.kpi.enpi_of_use.enpi_result import DayPair, EnpiResult, EnpiRule, enpi_for, rule_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, months_of

SITE_KPIS = ("consumption_kwh", "peak_15min_kw", "load_factor", "cost", "emission_kgco2e")


@dataclass(frozen=True)
class SiteSpan:
    """Site KPIs of one span of local days: electricity of the site-total meters; None where a KPI is unknown.

    findings: KPI -> codes of what stands beside its value.
    """

    start: date
    end: date
    values: Mapping[str, Decimal | None]
    coverage: Decimal
    findings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class EnpiInputs:
    """Inputs of one report. `lake` answers the lake input of a span of local days; `synthetic_rows` count by batch;
    `adjustments` are each SEU's trace input, `review_due` the SEUs with a static factor that changed unanswered,
    `load_kw` the site's mean kW by local day and hour, `factors` the emission factors behind the site's electricity
    by span, `against_savings` what speaks against a saving of an SEU up to a day.
    """

    site: Site
    period: Period
    as_of_utc: datetime
    months: Sequence[SiteSpan]
    whole: SiteSpan
    pairs: Mapping[str, Sequence[DayPair]]
    versions: Mapping[str, BaselineVersion]
    lake: Mapping[tuple[date, date], TraceInput]
    site_input: TraceInput
    definition: TraceInput
    calendar: Sequence[TraceInput]
    batch_counts: Mapping[str, Decimal]
    is_synthetic: bool
    synthetic_rows: Mapping[str, int]
    rule: EnpiRule = field(default_factory=EnpiRule)
    confidence: float = 0.9
    findings: tuple[Finding, ...] = ()
    adjustments: Mapping[str, TraceInput] = field(default_factory=dict)
    review_due: frozenset[str] = frozenset()
    factors: Mapping[tuple[date, date], Sequence[TraceInput]] = field(default_factory=dict)
    against_savings: Mapping[tuple[str, date], tuple[Finding, ...]] = field(default_factory=dict)
    load_kw: Mapping[date, Sequence[float | None]] = field(default_factory=dict)

    @property
    def seus(self) -> list[Seu]:
        """Active SEUs, in file order."""
        return [seu for seu in self.site.seus if seu.is_active]

    @property
    def month_periods(self) -> list[Period]:
        """Calendar months of the period."""
        return months_of(self.period)

    def barred(self, seus: Sequence[Seu], span: Period) -> str:
        """Code of what forbids to claim a saving of these uses over a span; empty where nothing does."""
        for seu in seus:
            against = self.against_savings.get((seu.seu_id, span.end), ())
            bars = [each.code for each in against if each.is_blocking]
            # One use that is barred bars their sum.
            if code := bars[0] if bars else against_span(self.assess(seu, span)):
                return code
        return ""

    def assess(self, seu: Seu, period: Period | None = None) -> EnpiResult:
        """The SEU's assessment over the period, or over a part of it."""
        return enpi_for(
            self.pairs.get(seu.seu_id, ()),
            seu_id=seu.seu_id,
            version=self.versions.get(seu.seu_id),
            period=period or self.period,
            rule=rule_of(seu),
            confidence=self.confidence,
            is_static_factor_changed=seu.seu_id in self.review_due,
        )
