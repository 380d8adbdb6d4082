"""Water of a site by its meters, and the floor area whose water is known."""

from collections.abc import Iterable, Mapping, Sequence

from assets.kpi.from_readings import KpiQuery
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.time import Period
from reports.datasets.base import Item, Leaf, Measure, ReportInput, nothing
from reports.datasets.floor_area import known_leaf
from reports.datasets.site_kpis import KpiRows, SiteKpis
from reports.recompute.covered_area import LEAST_READ, OF_WATER, water_read, water_scope
from reports.recompute.recomputed_kpis import KpiBasis, prefetch_kpis

NAME = "water"
_TAKEN = "consumption_m3"
MEASURES: Mapping[str, Measure] = {
    # Of a span as a whole: months of which parts were read would add up to less than was taken.
    _TAKEN: Measure("Water, by meters", "m3", whole="asked"),
    "known_m2": Measure("Floor area whose water is known", "m2", whole="asked", decimals=0),
}
FACTS = ("name",)


class WaterData(SiteKpis):
    """The dataset `water`, of the site. An organisation's sum is of sites, and of their spans, that were read."""

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        self.given = given
        self._rows = KpiRows(given, kpis=[_TAKEN], scope=water_scope(given.site))

    def prefetch(self, spans: Iterable[Period], kpis: Sequence[str]) -> None:
        """Say which spans and measures will be asked."""
        site, (taken, known) = self.given.site, MEASURES
        named = {taken: (taken, water_scope(site)), known: ("floor_area_m2", f"site:{site.site_id}")}
        questions = [KpiQuery(*named[kpi], span.start, span.end) for span in spans for kpi in kpis]
        prefetch_kpis(self.given.sources, self._basis, questions)

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """None: the axis is not its own."""
        return None

    def leaf(self, measure: str, item: Item) -> Leaf:
        """Water of a span of which nearly all was read, else why none; or the site's floor area then, else 0."""
        given, period = self.given, item.period
        if measure == "known_m2":
            return known_leaf(given, period, OF_WATER)
        read = water_read(given.sources, given.site, period, self._basis)
        if read is None:
            return nothing("no_water_meter")
        if read < LEAST_READ:
            return nothing("water_not_read" if read else "no_readings")
        return super().leaf(measure, Item(item.key, item.label, water_scope(given.site), period))

    def adds_up(self, measure: str, item: Item) -> bool:
        """True of the floor area, and of water that is known: what was not read is no part of an organisation's."""
        read = water_read(self.given.sources, self.given.site, item.period, self._basis)
        return measure != _TAKEN or (read is not None and read >= LEAST_READ)

    def findings(self, period: Period) -> list[Finding]:
        """Finding on water read in part, where the site has meters of it: none of the floor area counts as known."""
        given = self.given
        read = water_read(given.sources, given.site, period, self._basis)
        if read is None or read >= LEAST_READ:
            return []
        message = Sentence("The water of the floor area is not known as a whole: {0} was read.", Numeral(f"{read:.0%}"))
        return [Finding(code="area_without_water", message=message, scope=f"site:{given.site.site_id}")]

    @property
    def _basis(self) -> KpiBasis:
        return KpiBasis(self.given.site.site_id, self.given.as_of_utc)
