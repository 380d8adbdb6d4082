"""Degree days and energy per degree day again, in whole numbers: the same as the SQL of dbt_project, to the last digit.

Degree days are rounded half up to a billionth; slopes take energies by the watt-hour and degree days by the thousandth.
Source: formulas 5.9.
"""

from datetime import date
from decimal import Decimal

import polars as pl

from data_quality.contracts.site_file.premises import DegreeDays
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from tests.kpi.oracle.amounts import NANO, ScopeUse, current, nano, quarter_hours_of

FEWEST_DAYS = 20
# Billionths in a thousandth.
MILLI = NANO // 1000
HEATING, COOLING = "hdd", "cdd"


def weather_value(kpi: str, use: ScopeUse, readings: pl.DataFrame) -> float | None:
    """`kwh_per_hdd`, `slope_kwh_per_cdd` and their like over the complete days of the period; None where unknown."""
    rule = use.site.premises.degree_days
    side = kpi[-3:]
    if rule is None:
        return None
    degrees = degree_days(readings, site=use.site, rule=rule, period=use.period)
    pairs = [(degrees[day][side], energy) for day, energy in _complete_days(use).items() if day in degrees]
    if len(pairs) < FEWEST_DAYS:
        return None
    if kpi.startswith("slope"):
        return _slope(pairs)
    warmth = sum(degree for degree, _ in pairs)
    return None if warmth == 0 else float(sum(energy for _, energy in pairs)) / float(warmth)


def _slope(pairs: list[tuple[int, int]]) -> float | None:
    """Rise of the least-squares line through the days, kWh/(degC·day)."""
    xs = [_thousandths(degree) for degree, _ in pairs]
    ys = [_thousandths(energy) for _, energy in pairs]
    count, x, y = len(pairs), sum(xs), sum(ys)
    spread = count * sum(each * each for each in xs) - x * x
    common = count * sum(a * b for a, b in zip(xs, ys, strict=True)) - x * y
    return None if spread == 0 else float(common) / float(spread)


def _thousandths(value: int) -> int:
    """Billionths as thousandths, rounded half away from zero as decimals are cast."""
    size: int = (2 * abs(value) + MILLI) // (2 * MILLI)
    return -size if value < 0 else size


def _complete_days(use: ScopeUse) -> dict[date, int]:
    """Energy in billionths of each day on which every quarter hour of every member was read."""
    found = {}
    for key, rows in use.rows.partition_by("local_date", as_dict=True).items():
        day = key[0]
        if isinstance(day, date) and rows.height >= use.quarter_hours[day] * len(use.members_on(day)):
            by_meter = (
                rows.unique(["meter_id", "interval_start_utc"]).group_by("meter_id").agg(pl.col("nano_kwh").sum())
            )
            total = use.total({(meter, day): int(units) for meter, units in by_meter.iter_rows()})
            if total is not None:
                found[day] = total
    return found


def degree_days(readings: pl.DataFrame, *, site: Site, rule: DegreeDays, period: Period) -> dict[date, dict[str, int]]:
    """Local day -> hdd and cdd by the rule's method, hdd_mean, hdd_hourly, cdd_mean, cdd_hourly, in billionths.

    A day with less than nine tenths of its quarter hours has none; of another the present ones fill the rest.
    """
    own = current(readings, site=site, period=period).filter(
        (pl.col("meter_id") == rule.driver) & (pl.col("register") == "value") & (pl.col("unit") == "degc")
    )
    hours = (
        own.with_columns(
            local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date(),
            hour=pl.col("interval_start_utc").dt.truncate("1h"),
            degc=nano(pl.col("value")),
        )
        .group_by("local_date", "hour")
        .agg(pl.col("degc").sum(), pl.len().alias("quarters"))
    )
    by_day: dict[date, list[tuple[int, int]]] = {}
    for day, _, degc, quarters in hours.iter_rows():
        by_day.setdefault(day, []).append((int(degc), int(quarters)))
    found = {}
    for day, slots in quarter_hours_of(site, period).items():
        present = by_day.get(day, [])
        if sum(quarters for _, quarters in present) * 10 >= slots * 9:
            found[day] = _day(present, slots, rule)
    return found


def _day(hours: list[tuple[int, int]], slots: int, rule: DegreeDays) -> dict[str, int]:
    count, total = sum(quarters for _, quarters in hours), sum(degc for degc, _ in hours)
    found = {}
    for side, base, turn in ((HEATING, rule.heating_base_degc, 1), (COOLING, rule.cooling_base_degc, -1)):
        level = int(Decimal(base) * NANO)
        mean = max(turn * (level * count - total), 0)
        hourly = sum(max(turn * (level * quarters - degc), 0) for degc, quarters in hours)
        found[f"{side}_mean"] = (2 * mean + count) // (2 * count)
        found[f"{side}_hourly"] = (2 * hourly * slots + 96 * count) // (2 * 96 * count)
        found[side] = found[f"{side}_hourly" if rule.method == "hourly" else f"{side}_mean"]
    return found
