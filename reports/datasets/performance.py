"""Energy performance of whole months (ISO 50001, 9.1): uses against their baselines, the site, days, and the method.

Its numbers are those of the datasets `enpi`, `site` and `quality`. Its figures have places and an order of their own
(performance_figures.py): identifiers of printed reports rest on them, so a template over it asks, and makes
nothing new.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import polars as pl

from assets.kpi.enpi.enpi_result import EnpiResult
from data_quality.contracts.baselines.baseline import POLICY_WORDS, StatusRule
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Numeral, Sentence, Text, sentences
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period, months_of
from reports.datasets.base import DayPoint, Item, Leaf, Measure, ReportInput, use_item
from reports.datasets.day_lines import summed
from reports.datasets.enpi import BASELINE_MEASURES, TERM_FIELDS, EnpiData, is_sure, version_fact
from reports.datasets.enpi import MEASURES as OF_USES
from reports.datasets.enpi_findings import overlapping, seu_findings, shared_energy
from reports.datasets.performance_figures import SITE_KPIS, PerformanceFigures, barred_of, month_key
from reports.datasets.quality_figures import BATCHES, QualityData
from reports.datasets.quality_figures import MEASURES as OF_READINGS
from reports.datasets.site_kpis import MEASURES as OF_SITE
from reports.datasets.site_kpis import SiteKpis
from reports.figure_book import FigureBook
from reports.texts.locales import days_of, page_word
from reports.writer import TONES, standing_of, term_words, words

NAME = "performance"
_OF_USES = (
    "actual_kwh", "expected_kwh", "delta_kwh", "savings_kwh", "enpi", "deviation_percent", "compared_days",
    "metered_kwh", "coverage", "estimated_share", "uncertainty_kwh",
)  # fmt: skip
MEASURES: Mapping[str, Measure] = {
    **{name: OF_USES[name] for name in _OF_USES},
    **{name: OF_SITE[name] for name in SITE_KPIS},
    **{name: OF_READINGS[name] for name in BATCHES},
    **BASELINE_MEASURES,
    "term_p_value": Measure("Coefficient, p", "ratio", whole="asked"),
}
# Levels by which uses are judged, as the site file has them, and how they are written.
_LEVELS = {"warn_percent": "{:g}", "crit_percent": "{:g}", "min_days_share": "{:.0%}"}
_METHOD = ("policy", *_LEVELS, "confidence", "days", "simulated", "levels", "unassessed")
FACTS = (
    "status", "verdict", "missing", "mend", "left_out", "uses", "counted_uses", "carrier", "carrier_title", "direction",
    "baseline", "model", "trained", "approval", "digest", "term", "registered", *_METHOD,
)  # fmt: skip
# Stretches of days that a cell names; a year of holes would fill the page.
NAMED_STRETCHES = 12
# A year has hundreds: `trace --rows` lists them all.
NAMED_BATCHES = 5


class Simulated:
    """Source of the mark on every page; `trace --rows` lists the readings themselves."""

    def __init__(self, given: ReportInput) -> None:
        synthetic = [each for each in given.versions.values() if each.baseline.is_synthetic]
        self._baselines = " ".join(f"{each.baseline_id}@{each.version}" for each in synthetic)
        self._rows = _rows_by_batch(given)

    @property
    def is_any(self) -> bool:
        """True where a reading or a baseline is simulated."""
        return bool(self._rows or self._baselines)

    @property
    def named_batches(self) -> str:
        """The batches that brought simulated rows, the oldest first; empty where there are none."""
        batches = list(self._rows)
        more = f" and {len(batches) - NAMED_BATCHES} more" if len(batches) > NAMED_BATCHES else ""
        return " ".join(batches[:NAMED_BATCHES]) + more

    @property
    def facts(self) -> dict[str, str | float | int | bool | None]:
        """Of the finding that marks the report."""
        rows = sum(self._rows.values())
        return {"rows": rows, "batches": self.named_batches or None, "baselines": self._baselines or None}


def _rows_by_batch(given: ReportInput) -> dict[str, int]:
    """Synthetic readings by the batch that brought them, the oldest batch first."""
    # Every stream of a site is much to read; most sites have no batch of simulated rows at all.
    if not given.sources.has_synthetic(given.site, given.period, given.as_of_utc):
        return {}
    rows = given.sources.readings(given.site, given.period.start, given.period.end, given.as_of_utc)
    batches = rows.filter("is_synthetic").group_by("batch_id").agg(pl.len(), pl.col("recorded_at_utc").min())
    return dict(batches.sort("recorded_at_utc", "batch_id").select("batch_id", "len").iter_rows())


class PerformanceData:
    """The dataset `performance`. Scopes: site:<id>, seu:<id>, total:<carrier>, baseline:<use>, baseline:<use>/<term>.

    uses: the dataset `enpi`, of which it asks what it tells of uses.
    """

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        self.given, self.uses, self._quality = given, EnpiData(given), QualityData(given)
        self._site = SiteKpis(given, only=f"site:{given.site.site_id}")
        self._site.prefetch([given.period, *months_of(given.period)], SITE_KPIS)
        self._simulated = Simulated(given)
        self.is_synthetic, self.synthetic_facts = self._simulated.is_any, self._simulated.facts
        calendars = given.sources.calendar_inputs(given.site, given.period.start, given.period.end)
        self.versions = {f"calendar/{each.id}": each.value for each in calendars}
        # Asked once: figures, rows and words must speak of the same sums.
        # Carrier -> uses that its sum adds: leaves only, with numbers, and never the same meter twice.
        groups: dict[str, list[Seu]] = {}
        for seu in self.uses.seus():
            # An aggregate holds the others; a use without a compared day would make the whole sum unknown.
            if not seu.is_aggregate and self._result(seu).compared_days:
                groups.setdefault(seu.carrier.value, []).append(seu)
        self._sums = {carrier: seus for carrier, seus in groups.items() if not overlapping(seus, self.given.site)}
        self._book: FigureBook | None = None

    def barred(self, item: Item) -> str:
        """Code of what forbids to claim a saving of the item; its figures asked it when they were made."""
        kind, _, name = item.scope.partition(":")
        return barred_of(self.uses, self._sums[name], item.period) if kind == "total" else self.uses.barred(item)

    def fill(self, book: FigureBook) -> None:
        """Every figure of the report, inputs before what is made of them."""
        self._book = book
        PerformanceFigures(book, uses=self.uses, site=self._site, quality=self._quality).fill(self._sums)

    def path(self, measure: str, item: Item) -> str:
        """seu/<id>[/<month>]/<measure>, and likewise of totals, the site, batches and baselines."""
        kind, _, name = item.scope.partition(":")
        if kind == "baseline":
            return f"baseline/{name}/{TERM_FIELDS.get(measure, measure)}"
        if measure in BATCHES:
            return f"quality/{measure}"
        month = month_key(item.period)
        return "/".join(["site" if kind == "site" else f"{kind}/{name}", *([month] * (item.key == month)), measure])

    def days(self, measure: str, item: Item, *, is_running: bool, has_band: bool) -> Sequence[DayPoint]:
        """Days of a use, or of the uses that a sum adds; no running saving where none may be claimed."""
        kind, _, name = item.scope.partition(":")
        if kind != "total":
            return self.uses.days(measure, item, is_running=is_running, has_band=has_band)
        if is_running and self.barred(item):
            return []
        items = [use_item(seu, item.period) for seu in self._sums[name]]
        return summed([self.uses.days(measure, each, is_running=is_running, has_band=has_band) for each in items])

    def hours(self, item: Item) -> Mapping[date, Sequence[float | None]]:
        """The site's load by day and hour."""
        return self._site.hours(item)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Uses, sums of a carrier's uses, baselines by the name of their use, and coefficients."""
        if axis in {"seu", "unassessed"}:
            is_all, seus = axis == "seu", self.uses.seus()
            return [use_item(seu, period) for seu in seus if is_all or self._result(seu).reason]
        if axis == "carrier_sum":
            return [
                Item(
                    carrier,
                    page_word(_sum_of(len(added), carrier), self.given.language or "en"),
                    f"total:{carrier}",
                    period,
                )
                for carrier, added in self._sums.items()
            ]
        found = []
        for each in self.uses.items(axis, period) or []:
            seu_id, _, term = each.key.partition("/")
            found.append(Item(term or seu_id, each.label, each.scope.replace("seu:", "baseline:", 1), period))
        return found if axis in {"baseline", "coefficient"} else None

    def leaf(self, measure: str, item: Item) -> Leaf:
        """Raises OurFault: its figures are made when the book is filled."""
        raise OurFault(f"{measure} of {item.scope} was not made by `fill`")

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Words about a use, a sum, a baseline, or the report's method."""
        kind, _, about = item.scope.partition(":")
        if name in _METHOD:
            return self._method(name), "plain"
        if kind == "total":
            return self._of_sum(name, about), "plain"
        if kind == "baseline":
            return self._of_baseline(name, *about.split("/", 1)), "plain"
        return self._of_use(name, item, self.uses.use_at(item.scope)[0])

    def findings(self, period: Period) -> list[Finding]:
        """Findings of the uses' assessments, and gaps of readings, prices and factors."""
        found, seus = [*self._site.gaps(period), *self._quality.rejected(period)], self.uses.seus()
        if not seus:
            message = "The site file names no significant energy use, so nothing can be compared with a baseline."
            found.append(Finding(code="no_seu", message=message, severity="blocking"))
        for seu in seus:
            found += seu_findings(seu, self.uses.result(seu, period), self.given.versions.get(seu.seu_id))
            found += self.uses.saving_blocker(seu, period.end)
        return found + shared_energy(seus, self.given.site)

    def _result(self, seu: Seu) -> EnpiResult:
        return self.uses.result(seu, self.given.period)

    def _of_use(self, name: str, item: Item, seu: Seu) -> tuple[str, Tone]:
        whole = self._result(seu)
        if name == "left_out":
            # Stretches of days that are not compared, with the reason, at most NAMED_STRETCHES of them.
            period, rule = self.given.period, self.given.rule
            known = {pair.local_date: pair for pair in self.uses.use_days.pairs(seu, period)}
            stretches: list[tuple[date, date, str]] = []
            for day in (period.start + timedelta(days=offset) for offset in range(period.days)):
                pair = known.get(day)
                if pair is not None and pair.is_compared(rule):
                    continue
                is_read = pair is not None and pair.coverage >= rule.min_day_coverage
                reason, first = "driver unknown" if is_read else "readings missing", day
                if stretches and stretches[-1][1:] == (day - timedelta(days=1), reason):
                    first = stretches.pop()[0]
                stretches.append((first, day, reason))
            texts = [
                Sentence("{0} ({1})", days_of(first, last + timedelta(days=1)), Sentence(why))
                for first, last, why in stretches
            ]
            rest = len(texts) - NAMED_STRETCHES
            more = [Sentence("and {0} more", rest)] if rest > 0 else []
            return (sentences([*texts[:NAMED_STRETCHES], *more]) if texts else Sentence("none")), "plain"
        if name in {"missing", "mend"}:
            return want_of(name, seu, whole, site_id=self.given.site.site_id), "plain"
        if name == "verdict":
            verdict, tone = is_sure(whole, "en")
            return Sentence(verdict), tone
        result = self.uses.result(seu, item.period) if item.key == month_key(item.period) else whole
        shown = standing_of(result.status, result.performance)
        return Sentence(words(shown)), TONES.get(shown, "plain")

    def _of_sum(self, name: str, carrier: str) -> str:
        if name == "uses":
            return str(len(self._sums[carrier]))
        if name == "counted_uses":
            count = len(self._sums[carrier])
            pattern = "{0} significant {1} use" if count == 1 else "{0} significant {1} uses"
            return Sentence(pattern, count, Sentence(words(carrier)))
        if name == "direction":
            assert self._book is not None  # noqa: S101 - facts are asked of a filled book
            delta = self._book.at(f"total/{carrier}/delta_kwh").value
            return Sentence("less" if delta is not None and delta < 0 else "more")
        text = words(carrier)
        return Sentence(text.capitalize() if name == "carrier_title" else text)

    def _of_baseline(self, name: str, seu_id: str, term: str = "") -> str:
        version = self.given.versions[seu_id]
        # The column's head says "baseline" already.
        own = {
            "term": term_words(term, self.given.site) if term else "",
            "registered": Sentence(words(version.status.value).replace("baseline is ", "")),
        }
        return own.get(name) or version_fact(name, version, self.given)

    def _method(self, name: str) -> str:
        given, seus = self.given, self.uses.seus()
        # Several where the site file has them differ.
        rules = [seu.status_rule for seu in seus] or [StatusRule()]
        if name == "policy":
            policies = dict.fromkeys(each.policy for each in rules)
            return sentences([Sentence(POLICY_WORDS[each]) for each in policies], " / ")
        if name in _LEVELS:
            levels = dict.fromkeys(_LEVELS[name].format(getattr(rule, name)) for rule in rules)
            return sentences([Sentence("{0}", Numeral(each)) for each in levels], " / ")
        if name == "days":
            return str(given.period.days)
        if name == "simulated":
            # Whoever asks for simulated readings needs the names of the files that brought them.
            named = self._simulated.named_batches
            return Sentence(" {0}", Sentence("Simulated rows came with {0}.", named)) if named else ""
        if name == "unassessed":
            return unassessed([self._result(seu) for seu in seus])
        if name == "levels":
            known = [given.versions[seu.seu_id].baseline for seu in seus if seu.seu_id in given.versions]
            return sentences(
                [Sentence("{0}", Numeral(each)) for each in sorted({f"{b.confidence:.0%}" for b in known})], " / "
            )
        return Sentence("{0}", Numeral(f"{given.confidence:.0%}"))


def _sum_of(count: int, carrier: str) -> Sentence:
    pattern = "Sum of {0} {1} use" if count == 1 else "Sum of {0} {1} uses"
    return Sentence(pattern, count, Sentence(words(carrier)))


def unassessed(results: Sequence[EnpiResult]) -> str:
    """Number of uses that cannot be judged; empty where all can."""
    wanting = sum(bool(result.reason) for result in results)
    if not wanting:
        return ""
    if wanting < len(results):
        message = "{0} of {1} energy uses cannot be assessed: the table below says what is missing."
        return Sentence(message, wanting, len(results))
    if wanting == 1:
        return Sentence("The energy use cannot be assessed: the table below says what is missing.")
    return Sentence("None of the {0} energy uses can be assessed: the table below says what is missing.", wanting)


def want_of(name: str, seu: Seu, result: EnpiResult, *, site_id: str) -> str:
    """Lack of a use for an assessment, or its mend."""
    fit = f"meterloom baseline fit --site {site_id} --seu {seu.seu_id}"
    span: Text = Sentence("the days that its block `baseline` of the site file is to name")
    if seu.baseline is not None:
        span = days_of(seu.baseline.start, seu.baseline.end)
    about = {
        "no_baseline": (
            Sentence("A baseline: without one there is no expected energy."),
            Sentence("Readings and drivers of {0}, then {1}; another person approves it.", span, fit),
        ),
        "provisional": (
            Sentence("An approval: its baseline is provisional."),
            Sentence("Another person approves it: {0}", f"meterloom baseline approve {result.baseline_id}"),
        ),
        "coverage": (
            Sentence("Days: {0} of {1} are complete.", result.compared_days, result.days),
            Sentence("Bring in readings and drivers of the days that are named under Data quality."),
        ),
        "expected": (
            Sentence("Expected energy: its baseline expects none."),
            Sentence("Fit it again: {0}", fit),
        ),
    }
    return about[result.reason][name == "mend"]
