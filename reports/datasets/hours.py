"""Electricity hour by hour: Scope 2 by the grid of each hour, and the share that certificates match in their hour."""

from collections.abc import Mapping

from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import Period
from reports.datasets.base import Item, Leaf, Measure, OfSite
from reports.datasets.footprint_figures import year_account
from reports.recompute.footprint import factor_input
from reports.recompute.hours import findings_of, number

NAME = "hours"
MEASURES: Mapping[str, Measure] = {
    "load_kwh": Measure("Electricity bought", "kwh"),
    "matched_kwh": Measure("Matched by certificates of the same hour", "kwh"),
    "volumetric_kwh": Measure("Covered by certificates of any hour", "kwh"),
    "location_kgco2e": Measure("Scope 2 by the hour, location-based", "kgco2e"),
    "market_kgco2e": Measure("Scope 2 by the hour, market-based", "kgco2e"),
    "matched_share": Measure("Matched, share", "ratio", made=("ratio", ("matched_kwh", "load_kwh")), is_share=True),
    "volumetric_share": Measure(
        "Covered, share", "ratio", made=("ratio", ("volumetric_kwh", "load_kwh")), is_share=True
    ),
}
FACTS = ("name",)


class HourData(OfSite):
    """The dataset `hours`. Scope: the site."""

    measures = MEASURES

    def leaf(self, measure: str, item: Item) -> Leaf:
        """A number of the hours of the item's span."""
        given, period = self.given, item.period
        if item.scope != f"site:{given.site.site_id}":
            raise OurFault(f"{item.scope!r} has no hours")
        # The inventory's own account, so that both speak of the same certificates.
        account = year_account(given, period)
        try:
            value = number(given.sources, given.site, period, account, given.as_of_utc, measure)
        except BadInput:
            # Two factors of one day, say: a finding of the inventory tells it.
            value = None
        return Leaf(
            value=value,
            computation="hours_number",
            parameters={
                **given.span(period),
                "account_start": account.start.isoformat(),
                "account_end": account.end.isoformat(),
                "field": measure,
            },
            inputs=[*given.behind(account), factor_input(given.sources, given.site, given.as_of_utc)],
            status="" if value is not None else "hours_not_known",
        )

    def findings(self, period: Period) -> list[Finding]:
        """Findings on energy that is not known by the hour, or was not matched."""
        return findings_of(self.given.sources, self.given.site, period, self.given.as_of_utc)
