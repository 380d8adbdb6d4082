"""The card of a forecast model: what it was trained on, how far off it was and how sure that is, what it rests on,
and which limits are known. Markdown, for the registry's pages.
"""

import re
from collections.abc import Mapping
from csv import writer
from datetime import date, timedelta
from io import StringIO

import numpy as np

from ml.features.civil import DAY_TYPE_CODES
from ml.features.feature import WEEK_DAYS
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES
from ml.features.series import DAY
from ml.forecasts.backtest import SEASONS, Forecasts, by_lead, by_season, local_date
from ml.forecasts.forecast_model import Forecaster, Weighs
from ml.forecasts.lifecycle.change_sentences import shown_unit, topic_of
from ml.forecasts.lifecycle.trial import FLOOR, Trial, first_day
from ml.forecasts.uncertainty.course_scores import CourseScores
from ml.forecasts.uncertainty.score_bands import Band, score_bands

# The registry keeps no more of a description.
MAX_CHARACTERS = 5000
TOP_FEATURES = 10
TOPICS = {
    "recent": "the series of the days and weeks before",
    "calendar": "calendar and time of the year",
    "temperature": "temperature",
    "sun": "sun",
    "weather": "other weather",
    "other": "terms of its own",
}
_WEATHER_UNIT = re.compile("_(degc|percent|w_per_m2|m_per_s|deg|mm|hpa|m)$")
NOMINAL_COVERAGE = 0.80
# Of a month, of all steps, and of the mean: from where on a card says so.
MIN_MONTH_DAYS, REPORTED_MISSING, REPORTED_BIAS, FEW_HOLIDAYS, FEW_DAYS = 15, 0.02, 0.02, 5, 60


def known_limits(trial: Trial, bands: Mapping[str, Band]) -> list[str]:
    """Sentences that follow from what the model was trained on and scored with. bands: of `score_bands`."""
    case, series, found = trial.case, trial.case.series, []
    known = ~np.isnan(series.values)
    dates = _dates(case)
    months = [month for month in range(1, 13) if len(dates[month]) >= MIN_MONTH_DAYS]
    unseen = [name for number, name in SEASONS.items() if not any(month % 12 // 3 + 1 == number for month in months)]
    if unseen:
        seasons = " or ".join(filter(None, [", ".join(unseen[:-1]), unseen[-1]]))
        found.append(f"Trained on {len(months)} months of the year: no {seasons} seen.")
    if not knows_weather_ahead(case):
        found.append("No weather is known at issue: a cold spell or a cloud is seen once it is in the readings.")
    holidays = np.unique(case.civil.day[: len(known)][case.civil.day_type[: len(known)] == DAY_TYPE_CODES["holiday"]])
    if len(holidays) < FEW_HOLIDAYS:
        found.append(f"{len(holidays) or 'No'} public holiday{'s' if len(holidays) > 1 else ''} seen.")
    if not case.civil.is_school_holiday.any():
        found.append("No school holidays are known: give the site's `subdivision` or `school_holidays`.")
    if 1 - known.mean() > REPORTED_MISSING:
        found.append(f"{1 - known.mean():.1%} of the steps are missing: it has not learnt from them.")
    if series.is_synthetic:
        found.append("The readings are synthetic: the scores say how well it knows a simulation.")
    return found + _limits_of_scores(trial, bands)


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
    if abs(bias.value) > REPORTED_BIAS and bias.low * bias.high > 0:
        found.append(f"P50 was {abs(bias.value):.1%} too {'high' if bias.value > 0 else 'low'} on average.")
    if skill is not None and skill.low <= 0:
        found.append("It is not surely better than same hour last week.")
    return found


def knows_weather_ahead(case: Case) -> bool:
    """True where anything is known of the weather of steps after an issue."""
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


def forecast_card(
    trial: Trial,
    model: Forecaster,
    *,
    title: str,
    params: Mapping[str, str] | None = None,
    together: CourseScores | None = None,
) -> str:
    """The card of a model that was fitted on the whole case of a trial.

    params: what was chosen for it. together: how its courses did.
    """
    own, floor = _counted(trial, model.algorithm)
    bands = score_bands(own, floor)
    parts = [
        [f"**{title}**, forecast by {model.algorithm.replace('_', ' ')}."],
        _data(trial, params or {}),
        _scores(trial, own, floor) + _together(together),
        ["### Known limits", "", *[f"- {sentence}" for sentence in known_limits(trial, bands)]],
        # Last: what a card too long loses are the least of the features.
        _rests_on(model),
    ]
    card = "\n\n".join("\n".join(part) for part in parts if part)
    return card if len(card) <= MAX_CHARACTERS else card[: MAX_CHARACTERS - 1] + "…"


def _data(trial: Trial, params: Mapping[str, str]) -> list[str]:
    case, series = trial.case, trial.case.series
    missing = int(np.isnan(series.values).sum())
    minutes = series.step // timedelta(minutes=1)
    step = "a day" if minutes == 1440 else f"{minutes} minutes"
    first, last = (local_date(case.civil, step_) for step_ in (0, max(len(series.values) - 1, 0)))
    names = ", ".join(_WEATHER_UNIT.sub("", name).replace("_", " ") for name in case.weather.names)
    when = "known at issue" if knows_weather_ahead(case) else "measured before the issue only"
    steps = f"{len(series.values):,} steps of {step}, {shown_unit(series.unit)}"
    rows = {
        "Trained on": f"{_day(first)} to {_day(last)}, {steps}",
        "Missing": f"{missing:,} steps ({missing / max(len(series.values), 1):.1%})",
        "Weather": f"{names} ({when})" if names else "none",
        "Digest of the data": f"`{case.digest()[:16]}`",
        **{name.replace("_", " ").capitalize(): value for name, value in params.items()},
    }
    return ["| | |", "|---|---|", *[f"| {name} | {value} |" for name, value in rows.items()]]


def _scores(trial: Trial, own: Forecasts, floor: Forecasts | None) -> list[str]:
    civil, unit = trial.case.civil, shown_unit(trial.case.series.unit)
    first = {"all": (own, floor)}
    if trial.case.series.step < DAY:
        # As the registry's metrics have it: later days are each forecast more than once.
        first = {"the day ahead": (first_day(own, civil), first_day(floor, civil) if floor else None)}
    shown: dict[str, tuple[Forecasts, Forecasts | None]] = {**first}
    leads, seasons = _leads(own, civil.per_day), by_season(own, civil)
    for parts, of_floor in (
        (leads, _leads(floor, civil.per_day) if floor else {}),
        (seasons, by_season(floor, civil) if floor else {}),
    ):
        # A part that is the whole is in the table already.
        shown |= {name: (run, of_floor.get(name)) for name, run in parts.items() if len(parts) > 1}
    head = ["", "NRMSE", "WAPE", f"CRPS, {unit}", "P10 to P90 covers"]
    head += ["last week's NRMSE", "skill"] if floor else []
    rows = []
    for name, (run, reference) in shown.items():
        bands = score_bands(run, reference)
        if bands:
            crps, shares = bands["crps"], [_percent(bands[name]) for name in ("nrmse", "wape")]
            cells = [*shares, f"{crps.value:.3g} ({crps.low:.3g}–{crps.high:.3g})"]
            cells.append(_percent(bands["coverage"], digits=0))
            cells += [f"{bands['floor_nrmse'].value:.1%}", _percent(bands["skill"], digits=0)] if floor else []
            rows.append(f"| {name} | {' | '.join(cells)} |")
    folds = f"{len(trial.folds)} fold{'s' if len(trial.folds) > 1 else ''}"
    begun, ended = (local_date(civil, origin) for origin in (trial.origins[0], trial.origins[-1]))
    return [
        "### How far off it was",
        "",
        f"{len(trial.origins)} days from {_day(begun)} to {_day(ended)} in {folds}, each day "
        "forecast at its midnight by a model fitted before its fold. In brackets: where chance leaves the figure nine "
        "times in ten. Skill: the share of the CRPS of same hour last week that is saved.",
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *rows,
    ]


def _together(found: CourseScores | None) -> list[str]:
    if found is None:
        return []
    return [
        "",
        f"The sum of all {found.steps} steps: P10 to P90 of its courses covered {found.sum_coverage:.0%} of "
        f"{found.days} origins; drawn step by step, as if errors had nothing in common, {found.apart_coverage:.0%}.",
    ]


def _rests_on(model: Forecaster) -> list[str]:
    if not isinstance(model, Weighs):
        return []
    shares = model.importance()
    topics = dict.fromkeys(topic_of(name) for name in shares)
    groups = {topic: [name for name in shares if topic_of(name) == topic] for topic in topics}
    gains = {topic: sum(shares[name] for name in names) for topic, names in groups.items()}
    ranked = sorted(shares, key=lambda name: -shares[name])[:TOP_FEATURES]
    return [
        f"### What it rests on: {len(shares)} features",
        "",
        "The run's file `card/features.csv` has them all.",
        "",
        "| Group | Features | Share of the gain |",
        "|---|---|---|",
        *[
            f"| {TOPICS[topic]} | {len(groups[topic])} | {gains[topic]:.1%} |"
            for topic in sorted(topics, key=lambda topic: -gains[topic])
        ],
        "",
        "| Feature | Share | Unit | From | Known |",
        "|---|---|---|---|---|",
        *[_feature_row(name, shares[name]) for name in ranked if shares[name] > 0],
    ]


def feature_table(model: Forecaster) -> bytes | None:
    """Every feature of a model as CSV, the weightiest first; None for a model that does not say."""
    if not isinstance(model, Weighs):
        return None
    shares = model.importance()
    text = StringIO()
    table = writer(text, lineterminator="\n")
    table.writerow(("feature", "group", "share_of_gain", "unit", "known", "source"))
    for name in sorted(shares, key=lambda name: -shares[name]):
        feature = FEATURES.get(name)
        columns = (feature.unit, feature.known.value, feature.source) if feature else ("", "", "the model")
        table.writerow((name, TOPICS[topic_of(name)], f"{shares[name]:.6f}", *columns))
    return text.getvalue().encode()


def _feature_row(name: str, share: float) -> str:
    feature = FEATURES.get(name)
    if feature is None:
        return f"| `{name}` | {share:.1%} | | the model | |"
    unit = "of the series" if feature.unit == "series" else feature.unit
    return f"| `{name}` | {share:.1%} | {unit} | {feature.source} | {feature.known.value} |"


def _counted(trial: Trial, algorithm: str) -> tuple[Forecasts, Forecasts | None]:
    """Own answers and the floor's on the steps that every model of the trial answered."""
    common = np.all([run.counts for run in trial.runs.values()], axis=0)
    floor = trial.runs.get(FLOOR) if algorithm != FLOOR else None
    return trial.runs[algorithm].where(common), floor.where(common) if floor else None


def _leads(run: Forecasts, per_day: int) -> dict[str, Forecasts]:
    """The answers by how far ahead they were: as by_lead has them, of a month by weeks."""
    day = (run.step - run.origin) // per_day
    if not len(day) or day.max() >= WEEK_DAYS:
        weeks = day // WEEK_DAYS
        return {
            f"days {WEEK_DAYS * week + 1} to {WEEK_DAYS * week + WEEK_DAYS} ahead": run.where(weeks == week)
            for week in np.unique(weeks).tolist()
        }
    words = {name: (int(name[1:]), name[0] == "h") for name in by_lead(run, per_day)}
    return {
        f"{number} to {number + 6} h ahead" if is_hours else f"{number} to {number + 1} days ahead": part
        for (number, is_hours), part in zip(words.values(), by_lead(run, per_day).values(), strict=True)
    }


def _percent(band: Band, *, digits: int = 1) -> str:
    return f"{band.value:.{digits}%} ({100 * band.low:.{digits}f}–{100 * band.high:.{digits}f})"


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
