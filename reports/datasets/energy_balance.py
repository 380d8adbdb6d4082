"""Electricity by origin: what the sun made on site and was used there, what contracts call renewable, and the rest."""

from collections.abc import Mapping

from assets.sites.generation import generation
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.datasets.base import Item, Measure, ReportInput
from reports.datasets.site_kpis import SiteKpis

NAME = "energy_balance"
_OWN, _CONTRACTED = "own_renewable_kwh", "contracted_kwh"
_USED = ("consumption_kwh", _OWN)


def _of(own: tuple[str, ...], renewable: tuple[str, ...]) -> Mapping[str, Measure]:
    """The measures. own, renewable: what a site's electricity, and the renewable part of it, are made of."""
    return {
        "consumption_kwh": Measure("Bought electricity", "kwh"),
        "generation_kwh": Measure("Solar generation on site", "kwh"),
        "export_kwh": Measure("Fed into the grid", "kwh"),
        _OWN: Measure("Solar generation used on site", "kwh", made=("difference", _GENERATION)),
        _CONTRACTED: Measure("Bought under contracts that call it renewable", "kwh"),
        "electricity_kwh": Measure("Electricity, bought or made on site", "kwh", "parts", ("sum", own)),
        "renewable_kwh": Measure("Renewable electricity", "kwh", "parts", ("sum", renewable)),
        "other_kwh": Measure("Other electricity", "kwh", made=("difference", ("electricity_kwh", "renewable_kwh"))),
        "renewable_percent": Measure(
            "Renewable part of the electricity", "percent", made=("percent_of", ("renewable_kwh", "electricity_kwh"))
        ),
    }


_GENERATION = ("generation_kwh", "export_kwh")
MEASURES = _of(_USED, (_OWN, _CONTRACTED))
FACTS = ("name",)


class EnergyBalance(SiteKpis):
    """The dataset `energy_balance`, of the site's electricity alone. A site without generation or without contracts has
    no part of that kind; one that declares neither has no renewable electricity that is known.
    """

    def __init__(self, given: ReportInput) -> None:
        self.measures = of_site(given.site)
        super().__init__(given, only=f"site:{given.site.site_id}")

    def items(self, axis: str, period: Period) -> list[Item] | None:
        """None: the axis is not its own."""
        return None

    def findings(self, period: Period) -> list[Finding]:
        """An empty list: the dataset of the site names gaps of readings."""
        return []


def of_site(site: Site) -> Mapping[str, Measure]:
    """The measures, made of what the site declares."""
    own = (_OWN,) if generation(site) else ()
    contracted = (_CONTRACTED,) if site.premises.renewable_contracts else ()
    return _of(("consumption_kwh", *own), (*own, *contracted))
