"""Files of many sites become one table of energy, or one of temperatures: a column names the site of each row."""

from pathlib import Path

import polars as pl

from assets.readings.readers.reader_list import reader_for
from assets.readings.sniff_files import read_file
from assets.readings.tables.column_layout import TIME_COLUMNS, unit_in
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import UNITS
from ml.baselines.usage_tables.read_usage import Source, streams

# Names of the column of sites, those that the formats of readings know first.
SITE_COLUMNS = ("meter", "site", "building_id", "building", "station", "site_id")
_TIMES = (*TIME_COLUMNS, "timestamp_local")


def read_sites(path: Path, mapping: ColumnMap | None, *, zone: str) -> tuple[pl.DataFrame, list[Finding]]:
    """site, start_utc, local_start (naive), minutes, hours, kwh of every site of a file. Raises BadInput.

    Times without an offset are taken as they stand: each site's own clock.
    """
    rows, known, findings = streams(Source(path, mapping or plain_map(path, "kwh")), zone)
    if known.canonical != "kwh":
        raise BadInput(f"the energy is in {known.code}; expected kWh or kW", file=str(path), reason="wrong_unit")
    hours = pl.col("source_minutes") / 60.0
    start = pl.col("interval_start_utc")
    frame = rows.select(
        site="meter_id",
        start_utc=start,
        local_start=start.dt.convert_time_zone(zone).dt.replace_time_zone(None),
        minutes=pl.col("source_minutes").cast(pl.Int64),
        hours=hours,
        kwh=pl.col("value") * known.factor * (hours if known.is_power else pl.lit(1.0)),
    )
    return frame.sort("site", "start_utc"), findings


def read_stations(path: Path, mapping: ColumnMap | None, *, zone: str) -> pl.DataFrame:
    """station, start_utc, minutes, temp_degc of every station of a weather file. Raises BadInput."""
    found = read_file(path, mapping=mapping or plain_map(path, "degc"), tz=zone)
    factor = {code: unit for code, unit in UNITS.items() if unit.canonical == "degc"}
    rows = found.rows.filter(pl.col("unit").is_in(list(factor)))
    if rows.is_empty():
        raise BadInput("has no temperature; expected a column temp_degc", file=str(path), reason="missing_column")
    known = factor[rows["unit"][0]]
    return rows.select(
        station="meter_id",
        start_utc="interval_start_utc",
        minutes=pl.col("source_minutes").cast(pl.Int64),
        temp_degc=pl.col("value") * known.factor + known.offset,
    ).sort("station", "start_utc")


def plain_map(path: Path, canonical: str) -> ColumnMap | None:
    """The map of a long table with a column of sites and one of values; None for other shapes, which readers know."""
    header = reader_for(path).header(path)
    names = {name.casefold(): name for name in header}
    site = next((names[each] for each in SITE_COLUMNS if each in names), None)
    time = next((names[each] for each in _TIMES if each in names), None)
    # As weather services write it.
    written = {name: name.casefold().replace("temperature_c", "temperature_degc") for name in header}
    units = {name: unit_in(written[name]) for name in header if name not in (site, time)}
    values = [name for name, unit in units.items() if unit and UNITS[unit].canonical == canonical]
    # The outdoor temperature, where a weather file has that of the dew point too.
    value = next((name for name in values if "dew" not in name.casefold()), None)
    if site is None or time is None or value is None:
        return None
    return ColumnMap(
        timestamp=time,
        value=value,
        meter=site,
        units={value: units[value]},
        negative="keep",
        missing=("",),
        repeated_hour="first",
    )
