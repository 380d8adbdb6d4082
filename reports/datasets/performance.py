"""Energy performance of whole months (ISO 50001, 9.1): uses against their baselines, the site, days, and the method.

Its figures have places and an order of their own (content/enpi_figures.py): identifiers of printed reports rest on
them, so a template over it asks, and makes nothing new.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from assets.kpi.enpi_of_use.enpi_result import EnpiResult, performance
from data_quality.contracts.baselines.status_rule import StatusRule
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period
from reports.datasets.base import DayPoint, Given, Item, Leaf, Measure
from reports.datasets.enpi import BASELINE_MEASURES, TERM_FIELDS, is_sure, version_fact
from reports.datasets.enpi import MEASURES as OF_USES
from reports.datasets.of_uses.day_lines import day_points, summed
from reports.datasets.of_uses.enpi_figures import add_figures, month_key, summed_seus
from reports.datasets.of_uses.enpi_findings import named_batches, report_findings, synthetic_facts
from reports.datasets.of_uses.enpi_inputs import SITE_KPIS, EnpiInputs
from reports.datasets.of_uses.load_enpi import BATCH_FIELDS, enpi_inputs
from reports.datasets.quality_figures import MEASURES as OF_READINGS
from reports.datasets.site_kpis import MEASURES as OF_SITE
from reports.figures import FigureBook
from reports.writer import TONES, counted, standing_of, words

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
_METHOD = (
    "policy",
    "warn_percent",
    "crit_percent",
    "min_days_share",
    "confidence",
    "days",
    "simulated",
    "levels",
    "unassessed",
)
FACTS = (
    "status", "verdict", "missing", "mend", "left_out", "uses", "counted_uses", "carrier", "carrier_title", "direction",
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
        self.given = given
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

    def days(self, measure: str, item: Item, *, is_running: bool, has_band: bool) -> Sequence[DayPoint]:
        """Days of a use, or of the uses that a sum adds; no running saving where none may be claimed."""
        if is_running and self.barred(item):
            return []
        given, (kind, _, name) = self.inputs, item.scope.partition(":")
        lines = [
            day_points(
                given.pairs.get(seu.seu_id, ()),
                given.versions.get(seu.seu_id),
                measure,
                period=given.period,
                rule=given.rule,
                confidence=given.confidence,
                is_running=is_running,
                has_band=has_band,
            )
            for seu in (self._sums[name] if kind == "total" else [self._seu(item)])
        ]
        return summed(lines) if kind == "total" else lines[0]

    def hours(self, item: Item) -> Mapping[date, Sequence[float | None]]:
        """The site's load by day and hour."""
        return self.inputs.load_kw

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """Uses, sums of a carrier's uses, baselines by the name of their use, and coefficients."""
        given = self.inputs
        versions = [given.versions[seu.seu_id] for seu in given.seus if seu.seu_id in given.versions]
        found: Mapping[str, Sequence[tuple[str, str, str]]] = {
            "seu": [(seu.seu_id, seu.name, f"seu:{seu.seu_id}") for seu in given.seus],
            "carrier_sum": [
                (carrier, f"Sum of {counted(len(seus), f'{words(carrier)} use')}", f"total:{carrier}")
                for carrier, seus in self._sums.items()
            ],
            "baseline": [(v.baseline.seu_id, v.baseline.seu_id, f"baseline:{v.baseline.seu_id}") for v in versions],
            "coefficient": [
                (term.name, v.baseline.seu_id, f"baseline:{v.baseline.seu_id}/{term.name}")
                for v in versions
                for term in v.baseline.coefficients
            ],
        }
        if axis == "unassessed":
            wanting = [seu for seu in given.seus if given.assess(seu).reason]
            return [Item(key=seu.seu_id, label=seu.name, scope=f"seu:{seu.seu_id}", period=period) for seu in wanting]
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
            own = {"term": term, "registered": registered}.get(name)
            return own or version_fact(name, version, self.given), "plain"
        seu = self._seu(item)
        if name == "left_out":
            return days_left_out(self.inputs, seu), "plain"
        result = self.inputs.assess(seu)
        if name in {"missing", "mend"}:
            return want_of(name, seu, result, site_id=self.inputs.site.site_id), "plain"
        if name == "verdict":
            return is_sure(result, "en")
        month = next((each for each in result.months if month_key(each) == item.key), None)
        if month is not None:
            shown = standing_of(month.status, performance(month.deviation_percent, warn=seu.status_rule.warn_percent))
        else:
            shown = standing_of(result.status, result.performance)
        return words(shown), TONES.get(shown, "plain")

    def findings(self, period: Period) -> list[Finding]:
        """What stands against the uses' assessments, and gaps of readings, prices and factors."""
        return report_findings(self.inputs, {seu.seu_id: self.inputs.assess(seu) for seu in self.inputs.seus})

    def _of_sum(self, name: str, carrier: str) -> str:
        if name == "uses":
            return str(len(self._sums[carrier]))
        if name == "counted_uses":
            return counted(len(self._sums[carrier]), f"significant {words(carrier)} use")
        if name == "direction":
            assert self._book is not None  # noqa: S101 - facts are asked of a filled book
            delta = self._book.at(f"total/{carrier}/delta_kwh").value
            return "less" if delta is not None and delta < 0 else "more"
        text = words(carrier)
        return text.capitalize() if name == "carrier_title" else text

    def _method(self, name: str) -> str:
        given = self.inputs
        if name in {"policy", "warn_percent", "crit_percent"}:
            return self._levels(name, "{}" if name == "policy" else "{:g}")
        if name == "days":
            return str(given.period.days)
        if name == "simulated":
            # Whoever asks for simulated readings needs the names of the files that brought them.
            named = named_batches(given)
            return f" Simulated rows came with {named}." if named else ""
        if name == "unassessed":
            return unassessed([given.assess(seu) for seu in given.seus])
        if name == "levels":
            known = [given.versions[seu.seu_id] for seu in given.seus if seu.seu_id in given.versions]
            return " / ".join(sorted({f"{version.baseline.confidence:.0%}" for version in known}))
        return f"{given.confidence:.0%}" if name == "confidence" else self._levels("min_days_share", "{:.0%}")

    def _levels(self, name: str, style: str) -> str:
        """One of the levels by which the uses are judged; several where the site file has them differ."""
        rules = [seu.status_rule for seu in self.inputs.seus] or [StatusRule()]
        return " / ".join(dict.fromkeys(style.format(getattr(rule, name)) for rule in rules))

    def _seu(self, item: Item) -> Seu:
        name = item.scope.removeprefix("seu:")
        return next(seu for seu in self.inputs.seus if seu.seu_id == name)


def unassessed(results: Sequence[EnpiResult]) -> str:
    """How many uses cannot be judged; empty where all can."""
    wanting = sum(bool(result.reason) for result in results)
    if not wanting:
        return ""
    if wanting == len(results):
        named = "The energy use" if wanting == 1 else f"None of the {wanting} energy uses"
        return f"{named} can{'not' if wanting == 1 else ''} be assessed: the table below says what is missing."
    return (
        f"{wanting} of {counted(len(results), 'energy use')} cannot be assessed: the table below says what is missing."
    )


def want_of(name: str, seu: Seu, result: EnpiResult, *, site_id: str) -> str:
    """What a use lacks for an assessment, or what mends it."""
    fit = f"meterloom baseline fit --site {site_id} --seu {seu.seu_id}"
    span = "the days that its block `baseline` of the site file is to name"
    if seu.baseline is not None:
        span = f"{seu.baseline.start} to {seu.baseline.end}"
    about = {
        "no_baseline": (
            "A baseline: nothing says what it should have taken.",
            f"Readings and drivers of {span}, then {fit}; another person approves it.",
        ),
        "provisional": (
            "An approval: its baseline is provisional.",
            f"Another person approves it: meterloom baseline approve {result.baseline_id}",
        ),
        "coverage": (
            f"Days: {result.compared_days} of {result.days} are complete.",
            "Bring in readings and drivers of the days that are named under Data quality.",
        ),
        "expected": ("Expected energy: its baseline expects none.", f"Fit it anew: {fit}"),
    }
    return about[result.reason][name == "mend"]


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
    return "; ".join(texts) + (f"; and {rest} more" if rest > 0 else "")
