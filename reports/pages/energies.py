"""The energies of a site's devices and meters: the fixed colour, the symbol and the name of each."""

from collections.abc import Mapping

from data_quality.contracts.site_file.site import Site
from reports.pages.chart import Energy

OF_KIND: Mapping[str, Energy] = {
    "pv": "solar", "battery": "battery", "ev_charger": "car", "tank": "water", "heat_pump": "heating",
    "heating_relay": "heating", "room": "heating", "grid_meter": "grid",
}  # fmt: skip
ICONS: Mapping[str, str] = {
    "grid": "utility-pole", "export": "utility-pole", "solar": "sun", "battery": "battery-charging", "car": "car",
    "heating": "flame", "water": "droplets", "other": "house",
}  # fmt: skip
NAMES: Mapping[str, str] = {
    "grid": "Grid", "export": "Grid feed-in", "solar": "Solar", "battery": "Battery", "car": "Car",
    "heating": "Heating", "water": "Hot water", "other": "Household",
}  # fmt: skip


def energy_of_kind(kind: str) -> Energy:
    """The energy of a kind of device; of one that has no colour of its own, the household's."""
    return OF_KIND.get(kind, "other")


def energy_of_meter(site: Site, meter_id: str, mains: frozenset[str]) -> Energy:
    """The energy of a meter, by the devices that stand behind it. mains: of the grid connection."""
    if meter_id in mains:
        return "grid"
    return next((energy_of_kind(each.kind) for each in site.assets if each.meter == meter_id), "other")
