"""Features of an anomaly event for its cause, from its own hours and earlier readings."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import numpy as np

from ml.anomalies.day_grid import Mask
from ml.anomalies.events import UNIT_FACTORS, AnomalyEvent
from ml.features.civil import Civil
from ml.features.series import Series, Vector

# Hours before an event that say what is usual, how the load follows the temperature, and what the highest hour is.
USUAL, CLIMATE, RECENT = 42 * 24, 56 * 24, 84 * 24
# Bases of heating and cooling degrees, and the penalty that keeps slopes of a mild past small.
HEATING_DEGC, COOLING_DEGC, RIDGE = 16.0, 19.0, 30.0
KINDS = ("spike", "high", "low", "dead", "stuck", "unit_scale", "night_waste", "drift")
FEWEST = 12
_FAR = 4.0
_DAY = 24


@dataclass(frozen=True)
class CauseContext:
    """Facts from outside the meter, on the hours of its series; None where a site does not give them.

    temperature: outdoor, degc. announced: hours of announced changes (non-routine events, static factors). flagged:
    hours with a finding of the validation. others: other meters of the site. opposite: cooling beside a heating use,
    or heating beside a cooling use.
    """

    temperature: Vector | None = None
    announced: Mask | None = None
    flagged: Mask | None = None
    others: tuple[Vector, ...] = ()
    opposite: Vector | None = None


def features_of(event: AnomalyEvent, series: Series, civil: Civil, context: CauseContext) -> dict[str, float]:
    """Named features; NaN where one is unknown, which says nothing. Sees no hour after the event.

    series: hourly, with the calendar of its hours.
    """
    span, explained = hours_of(series, event.start_utc, event.end_utc), float(event.is_weather)
    found = {f"is_{kind}": float(event.kind == kind) for kind in KINDS}
    found |= {"hours": float(np.log(max(span.stop - span.start, 1))), "score": float(np.log(max(event.score, 0.1)))}
    # By the detectors, over a year and by the hour of the day.
    found["explained"] = explained if context.temperature is not None else float("nan")
    values, usual = series.values, usual_of(series.values, civil, span.start, span.stop)
    rest = values[span] - usual
    sign = 1.0 if np.nansum(rest) >= 0 else -1.0
    excess = np.nan_to_num(np.maximum(sign * rest, 0.0))
    active = excess >= max(0.3 * float(np.quantile(excess, 0.9)), 1e-9) if len(excess) else np.zeros(0, dtype=bool)
    if not active.any():
        return found | _facts_of(span, np.ones(span.stop - span.start, dtype=bool), civil, context, 0.0)
    ratio = _log_ratio(values[span][active], usual[active])
    found |= _shape(values, usual, span, active, ratio)
    found |= _calendar(civil, span, excess)
    return found | _facts_of(span, active, civil, context, ratio) | _weather(values, civil, span, context)


def by_hour(series: Series, civil: Civil) -> tuple[Series, Civil]:
    """A series of shorter steps as whole hours, means of their steps, with its calendar; an hourly one as it is."""
    steps = timedelta(hours=1) // series.step
    if steps <= 1:
        return series, civil
    first = int(np.flatnonzero(civil.minute[: steps + 1] % 60 == 0)[0])
    count = (len(series.values) - first) // steps
    means = series.values[first : first + count * steps].reshape(count, steps).mean(axis=1)
    arrays = {
        each.name: getattr(civil, each.name)[first::steps][:count]
        for each in fields(Civil)
        if each.name not in ("first_day", "per_day")
    }
    hourly = replace(series, start_utc=series.time(first), values=means, step=timedelta(hours=1))
    return hourly, replace(civil, **arrays, per_day=_DAY)


def hours_of(series: Series, start_utc: datetime, end_utc: datetime) -> slice:
    """The whole hours of a span within a series."""
    hour = timedelta(hours=1)
    first, after = (start_utc - series.start_utc) // hour, -((series.start_utc - end_utc) // hour)
    return slice(max(first, 0), min(after, len(series.values)))


def usual_of(values: Vector, civil: Civil, first: int, after: int) -> Vector:
    """Median of the same local hour on days of the same type in the six weeks before `first`, for [first, after)."""
    begin = max(0, first - USUAL)
    before, off, hour = values[begin:first], civil.day_type[begin:first] > 0, civil.hour[begin:first]
    table = np.full((2, _DAY), np.nan)
    for is_off in (0, 1):
        for each in range(_DAY):
            own = before[(off == bool(is_off)) & (hour == each)]
            own = own[np.isfinite(own)]
            if len(own) >= 3:
                table[is_off, each] = np.median(own)
    table = np.where(np.isfinite(table), table, table[::-1])
    return np.asarray(table[(civil.day_type[first:after] > 0).astype(int), civil.hour[first:after]])


def _shape(values: Vector, usual: Vector, span: slice, active: Mask, ratio: float) -> dict[str, float]:
    """Level, evenness and course of the hours that differ."""
    own, before = values[span], values[max(0, span.start - RECENT) : span.start]
    before = before[np.isfinite(before)]
    level, excess = own[active], (own - usual)[active]
    logs = np.log(np.maximum(level, 1e-9) / np.maximum(usual[active], 1e-9)).clip(-_FAR, _FAR)
    near = min(abs(abs(ratio) - np.log(factor)) for factor in UNIT_FACTORS)
    is_same = np.diff(own) == 0
    runs = int((np.diff(active.astype(int)) == 1).sum()) + int(active[0])
    place = np.flatnonzero(active) / _DAY
    return {
        "ratio": ratio,
        "rise": max(ratio, 0.0),
        "fall": max(-ratio, 0.0),
        "to_highest": _log_ratio(level, np.quantile(before, 0.995)) if len(before) else float("nan"),
        "to_working_day": _log_ratio(level, np.quantile(before[-USUAL:], 0.8)) if len(before) else float("nan"),
        "to_lowest": _log_ratio(level, np.quantile(before[-USUAL:], 0.02)) if len(before) else float("nan"),
        "evenness": _spread(level),
        "even_excess": _spread(excess),
        "even_ratio": float(np.log(max(float(logs.std()), 0.02))),
        "unit_near": float(np.exp(-((near / 0.08) ** 2))) if abs(ratio) > 1 else 0.0,
        "repeated": float(is_same[own[1:] != 0].mean()) if (own[1:] != 0).any() else 0.0,
        "zero": float((own <= 0).mean()),
        "active": float(active.mean()),
        "runs_a_day": runs / max(len(own) / _DAY, 1.0),
        "course": float(np.polyfit(place, logs, 1)[0]) * 7 if len(own) > 4 * _DAY and len(place) > 2 else 0.0,
    }


def _calendar(civil: Civil, span: slice, excess: Vector) -> dict[str, float]:
    """Distribution of an event's energy over day and week."""
    total = max(float(excess.sum()), 1e-9)
    hour, kind = civil.hour[span], civil.day_type[span]
    share = {
        "night_share": (hour >= 20) | (hour < 6),
        "weekend_share": kind > 0,
        "working_share": (kind == 0) & (hour >= 8) & (hour < 18),
        "workday_night_share": (kind == 0) & ((hour >= 20) | (hour < 6)),
    }
    return {name: float(excess[where].sum()) / total for name, where in share.items()} | {
        "holiday_share": float((kind == 2).mean()),
        "school_holiday_share": float(civil.is_school_holiday[span].mean()),
    }


def _facts_of(span: slice, active: Mask, civil: Civil, context: CauseContext, ratio: float) -> dict[str, float]:
    """Announcements, findings of the validation, and what other meters did in the same hours."""
    moved = [_moved(each, civil, span, active) for each in context.others]
    known = [each for each in moved if np.isfinite(each)]
    alike = float(np.median(known)) / ratio if known and abs(ratio) > 0.05 else float("nan")
    unknown = float("nan")
    return {
        "announced": unknown if context.announced is None else float(context.announced[span].mean()),
        "flagged": unknown if context.flagged is None else float(context.flagged[span].mean()),
        "alike": float(np.clip(alike, -1.0, 1.5)),
        "opposite": unknown if context.opposite is None else _moved(context.opposite, civil, span, active),
    }


def _weather(values: Vector, civil: Civil, span: slice, context: CauseContext) -> dict[str, float]:
    """Rarity of the temperature, and the share of the difference that it explains by the weeks before."""
    if context.temperature is None:
        return {}
    begin = max(0, span.start - CLIMATE)
    wide = slice(begin, span.stop)
    usual = usual_of(values, civil, span.start, span.stop)
    table = np.concatenate([_fitted(values, civil, begin, span.start), usual])
    days = civil.day[wide] - civil.day[begin]
    load, expected, degc = (_daily(each, days) for each in (values[wide], table, context.temperature[wide]))
    logs = np.log(np.maximum(load, 1e-9) / np.maximum(expected, 1e-9)).clip(-1.5, 1.5)
    known = np.isfinite(logs) & np.isfinite(degc)
    is_own = np.arange(len(load)) >= civil.day[span.start] - civil.day[begin]
    past, own = known & ~is_own, known & is_own
    if past.sum() < FEWEST or not own.any():
        return {}
    degrees = np.stack([np.maximum(HEATING_DEGC - degc, 0), np.maximum(degc - COOLING_DEGC, 0)], axis=1)
    centred = degrees - degrees[past].mean(axis=0)
    slopes = np.linalg.solve(
        centred[past].T @ centred[past] + RIDGE * np.eye(2), centred[past].T @ (logs[past] - logs[past].mean())
    )
    explained = float((centred[own] @ np.maximum(slopes, 0)).mean())
    moved = float(logs[own].mean() - logs[past].mean())
    low, high = degc[past].min(), degc[past].max()
    return {
        "degc_apart": abs(float(degc[own].mean() - degc[past][-14:].mean())),
        "degc_beyond": float(np.maximum(np.maximum(low - degc[own], degc[own] - high), 0).mean()),
        "weather_share": float(np.clip(explained / moved, -1, 1.5)) if abs(moved) > 0.02 else 0.0,
        "follows_degc": _correlation(logs[known], degc[known]),
    }


def _correlation(one: Vector, other: Vector) -> float:
    """Size of the correlation of two; 0 where one of them does not change."""
    spread = float(one.std() * other.std())
    return abs(float(((one - one.mean()) * (other - other.mean())).mean())) / spread if spread > 1e-12 else 0.0


def _fitted(values: Vector, civil: Civil, begin: int, after: int) -> Vector:
    """Median of each local hour by type of day over [begin, after), at each of its hours."""
    table = np.full(after - begin, np.nan)
    key = (civil.day_type[begin:after] > 0) * _DAY + civil.hour[begin:after]
    own = values[begin:after]
    for each in np.unique(key):
        known = own[(key == each) & np.isfinite(own)]
        table[key == each] = np.median(known) if len(known) else np.nan
    return table


def _daily(values: Vector, days: Vector) -> Vector:
    """Mean of the known hours of each day; NaN for a day with few."""
    known = np.isfinite(values)
    count = np.bincount(days[known], minlength=int(days[-1]) + 1)
    total = np.bincount(days[known], weights=values[known], minlength=int(days[-1]) + 1)
    return np.where(count >= FEWEST, total / np.maximum(count, 1), np.nan)


def _moved(values: Vector, civil: Civil, span: slice, active: Mask) -> float:
    """Log of the ratio of another series in these hours to its usual value."""
    return _log_ratio(values[span][active], usual_of(values, civil, span.start, span.stop)[active])


def _log_ratio(values: Vector, usual: "Vector | float") -> float:
    """Log of the means' ratio, cut; NaN where one is unknown."""
    known = np.isfinite(values) & np.isfinite(usual)
    if not known.any():
        return float("nan")
    above, below = float(values[known].mean()), float(np.mean(np.broadcast_to(usual, values.shape)[known]))
    if below <= 0:
        return _FAR if above > 0 else 0.0
    return float(np.clip(np.log(max(above, 1e-9) / below), -_FAR, _FAR))


def _spread(values: Vector) -> float:
    """Log of the coefficient of variation."""
    known = values[np.isfinite(values)]
    mean = abs(float(known.mean())) if len(known) else 0.0
    return float(np.log(max(float(known.std()) / mean, 0.02))) if mean > 0 else float("nan")
