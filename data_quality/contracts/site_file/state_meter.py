"""Meter of a device's state of charge or temperature: a driver of the site, in the unit that the state has."""

from collections.abc import Mapping

from data_quality.contracts.site_file.premises import check_named
from data_quality.contracts.units import unit_of

# As the lake holds them: fractions are stored as percent, degrees Fahrenheit as Celsius.
STATE_UNITS = ("percent", "degc")


def check_state_meters(named: Mapping[str, str | None], driver_units: Mapping[str, str]) -> None:
    """named: state meters by asset. Raises ValueError where one is no driver of the site, or holds no level."""
    for asset_id, name in named.items():
        if name is None:
            continue
        what = f"asset {asset_id!r}: state_meter"
        check_named(f"{what}: driver", name, list(driver_units))
        if (unit := unit_of(driver_units[name]).canonical) not in STATE_UNITS:
            raise ValueError(f"{what} {name!r} is in {unit}; expected {' or '.join(STATE_UNITS)}")
