"""The meter hierarchy on a local day: who stands below whom, what makes a total without counting energy twice.

Every function takes the day; without one it answers for the hierarchy after its last change. Balance rules compare
submeters with their parent, an energy use with the building's total.

Do two sets of meters hold the same energy? Sums over both would count it twice (resolution C0.37).
"""

from collections.abc import Iterable, Mapping
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from assets.sites.virtual import inputs_of
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER, breakpoints
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of
from data_quality.rules.shared.energy_balance import Balance

ENERGY_UNIT = "kwh"


class TreeSpan(NamedTuple):
    """Local days [start, end) over which the hierarchy does not change; date.min and date.max are open ends."""

    start: date
    end: date


def children_of(site: Site, parent: str, on_date: date | None = None) -> tuple[str, ...]:
    """Meters directly below `parent` on that day, in file order, whatever their carrier; empty for an unknown one."""
    return tuple(meter.meter_id for meter in site.meters if meter.parent_on(on_date) == parent)


def parent_of(site: Site, meter_id: str, on_date: date | None = None) -> str | None:
    """The meter directly above on that day, or None."""
    meter = site.meter(meter_id)
    return None if meter is None else meter.parent_on(on_date)


def submeters_of(site: Site, parent: str, on_date: date | None = None) -> tuple[str, ...]:
    """Children whose energy is part of the parent's: of its carrier, read and not computed, not made on site.

    Their sum may not exceed the parent. A virtual child repeats what its inputs measure.
    """
    above = site.meter(parent)
    below = [site.meter(name) for name in children_of(site, parent, on_date)]
    return tuple(
        meter.meter_id
        for meter in below
        if meter is not None
        and above is not None
        # A heat meter below the gas meter of its boiler shares no kWh with it: between them lies an efficiency.
        and meter.carrier == above.carrier
        and not meter.is_virtual
        and not meter.is_made_on_site
    )


def total_meters(site: Site, carrier: Carrier, on_date: date | None = None) -> tuple[str, ...]:
    """Meters of the carrier that make the site's total of it, in file order: none stands below another of them.

    Left out: a meter whose parent is of the same carrier, a virtual one, and a secondary one, whose energy is metered
    already as that of its makers.
    """
    by_id = {meter.meter_id: meter for meter in site.meters}
    found = []
    for meter in site.meters:
        if meter.carrier == carrier and not meter.is_virtual and not meter.is_made_on_site:
            above = _metered_parent(meter, by_id, on_date)
            # Heat below gas is still the total of heat; only the energy total over all carriers leaves it out
            # (primary_meters).
            if above is None or above.carrier != carrier:
                found.append(meter.meter_id)
    return tuple(found)


def primary_meters(site: Site, on_date: date | None = None) -> tuple[str, ...]:
    """Meters whose import in kWh makes the site's energy total over all carriers, in file order.

    Those of every carrier's total that stand below no meter at all (heat below a gas meter is gas already) and that
    measure in kWh: water never does. Source: formulas 5.1; resolutions C0.36, C3.3.
    """
    by_id = {meter.meter_id: meter for meter in site.meters}
    totals = {name for carrier in Carrier for name in total_meters(site, carrier, on_date)}
    return tuple(
        meter.meter_id
        for meter in site.meters
        if meter.meter_id in totals and has_import(meter) and _metered_parent(meter, by_id, on_date) is None
    )


def has_import(meter: Meter) -> bool:
    """True where the meter measures consumption in kWh: water is in no kWh total, export and charging are no import."""
    return any(
        register.register_id == CONSUMPTION_REGISTER
        and unit_of(register.unit).canonical == ENERGY_UNIT
        and meter.carrier != Carrier.WATER
        for register in meter.registers
    )


def tree_spans(site: Site) -> tuple[TreeSpan, ...]:
    """The spans of local days between two changes of the hierarchy, in order, from open end to open end."""
    edges = [*breakpoints(site.meters), date.max]
    return tuple(TreeSpan(start, end) for start, end in pairwise(edges))


def _metered_parent(meter: Meter, by_id: Mapping[str, Meter], on_date: date | None) -> Meter | None:
    """The nearest meter above that is read: a virtual one in between groups meters and measures nothing."""
    above = by_id.get(meter.parent_on(on_date) or "")
    while above is not None and above.is_virtual:
        above = by_id.get(above.parent_on(on_date) or "")
    return above


def balances(site: Site) -> list[Balance]:
    """The comparisons of every span of local days between two changes of the hierarchy.

    Only meters of one carrier that are read and not made on site add up; an energy use that is the whole building, or
    an aggregate of others, is compared with nothing.
    """
    found = []
    for span in tree_spans(site):
        # Once a span: of a site of thousands of meters hardly any is a parent, and its totals are the same for all.
        above = {meter.parent_on(span.start) for meter in site.meters}
        totals = {carrier: total_meters(site, carrier, span.start) for carrier in {seu.carrier for seu in site.seus}}
        for meter in site.meters:
            parts = submeters_of(site, meter.meter_id, span.start) if meter.meter_id in above else ()
            if parts and not meter.is_virtual:
                found.append(Balance("sum_check", meter.meter_id, parts, (meter.meter_id,), span.start, span.end))
        for seu in site.seus:
            whole = totals[seu.carrier]
            plant = tuple(
                name
                for name in seu.meters
                if (own := site.meter(name)) is not None
                and own.carrier == seu.carrier
                and not (own.is_virtual or own.is_made_on_site)
            )
            if plant and whole and not seu.is_aggregate and set(plant) != set(whole):
                found.append(Balance("plant_balance", seu.seu_id, plant, whole, span.start, span.end))
    return found


def regions_of(site: Site, meter_ids: Iterable[str]) -> frozenset[str]:
    """The parts of the site whose energy the meters add up, each named by a meter: what it has beyond its submeters.

    A meter is its own part and all parts below it; a virtual one the parts that its formula leaves, so that
    `main - press` is not the press.
    """
    # Exact: a third and two thirds taken away must leave nothing, not 1e-17.
    weights: dict[str, Fraction] = {}
    for meter_id in dict.fromkeys(meter_ids):
        terms = [(term.meter_id, term.coefficient) for term in inputs_of(site, meter_id)] or [(meter_id, Fraction(1))]
        for name, weight in terms:
            for part in _parts(site, name):
                weights[part] = weights.get(part, Fraction(0)) + weight
    return frozenset(name for name, weight in weights.items() if weight != 0)


def _parts(site: Site, meter_id: str) -> list[str]:
    found, waiting = [], [meter_id]
    while waiting:
        name = waiting.pop()
        found.append(name)
        waiting += submeters_of(site, name)
    return found
