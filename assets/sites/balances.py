"""Which meters a site's balance rules compare: submeters with their parent, an energy use with the building's total."""

from assets.sites.meter_tree import submeters_of, total_meters, tree_spans
from data_quality.contracts.site_file.site import Site
from data_quality.rules.shared.energy_balance import Balance


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
            plant = tuple(name for name in seu.meters if _is_read(site, name) and _carrier(site, name) == seu.carrier)
            if plant and whole and not seu.is_aggregate and set(plant) != set(whole):
                found.append(Balance("plant_balance", seu.seu_id, plant, whole, span.start, span.end))
    return found


def _is_read(site: Site, meter_id: str) -> bool:
    meter = site.meter(meter_id)
    return meter is not None and not meter.is_virtual and not meter.is_made_on_site


def _carrier(site: Site, meter_id: str) -> str:
    meter = site.meter(meter_id)
    return "" if meter is None else meter.carrier
