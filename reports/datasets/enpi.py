"""Energy uses against their baselines: EnPI, savings with their band, and the numbers of the baseline itself."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

from assets.kpi.enpi.alerts import unanswered_changes
from assets.kpi.enpi.enpi_result import DayPair, EnpiResult, enpi_for, rule_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period
from reports.datasets.base import DayPoint, Item, Leaf, Measure, PublishedKpis, ReportInput, use_item
from reports.datasets.day_lines import UseDays, day_points
from reports.datasets.enpi_findings import seu_findings
from reports.recompute import claims
from reports.recompute.claims import Claim, claim_of, use_saving_blocker
from reports.recompute.computations import (
    ASSESSMENT_FIELDS,
    DETECTABLE,
    assessment_field,
    baseline_input,
    detectable,
    number_of,
)
from reports.recompute.figure_sources import Sources
from reports.recompute.recomputed_kpis import KpiBasis, kpi_row, prefetch_kpis
from reports.texts.locales import days_of, word
from reports.writer import TONES, on_day, standing_of, term_words, words

NAME = "enpi"
# An EnPI is actual over expected, its difference actual less expected; a saving has the opposite sign.
_PARTS = ("actual_kwh", "expected_kwh")
BASELINE_MEASURES: Mapping[str, Measure] = {
    "n": Measure("Baseline days", "count", whole="asked", decimals=0),
    **{
        name: Measure(label, "ratio", whole="asked", decimals=4)
        for name, label in (
            ("r2", "R²"),
            ("r2_adj", "R² adj."),
            ("cvrmse_g14", "CV(RMSE), G14"),
            ("cvrmse_n", "CV(RMSE), n"),
            ("cvrmse_caltrack", "CV(RMSE), CalTRACK"),
            ("cvrmse_out_of_sample", "CV(RMSE), held out"),
            ("nmbe_out_of_sample", "NMBE, held out"),
            ("rho1", "Autocorrelation, lag 1"),
        )
    },
    "term_value": Measure("Coefficient", "kwh/day", whole="asked", decimals=5),
    "term_low": Measure("Coefficient, low", "kwh/day", whole="asked", decimals=5),
    "term_high": Measure("Coefficient, high", "kwh/day", whole="asked", decimals=5),
}


def band_measures(saving: str) -> dict[str, Measure]:
    """Ends of a saving's band and its fractional uncertainty. saving: its name, as the labels have it."""
    low, high = ("difference", ("savings_kwh", "uncertainty_kwh")), ("sum", ("savings_kwh", "uncertainty_kwh"))
    share = ("ratio", ("uncertainty_kwh", "savings_kwh"))
    return {
        "band_low_kwh": Measure(f"{saving}, lower end", "kwh", made=low, is_claim=True),
        "band_high_kwh": Measure(f"{saving}, upper end", "kwh", made=high, is_claim=True),
        "fsu": Measure("Fractional savings uncertainty", "ratio", made=share, is_share=True, is_claim=True),
    }


MEASURES: Mapping[str, Measure] = {
    "actual_kwh": Measure("Actual, comparable days", "kwh"),
    "expected_kwh": Measure("Expected by the baseline", "kwh"),
    "compared_days": Measure("Days compared", "days", decimals=0),
    "metered_kwh": Measure("Metered", "kwh"),
    "coverage": Measure("Coverage", "ratio", whole="asked", is_share=True),
    "estimated_share": Measure("Estimated", "ratio", whole="asked", is_share=True),
    "uncertainty_kwh": Measure("Uncertainty of the model, ±", "kwh", whole="asked"),
    "delta_kwh": Measure("Actual less expected", "kwh", made=("difference", _PARTS)),
    "savings_kwh": Measure("Savings", "kwh", made=("difference", tuple(reversed(_PARTS))), is_claim=True),
    "enpi": Measure("EnPI", "ratio", made=("ratio", _PARTS), decimals=3),
    "enpi_index": Measure("EnPI, expected is 100", "percent", made=("percent_of", _PARTS), decimals=1),
    "deviation_percent": Measure("Deviation", "percent", made=("deviation_percent", _PARTS), decimals=1),
    "savings_percent": Measure(
        "Savings, share of expected",
        "percent",
        made=("percent_of", ("savings_kwh", "expected_kwh")),
        decimals=1,
        is_claim=True,
    ),
    "claimed_kwh": Measure("Claimed", "kwh", whole="asked", is_claim=True),
    "savings_value": Measure("Savings, each day at its price", "currency", whole="asked", is_claim=True),
    **band_measures("Savings"),
    "detectable_kwh": Measure("Smallest detectable saving", "kwh", whole="asked"),
    "detectable_percent": Measure("Smallest saving, share of the baseline", "percent", whole="asked", decimals=1),
    **BASELINE_MEASURES,
}
# Why a measure of an assessed span has no value, where that is no want of data.
_MISSING = {"claimed_kwh": "not_significant"}
TERM_FIELDS = {"term_value": "value", "term_low": "ci_low", "term_high": "ci_high", "term_p_value": "p_value"}
FACTS = (
    "name", "status", "performance", "significant", "reason",
    "baseline", "model", "trained", "approval", "digest", "term", "drivers",
)  # fmt: skip


def assessed(
    seu: Seu,
    version: BaselineVersion | None,
    period: Period,
    pairs: Sequence[DayPair],
    sources: Sources,
    *,
    as_of_utc: datetime,
    confidence: float,
) -> EnpiResult:
    """Assessment of a use over a span. pairs: its metered and expected days, which `version` expects."""
    is_changed = False
    if version is not None:
        given = sources.adjustments(version.baseline_id, version.version, as_of_utc)
        changes = unanswered_changes(seu, version.baseline, given, start=period.start, end=period.end)
        is_changed = bool(changes)
    return enpi_for(
        pairs,
        seu_id=seu.seu_id,
        version=version,
        period=period,
        rule=rule_of(seu),
        confidence=confidence,
        is_static_factor_changed=is_changed,
    )


class EnpiData:
    """The dataset `enpi`. Scopes: seu:<id>; a coefficient is seu:<id>/<term>."""

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        self.given = given
        self.use_days = UseDays(
            given.site,
            given.period,
            sources=given.sources,
            versions=given.versions,
            as_of_utc=given.as_of_utc,
            marts_dir=given.marts_dir,
        )

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Uses with a baseline, and the coefficients of those."""
        known = [seu for seu in self.seus() if seu.seu_id in self.given.versions]
        if axis == "baseline":
            return [use_item(seu, period) for seu in known]
        if axis == "coefficient":
            return [
                Item(f"{seu.seu_id}/{term.name}", seu.name, f"seu:{seu.seu_id}/{term.name}", period)
                for seu in known
                for term in self.given.versions[seu.seu_id].baseline.coefficients
            ]
        return None

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the use's assessment over the span, or of its baseline."""
        seu, term = self.use_at(item.scope)
        version = self.given.versions.get(seu.seu_id)
        if measure in ASSESSMENT_FIELDS:
            return self._assessed(measure, seu, version, item.period)
        if measure == "savings_value":
            return self._worth(seu, version, item.period)
        if measure in DETECTABLE:
            named = {"name": measure, "confidence": repr(self.given.confidence)}
            if version is None:
                return Leaf(None, "detectable_saving", named, [], status="no_baseline")
            value = detectable(version.baseline, measure, self.given.confidence)
            return Leaf(value, "detectable_saving", named, [baseline_input(version)])
        return baseline_leaf(version, measure, term)

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Status of the span, or what the baseline is."""
        seu, term = self.use_at(item.scope)
        version = self.given.versions.get(seu.seu_id)
        if name in {"status", "performance", "reason", "significant"}:
            result = self.result(seu, item.period)
            if name == "reason":
                return Sentence(words(result.reason)) if result.reason else "", "muted"
            if name == "significant":
                return is_sure(result, self.given.locale)
            code = standing_of(result.status, result.performance) if name == "status" else result.performance
            return word(words(code), self.given.locale), TONES.get(code, "plain")
        if name == "name":
            return seu.name, "plain"
        if name == "term":
            return term_words(term, self.given.site), "plain"
        if name == "drivers":
            drivers = [f"{self.given.site.stream_name(e.driver_id)}: {e.justification}" for e in seu.drivers]
            return "; ".join(drivers) or Sentence("none"), "plain"
        return version_fact(name, version, self.given), "plain"

    def days(self, measure: str, item: Item, *, is_running: bool, has_band: bool) -> Sequence[DayPoint]:
        """Days of the use; no running saving where none may be claimed."""
        seu, _ = self.use_at(item.scope)
        if is_running and self.barred(item):
            return []
        return day_points(
            self.use_days.pairs(seu, item.period),
            self.given.versions.get(seu.seu_id),
            measure,
            period=item.period,
            rule=self.given.rule,
            confidence=self.given.confidence,
            is_running=is_running,
            has_band=has_band,
        )

    def findings(self, period: Period) -> list[Finding]:
        """Findings of each use's assessment."""
        found: list[Finding] = []
        seus = self.seus()
        if not seus:
            found.append(
                Finding(
                    code="no_seu",
                    message="The site file names no significant energy use: nothing can be compared with a baseline.",
                    severity="blocking",
                )
            )
        for seu in seus:
            found += seu_findings(seu, self.result(seu, period), self.given.versions.get(seu.seu_id))
            found += self._claim(seu, period).findings
        return found

    def barred(self, item: Item) -> str:
        """Code of what forbids to claim a saving of the use over the item's span; empty where nothing does."""
        return self._claim(self.use_at(item.scope)[0], item.period).not_claimed

    def _claim(self, seu: Seu, period: Period) -> Claim:
        result = self.result(seu, period, with_band=True)
        return claim_of(self.given.site, seu, result, self.saving_blocker(seu, period.end))

    def saving_blocker(self, seu: Seu, until: date) -> tuple[Finding, ...]:
        """Reason against a saving of the use in a span that ends on `until` (exclusive)."""
        given = self.given
        return use_saving_blocker(
            given.sources,
            given.site,
            seu,
            given.versions.get(seu.seu_id),
            end=until,
            as_of_utc=given.as_of_utc,
            least_coverage=given.rule.min_day_coverage,
            pairs=lambda span: self.use_days.pairs(seu, span),
        )

    def result(self, seu: Seu, period: Period, *, with_band: bool = False) -> EnpiResult:
        """The use's assessment over a span. with_band: its uncertainty is asked, of a span before the report too."""
        given, version = self.given, self.given.versions.get(seu.seu_id)
        # Days of the report's own span know it anyway: one assessment of them is enough.
        with_band = with_band and not (given.period.start <= period.start and period.end <= given.period.end)
        by = None if version is None else (version.baseline_id, version.version)
        key = ("result", seu.seu_id, by, period.start, period.end, given.as_of_utc, given.confidence, with_band)
        return given.sources.keep(
            key,
            lambda: assessed(
                seu,
                version,
                period,
                self.use_days.pairs(seu, period, with_band=with_band),
                given.sources,
                as_of_utc=given.as_of_utc,
                confidence=given.confidence,
            ),
        )

    def _assessed(self, measure: str, seu: Seu, version: BaselineVersion | None, period: Period) -> Leaf:
        given, result = self.given, self.result(seu, period, with_band=measure in {"uncertainty_kwh", "claimed_kwh"})
        value = assessment_field(result, measure)
        return Leaf(
            value=value,
            computation="seu_assessment",
            parameters={
                **given.span(period),
                "seu": seu.seu_id,
                "field": measure,
                "confidence": repr(given.confidence),
                "min_day_coverage": repr(given.rule.min_day_coverage),
            },
            inputs=[*given.behind(period), *self._expecting(version)],
            status="" if value is not None else result.reason or _MISSING.get(measure, "missing"),
            coverage=result.coverage,
            estimated_share=result.estimated_share,
            findings=(result.reason,) if result.reason else (),
        )

    def _worth(self, seu: Seu, version: BaselineVersion | None, period: Period) -> Leaf:
        given, scope = self.given, f"seu:{seu.seu_id}"
        days = claims.days_compared(self.use_days.pairs(seu, period), period, given.rule)
        if given.marts_dir is None:
            basis = KpiBasis(given.site.site_id, given.as_of_utc)
            prices = [each for day in days for each in claims.prices_of_day(scope, day.local_date)]
            prefetch_kpis(given.sources, basis, prices)
            value = claims.worth(days, scope, lambda each: kpi_row(given.sources, basis, each))
        else:
            site_id, years = given.site.site_id, range(period.start.year, period.end.year + 1)
            known = PublishedKpis(
                given.marts_dir, site_id, kpis=claims.PRICED, scope=scope, grains=("day",), years=years
            )
            value = claims.worth(days, scope, known.get)
        named = {**given.span(period), "seu": seu.seu_id, "min_day_coverage": repr(given.rule.min_day_coverage)}
        inputs = [*given.behind(period), given.sources.definition_input(), *self._expecting(version)]
        status = "" if value is not None else claims.NO_PRICE if days else "missing"
        return Leaf(value, "savings_value", named, inputs, status=status, unit=given.site.currency)

    def _expecting(self, version: BaselineVersion | None) -> list[TraceInput]:
        """Inputs of expected energy beside the readings: the baseline and its adjustments."""
        if version is None:
            return []
        given = self.given
        adjusted = given.sources.adjustments_input(version.baseline_id, version.version, given.as_of_utc)
        return [baseline_input(version), adjusted]

    def seus(self) -> list[Seu]:
        """The uses that the report is about, in file order."""
        if self.given.seu is not None:
            return [self.given.seu]
        return [seu for seu in self.given.site.seus if seu.is_active]

    def use_at(self, scope: str) -> tuple[Seu, str]:
        """The use of a scope, and the coefficient that it names. Raises OurFault for what is no use of the site."""
        name, _, term = scope.removeprefix("seu:").partition("/")
        found = next((seu for seu in self.given.site.seus if seu.seu_id == name), None)
        if found is None or not scope.startswith("seu:"):
            raise OurFault(f"{scope!r} is no use of {self.given.site.site_id}")
        return found, term


def baseline_leaf(version: BaselineVersion | None, measure: str, term: str = "") -> Leaf:
    """A statistic of a baseline, or a number of one of its coefficients."""
    named = {"name": f"{term}:{TERM_FIELDS[measure]}" if measure in TERM_FIELDS else measure}
    if version is None:
        return Leaf(None, "baseline_number", named, [], status="no_baseline")
    return Leaf(number_of(version.baseline, named["name"]), "baseline_number", named, [baseline_input(version)])


def is_sure(result: EnpiResult, locale: str) -> tuple[str, Tone]:
    """Yes or no to a difference beyond what the model cannot tell, or why there is none, with its tone."""
    if result.reason:
        return word(words(result.reason), locale), "muted"
    return ("–" if result.significant is None else word("yes" if result.significant else "no", locale)), "plain"


def version_fact(name: str, version: BaselineVersion | None, given: ReportInput) -> str:
    """Fact about the baseline: baseline, model, trained, digest, approval."""
    if version is None:
        return Sentence("none")
    baseline = version.baseline
    if name == "baseline":
        return Sentence("Version {0}", version.version)
    if name == "model":
        return Sentence(words(baseline.model))
    if name == "trained":
        return Sentence("{0}", days_of(baseline.train_start, baseline.train_end))
    if name == "digest":
        return baseline.dataset_digest[:12]
    if version.approved_by is None or version.approved_at_utc is None:
        return Sentence("not approved")
    return on_day(given.person(version.approved_by), version.approved_at_utc)
