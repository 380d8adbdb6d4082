"""Targets for emissions that a site file or organisation.yaml states, and how far the year's inventory reaches them."""

from collections.abc import Callable, Mapping, Sequence

from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.reporting.report_template import Tone
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.site_file.budgets import EmissionTarget
from data_quality.contracts.time import Period
from reports.datasets import footprint_figures as footprint
from reports.datasets.base import Item, Leaf, Measure, OfSite, ReportInput, nothing
from reports.recompute.stated import target_number, targets_text

NAME = "targets"
_BASE, _AIM, _ACTUAL = "base_kgco2e", "target_kgco2e", "actual_kgco2e"
MEASURES: Mapping[str, Measure] = {
    "targets": Measure("Targets for emissions", "count", whole="asked", decimals=0),
    _BASE: Measure("Emissions of the base year", "kgco2e", whole="asked"),
    _AIM: Measure("Emissions that the target allows", "kgco2e", whole="asked"),
    # The inventory's own figure.
    _ACTUAL: Measure("Emissions of the year", "kgco2e", whole="asked"),
    "reduced_kgco2e": Measure("Less than in the base year", "kgco2e", made=("difference", (_BASE, _ACTUAL))),
    "promised_kgco2e": Measure("Less by the target", "kgco2e", made=("difference", (_BASE, _AIM))),
    "change_percent": Measure(
        "Change against the base year", "percent", made=("deviation_percent", (_ACTUAL, _BASE)), decimals=1
    ),
    "progress_percent": Measure(
        "Part of the target that is reached", "percent", made=("percent_of", ("reduced_kgco2e", "promised_kgco2e")),
        decimals=1,
    ),
}  # fmt: skip


def _metric(of: EmissionTarget) -> str:
    return Sentence(footprint.MEASURES[of.measure].label)


def _aim(of: EmissionTarget) -> str:
    years = (str(of.target_year), str(of.base_year))
    return Sentence("{0} less by {1} than in {2}", Numeral(f"{of.reduction_percent:g}%"), *years)


_SAID: Mapping[str, Callable[[EmissionTarget], str]] = {
    "metric": _metric,
    "aim": _aim,
    "summary": lambda of: Sentence("{0}: {1}", _metric(of), _aim(of)),
    "years": lambda of: f"{of.base_year}–{of.target_year}",
    "base": lambda of: str(of.base_year),
    "scopes": lambda of: "1, 2" if of.measure.startswith("total") else of.measure[5],
    "form": lambda _: Sentence("an amount, no intensity"),
    "source": lambda of: of.source,
}
FACTS = ("part", *_SAID)


class TargetData(OfSite):
    """The dataset `targets`. Scopes: target:<id>; target:BASE_TARGET_PERCENT for the one of Scope 1 and 2 with these
    years, such as target:2021_2030_42; of the site or organisation how many there are.
    """

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        super().__init__(given)
        stated = given.site.targets if given.organisation is None else given.organisation.targets
        self._held = tuple(each for each in stated if each.holds_in(given.period.start.year))

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """The targets that hold in the report's year, as the file has them."""
        return [Item(each.target, each.name, f"target:{each.target}", period) for each in self._held] if (
            axis == "target") else None  # fmt: skip

    def linked(self, measure: str, item: Item) -> tuple[str, str, Item] | None:
        """The inventory's number of the year that the target is about."""
        found = self._of(item.scope)
        if measure != _ACTUAL or not found:
            return None
        return footprint.NAME, found[0].measure, Item("", "", self.given.scope, self.given.period)

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number that the file states."""
        found = self._of(item.scope)
        if not found:
            return nothing("no_target")
        given, group = self.given, self.given.organisation
        about = {"field": measure, "year": str(given.period.start.year)}
        about |= {} if measure == "targets" else {"target": found[0].target}
        if group is None:
            about["site"], behind = given.site.site_id, given.sources.site_input(given.site)
        else:
            about |= {"organisation": group.organisation, "targets": targets_text(group.targets)}
            behind = TraceInput(kind="version", id=group.organisation, role="organisation", sha256=group.sha256)
        return Leaf(target_number(self._held, about), "stated_number", about, [behind])

    def fact(self, name: str, item: Item) -> tuple[str, Tone]:
        """Words about a target, or about all of them under their names."""
        if name == "part":
            return self.given.site.name, "plain"
        found, say = self._of(item.scope), _SAID[name]
        if len(found) == 1:
            return say(found[0]), "plain"
        return sentences([Sentence("{0}: {1}", each.name, say(each)) for each in found]), "plain"

    def findings(self, period: Period) -> list[Finding]:
        """None: a data point without a target is a gap."""
        return []

    def _of(self, scope: str) -> Sequence[EmissionTarget]:
        """The targets of a scope; of the site or organisation all."""
        kind, _, name = scope.partition(":")
        if kind != "target":
            return self._held
        return [each for each in self._held if name in (each.target, _key(each))][:1]


def _key(of: EmissionTarget) -> str:
    is_whole = of.measure.startswith("total")
    return f"{of.base_year}_{of.target_year}_{of.reduction_percent:g}" if is_whole else ""
