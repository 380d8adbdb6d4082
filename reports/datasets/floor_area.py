"""Floor area whose energy is known: the share of it that a site, or an organisation, can say anything about."""

from collections.abc import Mapping

from assets.kpi.from_readings import KpiQuery
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence, sentences
from data_quality.contracts.time import Period
from reports.datasets.base import Item, Leaf, Measure, OfSite, ReportInput
from reports.recompute.covered_area import LEAST_READ, OF_ENERGY, covered_area, read_shares
from reports.recompute.recomputed_kpis import KpiBasis, prefetch_kpis

NAME = "floor_area"
MEASURES: Mapping[str, Measure] = {
    "known_m2": Measure("Floor area whose energy is known", "m2", whole="asked", decimals=0),
}
FACTS = ("name",)


def known_leaf(given: ReportInput, period: Period, of: str) -> Leaf:
    """The floor area whose energy or water is known in a span."""
    basis = KpiBasis(given.site.site_id, given.as_of_utc)
    value = covered_area(given.sources, given.site, period, basis, of)
    about = given.span(period) | ({} if of == OF_ENERGY else {"of": of})
    return Leaf(
        value, "known_floor_area", about, [*given.behind(period), given.sources.definition_input()],
        status="no_floor_area" if value is None else "",
    )  # fmt: skip


class FloorAreaData(OfSite):
    """The dataset `floor_area`, of the site."""

    measures = MEASURES

    def __init__(self, given: ReportInput) -> None:
        super().__init__(given)
        span = (given.period.start, given.period.end)
        prefetch_kpis(given.sources, self._basis, [KpiQuery("floor_area_m2", f"site:{given.site.site_id}", *span)])

    def leaf(self, measure: str, item: Item) -> Leaf:
        """The site's floor area, or 0 where some of the energy that it buys was not read."""
        return known_leaf(self.given, item.period, OF_ENERGY)

    def findings(self, period: Period) -> list[Finding]:
        """Carriers that were not read over the whole span: none of the floor area counts as known."""
        given = self.given
        shares = read_shares(given.sources, given.site, period, self._basis)
        missing = {carrier: share for carrier, share in shares.items() if share < LEAST_READ}
        if not missing:
            return []
        parts = [
            Sentence("{0} ({1} of it)", Sentence(carrier.replace("_", " ")), Numeral(f"{share:.0%}"))
            for carrier, share in missing.items()
        ]
        message = Sentence(
            "The energy of the floor area is not known as a whole; not all was read of {0}.", sentences(parts, ", ")
        )
        return [Finding(code="area_without_energy", message=message, scope=f"site:{given.site.site_id}")]

    @property
    def _basis(self) -> KpiBasis:
        return KpiBasis(self.given.site.site_id, self.given.as_of_utc)
