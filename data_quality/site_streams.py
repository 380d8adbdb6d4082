"""What a site file says of its streams for validation: plates, directions, and which streams there should be."""

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import unit_of
from data_quality.reading_grid import Stream

# Registers that count one way: consumption, feed-in, and the two of a battery.
ONE_WAY = frozenset({"import", "export", "charge", "discharge"})
DRIVER_REGISTER = "value"


def streams_of_site(site: Site) -> list[Stream]:
    """Every register of every meter that is read, and every driver, with its canonical unit and plate."""
    solar = {asset.meter for asset in site.assets if asset.kind == "pv"}
    found = [
        Stream(
            meter.meter_id,
            register.register_id,
            unit_of(register.unit).canonical,
            plate_kw=meter.connected_load_kw,
            is_one_way=register.register_id in ONE_WAY,
            is_solar=meter.meter_id in solar,
        )
        for meter in site.meters
        if not meter.is_virtual
        for register in meter.registers
    ]
    found += [Stream(driver.driver_id, DRIVER_REGISTER, unit_of(driver.unit).canonical) for driver in site.drivers]
    return found
