"""Measures of a site that readings found: what each saves a year, costs, and is worth over its life; the road map.

They are the recommendations of the newest run of advice. Their numbers are those that the run stored, whose own
figures trace to the readings as of then; lifetimes and the discount rate are what the site file states.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property

from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.measure_cost import lifetime_of
from data_quality.contracts.time import Period, local_day, months_after, span
from reports.advice_words import scope_name, title_of
from reports.datasets.base import DayPoint, Item, Leaf, Measure, OfSite, ReportInput, nothing
from reports.recompute.advice import advice_input, net_present_value
from reports.recompute.stated import stated
from reports.texts.locales import page_word

NAME = "measures"
_WORTH, _KWH = "net_present_value", "savings_kwh"
_STATED = ("percent", "lifetime_years")


def _worth(label: str, cost: str, saving: str) -> Measure:
    return Measure(label, "currency", "parts", (_WORTH, (cost, saving, *_STATED)), decimals=0)


def _payback(label: str, cost: str, saving: str) -> Measure:
    return Measure(label, "years", made=("ratio", (cost, saving)), decimals=1)


MEASURES: Mapping[str, Measure] = {
    _KWH: Measure("Expected energy saving a year", "kwh"),
    "low_savings_kwh": Measure("Expected energy saving a year, low end", "kwh"),
    "high_savings_kwh": Measure("Expected energy saving a year, high end", "kwh"),
    "savings_money": Measure("Expected money saving a year", "currency", decimals=0),
    "low_savings_money": Measure("Expected money saving a year, low end", "currency", decimals=0),
    "high_savings_money": Measure("Expected money saving a year, high end", "currency", decimals=0),
    "savings_kgco2e": Measure("Expected avoided emissions a year", "kgco2e"),
    "cost_money": Measure("Cost", "currency", decimals=0),
    "low_cost_money": Measure("Cost, low end", "currency", decimals=0),
    "high_cost_money": Measure("Cost, high end", "currency", decimals=0),
    "percent": Measure("Discount rate", "percent", whole="asked", decimals=1),
    "lifetime_years": Measure("Lifetime", "years", whole="asked", decimals=0),
    "payback_years": _payback("Payback", "cost_money", "savings_money"),
    "low_payback_years": _payback("Payback, low end", "low_cost_money", "high_savings_money"),
    "high_payback_years": _payback("Payback, high end", "high_cost_money", "low_savings_money"),
    "npv": _worth("Net present value", "cost_money", "savings_money"),
    "low_npv": _worth("Net present value, low end", "high_cost_money", "low_savings_money"),
    "high_npv": _worth("Net present value, high end", "low_cost_money", "high_savings_money"),
    "return_percent": Measure("Net present value by cost", "percent", made=("percent_of", ("npv", "cost_money"))),
}
FACTS = ("status", "cost_source", "confidence", "rate_source")
# States in which somebody may still decide or do it.
_AHEAD = ("new", "acknowledged", "scheduled", "accepted")
_WHY_NOT = {"cost_money": "no_cost", "savings_money": "unpriced_saving"}


class MeasureData(OfSite):
    """The dataset `measures`. Scopes: measure:<id>, and the site for those together of which everything is known."""

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        super().__init__(given)
        self._today = local_day(given.as_of_utc, given.site.time_zone)

    @property
    def is_synthetic(self) -> bool:
        """Was one found in simulated readings?"""
        return any(each.is_synthetic for each in self._known)

    @cached_property
    def _known(self) -> list[Recommendation]:
        """Measures of the newest run that ended in the report's period or a year after it, in the road map's order:
        what pays back soonest first; then what lacks a number, the largest saving first.
        """
        given, latest = self.given, months_after(self.given.period.end, 12)
        stored = Recommendations(given.sources.lake.store).current(given.site.site_id, as_of_utc=given.as_of_utc)
        found = [
            each for each in stored if given.period.start < each.end <= latest and each.currency == given.site.currency
        ]
        newest = max(((each.end, each.start) for each in found), default=None)
        ahead = [each for each in found if (each.end, each.start) == newest and each.status in _AHEAD]
        return sorted(ahead, key=lambda each: (not self._is_whole(each), self._years(each)))

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """The measures, in the order of the road map."""
        return [self._item(each) for each in self._known] if axis == "measure" else None

    def parts(self, measure: str, item: Item) -> list[Item] | None:
        """Measures that make a total: those of which cost, saving, lifetime and rate are known."""
        if item.scope.startswith("measure:") or measure in _STATED:
            return None
        return [self._item(each) for each in self._known if self._is_whole(each)]

    def adds_up(self, measure: str, item: Item) -> bool:
        """False of the total of a site that has no measure of which everything is known."""
        return self.parts(measure, item) != []

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number that the run stored, as the figure that it stored; or what the site file states."""
        found = next((each for each in self._known if f"measure:{each.recommendation_id}" == item.scope), None)
        if measure in _STATED:
            return self._stated(measure, found)
        if found is None:
            return nothing("missing")
        is_cost = measure.endswith("cost_money")
        if not is_cost and not _is_of_a_year(found):
            return _unknown("not_of_a_year")
        figure = found.figure(measure)
        if figure is None:
            return _unknown(_WHY_NOT.get(measure.removeprefix("low_").removeprefix("high_"), "missing"))
        about = {"site": found.site_id, "recommendation": found.recommendation_id, "field": measure}
        return Leaf(
            figure.value, "measure_number", about, [advice_input(found, figure.figure_id)], unit=figure.unit,
            estimated_share=None if is_cost else figure.estimated_share,
        )  # fmt: skip

    def quarter_hours(self, measure: str, item: Item, *, has_band: bool) -> Sequence[tuple[str, DayPoint]]:
        """Years from now on, and what the measures together have saved by then less their cost, discounted; the last is
        the net present value. Band: the same of the two ends.
        """
        known = [each for each in self._known if self._is_whole(each)]
        lives = [stated(self.given.site, "lifetime_years", self._lifetime(each)) or Decimal(0) for each in known]
        whole = list(zip(known, lives, strict=True))
        ways = ("npv", "low_npv", "high_npv") if has_band else ("npv",)
        return [
            (
                str(year),
                DayPoint(months_after(self._today, 12 * year), *(self._worth(whole, year, way) for way in ways)),
            )
            for year in range(int(max(lives)) + 1 if lives else 0)
        ]

    def _worth(self, whole: Sequence[tuple[Recommendation, Decimal]], year: int, way: str) -> float | None:
        """Of all of them so many years from now on; way: the measure whose cost and saving count."""
        made, total, rate = MEASURES[way].made, Decimal(0), stated(self.given.site, "percent")
        for each, life in whole:
            parts = [each.figure(field) for field in (made[1][:2] if made else ())]
            given = [None if part is None else part.value for part in parts]
            worth = net_present_value([("", value) for value in (*given, rate, min(life, Decimal(year)))])
            if worth is None:
                return None
            total += worth
        return float(total)

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Status, confidence and source of the cost of a measure; source of the rate."""
        rate, locale = self.given.site.discount_rate, self.given.locale
        if name == "rate_source":
            return ("" if rate is None else rate.source), "plain"
        found = next((each for each in self._known if f"measure:{each.recommendation_id}" == item.scope), None)
        if found is None:
            return "", "plain"
        facts = {
            "status": page_word(found.status, locale), "cost_source": found.cost_source,
            "confidence": page_word(found.confidence_label, locale),
        }  # fmt: skip
        return facts[name], "plain"

    def findings(self, period: Period) -> list[Finding]:
        """Finding on a site without measures, or on measures that are in no total."""
        site_id = self.given.site.site_id
        if not self._known:
            message = Sentence(
                "No measure is known: meterloom advise run --site {0} --period PERIOD finds some.", site_id
            )
            return [Finding(code="no_measures", message=message)]
        left_out = [each for each in self._known if not self._is_whole(each)]
        if not left_out:
            return []
        named = "; ".join(self._item(each).label for each in left_out)
        message = Sentence("In no total, since cost, saved money, lifetime or discount rate is unknown: {0}.", named)
        return [Finding(code="measures_left_out", message=message, facts={"measures": len(left_out)})]

    def _item(self, of: Recommendation) -> Item:
        site = self.given.site
        title = page_word(title_of(of, scope_name(site, of.scope)), self.given.locale)
        name = f"measure:{of.recommendation_id}"
        return Item(of.recommendation_id, title, name, span(of.start, of.end, site.time_zone))

    def _stated(self, field: str, of: Recommendation | None) -> Leaf:
        site, cost_id = self.given.site, ""
        if field == "percent":
            if site.discount_rate is None or not site.discount_rate.holds(self._today):
                return _unknown("no_discount_rate")
        else:
            cost_id = "" if of is None else self._lifetime(of)
            if not cost_id:
                return _unknown("no_lifetime")
        about = {"site": site.site_id, "field": field} | ({"cost": cost_id} if cost_id else {})
        return Leaf(stated(site, field, cost_id), "stated_number", about, [self.given.sources.site_input(site)])

    def _lifetime(self, of: Recommendation) -> str:
        """The cost whose lifetime is the measure's; empty where none is stated."""
        meter = of.scope.removeprefix("meter:")
        found = lifetime_of(self.given.site.measure_costs, of.kind, meter=meter, source=of.cost_source)
        return "" if found is None else found.cost_id

    def _is_whole(self, of: Recommendation) -> bool:
        """True of one that has everything that a net present value is made of."""
        rate = self.given.site.discount_rate
        is_priced = of.savings_money is not None and of.cost_money is not None and _is_of_a_year(of)
        return is_priced and rate is not None and rate.holds(self._today) and bool(self._lifetime(of))

    def _years(self, of: Recommendation) -> tuple[Decimal, Decimal]:
        """By payback where there is one; then the largest saving first."""
        saved = of.savings_money or Decimal(0)
        years = of.cost_money / saved if of.cost_money is not None and saved > 0 else Decimal("Infinity")
        return years, -saved


def _is_of_a_year(of: Recommendation) -> bool:
    return months_after(of.start, 12) == of.end


def _unknown(code: str) -> Leaf:
    return nothing(code, (code,))
