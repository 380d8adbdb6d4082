"""The source tables of the warehouse, built from site files, the lake's manifest and the baselines' expected days."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

import polars as pl

from assets.carbon.factors import electricity_factors
from assets.sites.calendar import quarter_hours
from assets.sites.meter_tree import seu_meters, total_meters
from assets.stores.lake import Lake
from assets.stores.lake_block import LAKE_SCHEMA
from assets.stores.warehouse_tables import SOURCE_SCHEMAS, ParquetFiles, empty_source
from assets.tariffs.periods import known_prices
from data_quality.contracts.site import Meter, Site
from data_quality.contracts.time import local_midnight_utc
from data_quality.contracts.units import unit_of

CONSUMPTION_REGISTER = "import"
ENERGY_UNIT = "kwh"


def source_tables(
    sites: Mapping[str, Site], lake: Lake, expected: pl.DataFrame | None, *, as_of_utc: datetime | None = None
) -> dict[str, pl.DataFrame | ParquetFiles]:
    """Every table of schema `lake` for `load_sources`: the sites' readings as known at `as_of_utc`, and their meaning.

    expected: lake.seu_expected_days, or None for a table without rows. Raises BadInput for a tariff or a factor
    that is not unambiguous.
    """
    calendars = [site_quarter_hours(site, lake, as_of_utc=as_of_utc) for site in sites.values()]
    files = tuple(file for site_id in sites for file in lake.files(lake.manifest(site_id, as_of_utc=as_of_utc)))
    return {
        "readings": ParquetFiles(paths=files),
        "site_quarter_hours": pl.concat([empty_source("site_quarter_hours"), *calendars]),
        "meters": pl.concat([empty_source("meters"), *(meter_rows(site) for site in sites.values())]),
        "seu_meters": pl.concat([empty_source("seu_meters"), *(seu_meters(site) for site in sites.values())]),
        "sites": pl.DataFrame(
            [(site.site_id, site.time_zone, site.currency, site.floor_area_m2) for site in sites.values()],
            schema=SOURCE_SCHEMAS["sites"],
            orient="row",
        ),
        "seu_expected_days": empty_source("seu_expected_days") if expected is None else expected,
    }


def site_quarter_hours(site: Site, lake: Lake, *, as_of_utc: datetime | None = None) -> pl.DataFrame:
    """The calendar of the full local years that the lake's readings touch, with price and factor where known."""
    span = lake.span(site.site_id, as_of_utc=as_of_utc)
    if span is None:
        return empty_source("site_quarter_hours")
    # A UTC day may reach into the local day before and after it.
    start = date((span[0] - timedelta(days=1)).year, 1, 1)
    end = date((span[1] + timedelta(days=1)).year + 1, 1, 1)
    prices = known_prices(site, start, end, _price_readings(site, lake, start, end, as_of_utc))
    return (
        quarter_hours(site, start, end)
        .join(prices, on="interval_start_utc", how="left", validate="1:1", maintain_order="left")
        .join(electricity_factors(site, start, end), on="local_date", how="left", validate="m:1", maintain_order="left")
        .select(list(SOURCE_SCHEMAS["site_quarter_hours"]))
    )


def meter_rows(site: Site) -> pl.DataFrame:
    """The site's meters as lake.meters. The site's total counts meters that measure import, each carrier for itself."""
    totals = {carrier: total_meters(site, carrier) for carrier in {meter.carrier for meter in site.meters}}
    rows = [
        (
            site.site_id,
            meter.meter_id,
            meter.carrier.value,
            meter.parent,
            meter.meter_id in totals[meter.carrier],
            has_import(meter),
            meter.connected_load_kw,
        )
        for meter in site.meters
    ]
    return pl.DataFrame(rows, schema=SOURCE_SCHEMAS["meters"], orient="row")


def has_import(meter: Meter) -> bool:
    """True where the meter measures consumption in kWh: water is in no kWh total, export and charging are no import."""
    return any(
        register.register_id == CONSUMPTION_REGISTER and unit_of(register.unit).canonical == ENERGY_UNIT
        for register in meter.registers
    )


def _price_readings(site: Site, lake: Lake, start: date, end: date, as_of_utc: datetime | None) -> pl.DataFrame:
    if site.price_stream is None:
        return pl.DataFrame(schema=LAKE_SCHEMA)
    return lake.current(
        site.site_id,
        start_utc=local_midnight_utc(start, site.time_zone),
        end_utc=local_midnight_utc(end, site.time_zone),
        as_of_utc=as_of_utc,
        meters=[site.price_stream],
    )
