"""Energy performance of whole months (ISO 50001, 9.1): uses against their baselines, the site, days, and the method.

Its figures have places and an order of their own (content/enpi_figures.py): identifiers of printed reports rest on
them, so a template over it asks, and makes nothing new.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from assets.kpi.enpi_of_use.enpi_result import EnpiResult
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period
from reports.datasets.base import Given, Item, Leaf, Measure
from reports.datasets.enpi import BASELINE_MEASURES, TERM_FIELDS, version_fact
from reports.datasets.enpi import MEASURES as OF_USES
from reports.datasets.of_uses.enpi_figures import add_figures, month_key, summed_seus
from reports.datasets.of_uses.enpi_findings import named_batches, report_findings, synthetic_facts
from reports.datasets.of_uses.enpi_inputs import SITE_KPIS, EnpiInputs
from reports.datasets.of_uses.load_enpi import BATCH_FIELDS, enpi_inputs
from reports.datasets.quality_figures import MEASURES as OF_READINGS
from reports.datasets.site_kpis import MEASURES as OF_SITE
from reports.figures import FigureBook
from reports.writer import TONES, words

NAME = "performance"
_OF_USES = (
    "actual_kwh", "expected_kwh", "delta_kwh", "savings_kwh", "enpi", "deviation_percent", "compared_days",
    "metered_kwh", "coverage", "estimated_share", "uncertainty_kwh",
)  # fmt: skip
MEASURES: Mapping[str, Measure] = {
    **{name: OF_USES[name] for name in _OF_USES},
    **{name: OF_SITE[name] for name in SITE_KPIS},
    **{name: OF_READINGS[name] for name in BATCH_FIELDS},
    **BASELINE_MEASURES,
    "term_p_value": Measure("Coefficient, p", "ratio", whole="asked"),
}
_TERMS = {**TERM_FIELDS, "term_p_value": "p_value"}
_METHOD = ("policy", "warn_percent", "crit_percent", "min_days_share", "confidence", "days", "simulated", "levels")
FACTS = (
    "status", "verdict", "left_out", "uses", "carrier", "carrier_title", "direction",
    "baseline", "model", "trained", "approval", "digest", "term", "registered", *_METHOD,
)  # fmt: skip
# Stretches of days that a cell names; a year of holes would fill the page.
NAMED_STRETCHES = 12


class PerformanceData:
    """The dataset `performance`. Scopes: site:<id>, seu:<id>, total:<carrier>, baseline:<use>, baseline:<use>/<term>.

    inputs: where the caller has read them; else they are read as `given` says.
    """

    measures = MEASURES

    def __init__(self, given: Given, inputs: EnpiInputs | None = None) -> None:
        self.inputs = inputs or enpi_inputs(
            given.site,
            given.period,
            sources=given.sources,
            versions=given.versions,
            as_of_utc=given.as_of_utc,
            marts_dir=given.marts_dir,
            rule=given.rule,
            confidence=given.confidence,
        )
        self.is_synthetic = self.inputs.is_synthetic
        self.synthetic_facts = synthetic_facts(self.inputs)
        self.versions = {f"calendar/{each.id}": each.value for each in self.inputs.calendar}
        # Asked once: figures, rows and words must speak of the same sums.
        self._sums = summed_seus(self.inputs)
        self._book: FigureBook | None = None

    def barred(self, item: Item) -> str:
        """Code of what forbids to claim a saving of the item; its figures asked it when they were made."""
        kind, _, name = item.scope.partition(":")
        return self.inputs.barred(self._sums[name] if kind == "total" else [self._seu(item)], item.period)

    def fill(self, book: FigureBook) -> None:
        """Every figure of the report, inputs before what is made of them."""
        self._book = book
        add_figures(book, self.inputs)

    def path(self, measure: str, item: Item) -> str:
        """seu/<id>[/<month>]/<measure>, and likewise of totals, the site, batches and baselines."""
        kind, _, name = item.scope.partition(":")
        if kind == "baseline":
            return f"baseline/{name}/{_TERMS.get(measure, measure)}"
        if measure in BATCH_FIELDS:
            return f"quality/{measure}"
        month = month_key(item.period)
        return "/".join(["site" if kind == "site" else f"{kind}/{name}", *([month] * (item.key == month)), measure])

    def days(self, measure: str, item: Item) -> Sequence[tuple[date, Decimal | None]]:
        """Metered or expected energy of a use, kWh a day; days of which nothing is known are not there."""
        period = self.inputs.period
        known = self.inputs.pairs.get(self._seu(item).seu_id, ())
        return [(p.local_date, getattr(p, measure)) for p in known if period.start <= p.local_date < period.end]

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Uses, sums of a carrier's uses, baselines by the name of their use, and coefficients."""
        given = self.inputs
        versions = [given.versions[seu.seu_id] for seu in given.seus if seu.seu_id in given.versions]
        found: Mapping[str, Sequence[tuple[str, str, str]]] = {
            "seu": [(seu.seu_id, seu.name, f"seu:{seu.seu_id}") for seu in given.seus],
            "carrier_sum": [
                (carrier, f"Sum of {len(seus)}, {words(carrier)}", f"total:{carrier}")
                for carrier, seus in self._sums.items()
            ],
            "baseline": [(v.baseline.seu_id, v.baseline.seu_id, f"baseline:{v.baseline.seu_id}") for v in versions],
            "coefficient": [
                (term.name, v.baseline.seu_id, f"baseline:{v.baseline.seu_id}/{term.name}")
                for v in versions
                for term in v.baseline.coefficients
            ],
        }
        if axis not in found:
            return None
        return [Item(key=key, label=label, scope=scope, period=period) for key, label, scope in found[axis]]

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
            seu_id, _, term = about.partition("/")
            version = self.inputs.versions[seu_id]
            # The column's head says "baseline" already.
            registered = words(version.status.value).replace("baseline is ", "")
            return {"term": term, "registered": registered}.get(name) or version_fact(name, version), "plain"
        seu = self._seu(item)
        if name == "left_out":
            return days_left_out(self.inputs, seu), "plain"
        result = self.inputs.assess(seu)
        if name == "verdict":
            return _verdict(result)
        month = next((each for each in result.months if month_key(each) == item.key), None)
        status = (month or result).status
        return words(status), TONES.get(status, "plain")

    def findings(self, period: Period) -> list[Finding]:
        """What stands against the uses' assessments, and gaps of readings, prices and factors."""
        return report_findings(self.inputs, {seu.seu_id: self.inputs.assess(seu) for seu in self.inputs.seus})

    def _of_sum(self, name: str, carrier: str) -> str:
        if name == "uses":
            return str(len(self._sums[carrier]))
        if name == "direction":
            assert self._book is not None  # noqa: S101 - facts are asked of a filled book
            delta = self._book.at(f"total/{carrier}/delta_kwh").value
            return "less" if delta is not None and delta < 0 else "more"
        text = words(carrier)
        return text.capitalize() if name == "carrier_title" else text

    def _method(self, name: str) -> str:
        given, rule = self.inputs, self.inputs.rule
        if name in {"policy", "warn_percent", "crit_percent"}:
            value = getattr(rule, name)
            return value if isinstance(value, str) else f"{value:g}"
        if name == "days":
            return str(given.period.days)
        if name == "simulated":
            # Whoever asks for simulated readings needs the names of the files that brought them.
            named = named_batches(given)
            return f" Simulated rows came with {named}." if named else ""
        if name == "levels":
            known = [given.versions[seu.seu_id] for seu in given.seus if seu.seu_id in given.versions]
            return " / ".join(sorted({f"{version.baseline.confidence:.0%}" for version in known}))
        return f"{given.confidence if name == 'confidence' else rule.min_days_share:.0%}"

    def _seu(self, item: Item) -> Seu:
        name = item.scope.removeprefix("seu:")
        return next(seu for seu in self.inputs.seus if seu.seu_id == name)


def _verdict(result: EnpiResult) -> tuple[str, Tone]:
    """Why there is none, or the performance and whether the difference exceeds what the model cannot tell."""
    if result.reason:
        return words(result.reason), "muted"
    tone = TONES.get(result.performance, "plain")
    if result.significant is None:
        return words(result.performance), tone
    return f"{words(result.performance)}, {'significant' if result.significant else 'not significant'}", tone


def days_left_out(given: EnpiInputs, seu: Seu) -> str:
    """Stretches of days that are not compared, with the reason, at most NAMED_STRETCHES of them."""
    known = {pair.local_date: pair for pair in given.pairs.get(seu.seu_id, ())}
    stretches: list[tuple[date, date, str]] = []
    for offset in range(given.period.days):
        day = given.period.start + timedelta(days=offset)
        pair = known.get(day)
        if pair is not None and pair.is_compared(given.rule):
            continue
        reason = "readings missing" if pair is None or pair.coverage < given.rule.min_day_coverage else "driver unknown"
        if stretches and stretches[-1][1] == day - timedelta(days=1) and stretches[-1][2] == reason:
            stretches[-1] = (stretches[-1][0], day, reason)
        else:
            stretches.append((day, day, reason))
    if not stretches:
        return "none"
    texts = [
        f"{first}{f' to {last}' if last > first else ''} ({reason})"
        for first, last, reason in stretches[:NAMED_STRETCHES]
    ]
    rest = len(stretches) - NAMED_STRETCHES
    return "; ".join(texts) + (f"; and {rest} more stretches" if rest > 0 else "")
