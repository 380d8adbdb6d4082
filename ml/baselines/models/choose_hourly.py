"""Which hourly model a baseline gets: knots and holidays by held-out score, every candidate kept with its score."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data_quality.contracts.errors import BadInput
from ml.baselines.models.choose import MIN_GAIN, MIN_ROWS_OF_A_KIND
from ml.baselines.models.forms import column, month_numbers
from ml.baselines.models.hourly_model import KNOTS, HourlySolution, hourly_form, solve_hourly
from ml.baselines.models.segments import SegmentedSolution, solve_segments
from ml.baselines.models.statistics import Vector
from ml.baselines.usage_tables.usage_table import Usage

SEGMENTS = "towt_segments"
HOURLY_MODELS = ("towt", *(f"towt_{name}" for name in KNOTS), SEGMENTS)


@dataclass(frozen=True)
class HourlyChoice:
    """The model taken and every candidate."""

    model: str
    solution: HourlySolution | SegmentedSolution
    selection: tuple[Mapping[str, object], ...]


def choose_hourly(usage: Usage, y: Vector, model: str) -> HourlyChoice:
    """Time of week and temperature with the knots, and with or without holidays as Sundays, that predict months
    best that the fit has not seen. usage: rows in use; y: their kWh. A holiday rule must gain 1 % (resolution X3).

    model: "auto" or "towt" for every set of knots, "towt_caltrack", "towt_five_degrees" for one; "towt_segments" for a
    model a month, with CalTRACK's knots. Raises BadInput.
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
            score = float(np.sqrt(np.mean((y - solution.held_out) ** 2)) / np.mean(y))
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
    return HourlyChoice(best[2], best[3], tuple(selection))


def _segments(usage: Usage, y: Vector) -> HourlyChoice:
    """A model a month: with and without holidays as Sundays, by the same rule."""
    holidays = int((column(usage, "is_holiday") > 0).sum()) >= 24 * MIN_ROWS_OF_A_KIND
    tried = [
        solve_segments(usage, y, knots_degc=KNOTS["caltrack"], holidays=each, drivers=usage.drivers)
        for each in ((False, True) if holidays else (False,))
    ]
    scores = [float(np.sqrt(np.mean((y - each.held_out) ** 2)) / np.mean(y)) for each in tried]
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
