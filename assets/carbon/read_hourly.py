"""Files of hourly Scope 2: grid intensity and certificates, by UTC hour. Raises BadInput naming the line."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from pathlib import Path

from assets.carbon.cells import FIRST_YEAR, LAST_YEAR, Row, Table, read_table
from assets.carbon.units import EXACT
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import QualityCriteria
from data_quality.contracts.hourly_carbon import HourlyCertificate
from data_quality.contracts.time import CANONICAL_MINUTES, parse_instant

_TIMES = {"timestamp": "", "interval_start_utc": "UTC", "utc_start": "UTC", "start_utc": "UTC", "hour_utc": "UTC"}
_KG = ("kgco2e_per_kwh", "kg_co2e_per_kwh", "kgco2_per_kwh")
_G = ("gco2_per_kwh", "gco2e_per_kwh", "g_per_kwh", "grid_intensity_g_per_kwh")
VALUES_IN_AN_HOUR = (1, 2, 4)


def read_hourly_factors(path: Path, *, time_zone: str = "") -> dict[datetime, Decimal]:
    """UTC hour start -> kgCO2e per kWh, of `timestamp,<gco2_per_kwh | kgco2e_per_kwh>`. Half hours are averaged."""
    table = read_table(path)
    column, scale = _value_column(table, path)
    by_hour: defaultdict[datetime, list[Decimal]] = defaultdict(list)
    seen: dict[datetime, int] = {}
    for row in table.rows:
        moment = _moment(row, _time_column(table, path), time_zone)
        if moment in seen:
            raise row.bad(f"{moment:%Y-%m-%d %H:%M} UTC stands in line {seen[moment]} already", reason="duplicate_time")
        seen[moment] = row.line
        number = row.number(column)
        if number is None:
            raise row.bad(f"{column} is empty; a missing factor is not zero", reason="no_value")
        by_hour[hour_of(moment)].append(number.scaleb(scale))
    counts = sorted({len(values) for values in by_hour.values()})
    if len(counts) != 1 or counts[0] not in VALUES_IN_AN_HOUR:
        raise BadInput(
            f"hours have {' or '.join(map(str, counts)) or 'no'} values; expected 1, 2 or 4 in each",
            file=str(path),
            reason="uneven_hours",
        )
    with localcontext(EXACT):
        return {hour: sum(values, Decimal(0)) / counts[0] for hour, values in by_hour.items()}


def read_certificates(path: Path, *, time_zone: str = "") -> tuple[HourlyCertificate, ...]:
    """`certificate_id,timestamp,kwh` and optionally market, kgco2e_per_kwh, is_legacy, and the quality criteria.

    A row without a time is known by its year only: it counts in the volumetric share and matches no hour.
    """
    table = read_table(path, needs=("certificate_id", "kwh"))
    return tuple(_certificate(row, table, path, time_zone) for row in table.rows)


def hours_of(values: Iterable[tuple[datetime, Decimal]]) -> dict[datetime, Decimal]:
    """Interval energies by the UTC hour that they begin in, summed exactly."""
    found: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    with localcontext(EXACT):
        for moment, kwh in values:
            found[hour_of(moment)] += kwh
    return dict(found)


def hour_of(moment: datetime) -> datetime:
    """The start of its UTC hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _certificate(row: Row, table: Table, path: Path, time_zone: str) -> HourlyCertificate:
    column = next((name for name in _TIMES if name in table.columns), "")
    kwh = row.number("kwh")
    if kwh is None:
        raise row.bad("certificate without kwh", reason="no_quantity")
    moment = _moment(row, column, time_zone) if column and row.text(column) else None
    if moment is not None and moment != hour_of(moment):
        raise row.bad(f"{row.text(column)}: a certificate's time is the start of an hour", reason="off_grid")
    vintage = row.text("vintage_from") or row.text("vintage_to")
    return HourlyCertificate(
        certificate_id=row.needed("certificate_id", "names no certificate"),
        hour_utc=moment,
        kwh=kwh,
        market=row.text("market") or row.text("region"),
        kgco2e_per_kwh=next((number for name in _KG if (number := row.number(name)) is not None), Decimal(0)),
        is_legacy=row.truth("is_legacy") or False,
        criteria=QualityCriteria(
            is_conveyed=row.truth("is_conveyed"),
            is_unique=row.truth("is_unique"),
            is_redeemed=row.truth("is_redeemed"),
            is_same_market=row.truth("is_same_market"),
            is_residual_mix_used=row.truth("is_residual_mix_used"),
            vintage_from=row.day("vintage_from") if vintage else None,
            vintage_to=row.day("vintage_to") if vintage else None,
        ),
        file=str(path),
        line=row.line,
    )


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


def _moment(row: Row, column: str, time_zone: str) -> datetime:
    try:
        moment = parse_instant(row.text(column), _TIMES[column] or time_zone)
    except BadInput as fault:
        raise row.bad(fault.message, reason=fault.reason) from fault
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise row.bad(f"{row.text(column)}: expected a year of {FIRST_YEAR} to {LAST_YEAR}", reason="bad_time")
    if moment.second or moment.microsecond or moment.minute % CANONICAL_MINUTES:
        raise row.bad(f"{row.text(column)} is off the 15-minute grid", reason="off_grid")
    return moment
