"""The meter hierarchy: which meters make a total without counting energy twice, and which belong to an SEU."""

import polars as pl

from data_quality.contracts.site import Carrier, Site


def total_meters(site: Site, carrier: Carrier) -> tuple[str, ...]:
    """Meters of the carrier whose parent is not of the same carrier, in file order: their sum is the site's total."""
    carriers = {meter.meter_id: meter.carrier for meter in site.meters}
    return tuple(
        meter.meter_id
        for meter in site.meters
        if meter.carrier == carrier and (meter.parent is None or carriers[meter.parent] != carrier)
    )


def seu_meters(site: Site) -> pl.DataFrame:
    """One row per SEU and meter: site_id, seu_id, meter_id, in file order; a meter may serve several SEUs."""
    rows = [(site.site_id, seu.seu_id, meter_id) for seu in site.seus for meter_id in seu.meters]
    return pl.DataFrame(rows, schema=dict.fromkeys(("site_id", "seu_id", "meter_id"), pl.String), orient="row")
