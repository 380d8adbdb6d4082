"""Files become a `Usage`: plain energy, weather and driver files (cli.md), each read by the readers of assets/readings.

Rows that cannot be read are gaps and counted in a finding; a file that cannot be used is refused with one sentence.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar

import polars as pl

from assets.readings.parsed import ReadRequest
from assets.readings.readers.reader_list import reader_for
from assets.readings.readers.table_formats.csv_table import CsvTable
from assets.readings.readers.table_formats.parquet_table import ParquetTable
from assets.readings.readers.table_formats.xlsx_table import XlsxTable
from assets.readings.sniff_files import FileRead, read_file
from assets.readings.tables.column_layout import TIME_COLUMNS, resolve, unit_in
from assets.readings.tables.times import TimeRule, add_instants
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import UNITS, Behaviour, Unit
from ml.baselines.usage_tables.calendar_of import holidays_of, zone_of_files
from ml.baselines.usage_tables.usage_clean import count_finding
from ml.baselines.usage_tables.usage_table import Frequency, Usage, usage_of

Read = TypeVar("Read")
# The shortest local day, that on which summer time begins.
_DAY_MINUTES = 23 * 60
# By its unit a file is known as gas, where zero is a reading: a boiler is off for days (CalTRACK 2.2.1.4).
_GAS_UNITS = ("therm", "m3", "ft3", "l")
SHOWN_NAMES = 4
_IRRADIANCE_NAMES = re.compile(r"^ghi|global|shortwave|^irradiance")
_TEMPERATURE_NAMES = ("temp_degc", "outdoor_degc", "outdoor_temp_degc", "outdoor_temperature_degc")


@dataclass(frozen=True, slots=True)
class Source:
    """A file and how it is read: column map, and which meter of several."""

    path: Path
    mapping: ColumnMap | None = None
    meter: str | None = None


def read_usage(
    energy: Source | Path | None,
    weather: Source | Path | None,
    drivers: Source | Path | None = None,
    *,
    frequency: Frequency,
    zone: str | None = None,
    country: str | None = None,
    subdivision: str | None = None,
    zero_is_missing: bool | None = None,
    kwh_per_m3: float | None = None,
) -> Usage:
    """The usage of one meter from its files.

    zone: IANA name of the local calendar and of times without offset; None where the offsets in the file say it.
    country, subdivision: whose public holidays are offered; None for the country that the zone lies in, "" for none.
    zero_is_missing: None for "electricity by CalTRACK's rule, gas no", by the unit. kwh_per_m3: heat value of a volume
    (formulas 5.1); without it a volume stays a volume, and `unit` says so. Raises BadInput.
    """
    known = [Source(each) if isinstance(each, Path) else each for each in (energy, weather, drivers)]
    first = known[0] or known[1]
    if first is None:
        raise BadInput("expected an energy file", reason="no_rows")
    calendar = zone_of_files([each.path for each in known if each is not None], zone)
    findings: list[Finding] = [calendar.finding] if calendar.finding else []
    readings, unit, is_gas = None, "kWh", False
    if known[0] is not None:
        readings, unit, is_gas, found = _energy(known[0], frequency, calendar.zone, kwh_per_m3)
        findings += found
    temperatures, irradiance = None, None
    if known[1] is not None:
        temperatures, found = _temperatures(known[1], calendar.zone)
        findings += found
        if frequency == "hourly":
            irradiance, found = _irradiance(known[1], calendar.zone)
            findings += found
        if readings is not None:
            _expect_common_days(readings, temperatures, known[1].path)
    usage = usage_of(
        readings,
        temperatures=temperatures,
        drivers=None if known[2] is None else read_drivers(known[2], zone=calendar.zone),
        irradiance=irradiance,
        frequency=frequency,
        zone=calendar.zone,
        holidays=_holidays(readings, temperatures, calendar.country if country is None else country, subdivision),
        zero_is_missing=False if zero_is_missing is None and is_gas else zero_is_missing,
        unit=unit,
    )
    return replace(usage, findings=(*findings, *usage.findings))


def _expect_common_days(readings: pl.DataFrame, temperatures: pl.DataFrame, path: Path) -> None:
    """Raises BadInput for weather of other days than the energy: a model would do without it, and say nothing."""
    days = [frame["start_utc"].dt.date().unique().sort() for frame in (readings, temperatures)]
    if all(len(each) for each in days) and not days[0].is_in(days[1].implode()).any():
        spans = [f"{each[0]} to {each[-1]}" for each in days]
        message = f"weather of {spans[1]}, energy of {spans[0]}: no day in common; expected weather of the same days"
        raise BadInput(message, file=str(path), reason="no_common_days")


def _holidays(
    readings: pl.DataFrame | None, temperatures: pl.DataFrame | None, country: str | None, subdivision: str | None
) -> Collection[date]:
    source = readings if readings is not None else temperatures
    if not country or source is None or source.is_empty():
        return ()
    first, last = source["start_utc"].dt.date().min(), source["start_utc"].dt.date().max()
    assert isinstance(first, date) and isinstance(last, date)  # noqa: PT018, S101
    return holidays_of(country, subdivision, first, last)


def _energy(
    source: Source, frequency: Frequency, zone: str, kwh_per_m3: float | None
) -> tuple[pl.DataFrame, str, bool, list[Finding]]:
    """start_utc, minutes, energy_kwh; the unit; whether it is gas; what was refused."""
    rows, known, findings = energy_rows(source, zone, frequency)
    # A mean power counts for the time that it is the mean of.
    hours = pl.col("source_minutes") / 60 if known.is_power else pl.lit(1.0)
    is_volume = known.canonical == "m3"
    factor = known.factor * (kwh_per_m3 if is_volume and kwh_per_m3 is not None else 1.0)
    frame = rows.select(
        start_utc="interval_start_utc",
        minutes=pl.col("source_minutes").cast(pl.Int64),
        energy_kwh=pl.col("value") * factor * hours,
    ).sort("start_utc")
    unit = "m3" if is_volume and kwh_per_m3 is None else "kWh"
    return frame, unit, known.code in _GAS_UNITS, findings


def energy_rows(source: Source, zone: str, frequency: Frequency = "hourly") -> tuple[pl.DataFrame, Unit, list[Finding]]:
    """The rows of one stream (columns of FileRead.rows), the unit of its values, and what was refused. Raises BadInput
    for several streams or units, and for a unit that is no energy, power or volume.
    """
    named = _vouched(source)
    found = _read_energy(named.path, named.mapping, frequency, zone)
    rows = found.rows
    if named.meter is not None:
        rows = rows.filter(pl.col("meter_id") == named.meter)
    names = rows.select("meter_id", "register").unique().sort("meter_id", "register").rows()
    if not names:
        known = ", ".join(sorted(set(found.rows["meter_id"].to_list()))[:10])
        what = f"no meter {named.meter!r}; the file has {known}" if named.meter else "there is no reading"
        raise BadInput(what, file=str(named.path), reason="unknown_meter")
    if len(names) > 1:
        shown = ", ".join(f"{name}.{register}" for name, register in names[:10])
        raise BadInput(
            f"the file has several streams ({shown}); expected one",
            file=str(named.path),
            reason="several_meters",
            mend="name one with --meter",
        )
    return _of_energy(rows, found, source, named)


def streams(source: Source, zone: str) -> tuple[pl.DataFrame, Unit, list[Finding]]:
    """As `energy_rows`, of all meters of a file with a column of meters. Raises BadInput."""
    named = _vouched(source)
    found = _read_energy(named.path, named.mapping, "hourly", zone)
    if found.rows.is_empty():
        raise BadInput("there is no reading", file=str(source.path), reason="no_rows")
    return _of_energy(found.rows, found, source, named)


def _of_energy(
    rows: pl.DataFrame, found: FileRead, given: Source, named: Source
) -> tuple[pl.DataFrame, Unit, list[Finding]]:
    known = _one_unit(rows, named.path)
    if known.canonical not in ("kwh", "m3") or known.behaviour is not Behaviour.AMOUNT:
        raise BadInput(
            f"the energy is in {known.code}; expected energy, power or gas volume (kwh, kw, therm, m3 …)",
            file=str(named.path),
            line=1,
            reason="wrong_unit",
        )
    unread = [] if given.mapping is not None or named.mapping is None else _unread(named.path, named.mapping)
    return rows, known, [*_rejected(found, named.path), *unread]


def _unread(path: Path, plain: ColumnMap) -> list[Finding]:
    """A finding where a plain file has columns that do not say what they are."""
    header = _in_file(path, lambda each: reader_for(each).header(each))
    names = [name for name in header if name not in (*_shape(header), plain.value, plain.meter) and not unit_in(name)]
    if not names:
        return []
    message = f"{path.name}: only {plain.value} is read as energy; {', '.join(names)} name no unit."
    return [Finding(code="ignored_columns", message=message, severity="info", facts={"columns": ", ".join(names)})]


def _read_energy(path: Path, mapping: ColumnMap | None, frequency: Frequency, zone: str) -> FileRead:
    if frequency != "billing":
        return _read_days_too(path, mapping, zone)
    if mapping is None or mapping.label == "end" or mapping.interval_minutes is not None:
        return read_file(path, mapping=mapping, tz=zone)
    # Files of bills say where each begins; it lasts until the next.
    return read_file(path, mapping=mapping.model_copy(update={"until_next_row": True}), tz=zone)


def _read_days_too(path: Path, mapping: ColumnMap | None, zone: str) -> FileRead:
    """The file; where it holds days with a time, each of them lasts until the next: the shortest has 23 hours."""
    found = read_file(path, mapping=mapping, tz=zone)
    if "overlapping_interval" not in found.report.reasons or mapping is None or not _are_days(found.rows):
        return found
    if mapping.label == "end" or mapping.interval_minutes is not None:
        return found
    joined = read_file(path, mapping=mapping.model_copy(update={"until_next_row": True}), tz=zone)
    # The last day has no next: it has its stated length.
    last = found.rows.filter(pl.col("interval_start_utc") > joined.rows["interval_start_utc"].max())
    known = ~pl.col("source_line").is_in(last["source_line"].implode())
    return replace(joined, rows=pl.concat([joined.rows, last]), rejects=joined.rejects.filter(known))


def _are_days(rows: pl.DataFrame) -> bool:
    longest = rows["source_minutes"].max()
    return isinstance(longest, int) and longest >= _DAY_MINUTES


def _vouched(source: Source) -> Source:
    """The source with the map that reads its table as it stands: units vouched for, negative amounts kept; without one
    for other formats, and for several columns named as streams, of which --meter takes one. Raises BadInput.
    """
    if source.mapping is not None:
        # The lake refuses what is negative; a model must see that a meter feeds in.
        return replace(source, mapping=source.mapping.model_copy(update={"negative": "keep"}))
    header = _in_file(source.path, lambda path: reader_for(path).header(path))
    if not header:
        return source
    column = _energy_column(header, source)
    layout = _in_file(
        source.path, lambda _: resolve(header if column is None else [*_shape(header), column], None, None)
    )
    if column is None and len(layout.values) != 1:
        return source
    value = layout.values[0]
    units = {value.column: value.unit} if value.unit else {}
    if layout.meter is not None:
        plain = ColumnMap(timestamp=layout.time, value=value.column, meter=layout.meter, units=units, negative="keep")
        return replace(source, mapping=plain)
    # A map must name a meter, and a plain file has one without a name.
    is_named = column is not None and source.meter == column
    name = re.sub("[^a-z0-9]+", "_", value.column.lower()).strip("_") if is_named else "load"
    plain = ColumnMap(timestamp=layout.time, value=value.column, meters={name: name}, units=units, negative="keep")
    return replace(source, mapping=plain, meter=name if is_named else source.meter)


def _energy_column(header: list[str], source: Source) -> str | None:
    """The column of a plain file that holds energy, power or volume; None where its rows or its columns name meters.

    Raises BadInput for several of which one is called by its unit alone: no rule says which of them is meant.
    """
    names = [name for name in header if name not in _shape(header)]
    energy = [name for name in names if (unit := unit_in(name)) and UNITS[unit].canonical in ("kwh", "m3")]
    if any(name.lower() == "meter" for name in header) or not energy:
        return None
    if len(energy) == 1:
        return energy[0]
    if source.meter in energy:
        return source.meter
    if all(unit_in(name) != name.strip().lower() for name in energy):
        return None
    raise BadInput(
        f"several columns of energy ({', '.join(energy)}); expected one", file=str(source.path), line=1,
        reason="several_value_columns", mend=f"name one: --meter {energy[0]!r}",
    )  # fmt: skip


def _shape(header: list[str]) -> list[str]:
    """Columns of a plain file that hold no value."""
    times = [name for name in header if name.lower() in TIME_COLUMNS]
    return [*times, *(name for name in header if name.lower() in ("register", "is_synthetic"))]


def _in_file(path: Path, read: Callable[[Path], Read]) -> Read:
    """The result of a reader on a file; its refusal names the file."""
    try:
        return read(path)
    except BadInput as fault:
        if fault.file:
            raise
        raise BadInput(fault.message, file=str(path), line=fault.line, reason=fault.reason, mend=fault.mend) from fault


def _one_unit(rows: pl.DataFrame, path: Path) -> Unit:
    codes = sorted(rows["unit"].unique().to_list())
    if len(codes) != 1:
        raise BadInput(f"several units ({', '.join(codes)}); expected one", file=str(path), reason="wrong_unit")
    return UNITS[codes[0]]


def _temperatures(source: Source, zone: str) -> tuple[pl.DataFrame, list[Finding]]:
    """start_utc, minutes, temp_degc of the file's outdoor temperature."""
    found = _read_days_too(source.path, source.mapping or _plain_map(source.path, "degc"), zone)
    is_degc = pl.col("unit").is_in([code for code, unit in UNITS.items() if unit.canonical == "degc"])
    rows = found.rows.filter(is_degc)
    names = sorted(set(rows["meter_id"].to_list()))
    named = [name for name in names if name.lower() in _TEMPERATURE_NAMES] or names
    if len(named) != 1:
        what = f"several temperatures ({', '.join(named)})" if named else "no temperature"
        raise BadInput(f"{what}; expected a column temp_degc", file=str(source.path), line=1, reason="missing_column")
    rows = rows.filter(pl.col("meter_id") == named[0])
    known = _one_unit(rows, source.path)
    frame = rows.select(
        start_utc="interval_start_utc",
        minutes=pl.col("source_minutes").cast(pl.Int64),
        # Unlike amounts, degrees have an offset: 32 °F is no multiple of 0 °C.
        temp_degc=pl.col("value") * known.factor + known.offset,
    )
    return frame.sort("start_utc"), _rejected(found, source.path, may_contradict=True)


def _irradiance(source: Source, zone: str) -> tuple[pl.DataFrame | None, list[Finding]]:
    """start_utc, minutes, ghi_w_per_m2 of the file's horizontal irradiance; None where it has none, or several of which
    none is called by a usual name.
    """
    given = source.mapping
    mapping = _plain_map(source.path, "w_per_m2") if given is None else given
    known = [] if mapping is None else [name for name, unit in mapping.units.items() if unit in UNITS]
    names = [name for name in known if UNITS[mapping.units[name]].canonical == "w_per_m2"] if mapping else []
    named = [name for name in names if _IRRADIANCE_NAMES.search(name.lower())] or names
    if mapping is None or len(named) != 1:
        return None, []
    # Alone, so that a row without irradiance is no row without temperature.
    only = {"value": None, "meter": None, "values": {named[0]: named[0]}, "units": {named[0]: mapping.units[named[0]]}}
    alone = mapping.model_copy(update=only)
    found = _read_days_too(source.path, alone, zone)
    if found.rows.is_empty():
        return None, []
    factor = _one_unit(found.rows, source.path).factor
    frame = found.rows.select(
        start_utc="interval_start_utc",
        minutes=pl.col("source_minutes").cast(pl.Int64),
        ghi_w_per_m2=pl.col("value") * factor,
    )
    return frame.sort("start_utc"), _rejected(found, source.path, may_contradict=True)


def _plain_map(path: Path, canonical: str) -> ColumnMap | None:
    """The plain shape of a file as a map of its columns in such a unit; None where it has none."""
    header = _in_file(path, lambda each: reader_for(each).header(each))
    if not header:
        return None
    layout = _in_file(path, lambda _: resolve(header, None, None))
    columns = [each for each in layout.values if each.unit is not None and UNITS[each.unit].canonical == canonical]
    if layout.meter is not None or not columns:
        return None
    return ColumnMap(
        timestamp=layout.time,
        values={each.column: each.column for each in columns},
        units={each.column: each.unit for each in columns if each.unit is not None},
    )


def _rejected(found: FileRead, path: Path, *, may_contradict: bool = False) -> list[Finding]:
    """Refused rows of a file, as a finding. Two readings of one interval that contradict each other refuse
    the file, or are both left out (weather: no energy can be counted twice).

    A last line without a number only says where the reading before it ends.
    """
    is_doubled = pl.col("reason").is_in(["duplicate_conflict", "overlapping_interval"])
    doubled = found.rejects.filter(is_doubled).sort("source_line")
    if doubled.height and not may_contradict:
        raise BadInput(
            f"{doubled.height} readings share their interval with another that differs; expected one an interval",
            file=str(path),
            line=int(doubled["source_line"][0]),
            reason="duplicate_intervals",
        )
    last = found.rows["source_line"].max() if found.rows.height else None
    is_end = (pl.col("reason") == "not_a_number") & (pl.col("source_line") > last)
    rejects = found.rejects.filter(~is_end) if last is not None else found.rejects
    doubles = found.report.warnings.get("duplicate_rows", 0)
    same = count_finding("duplicate_rows", doubles, f"rows of {path.name} appear twice: counted once")
    findings = [*found.report.findings, *([] if same is None else [same])]
    if rejects.is_empty():
        return findings
    reasons = {str(reason): int(count) for reason, count in rejects["reason"].value_counts().sort("reason").rows()}
    what = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    message = f"{path.name}: {rejects.height} rows cannot be read and are gaps: {what}."
    return [*findings, Finding(code="rejected_rows", message=message, severity="info", facts={**reasons})]


def read_drivers(source: Source, *, zone: str, named: Collection[str] | None = None) -> pl.DataFrame:
    """start_utc, minutes and one Float64 column a driver, from `timestamp|date,<name>…`. Raises BadInput.

    named: in small letters, the columns that are meant; None for all.
    """

    def columns(path: Path) -> pl.DataFrame:
        reader = reader_for(path)
        if not isinstance(reader, CsvTable | ParquetTable | XlsxTable):
            raise BadInput("expected a table of timestamp or date and one column a driver", reason="wrong_format")
        raw = reader.table(path, ReadRequest(tz=zone)).frame
        lower = {name.lower(): name for name in raw.columns}
        times = [source.mapping.timestamp] if source.mapping is not None else TIME_COLUMNS
        time = next((lower[name.lower()] for name in times if name.lower() in lower), None)
        if time is None:
            header = ", ".join(name for name in raw.columns if name != "_line")
            raise BadInput(f"expected a column 'timestamp' or 'date', found {header}", line=1, reason="missing_column")
        timed = add_instants(
            raw.with_columns(_by=pl.lit("drivers")), column=time, rule=TimeRule(time_zone=zone, day_zone=zone), by="_by"
        )
        return _driver_columns(timed, time, named)

    return _in_file(source.path, columns)


def _driver_columns(timed: pl.DataFrame, time: str, named: Collection[str] | None) -> pl.DataFrame:
    own = {time, "_line", "_by", "_start", "_days_minutes", "_time_fault", "_is_assumed"}
    names = [name for name in timed.columns if name not in own and (named is None or name.strip().lower() in named)]
    if not names:
        wanted = "driver column" if named is None else f"column {', '.join(list(named)[:SHOWN_NAMES])} …"
        raise BadInput(f"there is no {wanted} beside the times", line=1, reason="missing_column")
    bad = timed.filter(pl.col("_start").is_null() | pl.col("_time_fault").is_not_null())
    if bad.height:
        raise BadInput(
            f"cannot read time {bad[time][0]!r} ({bad['_time_fault'][0]})",
            line=int(bad["_line"][0]),
            reason="bad_timestamp",
        )
    columns = []
    for name in names:
        cells = timed[name]
        values = (
            cells.str.strip_chars().cast(pl.Float64, strict=False)
            if cells.dtype == pl.String
            else cells.cast(pl.Float64)
        )
        # An empty cell and nan say that nothing is known; any other text is a mistake in the file.
        is_stated = (
            cells.str.strip_chars().str.to_lowercase().is_in(["", "nan"])
            if cells.dtype == pl.String
            else values.is_nan()
        )
        wrong = (values.is_null() & cells.is_not_null() & ~is_stated) | values.is_infinite().fill_null(value=False)
        if wrong.any():
            row = wrong.arg_max() or 0
            raise BadInput(
                f"column {name}: expected a number, got {cells[row]!r}",
                line=int(timed["_line"][row]),
                reason="not_a_number",
            )
        columns.append(values.fill_nan(None).alias(name))
    frame = timed.select(start_utc="_start", minutes=pl.col("_days_minutes").cast(pl.Int64)).with_columns(columns)
    frame = frame.sort("start_utc")
    doubled = frame.filter(pl.col("start_utc").is_duplicated())
    if doubled.height:
        raise BadInput(
            f"values at {doubled['start_utc'][0]:%Y-%m-%d %H:%M}Z appear twice; expected one row an interval",
            reason="duplicate_intervals",
        )
    if frame["minutes"].null_count():
        # The commonest step; of two as common the shorter, which claims less.
        step = frame["start_utc"].diff().dt.total_minutes().drop_nulls().mode().sort()
        frame = frame.with_columns(minutes=pl.lit(int(step[0]) if step.len() else 60, pl.Int64))
    return frame
