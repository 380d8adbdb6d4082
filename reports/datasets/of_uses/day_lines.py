"""Days of a use as a chart draws them: metered and expected energy with the model's band, and the running saving."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from assets.kpi.enpi.enpi_result import DayPair, EnpiRule, compared, period_uncertainty_kwh, sum_kwh
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.time import Period
from reports.datasets.base import DayPoint


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
        return _running(pairs, version, period=period, rule=rule, confidence=confidence, has_band=has_band)
    made = []
    for pair in pairs:
        if not period.start <= pair.local_date < period.end:
            continue
        value = getattr(pair, measure)
        known = value is not None and has_band
        half = period_uncertainty_kwh(version, value, [pair], confidence=confidence) if known else None
        made.append(_point(pair.local_date, None if value is None else float(value), half))
    return made


def _running(
    pairs: Sequence[DayPair],
    version: BaselineVersion | None,
    *,
    period: Period,
    rule: EnpiRule,
    confidence: float,
    has_band: bool,
) -> list[DayPoint]:
    both = compared(pairs, rule=rule, start=period.start, end=period.end)
    made, saved, expected = list[DayPoint](), Decimal(0), Decimal(0)
    for count, pair in enumerate(both, start=1):
        expected = sum_kwh([expected, pair.expected_kwh])
        saved = sum_kwh([saved, pair.expected_kwh, -(pair.actual_kwh or Decimal(0))])
        half = period_uncertainty_kwh(version, expected, both[:count], confidence=confidence) if has_band else None
        made.append(_point(pair.local_date, float(saved), half))
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
