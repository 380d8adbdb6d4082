"""What a reader of a forecast model's card must not believe: sentences that follow from its data and its scores."""

from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np

from ml.features.civil import DAY_TYPE_CODES
from ml.features.forecast_case import Case
from ml.forecasts.backtest import SEASONS, by_season
from ml.forecasts.lifecycle.trial import FLOOR, Trial
from ml.forecasts.uncertainty.score_bands import Band

NOMINAL_COVERAGE = 0.80
# Of a month, of all steps, and of the mean: from where on a card says so.
MIN_MONTH_DAYS, TOLD_MISSING, TOLD_BIAS, FEW_HOLIDAYS, FEW_DAYS = 15, 0.02, 0.02, 5, 60


def known_limits(trial: Trial, bands: Mapping[str, Band]) -> list[str]:
    """Sentences that follow from what the model was trained on and scored with. bands: of `score_bands`."""
    return [*_limits_of_data(trial.case), *_limits_of_scores(trial, bands)]


def _limits_of_data(case: Case) -> list[str]:
    series, found = case.series, []
    known = ~np.isnan(series.values)
    dates = _dates(case)
    months = [month for month in range(1, 13) if len(dates[month]) >= MIN_MONTH_DAYS]
    unseen = [name for number, name in SEASONS.items() if not any(month % 12 // 3 + 1 == number for month in months)]
    if unseen:
        found.append(f"Trained on {len(months)} months of the year: no {_either(unseen)} seen.")
    if not knows_weather_ahead(case):
        found.append("No weather is known at issue: a cold spell or a cloud is seen once it is in the readings.")
    holidays = np.unique(case.civil.day[: len(known)][case.civil.day_type[: len(known)] == DAY_TYPE_CODES["holiday"]])
    if len(holidays) < FEW_HOLIDAYS:
        found.append(f"{len(holidays) or 'No'} public holiday{'s' if len(holidays) > 1 else ''} seen.")
    if not case.civil.is_school_holiday.any():
        found.append("No school holidays are known: give the site's `subdivision` or `school_holidays`.")
    if 1 - known.mean() > TOLD_MISSING:
        found.append(f"{1 - known.mean():.1%} of the steps are missing: it has not learnt from them.")
    if series.is_synthetic:
        found.append("The readings are synthetic: the scores say how well it knows a simulation.")
    return found


def _limits_of_scores(trial: Trial, bands: Mapping[str, Band]) -> list[str]:
    if not bands:
        return ["Too few days could be scored to say how sure the scores are."]
    found, coverage, bias, skill = [], bands["coverage"], bands["bias"], bands.get("skill")
    days = len(trial.origins)
    seasons = by_season(trial.runs[FLOOR], trial.case.civil) if FLOOR in trial.runs else {}
    if days < FEW_DAYS:
        of = f", all in {next(iter(seasons))}" if len(seasons) == 1 else ""
        found.append(f"Scored on {days} days{of}: of other times of the year the scores say little.")
    if not coverage.low <= NOMINAL_COVERAGE <= coverage.high:
        kind = "narrow" if coverage.value < NOMINAL_COVERAGE else "wide"
        found.append(f"P10 to P90 covered {coverage.value:.0%} rather than {NOMINAL_COVERAGE:.0%}: it is too {kind}.")
    if abs(bias.value) > TOLD_BIAS and bias.low * bias.high > 0:
        found.append(f"P50 was {abs(bias.value):.1%} too {'high' if bias.value > 0 else 'low'} on average.")
    if skill is not None and skill.low <= 0:
        found.append("It is not surely better than same hour last week.")
    return found


def knows_weather_ahead(case: Case) -> bool:
    """Whether anything is known of the weather of steps after an issue."""
    if not case.weather.names:
        return False
    last = len(case.series.values) - case.series.per_day
    ahead = np.arange(max(last, 0), len(case.series.values))
    return not bool(np.isnan(case.weather.at(ahead, np.full(len(ahead), max(last, 0)))).all())


def _dates(case: Case) -> dict[int, set[date]]:
    """Local dates with a known step by month of the year."""
    days = np.unique(case.civil.day[: len(case.series.values)][~np.isnan(case.series.values)])
    dates = [case.civil.first_day + timedelta(days=int(day)) for day in days]
    return {month: {day for day in dates if day.month == month} for month in range(1, 13)}


def _either(names: list[str]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1] if len(names) > 1 else names[0]
