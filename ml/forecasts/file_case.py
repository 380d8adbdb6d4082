"""Plain files become a case (cli.md): energy on its grid, the local calendar, and weather taken as known at the issue.

The readers are those of baselines; files of a project come through the lake and ml/forecasts/site_case.py instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl

from assets.readings.tables.column_layout import ALIASES
from data_quality.contracts.control.weather_issue import WEATHER_UNITS
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.units import Unit
from ml.baselines.usage_tables.calendar_of import holidays_of, zone_of_files
from ml.baselines.usage_tables.read_usage import Source, energy_rows, read_drivers
from ml.baselines.usage_tables.usage_clean import cleaned
from ml.features.civil import DayTypes, civil_on
from ml.features.forecast_case import Case
from ml.features.series import Index, Series, Vector
from ml.features.weather_as_of import NO_WEATHER, FixedWeather

MINUTE = timedelta(minutes=1)
STEPS_MINUTES = (15, 30, 60)
TEMPERATURE = "temperature_degc"
# So many equal distances in a row are a step of their own, and no gaps.
MIXED_RUN = 24
MAX_YEARS = 20
# Column of a weather file, in small letters -> name of WEATHER_UNITS, factor, offset.
WEATHER_COLUMNS: dict[str, tuple[str, float, float]] = {
    "temp_degc": (TEMPERATURE, 1.0, 0.0),
    **dict.fromkeys(ALIASES["temp_degc"], (TEMPERATURE, 1.0, 0.0)),
    **{name: (name, 1.0, 0.0) for name in WEATHER_UNITS},
    "temp_degf": (TEMPERATURE, 5 / 9, -160 / 9),
    "dew_degc": ("dew_point_degc", 1.0, 0.0),
    "rh_percent": ("humidity_percent", 1.0, 0.0),
    "relative_humidity_percent": ("humidity_percent", 1.0, 0.0),
    "humidity_fraction": ("humidity_percent", 100.0, 0.0),
    "irradiance_w_per_m2": ("ghi_w_per_m2", 1.0, 0.0),
    "cloud_percent": ("cloud_cover_percent", 1.0, 0.0),
    "wind_m_per_s": ("wind_speed_m_per_s", 1.0, 0.0),
    "rain_mm": ("precipitation_mm", 1.0, 0.0),
    "pressure_pa": ("pressure_hpa", 0.01, 0.0),
}


@dataclass(frozen=True)
class FileCase:
    """A case from files. target: meter:<its name in the file>; zone: of the local calendar; findings: of the reading.

    weather_until: the step behind the last one with a temperature (or, without one, any weather); None: no weather.
    """

    case: Case
    target: str
    zone: str
    findings: tuple[Finding, ...]
    weather_until: int | None

    @property
    def temperature_degc(self) -> Vector | None:
        """Temperature by the steps of the series; None where the files have none."""
        if TEMPERATURE not in self.case.weather.names:
            return None
        steps = np.arange(len(self.case.series.values))
        return self.case.weather.at(steps, steps + 1)[:, self.case.weather.names.index(TEMPERATURE)]


def read_case(
    energy: Source,
    weather: Source | None = None,
    *,
    horizon: timedelta,
    zone: str | None = None,
    country: str | None = None,
    subdivision: str | None = None,
    zero_is_missing: bool | None = None,
    until_utc: datetime | None = None,
) -> FileCase:
    """The case of one meter's files, with calendar and weather for a horizon behind its end.

    until_utc: the case ends there (to whole steps), readings behind it are not looked at, and gaps reach up to it;
    None: it ends with the file. zone, country, subdivision, zero_is_missing: as in read_usage. Raises BadInput.
    """
    calendar = zone_of_files([each.path for each in (energy, weather) if each is not None], zone)
    rows, unit, findings = energy_rows(energy, calendar.zone)
    step = _step(rows, energy)
    # Energy in the canonical unit of the file's, here: kW stays kW.
    amounts = rows.select(
        start_utc="interval_start_utc", minutes="source_minutes", energy_kwh=pl.col("value") * unit.factor
    ).sort("start_utc")
    readings, found = cleaned(amounts, zone=calendar.zone, zero_is_missing=zero_is_missing)
    series = _series(readings, step, unit, until_utc, energy)
    length = len(series.values) + horizon // step + 1
    civil = civil_on(
        day_types_of(calendar.country if country is None else country, subdivision),
        calendar.zone,
        series.start_utc,
        length,
        step,
    )
    given, more = NO_WEATHER, list[Finding]()
    if weather is not None:
        given, more = _weather(weather, calendar.zone, series, length)
    temperature = given.names.index(TEMPERATURE) if TEMPERATURE in given.names else 0
    known = np.flatnonzero(~np.isnan(given.values[:, temperature])) if given.names else np.empty(0, dtype=np.int64)
    return FileCase(
        case=Case(series, civil, given, horizon_steps=horizon // step),
        target=f"meter:{rows['meter_id'][0]}",
        zone=calendar.zone,
        findings=(*([calendar.finding] if calendar.finding else []), *findings, *found, *more),
        weather_until=(int(known[-1]) + 1 if len(known) else 0) if given.names else None,
    )


def day_types_of(country: str | None, subdivision: str | None) -> DayTypes:
    """Day types with the holidays of the country, if one is known. Saturday and Sunday are the weekend."""

    def types(start: date, end: date) -> Mapping[date, str]:
        holidays = set(holidays_of(country, subdivision, start, end)) if country else set()
        days = [start + timedelta(days=n) for n in range((end - start).days)]
        return {day: "holiday" if day in holidays else "weekend" if day.weekday() >= 5 else "weekday" for day in days}

    return types


def _step(rows: pl.DataFrame, source: Source) -> timedelta:
    """The step of the grid: that of the file, or a quarter hour where the file's is finer. Raises BadInput."""
    gaps = rows["interval_start_utc"].sort().diff().drop_nulls().dt.total_minutes()
    runs = gaps.rle().struct.unnest().filter(pl.col("len") >= MIXED_RUN)
    steps = sorted(set(rows["source_minutes"].to_list()) | set(runs["value"].to_list()))
    if len(steps) > 1:
        shown = ", ".join(f"{minutes}" for minutes in steps)
        raise BadInput(
            f"its readings are {shown} minutes apart; expected one step throughout",
            file=str(source.path),
            reason="mixed_steps",
            mend="forecast the parts each from a file of its own",
        )
    for minutes in STEPS_MINUTES:
        if steps[0] <= minutes and minutes % steps[0] == 0:
            return minutes * MINUTE
    raise BadInput(
        f"its readings are {steps[0]} minutes apart; expected hours or quarter hours",
        file=str(source.path),
        reason="wrong_step",
    )


def _series(readings: pl.DataFrame, step: timedelta, unit: Unit, until_utc: datetime | None, source: Source) -> Series:
    start, last = readings["start_utc"].min(), readings["start_utc"].max()
    assert isinstance(start, datetime) and isinstance(last, datetime)  # noqa: PT018, S101  # energy_rows has a row
    minutes = step // MINUTE
    start = start.replace(minute=start.minute // minutes * minutes)
    if until_utc is not None and until_utc <= start:
        raise BadInput(
            f"the issue {until_utc:%Y-%m-%d %H:%M}Z is before the first reading ({start:%Y-%m-%d %H:%M}Z); expected "
            "readings of some weeks before it",
            file=str(source.path),
            reason="issue_before_data",
        )
    # A step that began before the issue has not ended: it is ahead, and its place is a gap.
    end = last + int(readings["minutes"][0]) * MINUTE if until_utc is None else until_utc
    if end - start > timedelta(days=366 * MAX_YEARS):
        raise BadInput(
            f"it spans {start:%Y-%m-%d} to {end:%Y-%m-%d}; expected at most {MAX_YEARS} years",
            file=str(source.path),
            reason="too_long",
        )
    parts = minutes // int(readings["minutes"][0])
    # Power is the mean of its step, an amount its sum; both need all of it.
    value = pl.col("energy_kwh").mean() if unit.is_power else pl.col("energy_kwh").sum()
    known = readings.filter((pl.col("start_utc") + step <= end) & pl.col("energy_kwh").is_not_null())
    steps = (
        known.group_by(start_utc=pl.col("start_utc").dt.truncate(f"{minutes}m"))
        .agg(value=value, present=pl.len())
        .filter(pl.col("present") == parts)
    )
    values = np.full((end - start) // step, np.nan)
    values[_position(steps, start, minutes)] = steps["value"].to_numpy()
    code = {"kwh": "kw", "m3": "m3_per_h"}[unit.canonical] if unit.is_power else unit.canonical
    return Series(start, values, step, code)


def _position(frame: pl.DataFrame, start: datetime, minutes: int) -> Index:
    found: Index = ((frame["start_utc"] - start).dt.total_minutes() // minutes).to_numpy().astype(np.int64)
    return found


def _weather(source: Source, zone: str, series: Series, length: int) -> tuple[FixedWeather, list[Finding]]:
    """The file's weather on the grid of the series: a value of an hour holds for its quarters, finer ones average."""
    renamed = {column.lower(): name for column, name in (source.mapping.values if source.mapping else {}).items()}
    unknown = sorted(name for name in renamed.values() if name not in WEATHER_COLUMNS)
    if unknown:
        raise BadInput(
            f"the column map names {', '.join(unknown)}; expected one of {', '.join(WEATHER_UNITS)}",
            file=str(source.path),
            reason="unknown_column",
        )
    frame = read_drivers(source, zone=zone, named=renamed or WEATHER_COLUMNS)
    minutes, step = int(frame["minutes"].mode()[0]), series.step // MINUTE
    columns: dict[str, Vector] = {}
    first = _position(frame, series.start_utc, step)
    repeats = max(minutes // step, 1)
    at = (first[:, None] + np.arange(repeats)[None, :]).ravel()
    for column in frame.columns[2:]:
        name, factor, offset = WEATHER_COLUMNS[renamed.get(column.strip().lower(), column.strip().lower())]
        value = np.repeat(frame[column].cast(pl.Float64).to_numpy() * factor + offset, repeats)
        inside = (at >= 0) & (at < length) & ~np.isnan(value)
        total = np.bincount(at[inside], weights=value[inside], minlength=length)
        count = np.bincount(at[inside], minlength=length)
        columns[name] = np.divide(total, count, out=np.full(length, np.nan), where=count > 0)
    if all(np.isnan(values).all() for values in columns.values()):
        raise BadInput(
            f"weather of {frame['start_utc'][0]:%Y-%m-%d} to {frame['start_utc'][-1]:%Y-%m-%d}, energy from "
            f"{series.start_utc:%Y-%m-%d} on: no step in common; expected weather of the same days",
            file=str(source.path),
            reason="no_common_days",
        )
    message = (
        f"{', '.join(columns)} of {source.path.name}: taken as known at every issue; a real weather forecast is worse."
    )
    taken = Finding(code="weather_as_given", message=message, severity="info", facts={"columns": len(columns)})
    return FixedWeather(tuple(columns), np.column_stack(list(columns.values()))), [taken]
