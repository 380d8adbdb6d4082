"""Days of energy uses as one report sees them, and as a chart draws them: metered, expected, band, running saving."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl

from assets.kpi.enpi.daily import expected_days, features_by_day
from assets.kpi.enpi.enpi_result import DayPair, EnpiRule, compared, exact_kwh, period_uncertainty_kwh, sum_kwh
from assets.stores.warehouse.marts import if_published, read_mart
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from reports.datasets.base import DayPoint
from reports.recompute.figure_sources import Sources


def day_points(
    pairs: Sequence[DayPair],
    version: BaselineVersion | None,
    measure: str,
    *,
    period: Period,
    rule: EnpiRule,
    confidence: float,
    is_running: bool,
    has_band: bool,
) -> list[DayPoint]:
    """Energy of the local days of a period, kWh. measure: actual_kwh or expected_kwh; running, expected less actual.

    Whether a saving may be drawn at all is asked of the gate by the dataset (`barred`). The band is the stated one
    (formulas 5.5) of a single day, or of all compared days so far: the model's error only.
    """
    if is_running:
        both = compared(pairs, rule=rule, start=period.start, end=period.end)
        made, saved, expected = list[DayPoint](), Decimal(0), Decimal(0)
        for count, pair in enumerate(both, start=1):
            expected = sum_kwh([expected, pair.expected_kwh])
            saved = sum_kwh([saved, pair.expected_kwh, -(pair.actual_kwh or Decimal(0))])
            half = period_uncertainty_kwh(version, expected, both[:count], confidence=confidence) if has_band else None
            made.append(_point(pair.local_date, float(saved), half))
        return made
    made = []
    for pair in pairs:
        if not period.start <= pair.local_date < period.end:
            continue
        value = getattr(pair, measure)
        known = value is not None and has_band
        half = period_uncertainty_kwh(version, value, [pair], confidence=confidence) if known else None
        made.append(_point(pair.local_date, None if value is None else float(value), half))
    return made


def summed(lines: Sequence[Sequence[DayPoint]]) -> list[DayPoint]:
    """Running lines of several uses as one. Their bands are added: wider no correlation of the models can make it."""
    last: dict[int, DayPoint] = {}
    by_day: defaultdict[date, list[tuple[int, DayPoint]]] = defaultdict(list)
    for index, line in enumerate(lines):
        for point in line:
            by_day[point.day].append((index, point))
    made = []
    for day in sorted(by_day):
        last.update(by_day[day])
        known = list(last.values())
        halves = [None if each.high is None or each.value is None else each.high - each.value for each in known]
        # Floats of different uses: rounded far below a watt-hour, so that their order leaves no trace.
        value = round(sum(point.value or 0.0 for point in known), 6)
        half = None if None in halves else sum(each for each in halves if each is not None)
        made.append(_point(day, value, half))
    return made


def every_day(points: Sequence[DayPoint], period: Period) -> list[DayPoint]:
    """A point for each day of the period; one without a value where nothing is known: a gap is seen."""
    known = {point.day: point for point in points}
    days = [period.start + timedelta(days=offset) for offset in range(period.days)]
    return [known.get(day, DayPoint(day, None)) for day in days]


def _point(day: date, value: float | None, half: float | None) -> DayPoint:
    if value is None or half is None:
        return DayPoint(day, value)
    # A picture needs no exact digits.
    return DayPoint(day, value, round(value - half, 3), round(value + half, 3))


_COLUMNS = ("local_date", "actual_kwh", "expected_kwh", "coverage", "estimated_share", "is_synthetic")


class UseDays:
    """versions: use -> the baseline that expects. period: the report's own, of whose days more is asked."""

    def __init__(
        self,
        site: Site,
        period: Period,
        *,
        sources: Sources,
        versions: Mapping[str, BaselineVersion],
        as_of_utc: datetime,
        marts_dir: Path | None,
    ) -> None:
        self.site, self.period, self.sources = site, period, sources
        self.versions, self.as_of_utc = versions, as_of_utc
        sources.know(versions.values())
        self._known: dict[tuple[str, date, date], list[DayPair]] = {}
        self._mart: dict[str, tuple[set[tuple[str, int]], pl.DataFrame]] = {}
        if marts_dir is not None and site.seus:
            key = ("days of uses", marts_dir, site.site_id)
            self._mart = sources.keep(key, partial(_published, marts_dir, site.site_id))

    def pairs(self, seu: Seu, period: Period, *, with_band: bool = False) -> list[DayPair]:
        """Metered and expected days of a span. with_band: what the uncertainty of a span before the report's needs.

        Days of the report's own span say whether drivers left the baseline's range, and how sure their sum is.
        """
        version, stored = self.versions.get(seu.seu_id), self._stored(seu.seu_id)
        is_own = self.period.start <= period.start and period.end <= self.period.end
        # Days of the report are made once, for all spans that are asked of it.
        span = self.period if is_own else period
        if stored is None:
            pinned = None if version is None else (version.baseline_id, version.version)
            return _inside(self.sources.pairs(self.site, seu.seu_id, pinned, span, self.as_of_utc), period)
        if version is None or not (is_own or with_band):
            return _inside(stored, period)
        key = (seu.seu_id, span.start, span.end)
        if key not in self._known:
            self._known[key] = self._with_conditions(seu, version, _inside(stored, span), span)
        return _inside(self._known[key], period)

    def _with_conditions(
        self, seu: Seu, version: BaselineVersion, stored: Sequence[DayPair], span: Period
    ) -> list[DayPair]:
        """The mart's days of a span, each with its features and whether the baseline never saw its drivers."""
        drivers = tuple(driver.driver_id for driver in seu.drivers)
        # Meters are not read: uses with the same drivers have the same days.
        days = self.sources.keep(
            ("driver days", self.site.site_id, drivers, span.start, span.end, self.as_of_utc),
            lambda: self.sources.driver_days(self.site, seu, span, self.as_of_utc),
        )
        outside = set(expected_days(version.baseline, days).filter("is_extrapolated")["local_date"].to_list())
        features = features_by_day(version.baseline, days)
        return [
            replace(
                pair, is_extrapolated=pair.local_date in outside, features=features.get(pair.local_date, pair.features)
            )
            for pair in stored
        ]

    def _stored(self, seu_id: str) -> list[DayPair] | None:
        """The mart's days of a use for which it expects by the very version of this report; None of others.

        Those are asked of the readings: marts do not expect by a provisional version, and do not say how much of what
        they expect approved adjustments added.
        """
        named, rows = self._mart.get(seu_id, (None, pl.DataFrame()))
        version = self.versions.get(seu_id)
        if named != (set() if version is None else {(version.baseline_id, version.version)}):
            return None
        if version is not None and self.sources.adjustments(version.baseline_id, version.version, self.as_of_utc):
            return None
        return self.sources.keep(
            ("mart days", self.site.site_id, seu_id), lambda: [_pair(*row) for row in rows.iter_rows()]
        )


def _published(marts_dir: Path, site_id: str) -> dict[str, tuple[set[tuple[str, int]], pl.DataFrame]]:
    """Of each use the versions that the mart expects by, and its days as _COLUMNS."""
    # A mart that is gone takes no number along: the readings say the same.
    read = partial(read_mart, marts_dir, "mart_seu__day_enpi", site_id=site_id)
    rows = if_published(read, lambda _: pl.DataFrame())
    if rows.is_empty():
        return {}
    named: dict[str, set[tuple[str, int]]] = {}
    by_version = rows.drop_nulls("baseline_id").select("seu_id", "baseline_id", "baseline_version").unique()
    for seu_id, baseline_id, number in by_version.iter_rows():
        named.setdefault(seu_id, set()).add((baseline_id, number))
    by_use = rows.select("seu_id", *_COLUMNS).partition_by("seu_id", as_dict=True, include_key=False)
    return {seu_id: (named.get(seu_id, set()), days) for (seu_id,), days in by_use.items()}


def _pair(
    day: date,
    actual: float | None,
    wanted: float | None,
    coverage: float | None,
    estimated: float | None,
    simulated: bool,
) -> DayPair:
    return DayPair(
        local_date=day,
        actual_kwh=exact_kwh(actual),
        expected_kwh=exact_kwh(wanted),
        # Null in the mart: a day of which nothing was read.
        coverage=coverage or 0.0,
        estimated_share=estimated or 0.0,
        is_synthetic=bool(simulated),
    )


def _inside(days: Sequence[DayPair], span: Period) -> list[DayPair]:
    """Days of the span, in order."""
    first, after = (bisect_left(days, day, key=lambda pair: pair.local_date) for day in (span.start, span.end))
    return list(days[first:after])
