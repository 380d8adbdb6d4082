"""The tables of schema `lake`: what Python hands to dbt, column by column, the same on both engines."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.errors import OurFault
from data_quality.contracts.model import Model

# In a product digits add up, and both engines stop at 38: an amount times a factor has 36.
PRICE = pl.Decimal(12, 6)
FACTOR = pl.Decimal(18, 15)
# Whole billionths, as the lake's values are: sums in SQL and in Python agree to the last digit.
AMOUNT = pl.Decimal(18, 9)
SOURCE_SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "windows": {
        "site_id": pl.String(),
        "first_date": pl.Date(),
        "after_date": pl.Date(),
        "start_utc": pl.Datetime("us", "UTC"),
        "end_utc": pl.Datetime("us", "UTC"),
        "is_whole_site": pl.Boolean(),
    },
    # Empty in a warehouse, which computes days, months and years; a trace asks for one span (docs/adr/0019).
    "asked_periods": {
        "site_id": pl.String(),
        "grain": pl.String(),
        "first_date": pl.Date(),
        "after_date": pl.Date(),
    },
    "readings": LAKE_SCHEMA,
    "site_quarter_hours": {
        "site_id": pl.String(),
        "interval_start_utc": pl.Datetime("us", "UTC"),
        "local_date": pl.Date(),
        "day_type": pl.String(),
        "price_per_kwh": PRICE,
    },
    "carrier_prices": {
        "site_id": pl.String(),
        "carrier": pl.String(),
        "interval_start_utc": pl.Datetime("us", "UTC"),
        "price_per_unit": PRICE,
    },
    "meter_factors": {
        "site_id": pl.String(),
        "meter_id": pl.String(),
        "valid_from": pl.Date(),
        "valid_to": pl.Date(),
        "kgco2e_per_kwh": FACTOR,
    },
    "interval_cost": {
        "site_id": pl.String(),
        "interval_start_utc": pl.Datetime("us", "UTC"),
        "bill_start": pl.Date(),
        "is_present": pl.Boolean(),
        "import_kwh": AMOUNT,
        "export_kwh": AMOUNT,
        "energy_cost": AMOUNT,
        "other_cost": AMOUNT,
        # Demand is billed over blocks of the tariff's length, not of the meter's (formulas 5.11).
        "block_kwh": AMOUNT,
        "block_minutes": pl.Int32(),
        "window_minutes": pl.Int32(),
        "demand_charge": pl.String(),
        "kgco2e_per_kwh": FACTOR,
        "is_hourly_factor": pl.Boolean(),
        "cost_finding": pl.String(),
    },
    "meters": {
        "site_id": pl.String(),
        "meter_id": pl.String(),
        "carrier": pl.String(),
        "parent_meter_id": pl.String(),
        "is_site_total": pl.Boolean(),
        "has_import": pl.Boolean(),
        "connected_load_kw": pl.Float64(),
    },
    "scope_members": {
        "site_id": pl.String(),
        "scope": pl.String(),
        "kind": pl.String(),
        "carrier": pl.String(),
        "meter_id": pl.String(),
        "valid_from": pl.Date(),
        "valid_to": pl.Date(),
        "sign": pl.Int32(),
        "share": pl.Decimal(9, 6),
        "meter_count": pl.Int32(),
        "is_allocated": pl.Boolean(),
    },
    "scope_facts": {
        "site_id": pl.String(),
        "scope": pl.String(),
        "fact": pl.String(),
        "valid_from": pl.Date(),
        "valid_to": pl.Date(),
        "amount": pl.Decimal(18, 6),
    },
    "kpi_streams": {
        "site_id": pl.String(),
        "scope": pl.String(),
        "role": pl.String(),
        "stream_id": pl.String(),
        "register": pl.String(),
        "valid_from": pl.Date(),
        "valid_to": pl.Date(),
    },
    "degree_rules": {
        "site_id": pl.String(),
        "stream_id": pl.String(),
        "station": pl.String(),
        "method": pl.String(),
        "heating_base_degc": pl.Decimal(18, 6),
        "cooling_base_degc": pl.Decimal(18, 6),
    },
    "sites": {
        "site_id": pl.String(),
        "time_zone": pl.String(),
        "currency": pl.String(),
        "floor_area_m2": pl.Float64(),
    },
    "seu_expected_days": {
        "site_id": pl.String(),
        "seu_id": pl.String(),
        "local_date": pl.Date(),
        "baseline_id": pl.String(),
        "baseline_version": pl.Int32(),
        # A regression's answer: no decimal would make it exact.
        "expected_kwh": pl.Float64(),
    },
}


# What each stage of the dbt project, and each site of it, was built with last: kept beside the sources, none of them.
BUILT_SCHEMA: dict[str, pl.DataType] = {"part": pl.String(), "fingerprint": pl.String()}


class ParquetFiles(Model):
    """A table that stands in files already: the lake's readings, as the manifest names them.

    touched: those of the files that may hold rows of the windows; None where that is not known. others: of sites that
    this load leaves as they are.
    """

    paths: tuple[Path, ...]
    touched: tuple[Path, ...] | None = None
    others: tuple[Path, ...] = ()


def empty_source(name: str) -> pl.DataFrame:
    """The source table of that name without rows."""
    return pl.DataFrame(schema=SOURCE_SCHEMAS[name])


def conform(name: str, table: pl.DataFrame | ParquetFiles) -> pl.DataFrame | ParquetFiles:
    """The table with its columns in order and of the declared types. Raises OurFault for other columns."""
    if name not in SOURCE_SCHEMAS:
        raise OurFault(f"{name!r} is not a source table; there are {', '.join(SOURCE_SCHEMAS)}")
    if isinstance(table, ParquetFiles):
        return table
    schema = SOURCE_SCHEMAS[name]
    if set(table.columns) != set(schema):
        wrong = sorted(set(table.columns) ^ set(schema))
        raise OurFault(f"source table {name} must have columns {', '.join(schema)}; differing: {', '.join(wrong)}")
    return table.select(pl.col(column).cast(kind) for column, kind in schema.items())


def create_table(name: str, schema: Mapping[str, pl.DataType] | None = None) -> str:
    """CREATE TABLE of schema `lake` where it is missing, in one spelling that both engines read.

    schema: its columns, where it is no source table.
    """
    columns = ((column, _sql_type(kind)) for column, kind in (schema or SOURCE_SCHEMAS[name]).items())
    return f"create table if not exists lake.{name} ({', '.join(' '.join(each) for each in columns)})"


def _sql_type(kind: pl.DataType) -> str:
    if isinstance(kind, pl.Decimal):
        return f"decimal({kind.precision}, {kind.scale})"
    return _SQL_TYPES[type(kind)]


_SQL_TYPES: dict[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Datetime: "timestamptz",
    pl.Date: "date",
    pl.Int32: "integer",
    pl.Int64: "bigint",
    pl.Float64: "double precision",
    pl.Boolean: "boolean",
}
