"""Which hourly model a baseline gets: knots, holidays and sun by held-out score, each candidate kept with its score."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from assets.kpi.enpi.savings_band import two_sided_t
from data_quality.contracts.errors import BadInput
from ml.baselines.models.choose import MIN_GAIN, MIN_ROWS_OF_A_KIND
from ml.baselines.models.forms import SUN_KINDS, HourlyForm, Places, column, month_numbers
from ml.baselines.models.hourly_model import KNOTS, HourlySolution, hourly_form, solve_hourly
from ml.baselines.models.segments import SegmentedSolution, solve_segments
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import SUN, Usage

SEGMENTS = "towt_segments"
# Under that share of hours with a known irradiance it is not offered: the model would be of other hours.
MIN_SUN_KNOWN = 0.9
# An hour is sunny from here on; a kind of sun needs so many sunny hours for each of its slopes.
_SUNNY_W_PER_M2, _SUNNY_HOURS_A_SLOPE = 20.0, 20
HOURLY_MODELS = ("towt", *(f"towt_{name}" for name in KNOTS), SEGMENTS)


@dataclass(frozen=True)
class HourlyChoice:
    """The model taken and every candidate. is_used: the rows that it is of, where it is not of all."""

    model: str
    solution: HourlySolution | SegmentedSolution
    selection: tuple[Mapping[str, object], ...]
    is_used: npt.NDArray[np.bool_] | None = None


def choose_hourly(usage: Usage, y: Vector, model: str) -> HourlyChoice:
    """Time of week and temperature with the knots, and with or without holidays as Sundays, that predict months
    best that the fit has not seen. usage: rows in use; y: their kWh. A holiday rule must gain 1 % (resolution X3), and
    so must the sun, where the weather has its irradiance, in months enough to be no accident.

    model: "auto" or "towt" for every set of knots and the sun, "towt_caltrack", "towt_five_degrees" for one set;
    "towt_segments" for a model a month, with CalTRACK's knots. Raises BadInput.
    """
    if model not in ("auto", *HOURLY_MODELS):
        known = ", ".join(("auto", *HOURLY_MODELS))
        raise BadInput(f"unknown model {model!r} for hourly data; known are {known}", reason="unknown_model")
    if model == SEGMENTS:
        return _segments(usage, y)
    names = list(KNOTS) if model in ("auto", "towt") else [model.removeprefix("towt_")]
    folds = month_numbers(usage)
    # Offered from three holidays on: of fewer nothing can be held out.
    holiday_hours = int((column(usage, "is_holiday") > 0).sum())
    offers = (False, True) if holiday_hours >= 24 * MIN_ROWS_OF_A_KIND else (False,)
    tried: list[tuple[float, bool, str, HourlySolution]] = []
    selection: list[dict[str, object]] = []
    for name in names:
        for holidays in offers:
            form = hourly_form(usage, y, knots_degc=KNOTS[name], holidays=holidays, drivers=usage.drivers)
            solution = solve_hourly(form, usage, y, folds=folds)
            score = _score(y, solution)
            tried.append((score, holidays, f"towt_{name}", solution))
            selection.append(
                {
                    "model": f"towt_{name}",
                    "holidays_are_sundays": holidays,
                    "knots_degc": [list(each) for each in form.knots_degc],
                    "occupied_hours_of_week": sum(form.occupied),
                    "cvrmse_held_out": score,
                    "disqualified": {},
                }
            )
    lowest = min(each[0] for each in tried)
    near = [each for each in tried if each[0] <= lowest * (1.0 + MIN_GAIN)]
    # Near the lowest, those without the holiday rule come first.
    best = min(near, key=lambda each: (each[1], each[0]))
    for each, record in zip(tried, selection, strict=True):
        record["is_chosen"] = each is best
    choice = HourlyChoice(best[2], best[3], tuple(selection))
    return _with_sun(usage, y, choice) if model in ("auto", "towt") and SUN in usage.frame.columns else choice


def _score(y: Vector, solution: HourlySolution | SegmentedSolution) -> float:
    """CV(RMSE) of months held out; of a meter that feeds in as much as it takes the mean may be below zero."""
    return float(np.sqrt(np.mean((y - solution.held_out) ** 2)) / abs(np.mean(y)))


def _with_sun(usage: Usage, y: Vector, plain: HourlyChoice) -> HourlyChoice:
    """The choice with the irradiance where it predicts held-out months better by 1 %, over the hours that know it, and
    surely so.
    """
    sun = column(usage, SUN)
    is_known = np.isfinite(sun)
    form = plain.solution.form
    if SUN in usage.drivers or is_known.mean() < MIN_SUN_KNOWN or not isinstance(form, HourlyForm):
        return plain
    part, known_y = usage.with_frame(usage.frame.filter(is_known)), y[is_known]
    folds = month_numbers(part)
    base = solve_hourly(form, part, known_y, folds=folds)
    without = _score(known_y, base)
    tried: list[tuple[float, str, HourlySolution]] = []
    for kind in SUN_KINDS:
        shone = replace(form, sun=kind)
        sunny = (shone.sun_columns(part) > _SUNNY_W_PER_M2 / 1000.0).sum(axis=0)
        if (sunny >= _SUNNY_HOURS_A_SLOPE).all() and (form.has_temperature or kind in ("one", "by_hour")):
            solution = solve_hourly(shone, part, known_y, folds=folds)
            tried.append((_score(known_y, solution), kind, solution))
    lowest = min((each[0] for each in tried), default=without)
    # Near the lowest, the one with the fewest slopes.
    best = next((each for each in tried if each[0] <= lowest * (1.0 + MIN_GAIN)), None)
    if (
        best is None
        or best[0] >= without * (1.0 - MIN_GAIN)
        or not _is_surely_better(part, known_y, base, best[2], folds)
    ):
        best = None
    offered = tuple(
        {
            "model": f"{plain.model}_sun_{kind}",
            "cvrmse_held_out": score,
            "cvrmse_held_out_without": without,
            "disqualified": {},
            "is_chosen": best is not None and kind == best[1],
        }
        for score, kind, _ in tried
    )
    if best is None:
        return replace(plain, selection=(*plain.selection, *offered))
    before = tuple({**each, "is_chosen": False} for each in plain.selection)
    return HourlyChoice(f"{plain.model}_sun_{best[1]}", best[2], (*before, *offered), is_known)


def _is_surely_better(usage: Usage, y: Vector, before: HourlySolution, after: HourlySolution, folds: Places) -> bool:
    """True where the held-out errors fall within the months too, and by more than chance.

    Of each month and hour of the day only what goes up and down from day to day: clouds do that, seasons do not, and
    whatever changes over a year (a closed summer) would pass for sun. Paired t-test of months (95 %, one-sided).
    """
    place = folds * 24 + usage.frame["local_start"].dt.hour().to_numpy()
    counts, months = np.maximum(np.bincount(place), 1), np.bincount(folds)
    errors = []
    for each in (before, after):
        missed = y - each.held_out
        daily = missed - (np.bincount(place, weights=missed) / counts)[place]
        errors.append(np.bincount(folds, weights=daily**2) / months)
    gains = errors[0] - errors[1]
    spread = float(np.std(gains, ddof=1) / np.sqrt(len(gains)))
    # 90 % on both sides leave 5 % on one.
    return float(np.mean(gains)) > max(two_sided_t(0.9, len(gains) - 1) * spread, MIN_GAIN * float(np.mean(errors[0])))


def _segments(usage: Usage, y: Vector) -> HourlyChoice:
    """A model a month: with and without holidays as Sundays, by the same rule."""
    holidays = int((column(usage, "is_holiday") > 0).sum()) >= 24 * MIN_ROWS_OF_A_KIND
    tried = [
        solve_segments(usage, y, knots_degc=KNOTS["caltrack"], holidays=each, drivers=usage.drivers)
        for each in ((False, True) if holidays else (False,))
    ]
    scores = [_score(y, each) for each in tried]
    best = len(tried) - 1 if scores[-1] < scores[0] * (1.0 - MIN_GAIN) else 0
    selection = tuple(
        {
            "model": SEGMENTS,
            "holidays_are_sundays": bool(place),
            "months": list(each.form.months),
            "cvrmse_held_out": scores[place],
            "disqualified": {},
            "is_chosen": place == best,
        }
        for place, each in enumerate(tried)
    )
    return HourlyChoice(SEGMENTS, tried[best], selection)
