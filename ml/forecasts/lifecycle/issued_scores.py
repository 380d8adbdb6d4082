"""Accuracy of issued forecasts: by local day, lead and model version, once readings are in."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.forecast_score import ForecastScore, LeadScore
from ml.features.feature import WEEK_DAYS
from ml.features.forecast_case import Case
from ml.features.series import Vector
from ml.forecasts.backtest import lead_names, local_date, value_at
from ml.forecasts.forecast_model import Quantiles
from ml.forecasts.uncertainty.scores import crps, mean_pinball

# A reading that is later than this will not come: the day is scored on what is there.
LATE_DAYS = 3
# In the order of time ahead; of the first day.
FIRST_DAY = ("h00", "h06", "h12", "h18")


def score_issued(forecasts: Iterable[Forecast], case: Case, *, now_utc: datetime) -> list[ForecastScore]:
    """A score for every local day, lead and model version of which the readings are in; the same for the same input.

    forecasts: of one site and target, on the steps of the case. case: what happened, from a week before the first of
    them. A day counts once it is over and whole, or LATE_DAYS after it with the steps that are known.
    """
    minutes = case.series.step // timedelta(minutes=1)
    usable = [each for each in forecasts if each.rows and each.step_minutes == minutes]
    groups: dict[tuple[date, str, str, str, bool], list[tuple[Forecast, Vector]]] = {}
    for forecast in usable:
        first = case.series.index(forecast.rows[0].time_utc)
        step = first + np.arange(len(forecast.rows))
        inside = (step >= 0) & (step < len(case.civil))
        leads = lead_names(np.arange(len(step)), case.civil.per_day)
        rows = [[row.p10, row.p50, row.p90] for row in forecast.rows]
        table = np.column_stack([step, np.array(rows)])[inside]
        day = case.civil.day[step[inside]]
        for number, lead in dict.fromkeys(zip(day.tolist(), leads[inside].tolist(), strict=True)):
            part = table[(day == number) & (leads[inside] == lead)]
            of_day = local_date(case.civil, int(part[0, 0]))
            key = (of_day, lead, forecast.model_name, forecast.model_version, forecast.is_shadow)
            groups.setdefault(key, []).append((forecast, part))
    found = [_scored(case, key[0], key[1], parts, now_utc) for key, parts in groups.items()]
    order = {lead: index for index, lead in enumerate(FIRST_DAY)}
    scored = [each for each in found if each is not None]
    return sorted(
        scored, key=lambda each: (each.local_day, each.is_shadow, order.get(each.lead, 9), each.lead, each.model_name)
    )


def _scored(
    case: Case, day: date, lead: str, parts: Sequence[tuple[Forecast, Vector]], now_utc: datetime
) -> ForecastScore | None:
    table, forecast = np.concatenate([part for _, part in parts]), parts[0][0]
    step = table[:, 0].astype(np.int64)
    # The day's end by its own steps: a day of 23 hours is over earlier.
    last = int(np.flatnonzero(case.civil.day == case.civil.day[step[0]])[-1])
    over_since = now_utc - case.series.time(last + 1)
    actual, week_before = value_at(case, step), value_at(case, case.civil.same_clock(step, WEEK_DAYS))
    known = ~np.isnan(actual)
    if over_since < timedelta(0) or not known.any() or (not known.all() and over_since < timedelta(days=LATE_DAYS)):
        return None
    actual, week_before = actual[known], week_before[known]
    q = Quantiles(*(table[known, column] for column in (1, 2, 3)))
    error, mean = q.p50 - actual, abs(float(np.mean(actual)))
    floor = float(np.mean(np.abs(week_before - actual)))
    return ForecastScore(
        site_id=forecast.site_id,
        target=forecast.target,
        local_day=day,
        lead=lead,
        model_name=forecast.model_name,
        model_version=forecast.model_version,
        is_shadow=forecast.is_shadow,
        is_synthetic=case.series.is_synthetic or forecast.is_synthetic,
        n=len(actual),
        coverage=float(np.mean((actual >= q.p10) & (actual <= q.p90))),
        pinball=mean_pinball(actual, q),
        crps=crps(actual, q),
        nrmse=float(np.sqrt(np.mean(error**2)) / mean) if mean > 0 else None,
        bias=float(np.mean(error) / mean) if mean > 0 else None,
        wape=float(np.mean(np.abs(error)) / np.mean(np.abs(actual))) if np.abs(actual).sum() > 0 else None,
        # One figure without a spread: its CRPS is its absolute error.
        floor_crps=None if np.isnan(floor) else floor,
    )


def lead_means(scores: Iterable[ForecastScore]) -> list[LeadScore]:
    """Means by lead, each step alike, in the order of time ahead; of what led, not of its challengers.

    floor_crps is over the days that have a week before, and None where none has.
    """
    groups: dict[str, list[ForecastScore]] = {}
    for each in scores:
        if not each.is_shadow:
            groups.setdefault(each.lead, []).append(each)
    found = []
    for lead, parts in groups.items():
        floors = [(each.floor_crps, each.n) for each in parts if each.floor_crps is not None]
        found.append(
            LeadScore(
                lead=lead,
                n=sum(each.n for each in parts),
                coverage=_mean([(each.coverage, each.n) for each in parts]),
                crps=_mean([(each.crps, each.n) for each in parts]),
                floor_crps=_mean(floors) if floors else None,
            )
        )
    order = {lead: index for index, lead in enumerate(FIRST_DAY)}
    return sorted(found, key=lambda each: (order.get(each.lead, len(order)), len(each.lead), each.lead))


def coverage_by_day(scores: Iterable[ForecastScore]) -> dict[date, float]:
    """Share of the first day's steps that came inside P10 to P90, by local day; of what led."""
    groups: dict[date, list[tuple[float, int]]] = {}
    for each in scores:
        if not each.is_shadow and each.lead in FIRST_DAY:
            groups.setdefault(each.local_day, []).append((each.coverage, each.n))
    return {day: _mean(parts) for day, parts in sorted(groups.items())}


def _mean(parts: Sequence[tuple[float, int]]) -> float:
    return sum(value * n for value, n in parts) / sum(n for _, n in parts)


Days = dict[date, dict[str, ForecastScore]]


def days_of(scores: Iterable[ForecastScore], model: str) -> Days:
    """The scores of NAME@VERSION by local day and lead, of the first day ahead."""
    found: Days = {}
    for each in scores:
        if f"{each.model_name}@{each.model_version}" == model and each.lead in FIRST_DAY:
            found.setdefault(each.local_day, {})[each.lead] = each
    return found


def day_losses(days: Days, leads: Collection[str] = FIRST_DAY) -> dict[date, float]:
    """Mean pinball loss of each day for which all of these leads are scored, in order of time."""
    return {day: _mean_pinball(found) for day, found in sorted(days.items()) if found.keys() >= set(leads)}


def paired_losses(one: Days, other: Days) -> tuple[dict[date, float], dict[date, float]]:
    """Mean pinball losses of two models on the days on which they said as much, at the same leads."""
    days = [day for day in sorted(one.keys() & other.keys()) if _counts(one[day]) == _counts(other[day])]
    return {day: _mean_pinball(one[day]) for day in days}, {day: _mean_pinball(other[day]) for day in days}


def _counts(leads: dict[str, ForecastScore]) -> dict[str, int]:
    return {lead: each.n for lead, each in leads.items()}


def _mean_pinball(leads: dict[str, ForecastScore]) -> float:
    return sum(each.pinball * each.n for each in leads.values()) / sum(each.n for each in leads.values())
