"""Plausibility of a forecast, and answers that no model may give: fault F84 and its neighbours."""

from datetime import datetime
from typing import Final

import numpy as np

from ml.features.forecast_case import Case
from ml.features.series import DAY, Series, Vector
from ml.forecasts.forecast_model import Quantiles

# A share of known steps in the week before the issue below which the newest values say little.
MIN_RECENT_SHARE: Final = 0.5
# Four weeks without a change are no working week of any plant.
STUCK_DAYS = 28
FORTNIGHT_DAYS = 14
# How far outside of every fortnight of the training the last one may lie.
REGIME_MARGIN = 0.25
# An answer may reach this many times the largest amount that was ever seen, on either side of what was seen.
MAX_REACH = 2.0
# Sums of trees and of levels end a hair off the bound that they learnt.
HAIR = 1e-6


def recent_share(series: Series, origin: int) -> float:
    """Share of the week before the origin that is known; of days all of the last seven."""
    week = 7 * series.per_day
    return float(np.sum(~np.isnan(_back(series, origin, week)))) / week


def age_days(series: Series, origin: int) -> float:
    """Days from the end of the newest known step to the origin; infinite where nothing is known."""
    known = np.flatnonzero(~np.isnan(series.values))
    return float((origin - 1 - known[-1]) * series.step / DAY) if len(known) else np.inf


def stale_note(age: float) -> str:
    """Note on a forecast without the newest days. age: of the newest reading, in days."""
    return f"the newest reading is {age:.1f} days old: forecast from like times of the weeks before"


def notes(case: Case, origin: int, horizon: int, *, trained_until_utc: datetime | None) -> dict[str, str]:
    """Notes on the series and on the weather behind a forecast: code -> sentence."""
    found = {
        "constant": _stuck(case.series, origin),
        "regime_change": _regime(case.series, origin, trained_until_utc),
        "weather": _weather(case, origin, horizon),
    }
    return {code: text for code, text in found.items() if text}


def implausible(answer: Quantiles, case: Case, origin: int) -> str | None:
    """Why this cannot be a forecast of that series; None where nothing speaks against it."""
    three = np.stack([answer.p10, answer.p50, answer.p90])
    if not np.isfinite(three).all():
        return f"no number for {int((~np.isfinite(three).all(axis=0)).sum())} of {three.shape[1]} steps"
    if (np.diff(three, axis=0) < 0).any():
        return "quantiles that cross"
    return out_of_reach(answer, case.series, origin) or _flat(answer.p50, case, origin)


def out_of_reach(answer: Quantiles, series: Series, origin: int) -> str | None:
    """Part of the answer beyond MAX_REACH times all that was known before the origin; None where there is none.

    Steps without an answer (NaN) are left out.
    """
    known = series.values[:origin]
    known = known[~np.isnan(known)]
    three = np.stack([answer.p10, answer.p50, answer.p90])
    three = three[np.isfinite(three)]
    if not len(known) or not len(three):
        return None
    low, high = float(known.min()), float(known.max())
    # What never changed may still double.
    room = (MAX_REACH - 1) * max(abs(high), abs(low))
    if series.floor == 0 and three.min() < -HAIR * room:
        return f"{three.min():.4g} {series.unit} of what never was below zero"
    if room and (three.max() > high + room or three.min() < low - room):
        worst = three.max() if three.max() > high + room else three.min()
        return f"{worst:.4g} {series.unit} where {low:.4g} to {high:.4g} were ever seen"
    return None


def _flat(p50: Vector, case: Case, origin: int) -> str | None:
    """One value for a day or longer, of a series of which no day was flat."""
    day = max(case.series.per_day, 7)
    if len(p50) < day or np.ptp(p50) > HAIR * max(abs(float(p50[0])), HAIR):
        return None
    past = _back(case.series, origin, STUCK_DAYS * case.series.per_day)
    days = past[len(past) % day :].reshape(-1, day)
    spread = np.ptp(days[~np.isnan(days).any(axis=1)], axis=1)
    size = float(np.nanmean(np.abs(past))) if len(past) and not np.isnan(past).all() else 0.0
    # A base load that only trembles is forecast well by its mean.
    is_lively = len(spread) > 0 and float(spread.min()) > 0.2 * size
    return f"{p50[0]:.4g} {case.series.unit} for every step, of what changes every day" if is_lively else None


def _stuck(series: Series, origin: int) -> str | None:
    past = _back(series, origin, STUCK_DAYS * series.per_day)
    known = past[~np.isnan(past)]
    if len(known) < 7 * series.per_day or np.ptp(known) > 0:
        return None
    what = f"every reading of the last {STUCK_DAYS} days is {known[0]:g} {series.unit}"
    return f"{what}: a load without change, or a stuck meter"


def _regime(series: Series, origin: int, trained_until_utc: datetime | None) -> str | None:
    """The mean of the last fortnight outside of that of every fortnight that the model was trained on."""
    if trained_until_utc is None:
        return None
    length = FORTNIGHT_DAYS * series.per_day
    before = min(series.index(trained_until_utc), origin - length)
    now = _mean(_back(series, origin, length))
    starts = range(0, max(before - length, 0) + 1, series.per_day)
    means = [_mean(series.values[at : at + length]) for at in starts if at + length <= before]
    known = [mean for mean in means if mean is not None]
    if now is None or len(known) < FORTNIGHT_DAYS:
        return None
    low, high = min(known), max(known)
    margin = REGIME_MARGIN * max(abs(low), abs(high))
    if low - margin <= now <= high + margin:
        return None
    return (
        f"the mean of the last {FORTNIGHT_DAYS} days is {now:.4g} {series.unit}, that of every such span of the "
        f"training was {low:.4g} to {high:.4g}: the load has changed, the model has not yet"
    )


def _weather(case: Case, origin: int, horizon: int) -> str | None:
    if not case.weather.names:
        return "no weather is known: forecast from the series and the calendar alone"
    ahead = np.arange(origin, origin + horizon)
    known = ~np.isnan(case.weather.at(ahead, np.full(horizon, origin))).all(axis=1)
    if known.all():
        return None
    if not known.any():
        return "no forecast of the weather was known at the issue, only what was measured before"
    return f"a forecast of the weather was known for {int(known.sum())} of {horizon} steps"


def _mean(values: Vector) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) >= MIN_RECENT_SHARE * len(values) and len(known) else None


def _back(series: Series, origin: int, length: int) -> Vector:
    """Steps before the origin; those after the series' end and before its start are gaps."""
    end = min(origin, len(series.values))
    found: Vector = np.full(length, np.nan)
    own = series.values[max(end - (length - (origin - end)), 0) : end] if origin - end < length else series.values[:0]
    if len(own):
        found[length - (origin - end) - len(own) : length - (origin - end)] = own
    return found
