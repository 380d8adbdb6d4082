"""Files of a bill: interval load, generation, reactive energy, prices; read by the readers of assets/readings."""

import re
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import polars as pl

from assets.bills.engine.bill_load import Load, load_of
from assets.readings.packed.bounded import CHUNK_BYTES, chunks
from assets.readings.readers.reader_list import reader_for
from assets.readings.sniff_files import FileRead, read_file
from assets.readings.tables.column_layout import resolve
from assets.tariffs.price_series import PriceSeries
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import UNITS, Unit

# Offsets show in the first lines; a year of minutes need not be unpacked to find them.
_HEAD_BYTES = 1 << 20
_OFFSET = re.compile(rb"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})\b|\d{2}:\d{2}(?::\d{2})?(Z)")
_CURRENCY = re.compile(r"(?i)(?:^|(?<=_))([^\W_]+)_per_(?:kwh|mwh)$")
_CURRENCY_LETTERS = 3
_SUBUNITS = frozenset({"p", "c", "ct", "cts", "cent", "cents", "pence", "ore", "oere", "öre", "øre", "gr", "paise"})
# Fewer equal steps may be gaps.
_DAY_OF_HOURS = 24


@dataclass(frozen=True)
class LoadFile:
    """A load, and what was wrong with the file that it came from: rejected rows leave gaps."""

    load: Load
    rejected: int
    warnings: tuple[str, ...]


def read_load(
    path: Path, *, time_zone: str | None, meter: str | None = None, mapping: ColumnMap | None = None
) -> LoadFile:
    """The interval energy of one meter of the file, in kWh (kW times hours) or m3. Negative values are fed in.

    Raises BadInput for a file that cannot be read, several meters with none named, or a unit that is no energy.
    """
    found, rows, unit = _one_stream(
        path, time_zone, ("kwh", "m3"), "the load is in {}; expected energy, power or gas volume (kwh, kw, m3 …)",
        meter=meter, mapping=mapping,
    )  # fmt: skip
    load = _load(rows, path, unit, counts="m3" if unit.canonical == "m3" else "kwh")
    return LoadFile(load=load, rejected=found.report.rejected_rows, warnings=_warnings(found, path))


def read_reactive(path: Path, *, time_zone: str | None) -> Load:
    """Reactive energy of each interval, kvarh. Raises BadInput."""
    _, rows, unit = _one_stream(path, time_zone, ("kvarh",), "reactive energy is in {}; expected kvarh or kvar")
    return _load(rows, path, unit, counts="kwh")


def read_prices(path: Path, *, time_zone: str | None, name: str = "spot") -> PriceSeries:
    """A price series from `timestamp,<currency>_per_kwh|<currency>_per_mwh`. Raises BadInput."""
    complaint = "prices are in {}; expected a column such as eur_per_kwh or eur_per_mwh"
    found, rows, unit = _one_stream(path, time_zone, ("per_kwh",), complaint)
    matches = [match for column in found.reader.header(path) if (match := _CURRENCY.search(column.strip()))]
    if subunit := next((match[0] for match in matches if match[1].casefold() in _SUBUNITS), None):
        raise BadInput(
            f"prices are in {subunit}, a hundredth of a currency; expected a column such as eur_per_kwh",
            file=str(path), line=1, reason="wrong_unit", mend="divide by 100 and name the currency",
        )  # fmt: skip
    currencies = [match[1].upper() for match in matches if len(match[1]) == _CURRENCY_LETTERS]
    mapping = _keeping_negatives(path)
    to_next = pl.col("interval_start_utc").diff().shift(-1).dt.total_minutes()
    is_steady = rows.sort("interval_start_utc").select((to_next == pl.col("source_minutes")).all()).item()
    if mapping is not None and (found.report.rejected_rows or not is_steady):
        # Shorter than any price, so that no row lies within the one before: Europe's prices were by the hour until
        # October 2025, and are by the quarter hour since.
        short = mapping.model_copy(update={"interval_minutes": 1})
        _, rows, unit = _one_stream(path, time_zone, ("per_kwh",), complaint, mapping=short)
        rows = _with_lengths(rows.sort("interval_start_utc").with_columns(_step=to_next))
    # Per MWh is divided in decimals: a float of 0.1 EUR/MWh would leave digits that no exchange printed.
    price = pl.col("value").cast(pl.Decimal(24, 12)) * pl.lit(str(unit.factor)).cast(pl.Decimal(10, 3))
    frame = rows.select("interval_start_utc", minutes="source_minutes", price_per_kwh=price.cast(pl.Decimal(24, 9)))
    return PriceSeries.of(name, frame, currency=currencies[0] if currencies else None)


def _with_lengths(rows: pl.DataFrame) -> pl.DataFrame:
    """Each price lasts as long as those of its stretch, a day of equal steps; outside any, the commonest step."""
    run = pl.col("_step").rle_id()
    commonest = pl.col("_step").drop_nulls().mode().min()
    length = pl.when(pl.len().over(run) >= _DAY_OF_HOURS).then("_step")
    # A step that is longer than its stretch's is a gap: a missing price is not the one before it.
    return rows.with_columns(source_minutes=length.forward_fill().backward_fill().fill_null(commonest))


def zone_of(path: Path) -> str | None:
    """The zone that the offsets in a text file's times say, where all are one whole hour; None where none is written.

    Raises BadInput for several offsets: they are a zone's summer and winter time, and its name is needed.
    """
    try:
        head = b"".join(islice(chunks(path, max_bytes=sys.maxsize), _HEAD_BYTES // CHUNK_BYTES))
    except BadInput as fault:
        raise BadInput(fault.message, file=str(path), line=fault.line, reason=fault.reason) from fault
    except OSError as error:
        raise BadInput("cannot be read", file=str(path), reason="no_such_file") from error
    marks = sorted({(match[1] or match[2]).decode().replace(":", "") for match in _OFFSET.finditer(head)})
    zones = {"UTC" if mark in ("Z", "+0000", "-0000") else mark for mark in marks}
    if len(zones) > 1:
        raise BadInput(
            f"times have the offsets {', '.join(sorted(zones))}: the zone must be named for days and months",
            file=str(path),
            reason="no_zone",
            mend="give --tz, for instance --tz Europe/Berlin",
        )
    if not zones:
        return None
    zone = zones.pop()
    if zone == "UTC":
        return zone
    if not zone.endswith("00"):
        raise BadInput(
            f"times have the offset {zone}: the zone must be named", file=str(path), reason="no_zone", mend="give --tz"
        )
    # POSIX signs: Etc/GMT-1 is one hour east of Greenwich.
    return f"Etc/GMT{'-' if zone[0] == '+' else '+'}{int(zone[1:3])}"


def _one_stream(
    path: Path,
    time_zone: str | None,
    units: tuple[str, ...],
    complaint: str,
    *,
    meter: str | None = None,
    mapping: ColumnMap | None = None,
) -> tuple[FileRead, pl.DataFrame, Unit]:
    """The file, the rows of its one stream, and their unit. complaint: of one whose canonical unit is none of these."""
    found = read_file(path, mapping=mapping or _keeping_negatives(path), tz=time_zone)
    rows = found.rows
    names = rows.select("meter_id", "register").unique().sort("meter_id", "register").rows()
    if meter is not None:
        rows = rows.filter(pl.col("meter_id") == meter)
        if rows.is_empty():
            known = ", ".join(sorted({name for name, _ in names}))
            raise BadInput(f"no meter {meter!r}; the file has {known}", file=str(path), reason="unknown_meter")
        names = [name for name in names if name[0] == meter]
    if len(names) > 1:
        shown = ", ".join(f"{name}.{register}" for name, register in names[:10])
        raise BadInput(
            f"the file has several streams ({shown}); expected one",
            file=str(path),
            reason="several_meters",
            mend="name one with --meter",
        )
    codes = rows["unit"].unique().to_list()
    if len(codes) != 1:
        raise BadInput(f"several units ({', '.join(sorted(codes))}); expected one", file=str(path), reason="wrong_unit")
    unit = UNITS[codes[0]]
    if unit.canonical not in units or unit.behaviour is not UNITS[units[0]].behaviour:
        raise BadInput(complaint.format(unit.code), file=str(path), line=1, reason="wrong_unit")
    return found, rows, unit


def _keeping_negatives(path: Path) -> ColumnMap | None:
    """The plain shape as a map that keeps negative values: a net load is negative where energy is fed in."""
    header = reader_for(path).header(path)
    if not header:
        return None
    try:
        layout = resolve(header, None, None)
    except BadInput as fault:
        raise BadInput(fault.message, file=str(path), line=fault.line, reason=fault.reason, mend=fault.mend) from fault
    # Several value columns or registers are left to the reader's own rules.
    if len(layout.values) != 1:
        return None
    column = layout.values[0].column
    if layout.meter is not None:
        return ColumnMap(timestamp=layout.time, value=column, meter=layout.meter, negative="keep")
    return ColumnMap(timestamp=layout.time, value=column, meters={"load": "load"}, negative="keep")


def _load(rows: pl.DataFrame, path: Path, unit: Unit, *, counts: Literal["kwh", "m3"]) -> Load:
    # The reader leaves power as power here: only the interval turns it to energy.
    hours = pl.col("source_minutes") / 60 if unit.is_power else pl.lit(1.0)
    frame = rows.select("interval_start_utc", minutes="source_minutes", value=pl.col("value") * unit.factor * hours)
    try:
        return load_of(frame, value="value", unit=counts)
    except BadInput as fault:
        raise BadInput(fault.message, file=str(path), reason=fault.reason, mend=fault.mend) from fault


def _warnings(found: FileRead, path: Path) -> tuple[str, ...]:
    first = {
        reason: line
        # Descending, so that of each reason the first line is the one that stays.
        for reason, line in found.rejects.sort("source_line", descending=True)
        .select("reason", "source_line")
        .iter_rows()
        if line
    }
    return tuple(
        f"{path}{f', line {first[reason]}' if reason in first else ''}: {reason} in {count} rows; they are gaps"
        for reason, count in found.report.reasons.items()
    )
