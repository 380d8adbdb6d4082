"""A site's electricity hour by hour: grid factors of its own stream, and certificates matched in their hour.

Hours are those of the site's local clock, so that none lies in two months, whatever the zone's offset. Source: the
Scope 2 consultation of 2025 (formulas 5.12); its outcome is not final.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from zoneinfo import ZoneInfo

import polars as pl

from assets.carbon.by_hour.hourly_scope2 import hourly_scope2
from assets.carbon.factor_choice.factor_view import FactorView
from assets.sites.meter_tree import ENERGY_UNIT, primary_meters, tree_spans
from data_quality.contracts.emissions.footprint import DayFactor
from data_quality.contracts.emissions.hourly_carbon import HourlyCertificate, HourlyScope2
from data_quality.contracts.factor import Basis
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_midnight_utc
from data_quality.contracts.units import EXACT, QUANTUM_DECIMALS

FACTOR_UNIT = "kgco2e_per_kwh"
ZERO = Decimal(0)
_QUANTA = 10.0**QUANTUM_DECIMALS


@dataclass(frozen=True)
class SiteHours:
    """Electricity bought by local hour (its start in UTC), kWh; its kgCO2e by the grid's factor of each quarter hour.

    gaps: hours with energy and a quarter hour without factor. made: stream of an instrument -> its energy by hour.
    """

    load_kwh: dict[datetime, Decimal]
    kgco2e: dict[datetime, Decimal]
    gaps: frozenset[datetime]
    made: dict[str, dict[datetime, Decimal]] = field(default_factory=dict)


@dataclass(frozen=True)
class SiteMatch:
    """Matching over the hours of a span. hourly None: no hour with both energy and factor, or some without factor."""

    load_kwh: Decimal | None
    matched_kwh: Decimal | None
    hourly: HourlyScope2 | None
    gaps: int


def factor_stream(site: Site) -> str | None:
    """The driver that holds the grid's factor by interval, where the site has one."""
    return next((driver.driver_id for driver in site.drivers if driver.unit == FACTOR_UNIT), None)


def streams_of(site: Site) -> tuple[str, ...]:
    """Every stream that the match reads: meters of bought electricity, the factor's, the instruments'."""
    meters = [name for part in tree_spans(site) for name in _bought(site, part.start)]
    factor = factor_stream(site)
    return tuple(
        dict.fromkeys([*meters, *([factor] if factor else []), *(each.stream for each in site.hourly_certificates)])
    )


def site_hours(readings: pl.DataFrame, *, site: Site, period: Period) -> SiteHours:
    """The hours of a span. readings: LAKE_SCHEMA, the view at T of at least `streams_of`."""
    zone, bought = ZoneInfo(site.time_zone), _bought_meters(site, period)
    energy = readings.filter((pl.col("unit") == ENERGY_UNIT) & (pl.col("register") == CONSUMPTION_REGISTER))
    parts = [
        energy.filter(pl.col("meter_id").is_in(list(names)) & _within(start, end, site.time_zone))
        for start, end, names in bought
    ]
    # Which meters are bought may change with the tree: each stretch counts its own.
    quarters = pl.concat(parts).group_by("interval_start_utc").agg(_quanta("value").sum().alias("kwh"))
    factors = readings.filter(pl.col("meter_id") == (factor_stream(site) or "")).select(
        "interval_start_utc", factor=_quanta("value")
    )
    load: defaultdict[datetime, int] = defaultdict(int)
    kgco2e: defaultdict[datetime, int] = defaultdict(int)
    gaps: set[datetime] = set()
    for at_utc, kwh, factor in (
        quarters.join(factors, on="interval_start_utc", how="left").sort("interval_start_utc").iter_rows()
    ):
        hour = local_hour(at_utc, zone)
        load[hour] += kwh
        if factor is None:
            gaps.add(hour)
        else:
            kgco2e[hour] += kwh * factor
    return SiteHours(
        {hour: Decimal(quanta).scaleb(-QUANTUM_DECIMALS) for hour, quanta in load.items()},
        {
            # scaleb rounds to its context: quanta times quanta may have more than its usual 28 digits.
            hour: Decimal(quanta).scaleb(-2 * QUANTUM_DECIMALS, EXACT)
            for hour, quanta in kgco2e.items()
            if hour not in gaps
        },
        frozenset(gaps),
        {each.stream: _made(readings, each.stream, zone) for each in site.hourly_certificates},
    )


def local_hour(moment_utc: datetime, zone: ZoneInfo) -> datetime:
    """The start, in UTC, of the hour of the local clock that an instant lies in."""
    local = moment_utc.astimezone(zone)
    # In zones of half hours an hour begins on the half hour of UTC: cutting the minutes in UTC would miss it.
    return moment_utc - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)


def certificates_of(site: Site, view: FactorView, hours: SiteHours) -> tuple[list[HourlyCertificate], list[Finding]]:
    """The instruments' energy by hour, each no more than it is recorded with, used up in order of time.

    A finding for one that nobody recorded, and for one whose hours hold more than it.
    """
    zone = ZoneInfo(site.time_zone)
    held = [each for basis in (Basis.CERTIFICATE, Basis.CONTRACT) for each in view.of(Carrier.ELECTRICITY, basis)]
    found: list[HourlyCertificate] = []
    findings: list[Finding] = []
    for declared in site.hourly_certificates:
        entries = [each for each in held if each.factor_id == declared.factor_id]
        if not entries:
            findings.append(_unrecorded(declared.factor_id))
            continue
        left = entries[0].instrument_kwh
        lost = ZERO
        for hour, kwh in sorted(hours.made[declared.stream].items()):
            entry = _on(entries, hour.astimezone(zone).date())
            # Own use at night counts below zero, and is nothing that could be claimed.
            if entry is None or kwh <= 0:
                continue
            taken = kwh if left is None else min(kwh, left)
            left = None if left is None else left - taken
            lost += kwh - taken
            found.append(
                HourlyCertificate(
                    certificate_id=declared.factor_id,
                    hour_utc=hour,
                    kwh=taken,
                    kgco2e_per_kwh=entry.kgco2e_per_kwh,
                    criteria=entry.criteria,
                )
            )
        if lost:
            findings.append(_overdrawn(declared.factor_id, lost))
    return found, findings


def match_of(
    hours: SiteHours, certificates: Sequence[HourlyCertificate], view: FactorView, *, period: Period
) -> SiteMatch:
    """Both methods over the hours of a span; what no certificate matches goes by residual mix, else by the grid."""
    start, end = period.start_utc, period.end_utc
    load = {hour: kwh for hour, kwh in hours.load_kwh.items() if start <= hour < end}
    if not load:
        return SiteMatch(None, None, None, 0)
    mine = [each for each in certificates if each.hour_utc is not None and start <= each.hour_utc < end]
    gaps = sum(hour in hours.gaps for hour in load)
    with localcontext(EXACT):
        total = sum(load.values(), ZERO)
        # A gap has no factor: matching itself needs none, so zero stands in where only kilowatt hours are asked.
        grid = {
            hour: hours.kgco2e[hour] / kwh if kwh and hour not in hours.gaps else ZERO for hour, kwh in load.items()
        }
        found = hourly_scope2(
            load, grid, certificates=mine, residual_kgco2e_per_kwh=_residual(view, load, period.time_zone)
        )
    return SiteMatch(total, found.matched_kwh, None if gaps else found, gaps)


def _residual(view: FactorView, load: Mapping[datetime, Decimal], time_zone: str) -> dict[datetime, Decimal] | None:
    """The residual mix of each hour's day; None where some day has none."""
    entries, zone = view.of(Carrier.ELECTRICITY, Basis.RESIDUAL), ZoneInfo(time_zone)
    by_day: dict[date, Decimal | None] = {}
    found: dict[datetime, Decimal] = {}
    for hour in load:
        day = hour.astimezone(zone).date()
        if day not in by_day:
            entry = _on(entries, day)
            by_day[day] = None if entry is None else entry.kgco2e_per_kwh
        rate = by_day[day]
        # For the whole span or not at all: a figure that rests on both could not name its basis.
        if rate is None:
            return None
        found[hour] = rate
    return found


def _on(entries: Iterable[DayFactor], day: date) -> DayFactor | None:
    return next((each for each in entries if each.valid_from <= day < each.valid_to), None)


def _bought(site: Site, day: date) -> tuple[str, ...]:
    """Meters of electricity that is bought, on a day."""
    kinds = {meter.meter_id: meter for meter in site.meters}
    return tuple(
        name
        for name in primary_meters(site, day)
        # A virtual meter repeats what others have counted.
        if kinds[name].carrier is Carrier.ELECTRICITY and not kinds[name].is_virtual
    )


def _bought_meters(site: Site, period: Period) -> list[tuple[date, date, tuple[str, ...]]]:
    found = []
    for part in tree_spans(site):
        start, end = max(part.start, period.start), min(part.end, period.end)
        if start < end:
            found.append((start, end, _bought(site, start)))
    return found


def _made(readings: pl.DataFrame, stream: str, zone: ZoneInfo) -> dict[datetime, Decimal]:
    rows = readings.filter((pl.col("meter_id") == stream) & (pl.col("unit") == ENERGY_UNIT))
    found: defaultdict[datetime, int] = defaultdict(int)
    for at_utc, quanta in rows.select("interval_start_utc", _quanta("value").alias("kwh")).iter_rows():
        found[local_hour(at_utc, zone)] += quanta
    return {hour: Decimal(quanta).scaleb(-QUANTUM_DECIMALS) for hour, quanta in found.items()}


def _quanta(column: str) -> pl.Expr:
    # Whole quanta, so that no sum depends on the order of the rows.
    return (pl.col(column) * _QUANTA).round().cast(pl.Int64)


def _within(start: date, end: date, time_zone: str) -> pl.Expr:
    instant = pl.col("interval_start_utc")
    return (instant >= local_midnight_utc(start, time_zone)) & (instant < local_midnight_utc(end, time_zone))


def _unrecorded(factor_id: str) -> Finding:
    return Finding(
        code="hourly_instrument_unknown",
        message=Sentence(
            "The site file gives hours of {0}, which is no recorded certificate or contract of its "
            "electricity: none of its energy is matched.",
            factor_id,
        ),
        scope=factor_id,
    )


def _overdrawn(factor_id: str, kwh: Decimal) -> Finding:
    return Finding(
        code="hourly_instrument_overdrawn",
        message=Sentence(
            "The hours of {0} hold {1} kWh more than it is recorded with: they are not matched.",
            factor_id,
            Numeral(f"{kwh.normalize():f}"),
        ),
        scope=factor_id,
        facts={"kwh": float(kwh)},
    )
