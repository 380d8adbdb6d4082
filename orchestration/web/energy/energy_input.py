"""Reads what the energy page shows: intervals of a scope with those that they are compared with, and the whole period.

Hours, days and months are rows of the marts; quarter hours, and all intervals of a register, are the readings
themselves, as known at any instant.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from assets.kpi.from_readings import codes_of, plain, scope_meters
from assets.kpi.scope_quarters import Energy, register_energy, scope_quarters
from assets.sites.scopes import register_scopes
from assets.sites.view import site_readings
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import REGISTER_KPI, Figure
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_day, local_midnight_utc, months_after, months_of, zone
from orchestration.web.queries import Age, marts_of
from orchestration.web.request_context import Context
from reports.figure_book import FigureBook
from reports.figures.kpi_list import COLUMNS, OF_DAYS, add_rows, hours_of, span_rows, years_of
from reports.figures.register_figures import add_energy
from reports.pages.address import PageGrain, before, why_of
from reports.pages.energy import MOST_HEAT_DAYS, Point, same_slot, slot_of
from reports.texts.locales import format_alike, period_text, unit_text

KPI = "consumption_kwh"
_SATURDAY = 5
_HOUR, _DAY, _QUARTER = timedelta(hours=1), timedelta(days=1), timedelta(minutes=15)


class EnergyQuery(NamedTuple):
    """One question of the page."""

    ctx: Context
    site: Site
    scope: str
    period: Period
    grain: PageGrain
    # A series for a program is numbers alone.
    has_whys: bool = True

    @property
    def is_register(self) -> bool:
        """True for a single register, of which there are readings and no marts."""
        return self.scope in register_scopes(self.site)

    @property
    def kpi(self) -> str:
        """Energy of the scope as the page shows it, kWh."""
        return REGISTER_KPI if self.is_register else KPI


class Read(NamedTuple):
    """Readings of an interval."""

    value: Decimal | None
    coverage: float | None
    estimated_share: float | None
    codes: tuple[str, ...]
    figure: Figure | None
    is_synthetic: bool


def points_of(query: EnergyQuery, other: Period | None) -> tuple[tuple[Point, ...], bool]:
    """Every interval of the period that has begun, and whether simulated readings are among them.

    Raises BadInput where the marts are not published, and (share_has_no_hours) for a scope without any hours.
    """
    known = _read(query, query.period)
    others = {} if other is None else _read(query, other)
    compared = {_place(at, other, query): (at, read.value) for at, read in others.items()} if other else {}
    if not known:
        return (), False
    found = []
    for at in _grid(query):
        read = known.get(at)
        if read is None and at >= query.ctx.as_of_or_now:
            continue
        then, value = compared.get(_place(at, query.period, query), (None, None)) if compared else (None, None)
        if read is None:
            found.append(Point(at, None, value, 0.0, None, ("no_readings",), before_utc=then))
            continue
        figure_id = "" if read.figure is None else read.figure.figure_id
        why = _why_of(query, at, read.figure) if query.has_whys else ""
        more = (read.coverage, read.estimated_share, read.codes, figure_id, why, then)
        found.append(Point(at, read.value, value, *more))
    return tuple(found), any(read.is_synthetic for read in known.values())


def values_of(query: EnergyQuery, scope: str) -> Mapping[datetime, Decimal | None]:
    """Energy of another scope by the same intervals. Raises BadInput as points_of."""
    return {at: read.value for at, read in _read(query._replace(scope=scope, has_whys=False), query.period).items()}


def totals_book(query: EnergyQuery) -> FigureBook:
    """Figure book of the whole period."""
    report_id, site = f"energy/{query.site.site_id}/{query.scope.replace('/', '~')}", query.site
    as_of_utc = query.ctx.as_of_or_now
    return FigureBook(report_id=report_id, revision=0, as_of_utc=as_of_utc, is_synthetic=site.is_simulated)


def totals_of(book: FigureBook, query: EnergyQuery, age: Age) -> tuple[dict[str, Figure], dict[str, str]]:
    """Figures of the whole period, put into the book, and what is said beside them."""
    ctx, period = query.ctx, query.period
    found, notes = {each.kpi: each for each in _spans(book, query, period, tuple(OF_DAYS))}, dict[str, str]()
    other, kpi = before(period, ctx.address.compare), query.kpi
    if other is None or kpi not in found:
        return found, notes
    mine, theirs = _alike(period, other, age)
    if mine.days <= 0:
        notes[kpi] = "no whole day of it is read yet: nothing to compare"
        return found, notes
    own = dict(found) if mine == period else {each.kpi: each for each in _spans(book, query, mine, tuple(found))}
    for each in _spans(book, query, theirs, tuple(found)):
        if each.kpi not in own:
            continue
        pair, path = [("actual", own[each.kpi]), ("expected", each)], f"change/{each.kpi}"
        found[f"compared/{each.kpi}"] = each
        found[path] = book.derive(path, "deviation_percent", pair, label="change", kpi="change", unit="percent")
        notes[f"compared/{each.kpi}"] = period_text(theirs.start, theirs.end, ctx.address.locale, is_short=True)
        if mine != period:
            [value] = format_alike([own[each.kpi].value], each.unit, locale=ctx.address.locale)
            notes[path] = Sentence("{0} {1} in the {2} days with readings", value, unit_text(each.unit), mine.days)
    return found, notes


def hours_read(query: EnergyQuery, points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The period's hours; none of a single day, or of more than a picture holds."""
    if not 1 < query.period.days <= MOST_HEAT_DAYS:
        return ()
    if query.grain == "hour":
        return points
    if query.is_register:
        hours = _of_register(query._replace(grain="hour", has_whys=False), query.period)
        return tuple(Point(at, each.value, coverage=each.coverage) for at, each in hours.items())
    return tuple(
        Point(_start_of(row, query.site), plain(row["exact"], row["value"]), coverage=row["coverage"])
        for row in _hours(query, query.period).iter_rows(named=True)
    )


def heat_of(hours: tuple[Point, ...], time_zone: str) -> Mapping[date, Mapping[str, float | None]]:
    """KWh by local day and hour of the clock."""
    found: dict[date, dict[str, float | None]] = {}
    for each in hours:
        slot = same_slot(slot_of(each.start_utc, time_zone))
        day = found.setdefault(local_day(each.start_utc, time_zone), {})
        day[slot] = None if each.value is None else float(each.value)
    return found


def typical_of(hours: tuple[Point, ...], time_zone: str) -> tuple[Mapping[str, float], ...]:
    """Mean kWh by hour of the clock from Monday to Friday, and of Saturdays and Sundays: of hours read in full."""
    found: tuple[dict[str, list[float]], ...] = ({}, {})
    for each in hours:
        if each.value is not None and each.coverage == 1:
            is_weekend = each.start_utc.astimezone(zone(time_zone)).weekday() >= _SATURDAY
            found[is_weekend].setdefault(same_slot(slot_of(each.start_utc, time_zone)), []).append(float(each.value))
    return tuple({slot: fmean(values) for slot, values in of.items()} for of in found)


def nearest_month(query: EnergyQuery) -> str:
    """The month with a value that is nearest to the period, as an address says it; empty where there is none."""
    if query.is_register:
        return _nearest_read(query)
    is_it = (pl.col("scope") == query.scope) & (pl.col("kpi") == KPI) & (pl.col("grain") == "month")
    known = is_it & pl.col("value").is_not_null()
    try:
        rows = marts_of(query.ctx, query.site)(
            "mart_site__kpi_values", site_id=query.site.site_id, scope=query.scope, where=known
        )
    except BadInput:
        return ""
    return _nearest(rows["period_start"].to_list(), query.period)


def _nearest(months: list[date], period: Period) -> str:
    return f"{min(months, key=lambda month: abs(month - period.start)):%Y-%m}" if months else ""


def _nearest_read(query: EnergyQuery) -> str:
    """As nearest_month, of a register: its readings themselves are asked."""
    meter_id, register = register_scopes(query.site)[query.scope]
    lake, as_of = query.ctx.project.lake, query.ctx.address.as_of_utc
    rows = site_readings(lake, query.site, as_of_utc=as_of, meters=[meter_id]).filter(pl.col("register") == register)
    days = rows["interval_start_utc"].dt.convert_time_zone(query.site.time_zone).dt.date()
    return _nearest(days.dt.truncate("1mo").unique().sort().to_list(), query.period)


def _read(query: EnergyQuery, period: Period) -> dict[datetime, Read]:
    if query.is_register:
        return _of_register(query, period)
    return _of_quarters(query, period) if query.grain == "quarter" else _of_rows(query, period)


def _of_rows(query: EnergyQuery, period: Period) -> dict[datetime, Read]:
    rows = _hours(query, period) if query.grain == "hour" else _days_or_months(query, period)
    figures: Sequence[Figure | None] = [None] * rows.height
    if query.has_whys:
        ctx, site = query.ctx, query.site
        book = FigureBook(report_id="energy", revision=0, as_of_utc=ctx.as_of_or_now, is_synthetic=site.is_simulated)
        add_rows(book, site, rows, sources=partial(ctx.project.sources, keeps=False), is_traced=False)
        figures = book.figures()
    return {
        _start_of(row, query.site): Read(
            plain(row["exact"], row["value"]),
            row["coverage"],
            row["estimated_share"],
            codes_of(row),
            figure,
            bool(row["is_synthetic"]),
        )
        for row, figure in zip(rows.iter_rows(named=True), figures, strict=True)
    }


def _hours(query: EnergyQuery, period: Period) -> pl.DataFrame:
    rows = hours_of(query.site, period, marts_of(query.ctx, query.site), scope=query.scope, kpis=(KPI,))
    return rows.filter(pl.col("scope") == query.scope)


def _days_or_months(query: EnergyQuery, period: Period) -> pl.DataFrame:
    inside = (pl.col("period_start") >= period.start) & (pl.col("period_end") <= period.end)
    is_it = (pl.col("scope") == query.scope) & (pl.col("kpi") == KPI) & (pl.col("grain") == query.grain)
    marts, site_id = marts_of(query.ctx, query.site), query.site.site_id
    where = inside & is_it
    return marts(
        "mart_site__kpi_values", site_id=site_id, years=years_of(period), scope=query.scope, where=where
    ).select(COLUMNS)


def _readings(query: EnergyQuery, period: Period) -> tuple[pl.DataFrame, bool]:
    """Readings of the scope's meters, and whether simulated ones are among those of the site."""
    lake, site = query.ctx.project.lake, query.site
    start_utc, end_utc, as_of_utc = period.start_utc, period.end_utc, query.ctx.address.as_of_utc
    span: dict[str, Any] = {"start_utc": start_utc, "end_utc": end_utc, "as_of_utc": as_of_utc}
    readings = site_readings(lake, site, **span, meters=scope_meters(site, query.scope))
    if site.is_simulated or readings.is_empty():
        return readings, site.is_simulated
    return readings, any(bool(entry["is_synthetic"]) for entry in lake.manifest(site.site_id, **span))


def _of_register(query: EnergyQuery, period: Period) -> dict[datetime, Read]:
    """Whole intervals of a register of which anything was read; longer ones than a quarter hour as figures."""
    ctx, site = query.ctx, query.site
    readings, is_synthetic = _readings(query, period)
    energies = register_energy(site, query.scope, period, readings, query.grain)
    book = FigureBook(report_id="energy", revision=0, as_of_utc=ctx.as_of_or_now, is_synthetic=is_synthetic)
    found = {}
    for at in _grid(query._replace(period=period)):
        energy = energies.get(at, Energy(None, 0, None))
        if energy.kwh is None:
            continue
        has_figure = query.has_whys and query.grain != "quarter"
        figure = _figure_of(book, query, at, energy) if has_figure else None
        found[at] = Read(*energy, energy.codes, figure, is_synthetic)
    return found


def _figure_of(book: FigureBook, query: EnergyQuery, at_utc: datetime, energy: Energy) -> Figure:
    start = local_day(at_utc, query.site.time_zone)
    months = {"month": 1, "year": 12}.get(query.grain, 0)
    end = months_after(start, months) if months else start + _DAY
    days = Period(label=f"{start}/{end}", start=start, end=end, time_zone=query.site.time_zone)
    hour_utc = at_utc if query.grain == "hour" else None
    return add_energy(book, query.site, query.scope, days, energy, hour_utc=hour_utc)


def _of_quarters(query: EnergyQuery, period: Period) -> dict[datetime, Read]:
    readings, is_synthetic = _readings(query, period)
    rows = scope_quarters(query.site, query.scope, period, readings)
    if readings.is_empty():
        return {}
    return {
        at: Read(value, coverage, None, () if coverage == 1 else ("gap",), None, is_synthetic)
        for at, _, value, coverage in rows.iter_rows()
        if value is not None
    }


def _spans(book: FigureBook, query: EnergyQuery, period: Period, kpis: tuple[str, ...]) -> list[Figure]:
    if query.is_register:
        found = register_energy(query.site, query.scope, period, _readings(query, period)[0])
        return [add_energy(book, query.site, query.scope, period, each) for each in found.values()]
    rows = span_rows(query.site, query.scope, period, marts_of(query.ctx, query.site), kpis=kpis)
    count = len(book.figures())
    sources = partial(query.ctx.project.sources, keeps=False)
    add_rows(book, query.site, rows, sources=sources, is_traced=False)
    return list(book.figures()[count:])


def _alike(period: Period, other: Period, age: Age) -> tuple[Period, Period]:
    """The two spans as far as the first is read in whole days: half a week is not held against a whole one."""
    if age.readings_to_utc is None:
        return period, other
    end = min(period.end, local_day(age.readings_to_utc, period.time_zone))
    if end == period.end:
        return period, other
    mine = period.model_copy(update={"end": end, "label": f"{period.start}/{end}"})
    cut = other.start + timedelta(days=max(mine.days, 0))
    return mine, other.model_copy(update={"end": cut, "label": f"{other.start}/{cut}"})


def _start_of(row: Mapping[str, Any], site: Site) -> datetime:
    midnight = local_midnight_utc(row["period_start"], site.time_zone)
    hour = row.get("hour_start_utc")
    # Where local midnight lies inside a UTC hour, the second of its two days begins at midnight.
    return midnight if hour is None else max(hour, midnight)


def _grid(query: EnergyQuery) -> Iterator[datetime]:
    """The first instants of the period's intervals, each once and in order."""
    period, grain = query.period, query.grain
    if grain in ("month", "year"):
        whole = [month for month in months_of(period) if month.start.day == 1 and month.end.day == 1]
        yield from (month.start_utc for month in whole if grain == "month" or _begins_year(month, period))
        return
    midnights = [local_midnight_utc(period.start + place * _DAY, period.time_zone) for place in range(period.days)]
    if grain == "day":
        yield from midnights
        return
    if grain == "quarter":
        steps = int((period.end_utc - period.start_utc) / _QUARTER)
        yield from (period.start_utc + place * _QUARTER for place in range(steps))
        return
    start, end = period.start_utc, period.end_utc
    first = start.replace(minute=0)
    hours = [first + place * _HOUR for place in range(int((end - first) / _HOUR) + 1)]
    yield from sorted({*midnights, *(each for each in hours if start <= each < end)})


def _begins_year(month: Period, period: Period) -> bool:
    return month.start.month == 1 and month.start.replace(year=month.start.year + 1) <= period.end


def _place(at_utc: datetime, period: Period, query: EnergyQuery) -> tuple[int, str]:
    """Position of an interval in its period, alike in two compared periods: number of the day or month, slot of day."""
    local = at_utc.astimezone(zone(period.time_zone))
    if query.grain in ("month", "year"):
        return (local.year * 12 + local.month - period.start.year * 12 - period.start.month, "")
    day = (local.date() - period.start).days
    return (day, "" if query.grain == "day" else same_slot(slot_of(at_utc, period.time_zone)))


def _why_of(query: EnergyQuery, at_utc: datetime, figure: Figure | None) -> str:
    """The reason of a figure; of a quarter hour that of its hour: the marts know no shorter time."""
    if figure is not None:
        return why_of(figure, query.ctx.address)
    day = local_day(at_utc, query.site.time_zone)
    return query.ctx.address.href(
        "/why",
        site=query.site.site_id,
        scope=query.scope,
        kpi=query.kpi,
        period=f"{day}/{day + _DAY}",
        at=f"{at_utc.astimezone(UTC):%Y-%m-%dT%H}:00Z",
        grain=None,
        compare=None,
    )
