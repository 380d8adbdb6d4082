"""Files of hourly Scope 2: grid intensity and certificates, by UTC hour. Raises BadInput naming the line.

A market settles by the half hour: the hour's factor is what its energy met, never the mean of two factors. Only where
the load is coarser than the factors (its course within the slot is not known) is each minute weighed the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import NamedTuple

from assets.carbon.files.carbon_files import read_criteria
from assets.readings.tables.table_rows import FIRST_YEAR, LAST_YEAR, Row, Table, read_table
from data_quality.contracts.emissions.hourly_carbon import HourlyCertificate
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import CANONICAL_MINUTES, parse_instant
from data_quality.contracts.units import EXACT

# Columns that say UTC by their name; a plain timestamp needs an offset of its own, or the zone that is asked for.
_TIMES = {"timestamp": "", "interval_start_utc": "UTC", "utc_start": "UTC", "start_utc": "UTC", "hour_utc": "UTC"}
_KG = ("kgco2e_per_kwh", "kg_co2e_per_kwh", "kgco2_per_kwh")
_G = ("gco2_per_kwh", "gco2e_per_kwh", "g_per_kwh", "grid_intensity_g_per_kwh")
STEPS_MINUTES = (15, 30, 60)
_QUARTER = timedelta(minutes=CANONICAL_MINUTES)


class Intensity(NamedTuple):
    """kgCO2e per kWh by UTC slot start."""

    step: timedelta
    values: Mapping[datetime, Decimal]


class HourFactors(NamedTuple):
    """By UTC hour start: weighed by the load, and by time. An hour with a slot that has no factor is in neither."""

    weighed: dict[datetime, Decimal]
    mean: dict[datetime, Decimal]


def hour_of(moment: datetime) -> datetime:
    """The start of its UTC hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def by_hour(load_kwh: Mapping[datetime, Decimal], step: timedelta, intensity: Intensity) -> HourFactors:
    """The factors of the load's hours. load_kwh: energy by slot start; step: its length, which divides an hour."""
    kgco2e: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    energy: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    factors: defaultdict[datetime, list[Decimal]] = defaultdict(list)
    gaps: set[datetime] = set()
    with localcontext(EXACT):
        for moment, kwh in load_kwh.items():
            hour, factor = hour_of(moment), _of_slot(moment, step, intensity)
            # One slot without a factor makes the hour unknown: the mean of the others would be a guess.
            if factor is None:
                gaps.add(hour)
                continue
            energy[hour] += kwh
            kgco2e[hour] += kwh * factor
            factors[hour].append(factor)
        means = {hour: sum(values, Decimal(0)) / len(values) for hour, values in factors.items() if hour not in gaps}
        # Without energy there is nothing to weigh by; the mean multiplies zero.
        weighed = {hour: kgco2e[hour] / energy[hour] if energy[hour] else mean for hour, mean in means.items()}
    return HourFactors(weighed, means)


def _of_slot(moment: datetime, step: timedelta, intensity: Intensity) -> Decimal | None:
    """The factor of a slot of the load, each minute of it weighed the same; None for a gap."""
    # Hours of zones with half an hour in their offset lie across two hours of a series in UTC.
    part = timedelta(minutes=gcd(step // timedelta(minutes=1), CANONICAL_MINUTES))
    values = [_at(moment + number * part, intensity) for number in range(step // part)]
    found = [value for value in values if value is not None]
    return sum(found, Decimal(0)) / len(values) if len(found) == len(values) else None


def _at(moment: datetime, intensity: Intensity) -> Decimal | None:
    """The factor of the slot that the moment lies in."""
    quarter = moment - timedelta(minutes=moment.minute % CANONICAL_MINUTES)
    starts = (quarter - number * _QUARTER for number in range(intensity.step // _QUARTER))
    return next((value for start in starts if (value := intensity.values.get(start)) is not None), None)


def read_intensity(path: Path, *, time_zone: str = "") -> Intensity:
    """kgCO2e per kWh by slot of `timestamp,<gco2_per_kwh | kgco2e_per_kwh>`; slots are 15, 30 or 60 minutes.

    Of a local time that the zone repeats both passes must be there, in their order, or each with its offset.
    """
    table = read_table(path)
    column, scale = _value_column(table, path)
    times = _time_column(table, path)
    count = Counter(row.text(times) for row in table.rows)
    seen: Counter[str] = Counter()
    lines: dict[datetime, Row] = {}
    values: dict[datetime, Decimal] = {}
    for row in table.rows:
        # Files are written as time passes: of two equal local times the upper line is the first pass.
        text = row.text(times)
        moment = _moment(row, times, time_zone, fold=seen[text] if count[text] == 2 else None)
        seen[text] += 1
        if moment in lines:
            raise row.bad(
                f"{moment:%Y-%m-%d %H:%M} UTC is in line {lines[moment].line} already", reason="duplicate_time"
            )
        lines[moment] = row
        number = row.number(column)
        if number is None:
            raise row.bad(f"{column} is empty; a missing factor is not zero", reason="no_value")
        # Grams to kilograms by moving the point: exact.
        values[moment] = number.scaleb(scale)
    if not values:
        raise BadInput("has no factors below its header", file=str(path), reason="empty_file")
    minutes = _step_minutes(sorted(values), path)
    for moment, row in lines.items():
        # By the minute as it is written: the hours of India begin at half past by UTC.
        if datetime.fromisoformat(row.text(times)).minute % minutes:
            raise row.bad(f"{moment:%H:%M} UTC is off the {minutes}-minute grid of the series", reason="off_grid")
    return Intensity(timedelta(minutes=minutes), values)


def _step_minutes(moments: Sequence[datetime], path: Path) -> int:
    # The closest two, not the first: a gap in the series does not make its slots longer.
    closest = min((second - first for first, second in pairwise(moments)), default=timedelta(hours=1))
    minutes = closest // timedelta(minutes=1)
    if minutes not in STEPS_MINUTES:
        raise BadInput(
            f"its closest times are {minutes} minutes apart; expected a factor each 15, 30 or 60 minutes",
            file=str(path),
            reason="uneven_hours",
        )
    return minutes


def read_certificates(path: Path, *, time_zone: str = "") -> tuple[HourlyCertificate, ...]:
    """`certificate_id,timestamp,kwh` and optionally market, kgco2e_per_kwh, is_legacy, and the quality criteria.

    A time within an hour (half-hourly certificates) counts in that hour. A row without a time is known by its year
    only: it counts in the volumetric share and matches no hour. The same certificate and time twice is refused.
    """
    table = read_table(path, needs=("certificate_id", "kwh"))
    if not table.rows:
        raise BadInput("has no certificates below its header", file=str(path), reason="empty_file")
    seen: dict[tuple[object, ...], int] = {}
    found = []
    for row in table.rows:
        each, moment = _certificate(row, table, path, time_zone)
        # A row without a time is distinguished by its vintage.
        key = each.certificate_id.casefold(), moment, each.criteria.vintage_from
        if key in seen:
            raise row.bad(
                f"certificate {each.certificate_id} is in line {seen[key]} already with the same time; one kWh is "
                "claimed once",
                reason="double_use",
            )
        seen[key] = row.line
        found.append(each)
    return tuple(found)


def calendar_of(path: Path) -> str:
    """The fixed zone of the first time of a table whose times have several offsets: summer and winter time.

    A year begins and ends in one of the two, so that its days fall in the right year. `UTC` where none can be read.
    """
    for row in read_table(path).rows[:1]:
        for cell in row.cells.values():
            try:
                offset = datetime.fromisoformat(cell).utcoffset()
            except ValueError:
                continue
            # Fixed zones have whole hours only: half an hour around New Year is what a zone of half hours loses.
            hours = 0 if offset is None else offset // timedelta(hours=1)
            # POSIX signs: Etc/GMT-1 is one hour east of Greenwich.
            return f"Etc/GMT{-hours:+d}" if hours else "UTC"
    return "UTC"


def hours_of(values: Iterable[tuple[datetime, Decimal]]) -> dict[datetime, Decimal]:
    """Interval energies by the UTC hour that they begin in, summed exactly."""
    found: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    with localcontext(EXACT):
        for moment, kwh in values:
            found[hour_of(moment)] += kwh
    return dict(found)


def _certificate(row: Row, table: Table, path: Path, time_zone: str) -> tuple[HourlyCertificate, datetime | None]:
    """The certificate by the hour that its time lies in, and the time as written."""
    column = next((name for name in _TIMES if name in table.columns), "")
    kwh = row.number("kwh")
    if kwh is None:
        raise row.bad("certificate without kwh", reason="no_quantity")
    moment = _moment(row, column, time_zone) if column and row.text(column) else None
    certificate = HourlyCertificate(
        certificate_id=row.needed("certificate_id", "names no certificate"),
        hour_utc=None if moment is None else hour_of(moment),
        kwh=kwh,
        market=row.text("market") or row.text("region"),
        # A certificate that states no emission is of a renewable source.
        kgco2e_per_kwh=next((number for name in _KG if (number := row.number(name)) is not None), Decimal(0)),
        is_legacy=row.truth("is_legacy") or False,
        criteria=read_criteria(row),
        file=str(path),
        line=row.line,
    )
    return certificate, moment


def _value_column(table: Table, path: Path) -> tuple[str, int]:
    found = [(name, 0 if name in _KG else -3) for name in table.columns if name in (*_KG, *_G)]
    if len(found) != 1:
        raise BadInput(
            f"expected one column of {', '.join((*_G, *_KG))}; it has {', '.join(table.columns)}",
            file=str(path),
            line=1,
            reason="wrong_unit",
        )
    return found[0]


def _time_column(table: Table, path: Path) -> str:
    for name in _TIMES:
        if name in table.columns:
            return name
    raise BadInput(f"expected a column of {', '.join(_TIMES)}", file=str(path), line=1, reason="missing_column")


def _moment(row: Row, column: str, time_zone: str, *, fold: int | None = None) -> datetime:
    try:
        moment = parse_instant(row.text(column), _TIMES[column] or time_zone, fold=fold)
    except BadInput as fault:
        raise row.bad(fault.message, reason=fault.reason) from fault
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise row.bad(f"{row.text(column)}: expected a year of {FIRST_YEAR} to {LAST_YEAR}", reason="bad_time")
    if moment.second or moment.microsecond or moment.minute % CANONICAL_MINUTES:
        raise row.bad(f"{row.text(column)} is off the 15-minute grid", reason="off_grid")
    return moment
