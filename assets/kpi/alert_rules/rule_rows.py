"""Rows of the published marts that a rule with a limit is judged by, and their excursions, with hysteresis and hold.

The live look and the preview of a rule use the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import polars as pl

from assets.stores.warehouse.marts import ReadMart
from data_quality.contracts.site_file.alert_rule import (
    BudgetRule,
    LimitRule,
    PeakRule,
    ThresholdRule,
    budget_of,
)
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc

HOUR, QUARTER, DAY = timedelta(hours=1), timedelta(minutes=15), timedelta(days=1)
# Measure of an hour -> its column, and the column of minutes without a price or factor.
_HOURLY = {
    "consumption_kwh": ("energy_kwh", None), "peak_15min_kw": ("peak_kw", None),
    "cost": ("cost", "unpriced_minutes"), "emission_kgco2e": ("emission_kgco2e", "unfactored_minutes"),
}  # fmt: skip


class Row(NamedTuple):
    """A value over [start, end)."""

    start_utc: datetime
    end_utc: datetime
    value: float


@dataclass(frozen=True)
class Excursion:
    """One time over the limit. end_utc: of the last row that was not back yet; value: the one farthest from the limit.

    fired_utc: when it had been over the limit for the rule's hold. is_over: a later row was back.
    """

    start_utc: datetime
    end_utc: datetime
    fired_utc: datetime
    value: float
    is_over: bool


class _Run:
    """Rows of one excursion so far."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.held = timedelta(0)
        self.fired_utc: datetime | None = None

    def add(self, row: Row, hold: timedelta) -> None:
        """One more row that is not back."""
        self.rows.append(row)
        self.held += row.end_utc - row.start_utc
        if self.fired_utc is None and self.held >= hold:
            self.fired_utc = row.end_utc

    def ended(self, *, is_above: bool, is_over: bool) -> list[Excursion]:
        """The excursion, where it lasted for the hold."""
        if self.fired_utc is None:
            return []
        farthest = (max if is_above else min)(each.value for each in self.rows)
        return [Excursion(self.rows[0].start_utc, self.rows[-1].end_utc, self.fired_utc, farthest, is_over)]


def excursions(rows: Iterable[Row], rule: LimitRule) -> list[Excursion]:
    """The excursions of a series by a rule, in time; the order of the rows does not matter.

    One begins with a value over the limit, and counts once values were over it for the hold, in rows that were read: a
    gap neither counts nor ends it. It is over with the first value that is back by the hysteresis; before it counted,
    with the first that is not over the limit.
    """
    sign, hold = 1 if rule.is_above else -1, timedelta(hours=rule.hold_h)
    found, run = list[Excursion](), _Run()
    for row in sorted(rows):
        over = sign * (row.value - rule.limit)
        if over > 0 or (run.fired_utc is not None and over > -rule.hysteresis):
            run.add(row, hold)
        elif run.rows:
            found += run.ended(is_above=rule.is_above, is_over=True)
            run = _Run()
    return found + run.ended(is_above=rule.is_above, is_over=False)


def open_excursion(rows: Sequence[Row], rule: LimitRule, *, shown_for: timedelta) -> Excursion | None:
    """The last excursion, while it lasts and for as long after its end as it is shown, by the newest row."""
    newest = max((each.end_utc for each in rows), default=None)
    last = next(iter(excursions(rows, rule)[-1:]), None)
    if newest is None or last is None or (last.is_over and newest - last.end_utc >= shown_for):
        return None
    return last


def rule_rows(rule: LimitRule, site: Site, read: ReadMart, start: date, end: date) -> list[Row]:
    """Values of local days [start, end). An hour, day or month that is not known in full is left out.

    Raises BadInput where the marts are not published.
    """
    if isinstance(rule, ThresholdRule):
        return list(
            _hours(rule, site, read, start, end) if rule.grain == "hour" else _kpis(rule, site, read, start, end)
        )
    if isinstance(rule, PeakRule) and rule.basis == "window":
        return list(_peaks(site, read, start, end))
    column, whole = "projected_peak_kw", 1.0
    if isinstance(rule, BudgetRule):
        column = "projected_cost" if rule.of == "cost" else "projected_emission_kgco2e"
        whole = (budget_of(rule, site) or 0.0) / 100
    return list(_days(column, whole, site, read, start, end))


def _read(
    name: str,
    day: str,
    site: Site,
    read: ReadMart,
    span: tuple[date, date],
    *,
    where: pl.Expr,
    columns: tuple[str, ...],
) -> Iterator[tuple[Any, ...]]:
    start, end = span
    is_within = pl.col(day).is_between(start, end, closed="left")
    years = range(start.year, end.year + 1)
    return read(name, site_id=site.site_id, years=years, where=is_within & where).select(columns).iter_rows()


def _hours(rule: ThresholdRule, site: Site, read: ReadMart, start: date, end: date) -> Iterator[Row]:
    (column, missing), scope = _HOURLY[rule.measure], _scope(rule, site)
    # A meter's hours stand in a mart of their own, and without the minutes that are expected of a scope.
    is_meter = scope.startswith("meter:")
    name = "mart_meter__hour_energy" if is_meter else "mart_scope__hour_kpi"
    whole = pl.lit(60) if is_meter else pl.col("expected_minutes")
    is_its = pl.col("meter_id") == scope.removeprefix("meter:") if is_meter else pl.col("scope") == scope
    where = is_its & (pl.col("covered_minutes") == whole) & pl.col(column).is_not_null()
    if missing is not None:
        where = where & (pl.col(missing) == 0)
    if rule.hours is not None:
        local = pl.col("hour_start_utc").dt.convert_time_zone(site.time_zone).dt.time()
        is_after, is_before = local >= rule.hours.start, local < rule.hours.end
        where = where & (is_after & is_before if rule.hours.start < rule.hours.end else is_after | is_before)
    columns = ("hour_start_utc", column)
    for at_utc, value in _read(name, "local_date", site, read, (start, end), where=where, columns=columns):
        yield Row(at_utc, at_utc + HOUR, float(value))


def _kpis(rule: ThresholdRule, site: Site, read: ReadMart, start: date, end: date) -> Iterator[Row]:
    mart = "mart_seu__kpi_values" if rule.measure.startswith("delta_") else "mart_site__kpi_values"
    where = (pl.col("scope") == _scope(rule, site)) & (pl.col("grain") == rule.grain)
    where = where & (pl.col("kpi") == rule.measure) & pl.col("value").is_not_null() & pl.col("finding").is_null()
    columns = ("period_start", "period_end", "value")
    for *days, value in _read(mart, "period_start", site, read, (start, end), where=where, columns=columns):
        start_utc, end_utc = (local_midnight_utc(each, site.time_zone) for each in days)
        yield Row(start_utc, end_utc, float(value))


def _peaks(site: Site, read: ReadMart, start: date, end: date) -> Iterator[Row]:
    name, columns = "mart_site__quarter_hour_running", ("interval_start_utc", "month_peak_kw")
    where = pl.col("month_peak_kw").is_not_null()
    for at_utc, peak_kw in _read(name, "local_date", site, read, (start, end), where=where, columns=columns):
        yield Row(at_utc, at_utc + QUARTER, float(peak_kw))


def _days(column: str, whole: float, site: Site, read: ReadMart, start: date, end: date) -> Iterator[Row]:
    where = pl.col(column).is_not_null()
    name, columns = "mart_site__day_projection", ("local_date", column)
    for day, value in _read(name, "local_date", site, read, (start, end), where=where, columns=columns):
        start_utc, end_utc = (local_midnight_utc(at, site.time_zone) for at in (day, day + DAY))
        yield Row(start_utc, end_utc, float(value) / whole)


def _scope(rule: ThresholdRule, site: Site) -> str:
    return rule.scope or f"site:{site.site_id}"
