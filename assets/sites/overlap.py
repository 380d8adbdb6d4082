"""Do two sets of meters hold the same energy? Sums over both would count it twice (resolution C0.37)."""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from assets.sites.meter_tree import submeters_of
from assets.sites.virtual import inputs_of
from data_quality.contracts.site_file.site import Site


def regions_of(site: Site, meter_ids: Iterable[str], on_date: date | None = None) -> frozenset[str]:
    """The parts of the site whose energy the meters add up, each named by a meter: what it has beyond its submeters.

    A meter is its own part and all parts below it; a virtual one the parts that its formula leaves, so that
    `main - press` is not the press.
    """
    # Exact: a third and two thirds taken away must leave nothing, not 1e-17.
    weights: dict[str, Fraction] = {}
    for meter_id in dict.fromkeys(meter_ids):
        terms = [(term.meter_id, term.coefficient) for term in inputs_of(site, meter_id)] or [(meter_id, Fraction(1))]
        for name, weight in terms:
            for part in _parts(site, name, on_date):
                weights[part] = weights.get(part, Fraction(0)) + weight
    return frozenset(name for name, weight in weights.items() if weight != 0)


def _parts(site: Site, meter_id: str, on_date: date | None) -> list[str]:
    found, waiting = [], [meter_id]
    while waiting:
        name = waiting.pop()
        found.append(name)
        waiting += submeters_of(site, name, on_date)
    return found
