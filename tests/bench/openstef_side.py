"""OpenSTEF's own preset on one series, as its example has it: the other side of forecast_bench.py.

It runs in an environment of its own (`make bench` makes it from openstef.lock beside this file). Reads a JSON request
from standard input: the file, the series, the model, first instants of the weeks of refitting and of the days that are
forecast. Writes quantiles of every step and CPU seconds as JSON. It sees at each instant what ours sees: loads that had
ended, and the file's weather up to the end of the day.
"""

import json
import logging
import sys
import time
import warnings
from typing import Any

import pandas as pd

QUANTILES = [0.1, 0.5, 0.9]
# Its lags reach back two weeks.
BACK = pd.Timedelta(days=21)


def job(request: dict[str, Any]) -> Any:
    """A prediction job with nothing said that its example leaves unsaid."""
    from openstef.data_classes.prediction_job import PredictionJobDataClass  # type: ignore[import-not-found]

    return PredictionJobDataClass(
        id=int(request["series"]),
        name=request["series"],
        model=request["model"],
        forecast_type="demand",
        horizon_minutes=24 * 60,
        resolution_minutes=15,
        lat=52.0,
        lon=5.0,
        train_components=False,
        quantiles=QUANTILES,
        # Its own checks would refuse the four months of this file.
        minimal_table_length=100,
        completeness_threshold=0.5,
        flatliner_threshold_minutes=1440,
        detect_non_zero_flatliner=False,
        predict_non_zero_flatliner=False,
        hub_height=100.0,
        turbine_type="Enercon/E101",
    )


def main() -> None:
    """Answer one request."""
    from openstef.data_classes.model_specifications import (  # type: ignore[import-not-found]
        ModelSpecificationDataClass,
    )
    from openstef.pipeline.create_forecast import create_forecast_pipeline_core  # type: ignore[import-not-found]
    from openstef.pipeline.train_model import train_model_pipeline_core  # type: ignore[import-not-found]

    request = json.load(sys.stdin)
    whole = pd.read_csv(request["file"], index_col="timestamp_utc", parse_dates=True)
    whole = whole[whole["pid"] == int(request["series"])].drop(columns="pid").sort_index()
    known_job, model, specs = job(request), None, None
    rows: list[list[float]] = []
    fit_s = predict_s = 0.0
    for day in map(pd.Timestamp, request["days"]):
        if model is None or day.isoformat() in request["refits"]:
            specs = ModelSpecificationDataClass(id=known_job.id, hyper_params={}, feature_names=None)
            started = time.process_time()
            model, _, specs, _ = train_model_pipeline_core(known_job, specs, whole[whole.index < day].copy())
            # What a registry would have set.
            model.path = ""
            fit_s += time.process_time() - started
        end = day + pd.Timedelta(days=1)
        table = whole[(whole.index >= day - BACK) & (whole.index < end)].copy()
        table.loc[table.index >= day, "load"] = float("nan")
        started = time.process_time()
        found = create_forecast_pipeline_core(known_job, table, model, specs)
        predict_s += time.process_time() - started
        found = found[(found.index >= day) & (found.index < end)]
        rows += found[[f"quantile_P{round(100 * q):02}" for q in QUANTILES]].to_numpy(dtype=float).tolist()
    sys.stdout.write("\n" + json.dumps({"rows": rows, "fit_s": fit_s, "predict_s": predict_s}) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    main()
