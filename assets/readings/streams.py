"""The streams that readings may belong to: meters with their registers, and drivers, each with its unit."""

import polars as pl

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import UNITS, unit_of

DRIVER_REGISTER = "value"
STREAM_SCHEMA = {"meter_id": pl.String, "register": pl.String, "own_unit": pl.String, "commodity": pl.String}


def streams(site: Site) -> pl.DataFrame:
    """One row per stream of the site: meter_id, register, own_unit (unit of a source that names none), commodity."""
    rows = [
        (meter.meter_id, register.register_id, register.unit, meter.carrier.value)
        for meter in site.meters
        if not meter.is_virtual
        for register in meter.registers
    ]
    rows += [(driver.driver_id, DRIVER_REGISTER, driver.unit, "driver") for driver in site.drivers]
    return pl.DataFrame(rows, schema=STREAM_SCHEMA, orient="row")


def default_registers(site: Site) -> dict[str, str]:
    """The register that a source means when it names none: import, else the only or first one; a gas meter's volume
    where its energy is derived from it.
    """
    found = {driver.driver_id: DRIVER_REGISTER for driver in site.drivers}
    for meter in site.meters:
        names = [register.register_id for register in meter.registers]
        # A gas meter counts volume; its energy is derived, and no source's to give.
        counted = meter.register_in("m3") if meter.gas_factors else None
        found[meter.meter_id] = counted or ("import" if "import" in names or not names else names[0])
    return found


def canonical_of(code: str | None) -> str | None:
    """Canonical unit of a unit code; None for an unknown one."""
    return None if code is None or code not in UNITS else unit_of(code).canonical
