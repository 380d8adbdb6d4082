"""PV a day ahead on NREL's system 50: trained on 2011, asked at every local midnight of 2012."""

import time
from datetime import datetime
from pathlib import Path

import numpy as np

from ml.features.forecast_case import Case
from ml.features.series import HOUR, QUARTER
from ml.features.sun import sky_over
from ml.forecasts.backtest import forecast_origins
from ml.forecasts.forecast_model import Fitter
from ml.forecasts.models.pv_plant import StatedPlant
from ml.forecasts.models.pv_residual import pv_fitters
from tests.ml.forecasts.system50 import END, PLACE, TEST, midnights, system50


def pv_figures(folder: Path) -> dict[str, dict[str, float]]:
    """By step and model: daylight RMSE / capacity, coverage, bias, and seconds. folder: that of the shared data."""
    found = {}
    for name, step in (("hourly", HOUR), ("quarter-hourly", QUARTER)):
        case = system50(folder, step)
        for fitter in pv_fitters(StatedPlant()):
            found[f"{name} {fitter.algorithm}"] = pv_scores(case, fitter, TEST, END)
    return found


def pv_scores(case: Case, fitter: Fitter, first: datetime, end: datetime) -> dict[str, float]:
    """Train on everything before the test year, then one origin a local midnight of [first, end), 24 h ahead.

    Daylight: the sun's centre is above the horizon in the middle of the step (of an hour: of one of its quarter
    hours); nights, which every model has right, do not count. Capacity: the highest quarter hour of the training,
    3.14 kW. It is the strictest that could be taken: the modules' rating is not in the file and lies above it.
    """
    before = case.before(case.series.index(TEST))
    began = time.perf_counter()
    model = fitter.fit(before)
    fitted = time.perf_counter()
    origins = midnights(case, first, end)
    run = forecast_origins(model, case, [int(one) for one in origins], case.series.per_day)
    done = time.perf_counter()
    sky = sky_over(PLACE.latitude_deg, PLACE.longitude_deg, case.series.start_utc, case.series.step, len(case.civil))
    counts = sky.is_day[run.step] & ~np.isnan(run.actual)
    error = (run.quantiles.p50 - run.actual)[counts] * _per_hour(case)
    is_inside = (run.quantiles.p10 <= run.actual) & (run.actual <= run.quantiles.p90)
    return {
        "rmse_share": float(np.sqrt(np.mean(error**2)) / CAPACITY_KW),
        "bias_share": float(np.mean(error) / CAPACITY_KW),
        "coverage_p10_p90": float(np.mean(is_inside[counts])),
        "steps": float(counts.sum()),
        "fit_s": fitted - began,
        "predict_a_day_s": (done - fitted) / len(origins),
    }


CAPACITY_KW = 3.1428


def _per_hour(case: Case) -> float:
    return HOUR / case.series.step


if __name__ == "__main__":
    for key, value in pv_figures(Path(__file__).resolve().parents[3] / "shared" / "data").items():
        print(key, {name: round(number, 4) for name, number in value.items()})
