"""Files of a circuit and its sub-meters on one even grid, with a named refusal of what cannot be put there."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.readings.readers.reader_list import reader_for
from assets.readings.tables.column_layout import resolve
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.disaggregation import finding_of
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.units import Unit
from ml.baselines.usage_tables.calendar_of import zone_of_files
from ml.baselines.usage_tables.read_usage import Source, energy_rows, read_drivers, streams
from ml.disaggregation.circuit import MINUTE, Circuit
from ml.features.civil import civil_on
from ml.features.series import HOUR, Vector
from ml.forecasts.file_case import day_types_of

# Readings below zero that may be noise, as a share; more of them feed in.
FEW_NEGATIVE = 0.001
LONGEST_STEP = HOUR


def read_circuit(
    energy: Source, submeters: Path | None = None, *, beside: Sequence[str] = (), zone: str | None = None
) -> tuple[Circuit, list[Finding]]:
    """The circuit of its files, and what was found in reading them. Raises BadInput.

    beside: further columns of the energy file, as reactive power, voltage or PV. submeters: `meter,timestamp,kwh`, in
    the circuit's own steps. zone: of times without offset and of the local clock.
    """
    calendar = zone_of_files([energy.path, *([] if submeters is None else [submeters])], zone)
    findings = [] if calendar.finding is None else [calendar.finding]
    if beside and energy.mapping is None:
        energy = replace(energy, mapping=_map_without(energy.path, beside))
    rows, unit, found = energy_rows(energy, calendar.zone)
    findings += found
    minutes = sorted(rows["source_minutes"].unique().to_list())
    step = int(minutes[0]) * MINUTE
    if len(minutes) > 1 or step > LONGEST_STEP or HOUR % step:
        raise BadInput(
            f"its readings are {', '.join(map(str, minutes[:4]))} minutes apart; expected one step from 1 minute to 1 "
            "hour throughout",
            file=str(energy.path),
            reason="wrong_step",
        )
    start, last = rows["interval_start_utc"].min(), rows["interval_start_utc"].max()
    assert isinstance(start, datetime) and isinstance(last, datetime)  # noqa: PT018, S101  # energy_rows has a row
    length = (last - start) // step + 1
    kwh = _on_grid(rows, unit, start, step, length)
    findings += _not_fed_in(kwh, energy.path)
    meters: dict[str, Vector] = {}
    if submeters is not None:
        meters, found = _submeters(submeters, calendar.zone, start, step, length)
        findings += found
    others = _further(energy.path, beside, calendar.zone, start, step, length) if beside else {}
    civil = civil_on(day_types_of(None, None), calendar.zone, start, length, step)
    return Circuit(start, step, kwh, others, meters, civil, calendar.zone), findings


def local_span(text: str, option: str, zone: str) -> tuple[datetime, datetime]:
    """[start, end) of `START/END`, local dates or instants. Raises BadInput."""
    from data_quality.contracts.time import parse_instant

    start, slash, end = text.partition("/")
    if not slash:
        raise BadInput(f"{option} {text!r}: expected START/END", reason="bad_period")
    found = parse_instant(start, zone), parse_instant(end, zone)
    if found[1] <= found[0]:
        raise BadInput(f"{option} {text!r}: expected an end after the start", reason="bad_period")
    return found


def _map_without(path: Path, further: Sequence[str]) -> ColumnMap | None:
    """Column map of the file's energy, without the further columns."""
    header = reader_for(path).header(path)
    missing = [name for name in further if name not in header]
    if missing:
        raise BadInput(
            f"there is no column {missing[0]}; it has {', '.join(header)}",
            file=str(path),
            line=1,
            reason="missing_column",
        )
    layout = resolve([name for name in header if name not in further], None, None)
    if len(layout.values) != 1 or layout.values[0].column is None:
        raise BadInput("expected one column of energy", file=str(path), line=1, reason="several_meters")
    column, unit = layout.values[0].column, layout.values[0].unit
    units = {column: unit} if unit else {}
    meters = {} if layout.meter else {"load": "load"}
    return ColumnMap(timestamp=layout.time, value=column, meter=layout.meter, meters=meters, units=units)


def _on_grid(rows: pl.DataFrame, unit: Unit, start: datetime, step: timedelta, length: int) -> Vector:
    """Energy of each step, kWh; power counts for its step."""
    values = rows["value"].to_numpy() * unit.factor * (step / HOUR if unit.is_power else 1.0)
    return _placed(rows["interval_start_utc"], values, start, step, length)


def _placed(at: pl.Series, values: Vector, start: datetime, step: timedelta, length: int) -> Vector:
    place = ((at - start).dt.total_minutes() // (step // MINUTE)).to_numpy()
    inside = (place >= 0) & (place < length)
    found = np.full(length, np.nan)
    found[place[inside]] = values[inside]
    return found


def _not_fed_in(kwh: Vector, path: Path) -> list[Finding]:
    """Negative readings become gaps where they are few. Raises BadInput where the circuit feeds in."""
    is_negative = kwh < 0
    count = int(is_negative.sum())
    if count > FEW_NEGATIVE * len(kwh):
        raise BadInput(
            f"{count:,} of {len(kwh):,} readings are below zero; expected the load without what generation feeds in",
            file=str(path),
            reason="negative_load",
        )
    kwh[is_negative] = np.nan
    return [finding_of("negative_readings", "info", file=path.name, readings=count)] if count else []


def _submeters(
    path: Path, zone: str, start: datetime, step: timedelta, length: int
) -> tuple[dict[str, Vector], list[Finding]]:
    rows, unit, findings = streams(Source(path), zone)
    found: dict[str, Vector] = {}
    # A campaign pauses: what lies between two weeks is a gap, and no long interval.
    other = sorted(set(rows["source_minutes"].to_list()) - {step // MINUTE})
    rows = rows.filter(pl.col("source_minutes") == step // MINUTE)
    if rows.is_empty():
        raise BadInput(
            f"its readings are {', '.join(map(str, other[:4]))} minutes apart and the circuit's {step // MINUTE}; "
            "expected the same step",
            file=str(path),
            reason="wrong_step",
        )
    for (meter, register), group in rows.group_by("meter_id", "register", maintain_order=True):
        if str(meter) in found:
            raise BadInput(
                f"{meter} has several registers ({register}); expected one", file=str(path), reason="register"
            )
        found[str(meter)] = _on_grid(group, unit, start, step, length)
    if not any(np.isfinite(each).any() for each in found.values()):
        raise BadInput("no reading shares its interval with the circuit", file=str(path), reason="no_common_days")
    return found, findings


def _further(
    path: Path, names: Sequence[str], zone: str, start: datetime, step: timedelta, length: int
) -> dict[str, Vector]:
    frame = read_drivers(Source(path), zone=zone, named=[name.strip().lower() for name in names])
    return {
        name: _placed(frame["start_utc"], frame[name].fill_null(float("nan")).to_numpy(), start, step, length)
        for name in frame.columns[2:]
    }
